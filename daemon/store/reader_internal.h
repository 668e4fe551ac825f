// SPDX-License-Identifier: MIT
// What the files of the reader share. Nothing outside daemon/store includes it. On the API's
// thread.
#pragma once

#include "daemon/store/reader.h"
#include "daemon/store/sqlite_db.h"

// The result of task ?1, by the index result_input. An equality would be put into the other terms,
// which then fit no index.
#define RESULT_OF_TASK "task >> 24 = ?1 >> 24 AND state IN (2, 3, 4, 5) AND task BETWEEN ?1 AND ?1"

struct reader {
    struct db db;
    struct statements batch_sql, result_sql, task_sql;
};

// Turns the sticky database error into `e`; -1.
int reader_fail(struct reader *r, struct err *e);

int reader_results_open(struct reader *r, struct err *e);
int reader_tasks_open(struct reader *r, struct err *e);

// The result of a task with headers: calls `fn` with it (or with NULL if there is none). 0 or -1.
typedef void result_seen_fn(void *ctx, const struct result_row *row);
int reader_result_of(struct reader *r, uint64_t batch, uint32_t index, result_seen_fn *fn,
                     void *ctx);
