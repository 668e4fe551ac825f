// SPDX-License-Identifier: MIT
// A row of table batch as struct batch_info: one list of columns and one reading of it, for the
// store and its reader alike.
#pragma once

#include "daemon/store/sqlite_db.h"
#include "daemon/task/batch.h"

#define BATCH_COLUMNS                                                                              \
    "id, uuid, version, state, total, succeeded, failed, cancelled, expired, bytes_received,"      \
    " started_at, finished_at, cancel_requested_at, name, metadata, defaults, priority,"           \
    " concurrency, fail_fast, created_at, not_before_at, deadline_at, retry_of"

// Reads the row that `st`, which selects BATCH_COLUMNS first, stands on; NULL without memory.
struct batch_info *batch_row_read(sqlite3_stmt *st);
