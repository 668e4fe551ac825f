// SPDX-License-Identifier: MIT
// Task options: how one URL is to be fetched. Parsed strictly from the JSON of a batch's `defaults`
// or of a task, and re-read in the fetch worker from the JSON text that the store keeps. Pure.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

enum fetch_method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_OPTIONS
};

const char *fetch_method_name(enum fetch_method m);
// POST and PATCH must not be sent twice on doubt (RFC 9110 §9.2.2: not idempotent).
bool fetch_method_is_idempotent(enum fetch_method m);

struct status_range {
    uint16_t first, last; // inclusive
};

struct retry_policy {
    int max_attempts; // 1..20
    int64_t min_backoff_ms, max_backoff_ms;
    unsigned on; // bits of enum task_error_class
    bool unsafe; // POST and PATCH may be repeated
};

struct header_field {
    char *name, *value;
};

#define OPTIONS_MAX_HEADERS      100
#define OPTIONS_MAX_HEADER_BYTES (64 * 1024)
#define OPTIONS_MAX_BODY         (1024 * 1024)
#define OPTIONS_MAX_RANGES       16

struct task_options {
    enum fetch_method method;
    struct header_field *headers; // owned
    size_t n_headers;
    char *body; // owned; NULL: none
    size_t body_len;
    int64_t timeout_ms, connect_timeout_ms;
    int64_t max_body_bytes;
    int max_redirects;
    struct status_range accept[OPTIONS_MAX_RANGES];
    size_t n_accept;
    struct retry_policy retry;
    bool verify_tls;
    char *proxy; // owned; NULL: none
};

// What an administrator's configuration sets: starting values and bounds.
struct task_limits {
    int64_t timeout_ms, connect_timeout_ms, max_body_bytes; // the defaults
    int64_t max_timeout_ms;                                 // 3600000
    int64_t max_max_body_bytes;                             // most a task may ask for: 1 GiB
    bool allow_insecure_tls;                                // verify_tls false is accepted
};

int task_options_init(struct task_options *o,
                      const struct task_limits *limits); // the defaults of API.md
void task_options_done(struct task_options *o);
int task_options_copy(struct task_options *ret, const struct task_options *from);

// One thing wrong with a submission.
struct input_error {
    char pointer[128]; // JSON pointer below the value that was given to the parser
                       // ("/headers/Host"), "" for itself
    const char *code; // constant: "invalid_url", "unknown_field", "wrong_type", "out_of_range", ...
    char detail[256];
};

// Applies the option members of the JSON object `object` over `o`. Members named in `skip`
// (NULL-terminated: "url", "id", "metadata") are not options and are passed over; any other unknown
// member is an error. -1 with *ret_error filled. A body on GET or HEAD, forbidden headers (Host,
// Connection, Content-Length, Transfer-Encoding, TE, Upgrade, Expect, Proxy-*, Metadata-Flavor,
// X-aws-ec2-*), bad field names or values are errors.
int task_options_apply(struct task_options *o, const json_t *object, const char *const *skip,
                       const struct task_limits *limits, struct input_error *ret_error);

// Appends the option members of `object` (without those in `skip`) as compact JSON to `out`: what
// the store keeps. Appends nothing if there are none.
int task_options_text(const json_t *object, const char *const *skip, struct buf *out);

bool task_options_accepts(const struct task_options *o, int status);
