// SPDX-License-Identifier: MIT
// Submissions. A small batch comes in one piece and is real with its commit. A large one is
// inserted piece by piece as `loading`, which nobody sees, and becomes real with its last piece.
// What fails on the way is removed in the background; what is unfinished at a crash is removed at
// start. On the store's thread.
#include <stdlib.h>
#include <string.h>

#include "daemon/store/batch_row.h"
#include "daemon/store/store_internal.h"

#define KEY_LIFE_MS (24 * 3600 * 1000)

enum { SQL_BATCH, SQL_TASK, SQL_READY, SQL_KEY, SQL_KEY_PUT, SQL_INFO, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_BATCH] =
        "INSERT INTO batch (uuid, state, version, priority, concurrency, fail_fast,"
        " created_at, not_before_at, deadline_at, retry_of, name, idempotency_key, metadata,"
        " defaults) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_TASK] =
        "INSERT INTO task (id, host, url, ext_id, metadata, spec) VALUES (?, ?, ?, ?, ?, ?)",
    [SQL_READY] = "INSERT INTO ready (host, prio, batch, idx) VALUES (?, ?, ?, ?)",
    [SQL_KEY] = "SELECT batch, hash FROM idempotency WHERE key = ? AND expires_at > ?",
    [SQL_KEY_PUT] = "INSERT OR REPLACE INTO idempotency (key, batch, hash, expires_at)"
                    " VALUES (?, ?, ?, ?)",
    [SQL_INFO] = "SELECT " BATCH_COLUMNS " FROM batch WHERE id = ?",
};

// An upload under way, or one that failed and whose later pieces are still to come.
struct upload {
    uint64_t upload;
    uint64_t batch;
    uint8_t id[UUID_SIZE];
    int64_t next_index; // least index that may come
    int64_t deadline_ms;
    char *key;    // owned, or NULL
    bool failed;  // later pieces are answered with `why`
    bool discard; // its rows are to be removed with the next commit
    bool ended;   // no piece will come any more; forgotten after the next commit
    struct err why;
    UT_hash_handle hh;
};

int upload_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->upload_sql);
}

static void forget(struct store *s, struct upload *u)
{
    HASH_DEL(s->uploads, u);
    free(u->key);
    free(u);
}

void upload_close(struct store *s)
{
    struct upload *u, *next;
    HASH_ITER(hh, s->uploads, u, next)
    {
        forget(s, u);
    }
    db_finalize(&s->upload_sql);
}

static struct upload *find(struct store *s, uint64_t upload)
{
    struct upload *u;
    HASH_FIND(hh, s->uploads, &upload, sizeof(upload), u);
    return u;
}

static struct upload *add(struct store *s, uint64_t upload)
{
    struct upload *u = calloc(1, sizeof(*u));
    if (u == NULL) {
        return NULL;
    }
    u->upload = upload;
    HASH_ADD(hh, s->uploads, upload, sizeof(u->upload), u);
    if (u->hh.tbl == NULL) {
        free(u);
        return NULL;
    }
    return u;
}

// ---- what other ways of making a batch use, too ----

bool store_may_add(struct store *s, int64_t n, struct err *why)
{
    if (atomic_load_explicit(&s->full, memory_order_relaxed)) {
        err_set(why, ERR_STORAGE_FULL, "the database's file system is nearly full");
        return false;
    }
    if (s->back.unfinished + n > s->settings.max_queued) {
        err_set(why, ERR_QUOTA_EXCEEDED, "%lld tasks are unfinished already; at most %lld may be",
                (long long)s->back.unfinished, (long long)s->settings.max_queued);
        return false;
    }
    return true;
}

int batch_insert(struct store *s, const struct batch_info *b, const char *key, uint64_t *ret)
{
    sqlite3_stmt *st = s->upload_sql.v[SQL_BATCH];
    db_bind(st, "biiiiiiibtttt", b->now.id, (size_t)UUID_SIZE, s->now_at, (int64_t)b->priority,
            (int64_t)b->concurrency, (int64_t)b->fail_fast, b->created_at, b->not_before_at,
            b->deadline_at, b->has_retry_of ? b->retry_of : NULL, (size_t)UUID_SIZE, b->name, key,
            b->metadata, b->defaults);
    if (db_exec(&s->db, st) < 0) {
        return -1;
    }
    *ret = (uint64_t)sqlite3_last_insert_rowid(s->db.handle);
    s->ops++;
    return 0;
}

