// SPDX-License-Identifier: MIT
// The head of a response, line by line as libcurl hands it on: interim responses, the final status
// line and its fields, then trailers. Stricter than libcurl where leniency would let two readers
// see two different messages. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/task_error.h"

// Fields of one response head, and with interim responses and trailers of them all. Browsers and
// servers stop in the low hundreds.
#define HEAD_MAX_FIELDS 1000

//   STATUS --> FIELDS --> COMPLETE (trailers may follow)
//     ^          |
//     +----------+  interim response (1xx)
enum head_state { HEAD_STATUS, HEAD_FIELDS, HEAD_COMPLETE };

enum head_length {
    HEAD_LENGTH_NONE,
    HEAD_LENGTH_KNOWN,
    HEAD_LENGTH_HUGE
}; // HUGE: does not fit 64 bits

struct head {
    enum head_state state;
    enum task_error error; // why a line was refused
    const char *why;       // constant sentence
    bool http2;            // may be the version
    size_t max_bytes, bytes;
    unsigned n_fields;
    unsigned n_interim;
    int status;      // of the last status line
    char version[4]; // "1.0", "1.1", "2"
    enum head_length length;
    uint64_t content_length;
    bool chunked;      // has a Transfer-Encoding
    struct buf fields; // JSON array text, without the closing bracket until COMPLETE
    struct json_writer writer;
    struct buf pending;          // the field line being read: "name: value", folded lines joined
    struct buf content_encoding; // of all such fields, joined by commas
    struct buf content_type, location, retry_after; // the first of each; empty: none
};

void head_init(struct head *h);
void head_done(struct head *h);
// For the next response; keeps memory. `http2`: the connection may have agreed on HTTP/2 (only TLS
// does).
void head_begin(struct head *h, size_t max_bytes, bool http2);
int head_line(struct head *h, const char *p, size_t n);
