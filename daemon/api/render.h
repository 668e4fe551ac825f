// SPDX-License-Identifier: MIT
// The JSON of what the API shows: batches, results, attempts, hosts. Pure: rows in, text out.
// Answers are written, never built as trees, because a page of results would cost more as a tree
// than as an answer.
#pragma once

#include "common/json.h"
#include "daemon/task/batch.h"
#include "daemon/task/options.h"
#include "daemon/task/rows.h"

// The members of a batch, between the braces, so that a caller can add its own.
void render_batch_members(struct json_writer *w, const struct batch_info *b);
void render_batch(struct json_writer *w, const struct batch_info *b);

#define RENDER_ETAG_SIZE 48
void render_etag(const struct batch_snapshot *s, char ret[RENDER_ETAG_SIZE]); // with quotes

// A body longer than this is not put into a result ("body_omitted": true): it is read from its own
// resource.
#define RENDER_BODY_MAX (32u * 1024 * 1024)

// `include`: RESULTS_WITH_*. With RESULTS_WITH_ATTEMPTS the member "attempts" is left to the
// caller, to be written as an array.
#define RESULTS_WITH_ATTEMPTS 4u
void render_result_members(struct json_writer *w, const struct result_row *r, unsigned include);

// An attempt with borrowed texts.
struct attempt_view {
    int number, status;
    int64_t started_at, finished_at;
    enum task_error error;
    const char *message, *remote_ip;
    const struct timing *timing;
};
void render_attempt(struct json_writer *w, const struct attempt_view *a);

void render_request(struct json_writer *w, const char *url, const struct task_options *o);

// `status->effective` must be set also if no worker knows the host.
void render_host(struct json_writer *w, const struct host_row *row,
                 const struct host_status *status);

void render_hex(const uint8_t *p, size_t n, char *ret); // 2 n characters and a NUL
