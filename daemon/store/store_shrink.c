// SPDX-License-Identifier: MIT
// Giving space back to the file system after rows were deleted: free pages are moved to the end of
// the file, a few in each group, and cut off by the next checkpoint. Some stay, since new rows will
// want them. A database made before pages could be moved keeps its size until it is vacuumed. On
// the store's thread.
#include <stdio.h>

#include "daemon/store/store_internal.h"

#define PAGES_AT_ONCE 256
#define KEPT_PAGES    4096 // 16 MiB

static int64_t pragma_number(struct store *s, const char *pragma)
{
    sqlite3_stmt *st = NULL;
    int64_t n = -1;
    if (sqlite3_prepare_v2(s->db.handle, pragma, -1, &st, NULL) != SQLITE_OK) {
        return db_fail(&s->db, sqlite3_extended_errcode(s->db.handle));
    }
    if (db_step(&s->db, st) == 1) {
        n = db_int(st, 0);
    }
    sqlite3_finalize(st);
    return n;
}

int shrink_step(struct store *s)
{
    int64_t unused = pragma_number(s, "PRAGMA freelist_count");
    int64_t pages = pragma_number(s, "PRAGMA page_count");
    if (unused < 0 || pages < 0) {
        return -1;
    }
    // A quarter may stay unused: it costs less than moving pages back and forth.
    if (unused <= KEPT_PAGES || unused <= pages / 4) {
        s->back.have_free = false;
        return 0;
    }
    char sql[64];
    snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", PAGES_AT_ONCE);
    if (db_run(&s->db, sql) < 0) {
        return -1;
    }
    int64_t left = pragma_number(s, "PRAGMA freelist_count");
    s->back.have_free = left >= 0 && left < unused;
    s->cut = true;
    return left < 0 ? -1 : 0;
}
