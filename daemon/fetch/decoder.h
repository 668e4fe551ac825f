// SPDX-License-Identifier: MIT
// Undoes content codings (RFC 9110 §8.4) piece by piece, so that the caller bounds what comes out,
// and knows at the end whether the streams were whole. Pure.
//
// Lenient where every browser is: "deflate" may lack its zlib wrapper; bytes behind the end of a
// stream that do not begin another (gzip member, zstd frame) are ignored. Strict otherwise:
// checksums and lengths must hold, and a stream must end.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum coding { CODING_GZIP, CODING_DEFLATE, CODING_BROTLI, CODING_ZSTD };

#define CODINGS_MAX 3

// What a Content-Encoding names, in the order in which the codings were applied.
struct codings {
    size_t n; // 0: the body is as it is
    enum coding v[CODINGS_MAX];
    bool unknown;  // at least one is none of ours: the body can only be stored as received
    bool too_many; // more than CODINGS_MAX
};

// Reads the comma-separated list `value` of a Content-Encoding field; several fields are joined by
// commas beforehand.
void codings_parse(const char *value, struct codings *ret);

struct decoder;

enum decoder_status {
    DECODER_OUTPUT, // a piece of plain bytes
    DECODER_MORE,   // the input is used up
    DECODER_TOO_LARGE,
    DECODER_CORRUPT,
    DECODER_NO_MEMORY
};

// codings->n > 0. At most `max` bytes may pass from one coding to the next: a stream may grow a
// thousandfold there and again in the next coding, and come to nothing in the last one. -1 without
// memory.
int decoder_new(const struct codings *codings, uint64_t max, struct decoder **ret);
void decoder_free(struct decoder **d);

// Lends more input; the former must be used up (decoder_pull said DECODER_MORE). The bytes must
// stay until then or until decoder_take_back.
void decoder_feed(struct decoder *d, const void *p, size_t n);
// The next piece (at most 32 KiB), valid until the next call.
enum decoder_status decoder_pull(struct decoder *d, const void **ret_p, size_t *ret_n);
// Takes back the input that was not used yet and returns its length. Output may still be pending
// inside: pull before feeding again.
size_t decoder_take_back(struct decoder *d);
// No more input comes: true if every stream had ended properly, or if there was no input at all.
bool decoder_is_whole(const struct decoder *d);
