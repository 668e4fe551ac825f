// SPDX-License-Identifier: MIT
// The reader's connection; batches, idempotency keys and hosts. On the API's thread.
#include "daemon/store/reader.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/store/batch_row.h"
#include "daemon/store/reader_internal.h"

enum {
    SQL_BATCH,
    SQL_BATCHES,
    SQL_BY_STATE,
    SQL_BY_NAME,
    SQL_BY_BOTH,
    SQL_KEY,
    SQL_HOST,
    SQL_HOSTS,
    SQL__N
};

#define HOST_COLUMNS                                                                               \
    "id, name, max_concurrency, delay_ms, rate_per_s, paused, blocked_until, backoff_level, "      \
    "queued,"                                                                                      \
    " succeeded, failed, bytes_received"

// Visible batches are those in state 1 to 3.
static const char *const sql[SQL__N] = {
    [SQL_BATCH] = "SELECT " BATCH_COLUMNS " FROM batch WHERE uuid = ? AND state BETWEEN 1 AND 3",
    [SQL_BATCHES] = "SELECT " BATCH_COLUMNS " FROM batch WHERE id < ?3 AND +state BETWEEN 1 AND 3"
                    " ORDER BY id DESC LIMIT ?4",
    [SQL_BY_STATE] = "SELECT " BATCH_COLUMNS " FROM batch WHERE state = ?2 AND id < ?3"
                     " ORDER BY id DESC LIMIT ?4",
    [SQL_BY_NAME] = "SELECT " BATCH_COLUMNS " FROM batch WHERE name = ?1 AND id < ?3"
                    " AND +state BETWEEN 1 AND 3 ORDER BY id DESC LIMIT ?4",
    [SQL_BY_BOTH] = "SELECT " BATCH_COLUMNS " FROM batch INDEXED BY batch_name_state"
                    " WHERE name = ?1 AND state = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4",
    [SQL_KEY] = "SELECT b.uuid, i.hash FROM idempotency i JOIN batch b ON b.id = i.batch"
                " WHERE i.key = ? AND i.expires_at > ? AND b.state BETWEEN 1 AND 3",
    [SQL_HOST] = "SELECT " HOST_COLUMNS " FROM host WHERE name = ?",
    [SQL_HOSTS] = "SELECT " HOST_COLUMNS " FROM host WHERE name > ? ORDER BY name LIMIT ?",
};

int reader_open(const char *path, struct err *e, struct reader **ret)
{
    struct reader *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    if (db_open_reader(&r->db, path, e) < 0 ||
        db_prepare(&r->db, sql, SQL__N, e, &r->batch_sql) < 0 || reader_results_open(r, e) < 0 ||
        reader_tasks_open(r, e) < 0) {
        reader_close(&r);
        return -1;
    }
    *ret = r;
    return 0;
}

void reader_close(struct reader **reader)
{
    struct reader *r = *reader;
    if (r == NULL) {
        return;
    }
    db_finalize(&r->batch_sql);
    db_finalize(&r->result_sql);
    db_finalize(&r->task_sql);
    db_close(&r->db);
    free(r);
    *reader = NULL;
}

int reader_fail(struct reader *r, struct err *e)
{
    enum err_code code = db_fault(&r->db) == DB_BUSY ? ERR_OVERLOADED : ERR_INTERNAL;
    err_set(e, code, "cannot read the database: %s", r->db.text);
    db_clear(&r->db);
    return -1;
}

int reader_batch(struct reader *r, const uint8_t id[UUID_SIZE], struct err *e,
                 struct batch_info **ret)
{
    sqlite3_stmt *st = r->batch_sql.v[SQL_BATCH];
    db_bind(st, "b", id, (size_t)UUID_SIZE);
    int found = db_step(&r->db, st);
    if (found == 1) {
        *ret = batch_row_read(st);
        db_reset(st);
        if (*ret == NULL) {
            found = db_fail(&r->db, SQLITE_NOMEM);
        }
    }
    return found < 0 ? reader_fail(r, e) : found;
}

int reader_batches(struct reader *r, const struct batch_filter *f, batch_row_fn *fn, void *ctx,
                   struct err *e)
{
    int which = f->name == NULL ? (f->state < 0 ? SQL_BATCHES : SQL_BY_STATE)
                                : (f->state < 0 ? SQL_BY_NAME : SQL_BY_BOTH);
    sqlite3_stmt *st = r->batch_sql.v[which];
    db_bind(st, "tiii", f->name, (int64_t)f->state, f->before == 0 ? INT64_MAX : (int64_t)f->before,
            (int64_t)f->limit);
    int n = 0, step;
    while ((step = db_step(&r->db, st)) == 1) {
        struct batch_info *b = batch_row_read(st);
        if (b == NULL) {
            step = db_fail(&r->db, SQLITE_NOMEM);
            break;
        }
        n++;
        int enough = fn(ctx, b);
        batch_info_free(&b);
        if (enough != 0) {
            break;
        }
    }
    db_reset(st);
    return step < 0 ? reader_fail(r, e) : n;
}

int reader_idempotency(struct reader *r, const char *key, struct err *e, uint8_t ret_id[UUID_SIZE],
                       uint8_t ret_hash[32])
{
    sqlite3_stmt *st = r->batch_sql.v[SQL_KEY];
    db_bind(st, "ti", key, clock_wall_at());
    int found = db_step(&r->db, st);
    if (found == 1) {
        db_blob(st, 0, ret_id, UUID_SIZE);
        db_blob(st, 1, ret_hash, 32);
        db_reset(st);
    }
    return found < 0 ? reader_fail(r, e) : found;
}

// Gives the rows of a bound statement to `fn`.
static int give_hosts(struct reader *r, sqlite3_stmt *st, host_row_fn *fn, void *ctx, struct err *e)
{
    int n = 0, step;
    while ((step = db_step(&r->db, st)) == 1) {
        const struct host_row row = {
            .record = {.host = (uint64_t)db_int(st, 0),
                       .name = db_borrow(st, 1),
                       .limits = {.max_concurrency = (int32_t)db_int(st, 2),
                                  .delay_ms = db_int(st, 3),
                                  .rate_per_s = sqlite3_column_double(st, 4),
                                  .paused = db_int(st, 5) != 0},
                       .blocked_until = db_int(st, 6),
                       .backoff_level = (int32_t)db_int(st, 7)},
            .queued = db_int(st, 8),
            .succeeded = db_int(st, 9),
            .failed = db_int(st, 10),
            .bytes_received = db_int(st, 11),
        };
        if (row.record.name == NULL) {
            step = db_fail(&r->db, SQLITE_NOMEM);
            break;
        }
        n++;
        if (fn(ctx, &row) != 0) {
            break;
        }
    }
    db_reset(st);
    return step < 0 ? reader_fail(r, e) : n;
}

int reader_hosts(struct reader *r, const char *after, unsigned limit, host_row_fn *fn, void *ctx,
                 struct err *e)
{
    sqlite3_stmt *st = r->batch_sql.v[SQL_HOSTS];
    db_bind(st, "ti", after == NULL ? "" : after, (int64_t)limit);
    return give_hosts(r, st, fn, ctx, e);
}

int reader_host(struct reader *r, const char *name, host_row_fn *fn, void *ctx, struct err *e)
{
    sqlite3_stmt *st = r->batch_sql.v[SQL_HOST];
    db_bind(st, "t", name);
    return give_hosts(r, st, fn, ctx, e);
}
