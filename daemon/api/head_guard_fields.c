// SPDX-License-Identifier: MIT
// The fields that say how a message is framed and where it goes (RFC 9112 §3.2, §6, §9.3). Pure.
// Never chooses between two answers to "how long is the body": such a request is refused, since
// another reader would choose otherwise.
#include "daemon/api/head_guard.h"

#include <string.h>
#include <strings.h>

// What the walk over the fields found.
struct framing {
    const char *p;
    unsigned hosts, lengths, encodings;
    bool close, keep_alive, expects_other;
};

static enum head_verdict bad_request(struct head *h, const char *detail)
{
    return head_guard_bad(h, ERR_BAD_REQUEST, detail);
}

static bool is(const char *p, size_t n, const char *word)
{
    return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

static enum head_verdict on_host(struct head *h, struct framing *f, const char *v, size_t n)
{
    if (f->hosts++ > 0) {
        return bad_request(h, "the request has more than one Host");
    }
    for (size_t i = 0; i < n; i++) {
        if (!(head_is_token(v[i]) || strchr("[]():,;=", v[i])) || strchr("#^`|", v[i])) {
            return bad_request(h, "Host is not a host name or address");
        }
    }
    return HEAD_DONE;
}

// Digits only; what does not fit stays at the largest value and is refused by its size.
static enum head_verdict on_content_length(struct head *h, struct framing *f, const char *v,
                                           size_t n)
{
    if (f->lengths++ > 0) {
        return bad_request(h, "the request has more than one Content-Length");
    }
    uint64_t length = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i] < '0' || v[i] > '9') {
            n = 0;
            break;
        }
        uint64_t digit = (uint64_t)(v[i] - '0');
        length = length > ((uint64_t)INT64_MAX - digit) / 10 ? INT64_MAX : length * 10 + digit;
    }
    if (n == 0) {
        return bad_request(h, "Content-Length is not a number");
    }
    h->content_length = (int64_t)length;
    return HEAD_DONE;
}

// "chunked" alone is understood. White space behind it is refused too: readers disagree about it.
static enum head_verdict on_transfer_encoding(struct head *h, struct framing *f, const char *v,
                                              size_t n)
{
    if (f->encodings++ > 0) {
        return bad_request(h, "the request has more than one Transfer-Encoding");
    }
    if (!is(v, n, "chunked")) {
        return head_guard_bad(h, ERR_NOT_IMPLEMENTED, "the only transfer coding known is chunked");
    }
    if (v[n] != '\r') {
        return bad_request(h, "white space follows the transfer coding");
    }
    h->chunked = true;
    return HEAD_DONE;
}

static void on_connection(struct framing *f, const char *v, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t end = i;
        while (end < n && head_is_token(v[end])) {
            end++;
        }
        f->close |= is(v + i, end - i, "close");
        f->keep_alive |= is(v + i, end - i, "keep-alive");
        i = end + 1;
    }
}

static enum head_verdict on_field(struct head *h, struct framing *f, const struct head_field *field)
{
    const char *name = f->p + field->name.at, *v = f->p + field->value.at;
    size_t n = field->value.len;
    switch (field->name.len) {
    case 4: return is(name, 4, "Host") ? on_host(h, f, v, n) : HEAD_DONE;
    case 6:
        if (is(name, 6, "Expect")) {
            bool known = is(v, n, "100-continue");
            h->expect_continue |= known;
            f->expects_other |= !known;
        }
        return HEAD_DONE;
    case 10:
        if (is(name, 10, "Connection")) {
            on_connection(f, v, n);
        }
        return HEAD_DONE;
    case 14: return is(name, 14, "Content-Length") ? on_content_length(h, f, v, n) : HEAD_DONE;
    case 17:
        return is(name, 17, "Transfer-Encoding") ? on_transfer_encoding(h, f, v, n) : HEAD_DONE;
    default: return HEAD_DONE;
    }
}

static enum head_verdict check_body_size(struct head *h, const struct framing *f, uint64_t max_body)
{
    if (h->chunked) {
        h->content_length = -1;
    } else if ((uint64_t)h->content_length > max_body) {
        return head_guard_bad(h, ERR_PAYLOAD_TOO_LARGE,
                              "the body is larger than this server takes");
    }
    h->lengthless = h->method == HTTP_POST && !h->chunked && f->lengths == 0;
    return HEAD_DONE;
}

enum head_verdict head_guard_check_fields(struct head *h, const struct head_limits *limits,
                                          const char *p)
{
    struct framing f = {.p = p};
    for (unsigned i = 0; i < h->n_fields; i++) {
        if (on_field(h, &f, &h->fields[i]) == HEAD_BAD) {
            return HEAD_BAD;
        }
    }
    if (f.hosts == 0 && h->minor > 0) {
        return bad_request(h, "the request has no Host");
    }
    if (f.encodings > 0 && f.lengths > 0) {
        return bad_request(h, "the request has both Content-Length and Transfer-Encoding");
    }
    if (f.encodings > 0 && h->minor == 0) {
        return bad_request(h, "HTTP/1.0 has no Transfer-Encoding");
    }
    if (h->minor == 0) { // RFC 9110 §10.1.1: such a client cannot wait for 100
        h->expect_continue = false;
    } else if (f.expects_other) {
        return head_guard_bad(h, ERR_EXPECTATION_FAILED,
                              "the only expectation known is 100-continue");
    }
    h->keep_alive = !f.close && (h->minor > 0 || f.keep_alive);
    return check_body_size(h, &f, limits->max_body);
}
