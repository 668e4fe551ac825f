// SPDX-License-Identifier: MIT
// zlib, brotli and zstd behind one interface. Pure.
#include "daemon/fetch/decoder_codec.h"

// RFC 8878 §3.1.1.1.2 asks decoders for 8 MiB and lets them refuse more; it bounds the memory a
// hostile frame can ask for.
#define ZSTD_WINDOW_LOG_MAX 23
// zlib's window bits: 15, plus 16 for the gzip wrapper alone, negative for none.
#define ZLIB_WINDOW 15
#define ZLIB_GZIP   16

static int start_zlib(struct codec *c)
{
    if (c->started) {
        return inflateReset(&c->z) == Z_OK ? 0 : -1;
    }
    int window = c->coding == CODING_GZIP ? ZLIB_WINDOW + ZLIB_GZIP : ZLIB_WINDOW;
    if (inflateInit2(&c->z, c->raw_deflate ? -ZLIB_WINDOW : window) != Z_OK) {
        return -1;
    }
    c->started = true;
    return 0;
}

static int start_zstd(struct codec *c)
{
    c->zstd_begun = false;
    if (!c->zstd) {
        c->zstd = ZSTD_createDStream();
    }
    if (!c->zstd || ZSTD_isError(ZSTD_initDStream(c->zstd)) ||
        ZSTD_isError(ZSTD_DCtx_setParameter(c->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX))) {
        return -1;
    }
    return 0;
}

int codec_start(struct codec *c)
{
    switch (c->coding) {
    case CODING_GZIP:
    case CODING_DEFLATE: return start_zlib(c);
    case CODING_BROTLI:
        c->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
        return c->brotli ? 0 : -1;
    case CODING_ZSTD: return start_zstd(c);
    }
    return -1;
}

void codec_done(struct codec *c)
{
    if (c->started) {
        inflateEnd(&c->z);
    }
    BrotliDecoderDestroyInstance(c->brotli); // NULL is fine
    ZSTD_freeDStream(c->zstd);
    c->started = false;
    c->brotli = NULL;
    c->zstd = NULL;
}

static enum codec_status run_zlib(struct codec *c, struct codec_io *io)
{
    // zlib's next_in lacks const in its default configuration; it does not write there.
    union {
        const uint8_t *borrowed;
        Bytef *given;
    } in = {.borrowed = io->in};
    c->z.next_in = in.given;
    c->z.avail_in = (uInt)io->in_n;
    c->z.next_out = io->out;
    c->z.avail_out = (uInt)io->out_n;
    int r = inflate(&c->z, Z_NO_FLUSH);
    io->in += io->in_n - c->z.avail_in;
    io->in_n = c->z.avail_in;
    io->out = c->z.next_out;
    io->out_n = c->z.avail_out;
    switch (r) {
    case Z_OK:
    case Z_BUF_ERROR: return CODEC_GOING; // the latter: nothing could be done this time
    case Z_STREAM_END: return CODEC_END;
    case Z_MEM_ERROR: return CODEC_NO_MEMORY;
    default: return CODEC_CORRUPT;
    }
}

static enum codec_status run_brotli(struct codec *c, struct codec_io *io)
{
    switch (
        BrotliDecoderDecompressStream(c->brotli, &io->in_n, &io->in, &io->out_n, &io->out, NULL)) {
    case BROTLI_DECODER_RESULT_SUCCESS: return CODEC_END;
    case BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT:
    case BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT: return CODEC_GOING;
    case BROTLI_DECODER_RESULT_ERROR: break;
    }
    BrotliDecoderErrorCode code = BrotliDecoderGetErrorCode(c->brotli);
    bool memory = code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                  code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES;
    return memory ? CODEC_NO_MEMORY : CODEC_CORRUPT;
}

static enum codec_status run_zstd(struct codec *c, struct codec_io *io)
{
    // A frame that lies in the input whole is decoded by another, stricter path of the library than
    // one that comes in pieces. Its first byte alone, first: so the cuts of the network change
    // nothing.
    size_t in_n = c->zstd_begun || io->in_n == 0 ? io->in_n : 1;
    ZSTD_inBuffer in = {io->in, in_n, 0};
    ZSTD_outBuffer out = {io->out, io->out_n, 0};
    size_t r = ZSTD_decompressStream(c->zstd, &out, &in);
    c->zstd_begun |= in_n > 0;
    if (ZSTD_isError(r)) {
        return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? CODEC_NO_MEMORY
                                                                    : CODEC_CORRUPT;
    }
    io->in += in.pos;
    io->in_n -= in.pos;
    io->out += out.pos;
    io->out_n -= out.pos;
    return r == 0 ? CODEC_END : CODEC_GOING;
}

enum codec_status codec_run(struct codec *c, struct codec_io *io)
{
    switch (c->coding) {
    case CODING_GZIP:
    case CODING_DEFLATE: return run_zlib(c, io);
    case CODING_BROTLI: return run_brotli(c, io);
    case CODING_ZSTD: return run_zstd(c, io);
    }
    return CODEC_CORRUPT;
}
