// SPDX-License-Identifier: MIT
// The read-only connection of the API's thread. No statement stays open across calls, so no read
// transaction outlives a loop turn.
#pragma once

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "daemon/task/rows.h"

struct reader;

int reader_open(const char *path, struct err *e, struct reader **ret);
void reader_close(struct reader **r);

// Functions return the number of rows given, or -1 with `e` (ERR_INTERNAL; ERR_OVERLOADED when the
// database is busy). A callback that returns non-zero ends the reading early (the row counts as
// given).

// 1 and *ret (the caller frees), or 0. Loading batches are never shown.
int reader_batch(struct reader *r, const uint8_t id[UUID_SIZE], struct err *e,
                 struct batch_info **ret);
typedef int batch_row_fn(void *ctx, const struct batch_info *b);
int reader_batches(struct reader *r, const struct batch_filter *f, batch_row_fn *fn, void *ctx,
                   struct err *e);
// Whether a further batch matches is found by asking for limit + 1.

typedef int result_row_fn(void *ctx, const struct result_row *row);
int reader_results(struct reader *r, const struct results_query *q, result_row_fn *fn, void *ctx,
                   struct err *e);

typedef int task_row_fn(void *ctx, const struct task_row *row);
int reader_task(struct reader *r, uint64_t batch, uint32_t index, task_row_fn *fn, void *ctx,
                struct err *e);

typedef int attempt_row_fn(void *ctx, const struct attempt_row *row);
int reader_attempts(struct reader *r, uint64_t batch, uint32_t index, attempt_row_fn *fn, void *ctx,
                    struct err *e);

// Appends up to n bytes of a stored body from `offset`; 1, or 0 if there is no body.
int reader_body(struct reader *r, uint64_t batch, uint32_t index, uint64_t offset, size_t n,
                struct buf *out, struct err *e);

typedef int host_row_fn(void *ctx, const struct host_row *row);
int reader_hosts(struct reader *r, const char *after, unsigned limit, host_row_fn *fn, void *ctx,
                 struct err *e);
int reader_host(struct reader *r, const char *name, host_row_fn *fn, void *ctx, struct err *e);

// 1 with the batch and hash a live idempotency key was used for, or 0.
int reader_idempotency(struct reader *r, const char *key, struct err *e, uint8_t ret_id[UUID_SIZE],
                       uint8_t ret_hash[32]);
