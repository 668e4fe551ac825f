// SPDX-License-Identifier: MIT
// See batch_row.h. Any thread.
#include "daemon/store/batch_row.h"

#include <stdlib.h>
#include <string.h>

// Copies a text column; false without memory.
static bool copy_text(sqlite3_stmt *st, int at, char **ret)
{
    bool none = sqlite3_column_type(st, at) == SQLITE_NULL;
    const char *text = none ? NULL : db_text(st, at);
    *ret = text == NULL ? NULL : strdup(text);
    return none || *ret != NULL;
}

struct batch_info *batch_row_read(sqlite3_stmt *st)
{
    struct batch_info *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        return NULL;
    }
    b->now = (struct batch_snapshot){
        .batch = (uint64_t)db_int(st, 0),
        .version = (uint64_t)db_int(st, 2),
        .state = (enum batch_state)db_int(st, 3),
        .counts = {.total = db_int(st, 4),
                   .succeeded = db_int(st, 5),
                   .failed = db_int(st, 6),
                   .cancelled = db_int(st, 7),
                   .expired = db_int(st, 8)},
        .bytes_received = db_int(st, 9),
        .started_at = db_int(st, 10),
        .finished_at = db_int(st, 11),
        .cancel_requested_at = db_int(st, 12),
    };
    db_blob(st, 1, b->now.id, UUID_SIZE);
    b->priority = (int)db_int(st, 16);
    b->concurrency = (int)db_int(st, 17);
    b->fail_fast = db_int(st, 18) != 0;
    b->created_at = db_int(st, 19);
    b->not_before_at = db_int(st, 20);
    b->deadline_at = db_int(st, 21);
    b->has_retry_of = sqlite3_column_type(st, 22) != SQLITE_NULL;
    db_blob(st, 22, b->retry_of, UUID_SIZE);
    if (!copy_text(st, 13, &b->name) || !copy_text(st, 14, &b->metadata) ||
        !copy_text(st, 15, &b->defaults)) {
        batch_info_free(&b);
    }
    return b;
}
