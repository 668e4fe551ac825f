// SPDX-License-Identifier: MIT
// The decoder of request bodies, one byte at a time but for the data itself, so that no cut of the
// input matters. Pure. Never passes a byte of framing on.
#include "daemon/api/http_body.h"

#include <string.h>

#include "common/hex.h"

// 15 hex digits stay below 2^60: no size overflows.
#define SIZE_DIGITS_MAX 15

void http_body_init_length(struct http_body *b, uint64_t length)
{
    *b = (struct http_body){.left = length, .max = length};
    b->state = length > 0 ? HTTP_BODY_DATA_BYTES : HTTP_BODY_DONE;
}

void http_body_init_chunked(struct http_body *b, uint64_t max)
{
    *b = (struct http_body){.chunked = true, .state = HTTP_BODY_SIZE, .max = max};
}

bool http_body_is_done(const struct http_body *b)
{
    return b->state == HTTP_BODY_DONE;
}

static int bad(struct http_body *b, enum err_code error, const char *detail)
{
    b->error = error;
    b->detail = detail;
    return -1;
}

static int bad_chunk(struct http_body *b)
{
    return bad(b, ERR_BAD_REQUEST, "the chunked body is malformed");
}

static int on_size(struct http_body *b, char c)
{
    int value = hex_value(c);
    if (value >= 0) {
        if (++b->digits > SIZE_DIGITS_MAX) {
            return bad(b, ERR_BAD_REQUEST, "a chunk size is too long");
        }
        b->left = b->left * 16 + (uint64_t)value;
        return 0;
    }
    if (b->digits == 0) {
        return bad_chunk(b);
    }
    switch (c) {
    case '\r': b->state = HTTP_BODY_SIZE_LF; return 0;
    case ';': b->state = HTTP_BODY_EXTENSION; return 0;
    case ' ':
    case '\t': b->state = HTTP_BODY_SIZE_SPACE; return 0;
    default: return bad_chunk(b);
    }
}

// The size line is complete.
static int on_chunk(struct http_body *b)
{
    b->digits = 0;
    if (b->left == 0) {
        b->state = HTTP_BODY_TRAILER_START;
        return 0;
    }
    if (b->left > b->max - b->total) {
        return bad(b, ERR_PAYLOAD_TOO_LARGE, "the body is larger than this server takes");
    }
    b->total += b->left;
    b->state = HTTP_BODY_DATA_BYTES;
    return 0;
}

// A byte of an extension or trailer: dropped, if it is harmless.
static int on_overhead(struct http_body *b, char c)
{
    unsigned char u = (unsigned char)c;
    if (++b->overhead > HTTP_BODY_OVERHEAD_MAX) {
        return bad(b, ERR_BAD_REQUEST, "chunk extensions and trailers are too large");
    }
    return (u >= 0x20 && u < 0x7f) || u == '\t' ? 0 : bad_chunk(b);
}

static int expect(struct http_body *b, char c, char wanted, enum http_body_state next)
{
    if (c != wanted) {
        return bad_chunk(b);
    }
    b->state = next;
    return 0;
}

static int on_byte(struct http_body *b, char c)
{
    switch (b->state) {
    case HTTP_BODY_SIZE: return on_size(b, c);
    case HTTP_BODY_SIZE_SPACE:
        if (c == ';') {
            b->state = HTTP_BODY_EXTENSION;
            return 0;
        }
        return c == ' ' || c == '\t' ? on_overhead(b, c) : bad_chunk(b);
    case HTTP_BODY_EXTENSION:
        return c == '\r' ? expect(b, c, '\r', HTTP_BODY_SIZE_LF) : on_overhead(b, c);
    case HTTP_BODY_SIZE_LF: return c == '\n' ? on_chunk(b) : bad_chunk(b);
    case HTTP_BODY_DATA_CR: return expect(b, c, '\r', HTTP_BODY_DATA_LF);
    case HTTP_BODY_DATA_LF: return expect(b, c, '\n', HTTP_BODY_SIZE);
    case HTTP_BODY_TRAILER_START:
        if (c == '\r') {
            b->state = HTTP_BODY_END_LF;
            return 0;
        }
        b->state = HTTP_BODY_TRAILER;
        return c == ' ' || c == '\t' ? bad_chunk(b) : on_overhead(b, c);
    case HTTP_BODY_TRAILER:
        return c == '\r' ? expect(b, c, '\r', HTTP_BODY_TRAILER_LF) : on_overhead(b, c);
    case HTTP_BODY_TRAILER_LF: return expect(b, c, '\n', HTTP_BODY_TRAILER_START);
    case HTTP_BODY_END_LF: return expect(b, c, '\n', HTTP_BODY_DONE);
    case HTTP_BODY_DATA_BYTES:
    case HTTP_BODY_DONE: break;
    }
    return bad_chunk(b);
}

static enum http_body_event take_data(struct http_body *b, const char *p, size_t n,
                                      struct http_body_piece *ret)
{
    size_t take = n < b->left ? n : (size_t)b->left;
    b->left -= take;
    if (b->left == 0) {
        b->state = b->chunked ? HTTP_BODY_DATA_CR : HTTP_BODY_DONE;
    }
    ret->data = p + ret->consumed;
    ret->n = take;
    ret->consumed += take;
    return HTTP_BODY_DATA;
}

enum http_body_event http_body_feed(struct http_body *b, const char *p, size_t n,
                                    struct http_body_piece *ret)
{
    *ret = (struct http_body_piece){0};
    while (!b->error && b->state != HTTP_BODY_DONE && ret->consumed < n) {
        if (b->state == HTTP_BODY_DATA_BYTES) {
            return take_data(b, p, n - ret->consumed, ret);
        }
        on_byte(b, p[ret->consumed++]);
    }
    if (b->error) {
        return HTTP_BODY_BAD;
    }
    return b->state == HTTP_BODY_DONE ? HTTP_BODY_END : HTTP_BODY_MORE;
}
