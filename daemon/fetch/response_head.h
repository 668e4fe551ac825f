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

// Fields of one response head (each line of a folded one counts), and with interim responses and
// trailers of them all. Browsers and servers stop in the low hundreds.
#define RESPONSE_MAX_FIELDS 1000

//   STATUS --> FIELDS --> COMPLETE (trailers may follow)
//     ^          |
//     +----------+  interim response (1xx)
enum response_state { RESPONSE_STATUS, RESPONSE_FIELDS, RESPONSE_COMPLETE };

enum response_length {
    RESPONSE_LENGTH_NONE,
    RESPONSE_LENGTH_KNOWN,
    RESPONSE_LENGTH_HUGE
}; // HUGE: does not fit 64 bits

struct response_head {
    enum response_state state;
    enum task_error error; // why a line was refused
    const char *why;       // constant sentence
    bool http2;            // may be the version
    size_t max_bytes, bytes;
    unsigned n_fields;
    unsigned n_interim;
    int status;      // of the last status line
    char version[4]; // "1.0", "1.1", "2"
    enum response_length length;
    uint64_t content_length;
    bool chunked;      // has a Transfer-Encoding
    struct buf fields; // JSON array text, without the closing bracket until COMPLETE
    struct json_writer writer;
    struct buf pending;          // the field line being read: "name: value", folded lines joined
    bool folded;                 // that one is of several lines
    struct buf content_encoding; // of all such fields, joined by commas
    struct buf content_type, location, retry_after; // the first of each; empty: none
    bool two_locations;                             // another one leads elsewhere
};

void response_head_init(struct response_head *h);
void response_head_done(struct response_head *h);
// For the next response; keeps memory. `http2`: the connection may have agreed on HTTP/2 (only TLS
// does).
void response_head_begin(struct response_head *h, size_t max_bytes, bool http2);
int response_head_line(struct response_head *h, const char *p, size_t n);
// Of a complete head: 301, 302, 303, 307 or 308, with a Location.
bool response_head_redirects(const struct response_head *h);
