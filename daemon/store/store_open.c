// SPDX-License-Identifier: MIT
// Opening: lock, connection, schema, and what a start has to set right. Nothing is repaired, since
// there is nothing to repair: what has no result is still ready. On the main thread, before the
// store's thread exists.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/store/schema.h"
#include "daemon/store/store_internal.h"

#define LIVE_BATCHES   4096
#define LEDGER_ENTRIES 8192

static int one_number(struct store *s, const char *sql, struct err *e, int64_t *ret)
{
    sqlite3_stmt *st;
    bool ok = sqlite3_prepare_v2(s->db.handle, sql, -1, &st, NULL) == SQLITE_OK &&
              sqlite3_step(st) == SQLITE_ROW;
    *ret = ok ? sqlite3_column_int64(st, 0) : 0;
    if (!ok) {
        err_set(e, ERR_SYSTEM, "cannot read the database %s: %s%s", s->path,
                sqlite3_errmsg(s->db.handle), db_advice(sqlite3_errcode(s->db.handle)));
    }
    sqlite3_finalize(st);
    return ok ? 0 : -1;
}

// Runs one numbered file and sets user_version, in one transaction.
static int migrate_to(struct store *s, const struct schema_file *file, int64_t version,
                      struct err *e)
{
    size_t n = (size_t)(file->end - file->start);
    size_t cap = n + 128;
    char *script = malloc(cap);
    if (script == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    int len = snprintf(script, cap, "BEGIN IMMEDIATE;%.*s;PRAGMA user_version=%lld;COMMIT;", (int)n,
                       file->start, (long long)version);
    bool ok = len > 0 && (size_t)len < cap && db_run(&s->db, script) == 0;
    free(script);
    if (!ok) {
        err_set(e, ERR_SYSTEM, "cannot bring the database %s to schema version %lld (%s): %s%s",
                s->path, (long long)version, file->name, s->db.text, db_advice(s->db.rc));
        db_run(&s->db, "ROLLBACK");
    }
    return ok ? 0 : -1;
}

// Before anything in the file is changed: whether it is ours, and its schema version.
static int look_whose(struct store *s, struct err *e, int64_t *ret_version)
{
    int64_t newest = 0, tables;
    if (one_number(s, "PRAGMA user_version", e, ret_version) < 0 ||
        one_number(s, "SELECT count(*) FROM sqlite_schema", e, &tables) < 0) {
        return -1;
    }
    for (const struct schema_file *f = schema_sql; f->name != NULL; f++) {
        newest = strtol(f->name, NULL, 10);
    }
    if (*ret_version > newest) {
        return err_set(
            e, ERR_CONFIG,
            "the database %s has schema version %lld, but this program knows only up to %lld:"
            " run the newer gatherd that wrote it, or set store.path",
            s->path, (long long)*ret_version, (long long)newest);
    }
    if (*ret_version == 0 && tables > 0) {
        return err_set(e, ERR_CONFIG, "the database %s belongs to another program: set store.path",
                       s->path);
    }
    return 0;
}

static int migrate(struct store *s, int64_t have, struct err *e)
{
    for (const struct schema_file *f = schema_sql; f->name != NULL; f++) {
        int64_t version = strtol(f->name, NULL, 10);
        if (version > have && migrate_to(s, f, version, e) < 0) {
            return -1;
        }
    }
    return 0;
}

int store_prepare(struct store *s, bool normal_sync, struct err *e)
{
    int64_t version;
    if (look_whose(s, e, &version) < 0 || db_begin_writing(&s->db, s->path, normal_sync, e) < 0 ||
        migrate(s, version, e) < 0 || live_open(&s->live, &s->db, LIVE_BATCHES, e) < 0) {
        return -1;
    }
    ledger_init(&s->ledger, LEDGER_ENTRIES);
    return hosts_open(s, e) < 0 || notify_open(s, e) < 0 || batches_open(s, e) < 0 ||
                   upload_open(s, e) < 0 || claim_open(s, e) < 0 || record_open(s, e) < 0 ||
                   bodies_open(s, e) < 0 || control_open(s, e) < 0 || halt_open(s, e) < 0 ||
                   timers_open(s, e) < 0 || copy_open(s, e) < 0
               ? -1
               : 0;
}

static int repair_error(struct store *s, struct err *e)
{
    err_set(e, ERR_SYSTEM, "cannot make the database %s ready: %s%s", s->path, s->db.text,
            db_advice(s->db.rc));
    if (sqlite3_get_autocommit(s->db.handle) == 0) {
        sqlite3_exec(s->db.handle, "ROLLBACK", NULL, NULL, NULL);
    }
    return -1;
}

// One transaction of the start; what `work` gives, or -1.
static int commit(struct store *s, int (*work)(struct store *s))
{
    if (db_run(&s->db, "BEGIN IMMEDIATE") < 0) {
        return -1;
    }
    int n = work(s);
    if (n < 0 || live_flush(&s->live, &s->db) < 0 || hosts_flush(s) < 0 ||
        db_run(&s->db, "COMMIT") < 0) {
        return -1;
    }
    live_committed(&s->live, &s->db);
    s->n_settled = 0;
    return n;
}

// Ends the tasks found marked as sent, a piece a transaction.
static int end_interrupted(struct store *s)
{
    int n = 1;
    int64_t sum = 0;
    while (n > 0) {
        n = commit(s, record_interrupted);
        sum += n;
    }
    if (sum > 0) {
        log_warn("requests that were being sent when the daemon stopped are recorded as interrupted"
                 " tasks=%lld",
                 (long long)sum);
    }
    return n;
}

int store_repair(struct store *s, struct err *e)
{
    s->now_at = clock_wall_at();
    static const char next_body[] =
        "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM body),"
        " (SELECT coalesce(max(first + parts), 1) - 1 FROM body_begun))";
    if (one_number(s, next_body, e, &s->back.next_body) < 0 ||
        one_number(s, "SELECT 1 + coalesce(max(id), 0) FROM host", e, &s->back.next_host) < 0 ||
        one_number(s, "SELECT coalesce(sum(queued), 0) FROM host", e, &s->back.unfinished) < 0) {
        return -1;
    }
    s->back.retries_told_at = s->now_at; // everything is told at start
    s->back.starts_told_at = s->now_at;
    s->back.have_halting = true;
    s->back.have_removed = true;
    s->back.have_dead = true;
    if (timers_start(s) < 0 || db_run(&s->db, "UPDATE batch SET state = 4 WHERE state = 0") < 0 ||
        db_run(&s->db, "UPDATE body_begun SET dead = 1") < 0) {
        return repair_error(s, e);
    }
    crash_open(s);
    return end_interrupted(s) < 0 || commit(s, crash_review) < 0 ? repair_error(s, e) : 0;
}
