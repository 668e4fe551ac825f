// SPDX-License-Identifier: MIT
// See live_batch.h.
#include "daemon/store/live_batch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define TRIM_AT_ONCE 256

enum { SQL_READ, SQL_WRITE, SQL_NAME, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_READ] =
        "SELECT uuid, state, halt, version, total, succeeded, failed, cancelled, expired,"
        " bytes_received, priority, concurrency, fail_fast, created_at, not_before_at,"
        " deadline_at, started_at, finished_at, cancel_requested_at FROM batch WHERE id = ?",
    [SQL_WRITE] =
        "UPDATE batch SET state = ?2, halt = ?3, version = ?4, total = ?5, succeeded = ?6,"
        " failed = ?7, cancelled = ?8, expired = ?9, bytes_received = ?10,"
        " created_at = ?11, deadline_at = ?12, started_at = ?13, finished_at = ?14,"
        " cancel_requested_at = ?15 WHERE id = ?1",
    [SQL_NAME] = "SELECT name FROM batch WHERE id = ?",
};

int live_open(struct live_table *t, struct db *db, size_t max, struct err *e)
{
    memset(t, 0, sizeof(*t));
    list_init(&t->lru);
    list_init(&t->dirty);
    list_init(&t->written);
    list_init(&t->changed);
    list_init(&t->waking);
    t->max = max;
    return db_prepare(db, sql, SQL__N, e, &t->st);
}

static void drop(struct live_table *t, struct live_batch *b)
{
    HASH_DEL(t->all, b);
    list_remove(&b->lru);
    list_remove(&b->dirty);
    list_remove(&b->changed);
    list_remove(&b->waking);
    t->n--;
    free(b->refused);
    free(b);
}

void live_close(struct live_table *t)
{
    struct live_batch *b, *next;
    HASH_ITER(hh, t->all, b, next)
    {
        drop(t, b);
    }
    db_finalize(&t->st);
}

// 1: the row was read, 0: there is none, -1: the database failed.
static int read_row(struct live_table *t, struct db *db, struct live_batch *b)
{
    sqlite3_stmt *st = t->st.v[SQL_READ];
    db_bind(st, "i", (int64_t)b->batch);
    int r = db_step(db, st);
    if (r != 1) {
        return r;
    }
    db_blob(st, 0, b->id, UUID_SIZE);
    b->state = (int)db_int(st, 1);
    b->halt = (int)db_int(st, 2);
    b->version = (uint64_t)db_int(st, 3);
    b->counts = (struct batch_counts){.total = db_int(st, 4),
                                      .succeeded = db_int(st, 5),
                                      .failed = db_int(st, 6),
                                      .cancelled = db_int(st, 7),
                                      .expired = db_int(st, 8)};
    b->bytes_received = db_int(st, 9);
    b->priority = (int)db_int(st, 10);
    b->concurrency = (int)db_int(st, 11);
    b->fail_fast = db_int(st, 12) != 0;
    b->created_at = db_int(st, 13);
    b->not_before_at = db_int(st, 14);
    b->deadline_at = db_int(st, 15);
    b->started_at = db_int(st, 16);
    b->finished_at = db_int(st, 17);
    b->cancel_requested_at = db_int(st, 18);
    b->finishing = false;
    db_reset(st);
    return 1;
}

struct live_batch *live_find(struct live_table *t, uint64_t batch)
{
    struct live_batch *b;
    HASH_FIND(hh, t->all, &batch, sizeof(batch), b);
    if (b != NULL) {
        list_remove(&b->lru);
        list_push_back(&t->lru, &b->lru);
    }
    return b;
}

struct live_batch *live_get(struct live_table *t, struct db *db, uint64_t batch)
{
    struct live_batch *b = live_find(t, batch);
    if (b != NULL) {
        return b;
    }
    b = calloc(1, sizeof(*b));
    if (b == NULL) {
        db_fail(db, SQLITE_NOMEM);
        return NULL;
    }
    b->batch = batch;
    list_init(&b->dirty);
    list_init(&b->changed);
    list_init(&b->waking);
    if (read_row(t, db, b) != 1) {
        free(b);
        return NULL;
    }
    HASH_ADD(hh, t->all, batch, sizeof(b->batch), b);
    if (b->hh.tbl == NULL) {
        free(b);
        db_fail(db, SQLITE_NOMEM);
        return NULL;
    }
    list_push_back(&t->lru, &b->lru);
    t->n++;
    return b;
}

