// SPDX-License-Identifier: MIT
// Writes the heads of answers. libevhtp's own serialiser is not used: it knows no reason phrase for
// 421, 422, 429, 431 and 507, and adds a Content-Length to chunked answers. Pure but for the clock
// that the caller gives.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "daemon/api/http_server.h"

// The text of the Date field, made anew once a second.
struct http_date {
    int64_t second;
    char text[32];
};

struct http_reply {
    int status;
    const char *content_type;        // NULL: none
    const struct http_field *fields; // control characters in values are written as spaces
    size_t n_fields;
    int64_t content_length; // -1: not stated
    bool chunked;
    const char *connection; // "close", "keep-alive", or NULL
};

const char *http_reply_reason(int status);
const char *http_date_text(struct http_date *d, int64_t second);
void http_reply_head(const struct http_reply *r, const char *date, struct buf *out);

// False for the statuses that never have a body (1xx, 204, 304).
bool http_status_has_body(int status);
