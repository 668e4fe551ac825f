// SPDX-License-Identifier: MIT
// What became of tasks: results, retries, "sent" marks. Exactly-once: a result is inserted in the
// transaction that deletes the task's ready row, and that delete must affect one row; else the
// outcome is stale and is dropped. On the store's thread.
#include <string.h>

#include "common/log.h"
#include "daemon/store/store_internal.h"

enum { SQL_TAKE, SQL_RESULT, SQL_ATTEMPT, SQL_RETRY, SQL_SENT, SQL_FOUND_SENT, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_TAKE] = "DELETE FROM ready WHERE host = ? AND prio = ? AND batch = ? AND idx = ?",
    [SQL_RESULT] =
        "INSERT INTO result (id, task, state, status, error, retryable, attempts, has_body,"
        " complete, size, body, started_at, finished_at, queued_ms, dns_ms, connect_ms,"
        " tls_ms, first_byte_ms, total_ms, message, final_url, redirects, http_version,"
        " remote_ip, content_type, sha256, headers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
        " ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_ATTEMPT] =
        "INSERT OR REPLACE INTO attempt (task, number, started_at, finished_at, status,"
        " error, queued_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, message,"
        " remote_ip) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_RETRY] = "UPDATE ready SET attempt = max(attempt, ?), not_before = ?, sent = 0"
                  " WHERE host = ? AND prio = ? AND batch = ? AND idx = ?",
    [SQL_SENT] = "UPDATE ready SET sent = 1 WHERE host = ? AND prio = ? AND batch = ? AND idx = ?",
    [SQL_FOUND_SENT] =
        "SELECT r.host, r.prio, r.batch, r.idx, r.attempt FROM ready r CROSS JOIN batch b"
        " ON b.id = r.batch WHERE r.sent > 0 AND b.state < 3 LIMIT ?",
};

int record_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->record_sql);
}

static int insert_result(struct store *s, const struct live_batch *b, const struct outcome *o)
{
    const struct attempt *a = &o->last;
    const struct timing *t = &a->timing;
    int64_t seq = batch_counts_done(&b->counts) + 1;
    sqlite3_stmt *st = s->record_sql.v[SQL_RESULT];
    db_bind(st, "iiiiiiiiiiiiiiiiiiittttttbt", batch_range_start(b->batch) + seq,
            (int64_t)o->ref.task, (int64_t)o->state, (int64_t)a->status, (int64_t)a->error,
            (int64_t)o->retryable, (int64_t)a->number, (int64_t)o->has_body, (int64_t)o->complete,
            (int64_t)(o->has_body ? o->body.size : o->size), o->stored.first, a->started_at,
            a->finished_at, (int64_t)t->queued, (int64_t)t->dns, (int64_t)t->connect,
            (int64_t)t->tls, (int64_t)t->first_byte, (int64_t)t->total, a->message, o->final_url,
            o->redirects, o->http_version, a->remote_ip, o->content_type,
            o->has_body ? o->sha256 : NULL, sizeof(o->sha256), o->headers);
    s->ops++;
    return db_exec(&s->db, st) < 0 ? -1 : 0;
}

static void bind_ref(sqlite3_stmt *st, const struct task_ref *ref)
{
    db_bind(st, "iiii", (int64_t)ref->host, prio_of(ref->priority),
            (int64_t)task_key_batch(ref->task), (int64_t)task_key_index(ref->task));
}

// Counts a result in its batch, its host and the metrics.
static int count_result(struct store *s, struct live_batch *b, const struct outcome *o)
{
    struct host_change change = {.queued = -1, .kept = 1, .bytes = (int64_t)o->bytes_received};
    struct batch_counts *c = &b->counts;
    enum metric metric = METRIC_TASKS_EXPIRED;
    switch (o->state) {
    case TASK_SUCCEEDED:
        c->succeeded++;
        change.succeeded = 1;
        metric = METRIC_TASKS_SUCCEEDED;
        break;
    case TASK_FAILED:
        c->failed++;
        change.failed = 1;
        metric = METRIC_TASKS_FAILED;
        break;
    case TASK_STATE_CANCELLED:
        c->cancelled++;
        metric = METRIC_TASKS_CANCELLED;
        break;
    default: c->expired++; break;
    }
    b->bytes_received += (int64_t)o->bytes_received;
    s->back.unfinished--;
    store_count(s, metric, 1);
    store_count(s, METRIC_STORE_ROWS_WRITTEN, 1);
    return hosts_count(s, o->ref.host, &change);
}

static int drop_stale(struct store *s, const struct outcome *o)
{
    store_count(s, METRIC_OUTCOMES_STALE, 1);
    log_debug("dropped an outcome: its task has ended batch=%llu index=%u",
              (unsigned long long)task_key_batch(o->ref.task), task_key_index(o->ref.task));
    return body_give_up(s, o);
}

