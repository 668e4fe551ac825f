// SPDX-License-Identifier: MIT
// What `submit` and `fetch` send: the option tables they share, and the three forms of a submission
// made of them.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/app.h"
#include "client/args.h"
#include "common/buf.h"

extern const struct option_spec
    submit_batch_options[]; // --name --priority --deadline --concurrency ...
extern const struct option_spec submit_task_options[]; // --timeout --retries -H -X -d ...

// The JSON document of the URLs that are the positional arguments, with all batch and task options
// given.
int submission_document(const struct args *a, struct buf *out, struct err *e);

// The batch options as a query, "?name=…&priority=5" or "". ERR_USAGE if a task option was given,
// which cannot be said so.
int submission_query(const struct args *a, struct buf *out, struct err *e);

struct submission_body {
    const char *query; // "" or "?…"
    const char *content_type;
    const struct buf *document; // or
    struct source *source;
};

// Sends a submission and remembers its batch. A cut connection is tried once more with the same
// idempotency key, when the input can be read again. The accepted batch goes to *ret.
int submission_send(struct app *app, const struct args *a, const struct submission_body *body,
                    json_t **ret, struct err *e);

// submission_document and submission_send.
int submission_send_urls(struct app *app, const struct args *a, json_t **ret, struct err *e);
