// SPDX-License-Identifier: MIT
// Submissions: from bytes to validated tasks. One parser for the three bodies of POST /v1/batches;
// text and NDJSON are taken as they arrive, a JSON document whole. Pure: no I/O, no clock, no
// threads.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "daemon/task/address_policy.h"
#include "daemon/task/batch.h"
#include "daemon/task/options.h"

enum submission_format { SUBMISSION_JSON, SUBMISSION_NDJSON, SUBMISSION_TEXT };

struct submission_rules {
    struct task_limits limits;
    const struct address_policy *policy; // borrowed; refuses literal addresses and ports
    uint64_t max_tasks;                  // limits.tasks_per_batch
    size_t max_line;                     // bytes of one NDJSON or text line: 2 MiB
    size_t max_document;                 // limits.json_document
    bool partial;                        // keep the valid rest
};

#define SUBMISSION_MAX_ERRORS 20

struct submission_error {
    struct input_error what; // pointer is absolute ("/tasks/16/url") for a document
    uint64_t line;           // 1-based for text and NDJSON; 0 for a document
};

struct submission; // the parser

// Called with each full piece, which it takes over (task_piece_init'ed again by the parser). Never
// called for a JSON document until all of it was valid (or partial).
typedef void submission_piece_fn(void *ctx, struct task_piece *piece);

// `batch` holds the options given as query; it is borrowed and, for a JSON document, completed from
// it.
int submission_new(enum submission_format format, const struct submission_rules *rules,
                   struct batch_new *batch, submission_piece_fn *on_piece, void *ctx,
                   struct submission **ret);
void submission_free(struct submission **s);

// More bytes. -1: the submission cannot succeed whatever follows, and reading should stop (`e`:
// ERR_INVALID_BATCH for too many tasks, ERR_PAYLOAD_TOO_LARGE for a document over its limit,
// ERR_OVERLOADED without memory). Wrong entries do not stop it: they are counted to the end, so
// that the total is true.
int submission_feed(struct submission *s, const void *p, size_t n, struct err *e);

// The end of the body. 0: valid; the last piece (it may hold no task) is taken by
// submission_take_last. -1: `e` says why (ERR_BAD_REQUEST, ERR_INVALID_BATCH, ERR_NOT_IMPLEMENTED,
// or as above), submission_errors gives the details.
int submission_end(struct submission *s, struct err *e);
void submission_take_last(struct submission *s, struct task_piece *ret);

uint64_t submission_accepted(const struct submission *s); // tasks so far
// Entry errors, in order; the first SUBMISSION_MAX_ERRORS of *ret_total.
const struct submission_error *submission_errors(const struct submission *s, size_t *ret_n,
                                                 uint64_t *ret_total);

// Batch options from query parameters or a JSON object's members share one table; this applies one
// query pair. -1: bad value or unknown key, `what` filled. Keys: name, priority, concurrency,
// not_before, deadline_ms, fail_fast.
int batch_option_apply_text(struct batch_new *b, const char *key, const char *value,
                            struct input_error *what);