struct live_batch *live_require(struct live_table *t, struct db *db, uint64_t batch)
{
    struct live_batch *b = live_get(t, db, batch);
    if (b == NULL) {
        db_fail(db, SQLITE_CORRUPT);
    }
    return b;
}

//   LOADING --> RUNNING <--> PAUSED
//      |           |           |
//      |           +-> FINISHED <
//      |           |      |    |
//      +---------> REMOVED <---+
// A batch whose last entry was left out goes from LOADING to FINISHED at once.
static const bool edges[BATCH_REMOVED + 1][BATCH_REMOVED + 1] = {
    [BATCH_LOADING] = {[BATCH_RUNNING] = true, [BATCH_FINISHED] = true, [BATCH_REMOVED] = true},
    [BATCH_RUNNING] = {[BATCH_PAUSED] = true, [BATCH_FINISHED] = true, [BATCH_REMOVED] = true},
    [BATCH_PAUSED] = {[BATCH_RUNNING] = true, [BATCH_FINISHED] = true, [BATCH_REMOVED] = true},
    [BATCH_FINISHED] = {[BATCH_REMOVED] = true},
};

void live_move(struct live_table *t, struct live_batch *b, int to, int64_t now_at)
{
    assert(edges[b->state][to]);
    b->state = to;
    if (to == BATCH_FINISHED) {
        b->finished_at = now_at;
        b->finishing = true;
    }
    live_touch(t, b, now_at, true);
}

void live_touch(struct live_table *t, struct live_batch *b, int64_t now_at, bool durable)
{
    // By the clock in microseconds, which no batch can outrun, so that a version that was told but
    // never written is not used again after a restart.
    uint64_t now = now_at > 0 ? (uint64_t)now_at * 1000 : 0;
    b->version = b->version + 1 > now ? b->version + 1 : now;
    if (!list_linked(&b->changed)) {
        list_push_back(&t->changed, &b->changed);
    }
    if (durable) {
        list_remove(&b->dirty);
        list_push_back(&t->dirty, &b->dirty);
    }
}

void live_started(struct live_batch *b, int64_t at)
{
    bool earlier = at >= b->created_at && at < b->started_at;
    if (at > 0 && (b->started_at == 0 || earlier)) {
        b->started_at = at;
    }
}

void live_progress(struct live_table *t, struct live_batch *b, int32_t delta, int64_t now_at)
{
    b->running += delta; // also of one that was removed: it is held as long as it runs
    if (b->state >= BATCH_FINISHED) {
        return; // nothing is seen of it
    }
    bool first = b->started_at == 0 && delta > 0;
    if (first) {
        b->started_at = now_at;
    }
    live_touch(t, b, now_at, first);
}

int live_flush(struct live_table *t, struct db *db)
{
    sqlite3_stmt *st = t->st.v[SQL_WRITE];
    while (!list_empty(&t->dirty)) {
        struct live_batch *b = list_entry(t->dirty.next, struct live_batch, dirty);
        const struct batch_counts *c = &b->counts;
        db_bind(st, "iiiiiiiiiiiiiii", (int64_t)b->batch, (int64_t)b->state, (int64_t)b->halt,
                (int64_t)b->version, c->total, c->succeeded, c->failed, c->cancelled, c->expired,
                b->bytes_received, b->created_at, b->deadline_at, b->started_at, b->finished_at,
                b->cancel_requested_at);
        if (db_exec(db, st) < 0) {
            return -1;
        }
        list_remove(&b->dirty);
        list_push_back(&t->written, &b->dirty);
    }
    return 0;
}

// The one line at level info that a batch gets.
static void log_finished(struct live_table *t, struct db *db, const struct live_batch *b)
{
    char id[UUID_TEXT_SIZE];
    uuid_format(b->id, id);
    sqlite3_stmt *st = t->st.v[SQL_NAME];
    db_bind(st, "i", (int64_t)b->batch);
    const char *name = db_step(db, st) == 1 ? db_text(st, 0) : NULL;
    const struct batch_counts *c = &b->counts;
    int64_t took_ms = b->finished_at - b->created_at;
    log_info("batch finished batch=%s name=%s total=%lld succeeded=%lld failed=%lld cancelled=%lld"
             " expired=%lld bytes=%lld duration_ms=%lld",
             id, log_value(name == NULL ? "" : name), (long long)c->total, (long long)c->succeeded,
             (long long)c->failed, (long long)c->cancelled, (long long)c->expired,
             (long long)b->bytes_received, (long long)(took_ms > 0 ? took_ms : 0));
    db_reset(st);
}