int record_outcome(struct store *s, struct outcome *o)
{
    s->ops++;
    if (body_goes_on(o) && body_insert(s, o) < 0) {
        return -1;
    }
    if (body_goes_on(o)) {
        return 0;
    }
    if (store_settle(s, o->ref.task) < 0) {
        return -1;
    }
    struct live_batch *b = live_get(&s->live, &s->db, task_key_batch(o->ref.task));
    if (b == NULL || b->state == BATCH_REMOVED) {
        return s->db.rc != SQLITE_OK || drop_stale(s, o) < 0 ? -1 : 0;
    }
    sqlite3_stmt *take = s->record_sql.v[SQL_TAKE];
    bind_ref(take, &o->ref);
    int taken = db_exec(&s->db, take);
    if (taken < 1) {
        return taken < 0 ? -1 : drop_stale(s, o);
    }
    if ((o->has_body && !body_is_large(o) && body_insert(s, o) < 0) || insert_result(s, b, o) < 0 ||
        body_end(s, o) < 0 || count_result(s, b, o) < 0) {
        return -1;
    }
    live_started(b, o->last.started_at);
    if (live_unfinished(b) == 0) {
        live_move(&s->live, b, BATCH_FINISHED, s->now_at);
        store_count(s, METRIC_BATCHES_FINISHED, 1);
    } else if (o->state == TASK_FAILED && b->fail_fast && b->halt == 0) {
        b->cancel_requested_at = s->now_at;
        if (halt_begin(s, b, TASK_STATE_CANCELLED) < 0) {
            return -1;
        }
    }
    live_touch(&s->live, b, s->now_at, true);
    return 1;
}

int record_ended(struct store *s, const struct task_ref *ref, int attempts, enum task_state state,
                 enum task_error error)
{
    struct outcome o = {
        .ref = *ref,
        .state = state,
        .last = {.number = attempts,
                 .error = error,
                 .finished_at = s->now_at,
                 .timing = {-1, -1, -1, -1, -1, -1}},
        .body = {.fd = -1},
    };
    return record_outcome(s, &o);
}

static int insert_attempt(struct store *s, uint64_t task, const struct attempt *a)
{
    const struct timing *t = &a->timing;
    sqlite3_stmt *st = s->record_sql.v[SQL_ATTEMPT];
    db_bind(st, "iiiiiiiiiiiitt", (int64_t)task, (int64_t)a->number, a->started_at, a->finished_at,
            (int64_t)a->status, (int64_t)a->error, (int64_t)t->queued, (int64_t)t->dns,
            (int64_t)t->connect, (int64_t)t->tls, (int64_t)t->first_byte, (int64_t)t->total,
            a->message, a->remote_ip);
    return db_exec(&s->db, st) < 0 ? -1 : 0;
}

int record_retry(struct store *s, const struct retry_later *m)
{
    s->ops += 2;
    if (store_settle(s, m->ref.task) < 0) {
        return -1;
    }
    // A time that has passed must still be told apart from none.
    int64_t not_before = m->not_before_at > 0 ? m->not_before_at : s->now_at;
    sqlite3_stmt *st = s->record_sql.v[SQL_RETRY];
    db_bind(st, "iiiiii", (int64_t)(m->counts ? m->attempt.number : 0), not_before,
            (int64_t)m->ref.host, prio_of(m->ref.priority), (int64_t)task_key_batch(m->ref.task),
            (int64_t)task_key_index(m->ref.task));
    int n = db_exec(&s->db, st);
    if (n < 1) {
        return n; // it has ended meanwhile
    }
    if (m->counts && insert_attempt(s, m->ref.task, &m->attempt) < 0) {
        return -1;
    }
    uint64_t host = m->ref.host;
    bool unknown = m->elsewhere || not_before <= s->back.retries_told_at;
    return unknown ? notify_hosts(s, &host, 1, false) : 0;
}

int record_sent(struct store *s, struct mark_sent *m)
{
    s->ops++;
    const struct live_batch *b = live_get(&s->live, &s->db, task_key_batch(m->ref.task));
    int n = s->db.rc != SQLITE_OK ? -1 : 0;
    if (b != NULL && b->state != BATCH_REMOVED && b->halt == 0) {
        sqlite3_stmt *st = s->record_sql.v[SQL_SENT];
        bind_ref(st, &m->ref);
        n = db_exec(&s->db, st);
    }
    if (n < 0) {
        return -1;
    }
    struct mark_sent *answer = mark_sent_new(m->worker, &m->ref);
    if (answer != NULL) {
        answer->msg.kind = RING_SENT_MARKED;
        answer->status = n == 1 ? 0 : 1;
    }
    store_to_worker(s, m->worker, answer);
    return 0;
}

int record_interrupted(struct store *s)
{
    enum { PIECE = 500 };
    struct {
        struct task_ref ref;
        int attempts;
    } found[PIECE];
    int n = 0, r;
    sqlite3_stmt *st = s->record_sql.v[SQL_FOUND_SENT];
    db_bind(st, "i", (int64_t)PIECE);
    while ((r = db_step(&s->db, st)) == 1) {
        found[n].ref = (struct task_ref){
            .task = task_key((uint64_t)db_int(st, 2), (uint32_t)db_int(st, 3)),
            .host = (uint64_t)db_int(st, 0),
            .priority = (uint8_t)(9 - db_int(st, 1)),
        };
        found[n++].attempts = (int)db_int(st, 4) + 1;
    }
    for (int i = 0; i < n && r == 0; i++) {
        if (record_ended(s, &found[i].ref, found[i].attempts, TASK_FAILED, TASK_INTERRUPTED) < 0) {
            r = -1;
        }
    }
    return r < 0 ? -1 : n;
}
