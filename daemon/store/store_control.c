// SPDX-License-Identifier: MIT
// What users do to batches and hosts: cancel, pause, resume, retry, delete, set limits. Each is one
// transaction with the answer after its commit; what takes long (ending or deleting many rows,
// copying tasks) goes on in the background. On the store's thread.
#include <string.h>

#include "daemon/store/store_internal.h"

enum { SQL_FIND, SQL_DROP_KEY, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_FIND] = "SELECT id FROM batch WHERE uuid = ? AND state BETWEEN 1 AND 3",
    [SQL_DROP_KEY] = "DELETE FROM idempotency WHERE batch = ?1 AND key ="
                     " (SELECT idempotency_key FROM batch WHERE id = ?1)",
};

int control_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->control_sql);
}

void control_refuse(struct store *s, uint64_t token, enum err_code code, const char *text)
{
    struct control_reply *r = control_reply_new(token);
    if (r != NULL) {
        r->status = -1;
        err_set(&r->err, code, "%s", text);
    }
    store_to_api(s, r);
}

static int reply(struct store *s, const struct control *m, const struct live_batch *b)
{
    struct control_reply *r = control_reply_new(m->token);
    if (r == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    if (b != NULL && batch_info_load(s, b->batch, &r->batch) < 0) {
        r->msg.free(&r->msg);
        return -1;
    }
    store_to_api(s, r);
    return 0;
}

static int conflict(struct store *s, const struct control *m, const char *text)
{
    control_refuse(s, m->token, ERR_CONFLICT, text);
    return 0;
}

// 1 with the visible batch, 0 if there is none, -1.
static int find(struct store *s, const uint8_t id[UUID_SIZE], struct live_batch **ret)
{
    // A batch that was removed in this very group is still found by its row, but not by its state
    // in memory.
    sqlite3_stmt *st = s->control_sql.v[SQL_FIND];
    db_bind(st, "b", id, (size_t)UUID_SIZE);
    int r = db_step(&s->db, st);
    if (r != 1) {
        return r;
    }
    uint64_t batch = (uint64_t)db_int(st, 0);
    db_reset(st);
    *ret = live_require(&s->live, &s->db, batch);
    if (*ret == NULL) {
        return -1;
    }
    return (*ret)->state == BATCH_REMOVED ? 0 : 1;
}

static int cancel(struct store *s, const struct control *m, struct live_batch *b)
{
    if (b->state != BATCH_FINISHED && b->halt == 0) {
        b->cancel_requested_at = s->now_at;
        // The answer shows a small batch finished.
        if (halt_soon(s, b, TASK_STATE_CANCELLED) < 0) {
            return -1;
        }
    }
    return reply(s, m, b);
}

static int pause_batch(struct store *s, const struct control *m, struct live_batch *b)
{
    if (b->state == BATCH_FINISHED || b->halt != 0) {
        return conflict(s, m, "the batch is finished or being cancelled");
    }
    if (b->state == BATCH_RUNNING) {
        live_move(&s->live, b, BATCH_PAUSED, s->now_at);
        store_halt_workers(s, b->batch, true);
    }
    return reply(s, m, b);
}

static int resume(struct store *s, const struct control *m, struct live_batch *b)
{
    if (b->state == BATCH_FINISHED || b->halt != 0) {
        return conflict(s, m, "the batch is finished or being cancelled");
    }
    if (b->state == BATCH_PAUSED) {
        live_move(&s->live, b, BATCH_RUNNING, s->now_at);
        if (notify_batch(s, b) < 0) {
            return -1;
        }
    }
    return reply(s, m, b);
}

int batch_remove(struct store *s, struct live_batch *b)
{
    db_bind(s->control_sql.v[SQL_DROP_KEY], "i", (int64_t)b->batch);
    if (db_exec(&s->db, s->control_sql.v[SQL_DROP_KEY]) < 0) {
        return -1;
    }
    if (b->state != BATCH_FINISHED) {
        store_halt_workers(s, b->batch, false);
    }
    live_move(&s->live, b, BATCH_REMOVED, s->now_at);
    s->back.have_removed = true;
    return 0;
}

static int remove_batch(struct store *s, const struct control *m, struct live_batch *b)
{
    if (b->state != BATCH_FINISHED && !m->force) {
        return conflict(s, m,
                        "the batch is not finished; cancel it first, or delete it with force");
    }
    if (copy_reads(s, b->batch)) {
        return conflict(s, m, "the batch is being copied for a retry");
    }
    return batch_remove(s, b) < 0 ? -1 : reply(s, m, NULL);
}

static int retry(struct store *s, const struct control *m, struct live_batch *b)
{
    if (b->state != BATCH_FINISHED) {
        return conflict(s, m, "the batch is still running");
    }
    return copy_begin(s, m, b);
}

int control_handle(struct store *s, const struct control *m)
{
    s->ops += 2;
    if (m->verb == CONTROL_HOST_SET) {
        return hosts_set(s, m) < 0 ? -1 : reply(s, m, NULL);
    }
    struct live_batch *b;
    int r = find(s, m->id, &b);
    if (r != 1) {
        if (r == 0) {
            control_refuse(s, m->token, ERR_NOT_FOUND, "there is no such batch");
        }
        return r;
    }
    switch (m->verb) {
    case CONTROL_CANCEL: return cancel(s, m, b);
    case CONTROL_PAUSE: return pause_batch(s, m, b);
    case CONTROL_RESUME: return resume(s, m, b);
    case CONTROL_RETRY: return retry(s, m, b);
    default: return remove_batch(s, m, b);
    }
}
