// SPDX-License-Identifier: MIT
// Reads a request body off the wire: fixed length or chunked (RFC 9112 §7.1), strictly. Pure: no
// I/O, no allocation. Chunk extensions and trailers are checked for form, bounded, and dropped:
// nothing of them reaches a handler.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define HTTP_BODY_OVERHEAD_MAX 16384 // bytes of chunk extensions and trailers of one body

enum http_body_event {
    HTTP_BODY_MORE, // all bytes were read, the body goes on
    HTTP_BODY_DATA, // `data` are bytes of the body
    HTTP_BODY_END,  // the body is complete
    HTTP_BODY_BAD,  // `error`, `detail` say why
};

enum http_body_state {
    HTTP_BODY_DATA_BYTES, // the first: fixed length
    HTTP_BODY_SIZE,       // the first: chunked
    HTTP_BODY_SIZE_SPACE,
    HTTP_BODY_EXTENSION,
    HTTP_BODY_SIZE_LF,
    HTTP_BODY_DATA_CR,
    HTTP_BODY_DATA_LF,
    HTTP_BODY_TRAILER_START,
    HTTP_BODY_TRAILER,
    HTTP_BODY_TRAILER_LF,
    HTTP_BODY_END_LF,
    HTTP_BODY_DONE,
};

struct http_body {
    enum http_body_state state;
    bool chunked;
    uint64_t left;   // of the fixed length, or of the present chunk
    uint64_t total;  // bytes of all chunks announced
    uint64_t max;    // more than this in chunks is ERR_PAYLOAD_TOO_LARGE
    unsigned digits; // of the chunk size
    size_t overhead; // of extensions and trailers
    enum err_code error;
    const char *detail;
};

struct http_body_piece {
    size_t consumed;  // bytes to take from the wire
    const char *data; // borrowed from the input
    size_t n;
};

void http_body_init_length(struct http_body *b, uint64_t length);
void http_body_init_chunked(struct http_body *b, uint64_t max);
bool http_body_is_done(const struct http_body *b);

// Reads from p[0..n) up to the next event; ret->consumed is set always, ret->data with
// HTTP_BODY_DATA. To be called again with what follows the consumed bytes.
enum http_body_event http_body_feed(struct http_body *b, const char *p, size_t n,
                                    struct http_body_piece *ret);
