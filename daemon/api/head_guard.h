// SPDX-License-Identifier: MIT
// The strict reader of request heads (RFC 9112): decides from the bytes alone whether a head is
// complete, and whether anything behind this file may see it. Pure: no I/O, no clock, no
// allocation; callable from any thread.
//
// A verdict depends on the bytes only, never on how they were cut into packets: the first fault in
// the order of the bytes wins, and the checks that need the whole head come after its last byte.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "daemon/api/http_server.h"

#define HEAD_FIELDS_MAX  100
#define HEAD_TARGET_MAX  8192 // bytes of a request target; more is 414
#define HEAD_LINE_MAX    8192 // bytes of a field line; more is 431
#define HEAD_BLANK_LINES 4    // empty lines tolerated before a request line (RFC 9112 §2.2)

struct head_limits {
    size_t max_head;     // bytes, leading empty lines included
    unsigned max_fields; // at most HEAD_FIELDS_MAX
    uint64_t max_body;   // a larger Content-Length is 413
};

struct head_span {
    uint32_t at, len; // offset from the start of the head
};

struct head_field {
    struct head_span name, value; // value without surrounding white space
};

enum head_verdict { HEAD_MORE, HEAD_DONE, HEAD_BAD };

struct head {
    size_t scanned;   // bytes looked at
    size_t line;      // start of the present line
    unsigned blanks;  // empty lines before the request line
    bool has_request; // the request line was read; `method` is known

    enum err_code error; // HEAD_BAD: why
    const char *detail;  // HEAD_BAD: a constant sentence for a person

    size_t length; // HEAD_DONE: bytes of the head, from the first byte to its empty line
    enum http_method method;
    unsigned minor;         // HTTP/1.minor
    struct head_span path;  // length 0: "/" (an absolute form without path)
    struct head_span query; // without "?"
    bool has_query;
    bool chunked;
    bool keep_alive;        // the client lets the connection be used again
    bool expect_continue;   // waits for 100 Continue
    bool lengthless;        // a POST that says nothing of a body: it has none (RFC 9112 §6.3)
    int64_t content_length; // -1: chunked; 0 if there is none
    unsigned n_fields;
    struct head_field fields[HEAD_FIELDS_MAX];
};

// Forgets everything: the next head begins.
void head_reset(struct head *h);

// Reads on in p[0..n), which begins with the first byte of the head and holds at least the bytes of
// the call before. HEAD_MORE: call again with more bytes.
enum head_verdict head_guard_parse(struct head *h, const struct head_limits *limits, const char *p,
                                   size_t n);

// After HEAD_DONE: puts NULs behind path, query, names and values of `text`, a copy of the head.
void head_terminate(const struct head *h, char *text);
// In a terminated text: the first value of field `name` (any case), or NULL; *ret_count how often
// it is there.
const char *head_field(const struct head *h, const char *text, const char *name,
                       unsigned *ret_count);
// In a terminated text: all values of `name`, which is a list, joined by ", " (RFC 9110 §5.2).
void head_field_list(const struct head *h, const char *text, const char *name, struct buf *out);

// For the two files of the guard alone: the rules about the fields, once the head is whole.
enum head_verdict head_guard_check_fields(struct head *h, const struct head_limits *limits,
                                          const char *p);
enum head_verdict head_guard_bad(struct head *h, enum err_code error, const char *detail);
bool head_is_token(char c);
