// SPDX-License-Identifier: MIT
// The chunked transfer coding (RFC 9112 §7.1), read more strictly than libcurl 7.88 does, which
// looks past whatever stands between the digits of a size and the end of its line: "0x3" is its
// last chunk. Two readers that see two different bodies are how answers are smuggled. Pure.
//
// Lenient where every browser is: white space behind a size, and LF without CR, after which the
// caller should not trust the connection (`bare_lf`).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

//   START --> SIZE --> [SPACE] --> [EXTENSION] --> LF --> DATA --> DATA_END --> DATA_LF --> START
//                                                  |
//                                                  +----> TRAILERS (a size of 0) --> END
enum chunked_state {
    CHUNKED_START, // of a line with a size
    CHUNKED_SIZE,
    CHUNKED_SPACE,
    CHUNKED_EXTENSION,
    CHUNKED_LF,
    CHUNKED_DATA, // `left` bytes of it are to come
    CHUNKED_DATA_END,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILERS, // the last chunk has been read; lines of fields follow, and an empty one
    CHUNKED_END
};

struct chunked {
    enum chunked_state state;
    uint64_t left;   // of the chunk; while its size is read: the size so far
    unsigned digits; // of that size
    uint64_t excess; // bytes of spaces and extensions that no body bytes have made up for
    bool bare_lf;    // a line ended without CR
};

void chunked_begin(struct chunked *c);

// Reads p[0..n) as far as the next byte of data or of trailers, and returns how many bytes that
// were; n if neither has come. -1 and *ret_why, a constant sentence, if it is not well formed. In
// CHUNKED_DATA and from CHUNKED_TRAILERS on nothing is read: what stands there is the caller's.
ptrdiff_t chunked_read(struct chunked *c, const char *p, size_t n, const char **ret_why);
// The caller has taken `n` bytes of data, at most `left`.
void chunked_take(struct chunked *c, size_t n);
// The caller has read the empty line behind the trailers.
void chunked_end(struct chunked *c);
