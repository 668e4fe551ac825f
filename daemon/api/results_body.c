// SPDX-License-Identifier: MIT
// See results_body.h.
#include "daemon/api/results_body.h"

#include "common/json.h"

#define PIECE ((size_t)192 * 1024) // a multiple of 3, as base64 in pieces needs it

// What is there from the offset on, up to PIECE bytes.
static int read_piece(const struct api_ports *ports, const struct results_body *b, struct buf *ret,
                      struct err *e)
{
    uint64_t left = b->size - b->offset;
    size_t n = left < PIECE ? (size_t)left : PIECE;
    buf_reset(ret);
    int r = ports->body(ports->reader, b->batch, b->index, b->offset, n, ret, e);
    return r < 0 ? -1 : r == 0 || ret->len != n ? err_set(e, ERR_NOT_FOUND, "the body is gone") : 0;
}

// The length of p[0..n) without a sequence of UTF-8 that its end cuts off.
static size_t whole_characters(const char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)p[n - back];
        if (c >= 0xc0) {
            size_t length = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
            return length > back ? n - back : n;
        }
        if (c < 0x80) {
            break;
        }
    }
    return n;
}

// How much of a piece to take as text: the last one has nothing after it that could complete it.
static size_t text_length(const struct results_body *b, const struct buf *piece)
{
    bool last = b->size - b->offset == piece->len;
    return last ? piece->len : whole_characters(piece->data, piece->len);
}

// 1: the body is text; 0: it is not; -1.
static int is_text(const struct api_ports *ports, const struct results_body *b, struct err *e)
{
    struct results_body at = *b;
    struct buf piece = BUF_INIT(PIECE);
    int r = 1;
    while (r == 1 && at.offset < at.size) {
        r = read_piece(ports, &at, &piece, e) < 0 ? -1 : 1;
        if (r == 1) {
            size_t n = text_length(&at, &piece);
            r = utf8_valid(piece.data, n);
            at.offset += n;
        }
    }
    buf_done(&piece);
    return r;
}

int results_body_begin(const struct api_ports *ports, struct results_body *b, struct buf *out,
                       struct err *e)
{
    int text = is_text(ports, b, e);
    if (text < 0) {
        return -1;
    }
    b->base64 = text == 0;
    buf_append_str(out, b->base64 ? ",\"body_base64\":\"" : ",\"body\":\"");
    return out->failed ? err_set(e, ERR_OVERLOADED, "out of memory") : 0;
}

int results_body_next(const struct api_ports *ports, struct results_body *b, struct buf *out,
                      struct err *e)
{
    struct buf piece = BUF_INIT(PIECE);
    if (read_piece(ports, b, &piece, e) < 0) {
        buf_done(&piece);
        return -1;
    }
    size_t n = b->base64 ? piece.len : text_length(b, &piece);
    if (b->base64) {
        json_base64(out, piece.data, n);
    } else {
        json_escape(out, piece.data, n);
    }
    buf_done(&piece);
    b->offset += n;
    b->open = b->offset < b->size;
    if (!b->open) {
        buf_append_str(out, "\"}\n");
    }
    return out->failed ? err_set(e, ERR_OVERLOADED, "out of memory") : 0;
}