int task_insert(struct store *s, const struct live_batch *b, const struct new_task *t,
                uint64_t host)
{
    sqlite3_stmt *task = s->upload_sql.v[SQL_TASK], *ready = s->upload_sql.v[SQL_READY];
    db_bind(task, "iitttt", (int64_t)task_key(b->batch, t->index), (int64_t)host, t->url, t->ext_id,
            t->metadata, t->spec);
    db_bind(ready, "iiii", (int64_t)host, prio_of(b->priority), (int64_t)b->batch,
            (int64_t)t->index);
    if (db_exec(&s->db, task) < 0 || db_exec(&s->db, ready) < 0) {
        return -1;
    }
    s->ops++;
    s->back.unfinished++;
    store_count(s, METRIC_STORE_ROWS_WRITTEN, 1);
    return hosts_count(s, host, &(struct host_change){.queued = 1});
}

int batch_accept(struct store *s, struct live_batch *b)
{
    b->state = b->counts.total == 0 ? BATCH_FINISHED : BATCH_RUNNING;
    b->finished_at = b->counts.total == 0 ? s->now_at : 0;
    b->created_at = s->now_at;
    live_touch(&s->live, b, s->now_at, true);
    store_count(s, METRIC_BATCHES_ACCEPTED, 1);
    store_count(s, METRIC_TASKS_ACCEPTED, b->counts.total);
    return b->counts.total == 0 ? 0 : notify_batch(s, b);
}

