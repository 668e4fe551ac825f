// SPDX-License-Identifier: MIT
// Making batches, whether by an upload or by a retry: the rows, what may be added, and the moment a
// batch becomes real. On the store's thread.
#include "daemon/store/batch_row.h"
#include "daemon/store/store_internal.h"

enum { SQL_BATCH, SQL_TASK, SQL_READY, SQL_INFO, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_BATCH] =
        "INSERT INTO batch (uuid, state, version, priority, concurrency, fail_fast,"
        " created_at, not_before_at, deadline_at, retry_of, name, idempotency_key, metadata,"
        " defaults) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_TASK] =
        "INSERT INTO task (id, host, url, ext_id, metadata, spec) VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_READY] = "INSERT INTO ready (host, prio, batch, idx) VALUES (?, ?, ?, ?)",
    [SQL_INFO] = "SELECT " BATCH_COLUMNS " FROM batch WHERE id = ?",
};

int batches_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->batch_sql);
}

bool store_may_add(struct store *s, int64_t n, struct err *why)
{
    if (atomic_load_explicit(&s->full, memory_order_relaxed)) {
        err_set(why, ERR_STORAGE_FULL, "the database's file system is nearly full");
        return false;
    }
    int64_t have = s->back.unfinished + upload_buffered(s);
    if (have + n > s->settings.max_queued) {
        err_set(why, ERR_QUOTA_EXCEEDED, "%lld tasks are unfinished already; at most %lld may be",
                (long long)have, (long long)s->settings.max_queued);
        return false;
    }
    return true;
}

int batch_insert(struct store *s, const struct batch_info *b, const char *key, uint64_t *ret)
{
    sqlite3_stmt *st = s->batch_sql.v[SQL_BATCH];
    db_bind(st, "biiiiiiibtttt", b->now.id, (size_t)UUID_SIZE, s->now_at, (int64_t)b->priority,
            (int64_t)b->concurrency, (int64_t)b->fail_fast, b->created_at, b->not_before_at,
            b->deadline_at, b->has_retry_of ? b->retry_of : NULL, (size_t)UUID_SIZE, b->name, key,
            b->metadata, b->defaults);
    if (db_exec(&s->db, st) < 0) {
        return -1;
    }
    *ret = (uint64_t)sqlite3_last_insert_rowid(s->db.handle);
    s->ops++;
    struct live_batch *live = live_require(&s->live, &s->db, *ret);
    if (live == NULL) {
        return -1;
    }
    // At once: its number is given again if the group fails now.
    live_touch(&s->live, live, s->now_at, true);
    return 0;
}

int task_insert(struct store *s, const struct live_batch *b, const struct new_task *t,
                uint64_t host)
{
    sqlite3_stmt *st = s->batch_sql.v[SQL_TASK];
    db_bind(st, "iitttt", (int64_t)task_key(b->batch, t->index), (int64_t)host, t->url, t->ext_id,
            t->metadata, t->spec);
    s->ops++;
    store_count(s, METRIC_STORE_ROWS_WRITTEN, 1);
    return db_exec(&s->db, st) < 0 ? -1 : 0;
}

int ready_insert(struct store *s, const struct live_batch *b, uint32_t index, uint64_t host)
{
    sqlite3_stmt *st = s->batch_sql.v[SQL_READY];
    db_bind(st, "iiii", (int64_t)host, prio_of(b->priority), (int64_t)b->batch, (int64_t)index);
    if (db_exec(&s->db, st) < 0) {
        return -1;
    }
    s->back.unfinished++;
    return hosts_count(s, host, &(struct host_change){.queued = 1});
}

int batch_accept(struct store *s, struct live_batch *b)
{
    b->created_at = s->now_at;
    live_move(&s->live, b, b->counts.total == 0 ? BATCH_FINISHED : BATCH_RUNNING, s->now_at);
    store_count(s, METRIC_BATCHES_ACCEPTED, 1);
    store_count(s, METRIC_TASKS_ACCEPTED, b->counts.total);
    return b->counts.total == 0 ? 0 : notify_batch(s, b);
}

int batch_info_load(struct store *s, uint64_t batch, struct batch_info **ret)
{
    struct live_batch *b = live_require(&s->live, &s->db, batch);
    sqlite3_stmt *st = s->batch_sql.v[SQL_INFO];
    db_bind(st, "i", (int64_t)batch);
    if (b == NULL || db_step(&s->db, st) != 1) {
        return db_fail(&s->db, SQLITE_CORRUPT); // unless there was another error before
    }
    struct batch_info *info = batch_row_read(st);
    db_reset(st);
    if (info == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    info->now = live_snapshot(b); // newer than the row, which is written at the end of the group
    info->created_at = b->created_at;
    info->deadline_at = b->deadline_at;
    *ret = info;
    return 0;
}
