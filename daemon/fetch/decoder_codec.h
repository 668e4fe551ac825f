// SPDX-License-Identifier: MIT
// One decompressor behind one interface; only decoder.c and decoder_codec.c include this. Pure.
#pragma once

#include <brotli/decode.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "daemon/fetch/decoder.h"

struct codec {
    enum coding coding;
    bool raw_deflate; // chosen by the first bytes, before codec_start
    bool started;
    z_stream z;
    BrotliDecoderState *brotli;
    ZSTD_DStream *zstd;
    bool zstd_begun; // the present frame's first byte is in
};

struct codec_io {
    const uint8_t *in;
    size_t in_n;
    uint8_t *out;
    size_t out_n; // room; what was written is subtracted
};

enum codec_status { CODEC_GOING, CODEC_END, CODEC_CORRUPT, CODEC_NO_MEMORY };

// Makes ready for a stream, the first or a further one. -1 without memory.
int codec_start(struct codec *c);
void codec_done(struct codec *c);
// Moves `io` forward as far as input or room last.
enum codec_status codec_run(struct codec *c, struct codec_io *io);