void live_committed(struct live_table *t, struct db *db)
{
    for (struct list *link = list_pop_front(&t->written); link != NULL;
         link = list_pop_front(&t->written)) {
        struct live_batch *b = list_entry(link, struct live_batch, dirty);
        if (b->finishing && log_enabled(LOG_LEVEL_INFO)) {
            log_finished(t, db, b);
        }
        b->finishing = false;
    }
}

void live_rolled_back(struct live_table *t, struct db *db)
{
    list_splice(&t->dirty, &t->written);
    for (struct list *link = list_pop_front(&t->dirty); link != NULL;
         link = list_pop_front(&t->dirty)) {
        struct live_batch *b = list_entry(link, struct live_batch, dirty);
        uint64_t told = b->version;
        if (read_row(t, db, b) != 1) {
            drop(t, b);
        } else if (b->version < told) {
            b->version = told;
        }
    }
}

int live_take_changed(struct live_table *t, struct changed **ret)
{
    size_t n = list_length(&t->changed);
    *ret = NULL;
    if (n == 0) {
        return 0;
    }
    struct changed *c = changed_new(n);
    if (c == NULL) {
        return -1;
    }
    n = 0;
    for (struct list *link = list_pop_front(&t->changed); link != NULL;
         link = list_pop_front(&t->changed)) {
        const struct live_batch *b = list_entry(link, struct live_batch, changed);
        if (b->state != BATCH_LOADING) {
            c->v[n++] = live_snapshot(b);
        }
    }
    c->n = n;
    if (n == 0) {
        c->msg.free(&c->msg);
        return 0;
    }
    *ret = c;
    return 0;
}

void live_trim(struct live_table *t)
{
    // A few at a time; those that hold something go to the end of the queue.
    for (int looked = 0; t->n > t->max && looked < TRIM_AT_ONCE; looked++) {
        struct live_batch *b = list_entry(t->lru.next, struct live_batch, lru);
        bool held = b->running > 0 || b->outstanding > 0 || list_linked(&b->dirty) ||
                    list_linked(&b->changed) || list_linked(&b->waking);
        if (held) {
            list_remove(&b->lru);
            list_push_back(&t->lru, &b->lru);
        } else {
            drop(t, b);
        }
    }
}

int64_t live_unfinished(const struct live_batch *b)
{
    return b->counts.total - batch_counts_done(&b->counts);
}

struct batch_snapshot live_snapshot(const struct live_batch *b)
{
    struct batch_snapshot s = {
        .batch = b->batch,
        .version = b->version,
        .state = b->state == BATCH_REMOVED ? BATCH_FINISHED : (enum batch_state)b->state,
        .deleted = b->state == BATCH_REMOVED,
        .counts = b->counts,
        .bytes_received = b->bytes_received,
        .started_at = b->started_at,
        .finished_at = b->finished_at,
        .cancel_requested_at = b->cancel_requested_at,
    };
    memcpy(s.id, b->id, UUID_SIZE);
    // A start or an end is told apart from the result, so for a moment the two may not fit.
    int64_t unfinished = live_unfinished(b);
    s.counts.running = b->running < 0 ? 0 : b->running > unfinished ? unfinished : b->running;
    return s;
}

bool live_may_run(const struct live_batch *b, int64_t now_at)
{
    return b->state == BATCH_RUNNING && b->halt == 0 && b->not_before_at <= now_at &&
           (b->deadline_at == 0 || b->deadline_at > now_at);
}

int64_t live_room(const struct live_batch *b)
{
    return b->concurrency == 0 ? INT64_MAX : b->concurrency - b->outstanding;
}

int live_refuse(struct live_table *t, struct live_batch *b, uint64_t host)
{
    if (!list_linked(&b->waking)) {
        list_push_back(&t->waking, &b->waking);
    }
    for (size_t i = 0; i < b->n_refused; i++) {
        if (b->refused[i] == host) {
            return 0;
        }
    }
    if (b->n_refused == LIVE_REFUSED_MAX) {
        b->refused_more = true;
        return 0;
    }
    if (b->n_refused == b->cap_refused) {
        size_t cap = b->cap_refused == 0 ? 8 : b->cap_refused * 2;
        uint64_t *v = reallocarray(b->refused, cap, sizeof(*v));
        if (v == NULL) {
            return -1;
        }
        b->refused = v;
        b->cap_refused = cap;
    }
    b->refused[b->n_refused++] = host;
    return 0;
}