int batch_info_load(struct store *s, uint64_t batch, struct batch_info **ret)
{
    struct live_batch *b = live_require(&s->live, &s->db, batch);
    sqlite3_stmt *st = s->upload_sql.v[SQL_INFO];
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

// ---- uploads ----

static int reply_error(struct store *s, const struct upload_piece *p, const struct err *why)
{
    struct upload_reply *r = upload_reply_new(p->upload);
    if (r != NULL) {
        r->last = p->last;
        r->status = -1;
        r->err = *why;
    }
    store_to_api(s, r);
    return 0;
}

static int reply_batch(struct store *s, const struct upload_piece *p, uint64_t batch, bool replayed)
{
    struct upload_reply *r = upload_reply_new(p->upload);
    if (r == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    r->last = p->last;
    r->replayed = replayed;
    if (p->last && !p->abort && batch_info_load(s, batch, &r->batch) < 0) {
        r->msg.free(&r->msg);
        return -1;
    }
    store_to_api(s, r);
    return 0;
}

// The upload is over without a batch: its rows are removed in the background. The entry stays to
// answer later pieces.
static void give_up(struct store *s, struct upload *u, const struct upload_piece *p)
{
    u->discard = true;
    s->back.have_removed = true;
    if (!u->failed) {
        u->failed = true;
        err_set(&u->why, ERR_BAD_REQUEST, "the upload is over");
    }
    u->ended = u->ended || p->last || p->abort;
}

static int refuse(struct store *s, struct upload *u, const struct upload_piece *p,
                  const struct err *why)
{
    u->failed = true;
    u->why = *why;
    give_up(s, u, p);
    return reply_error(s, p, why);
}

static int begin(struct store *s, struct upload *u, const struct batch_new *n)
{
    struct batch_info info = {.name = n->name,
                              .metadata = n->metadata,
                              .defaults = n->defaults,
                              .priority = n->priority,
                              .concurrency = n->concurrency,
                              .fail_fast = n->fail_fast,
                              .created_at = s->now_at,
                              .not_before_at = n->not_before_at};
    memcpy(info.now.id, n->id, UUID_SIZE);
    memcpy(u->id, n->id, UUID_SIZE);
    u->deadline_ms = n->deadline_ms;
    if (n->idempotency_key != NULL) {
        u->key = strdup(n->idempotency_key);
        if (u->key == NULL) {
            return db_fail(&s->db, SQLITE_NOMEM);
        }
    }
    return batch_insert(s, &info, n->idempotency_key, &u->batch);
}

static int insert_tasks(struct store *s, struct upload *u, struct live_batch *b,
                        const struct task_piece *tasks)
{
    for (size_t i = 0; i < tasks->n; i++) {
        const struct new_task *t = &tasks->v[i];
        uint64_t host;
        if (hosts_id(s, t->host, &host) < 0 || task_insert(s, b, t, host) < 0) {
            return -1;
        }
        u->next_index = (int64_t)t->index + 1;
    }
    b->counts.total += (int64_t)tasks->n;
    live_touch(&s->live, b, s->now_at, true);
    return 0;
}

static bool indexes_ascend(const struct upload *u, const struct task_piece *tasks)
{
    int64_t next = u->next_index;
    for (size_t i = 0; i < tasks->n; i++) {
        if ((int64_t)tasks->v[i].index < next || tasks->v[i].index > TASK_INDEX_MAX) {
            return false;
        }
        next = (int64_t)tasks->v[i].index + 1;
    }
    return true;
}

// With the last piece. 1: the key was used before and the reply is made; 0: it is free; -1: the
// database failed.
static int replay(struct store *s, struct upload *u, const struct upload_piece *p)
{
    const char *key = p->batch != NULL ? p->batch->idempotency_key : u->key;
    if (key == NULL || !p->last) {
        return 0;
    }
    sqlite3_stmt *st = s->upload_sql.v[SQL_KEY];
    db_bind(st, "ti", key, s->now_at);
    int r = db_step(&s->db, st);
    if (r != 1) {
        return r;
    }
    uint64_t batch = (uint64_t)db_int(st, 0);
    uint8_t hash[sizeof(p->request_hash)];
    db_blob(st, 1, hash, sizeof(hash));
    db_reset(st);
    if (memcmp(hash, p->request_hash, sizeof(hash)) != 0) {
        struct err why;
        err_set(&why, ERR_IDEMPOTENCY_KEY_REUSED,
                "this idempotency key was used within the last 24 hours for another request");
        return refuse(s, u, p, &why) < 0 ? -1 : 1;
    }
    give_up(s, u, p);
    return reply_batch(s, p, batch, true) < 0 ? -1 : 1;
}

static int finish(struct store *s, struct upload *u, struct live_batch *b,
                  const struct upload_piece *p)
{
    if (u->key != NULL) {
        sqlite3_stmt *st = s->upload_sql.v[SQL_KEY_PUT];
        db_bind(st, "tibi", u->key, (int64_t)b->batch, p->request_hash, sizeof(p->request_hash),
                s->now_at + KEY_LIFE_MS);
        if (db_exec(&s->db, st) < 0) {
            return -1;
        }
    }
    b->deadline_at = u->deadline_ms > 0 ? s->now_at + u->deadline_ms : 0;
    if (batch_accept(s, b) < 0 || reply_batch(s, p, b->batch, false) < 0) {
        return -1;
    }
    u->ended = true;
    return 0;
}

static int take_piece(struct store *s, struct upload *u, const struct upload_piece *p)
{
    struct err why;
    if (!indexes_ascend(u, &p->tasks) || (u->batch == 0) != (p->batch != NULL)) {
        err_set(&why, ERR_INTERNAL, "pieces of an upload came out of order");
        return refuse(s, u, p, &why);
    }
    int r = replay(s, u, p);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    if (!store_may_add(s, (int64_t)p->tasks.n, &why)) {
        return refuse(s, u, p, &why);
    }
    if (u->batch == 0 && begin(s, u, p->batch) < 0) {
        return -1;
    }
    struct live_batch *b = live_require(&s->live, &s->db, u->batch);
    if (b == NULL || insert_tasks(s, u, b, &p->tasks) < 0) {
        return -1;
    }
    return p->last ? finish(s, u, b, p) : reply_batch(s, p, b->batch, false);
}

int upload_piece(struct store *s, struct upload_piece *p)
{
    struct upload *u = find(s, p->upload);
    if (u == NULL) {
        u = add(s, p->upload);
        if (u == NULL) {
            return db_fail(&s->db, SQLITE_NOMEM);
        }
    }
    if (p->abort) {
        give_up(s, u, p);
        return reply_batch(s, p, 0, false);
    }
    if (u->failed) {
        give_up(s, u, p);
        return reply_error(s, p, &u->why);
    }
    return take_piece(s, u, p);
}

void upload_failed(struct store *s, const struct upload_piece *p, const struct err *why)
{
    struct upload *u = find(s, p->upload);
    if (u == NULL) {
        u = add(s, p->upload);
    }
    if (u == NULL) {
        reply_error(s, p, why);
        return;
    }
    refuse(s, u, p, why);
}

int upload_discards(struct store *s)
{
    struct upload *u, *next;
    HASH_ITER(hh, s->uploads, u, next)
    {
        struct live_batch *b = u->discard ? live_get(&s->live, &s->db, u->batch) : NULL;
        if (b == NULL && s->db.rc != SQLITE_OK) {
            return -1;
        }
        // Its number may be another's meanwhile, if the group that made it failed.
        if (b != NULL && b->state == BATCH_LOADING && memcmp(b->id, u->id, UUID_SIZE) == 0) {
            b->state = BATCH_REMOVED;
            live_touch(&s->live, b, s->now_at, true);
            list_remove(&b->changed); // nobody ever heard of it
        }
    }
    return 0;
}

void upload_committed(struct store *s)
{
    struct upload *u, *next;
    HASH_ITER(hh, s->uploads, u, next)
    {
        u->discard = false;
        if (u->ended) {
            forget(s, u);
        }
    }
}
