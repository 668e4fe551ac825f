// SPDX-License-Identifier: MIT
// Submissions. A small batch comes in one piece and is real with its commit. A large one is
// inserted piece by piece as `loading`, which nobody sees, and becomes real with its last piece.
// What fails on the way is removed in the background; what is unfinished at a crash is removed at
// start. On the store's thread.
#include <stdlib.h>
#include <string.h>

#include "daemon/store/ready_buffer.h"
#include "daemon/store/store_internal.h"

#define KEY_LIFE_MS (24 * 3600 * 1000)

enum { SQL_KEY, SQL_KEY_PUT, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_KEY] = "SELECT batch, hash FROM idempotency WHERE key = ? AND expires_at > ?",
    [SQL_KEY_PUT] = "INSERT OR REPLACE INTO idempotency (key, batch, hash, expires_at)"
                    " VALUES (?, ?, ?, ?)",
};

// An upload under way, or one that failed and whose later pieces are still to come.
struct upload {
    uint64_t upload;
    uint64_t batch;
    uint8_t id[UUID_SIZE];
    int64_t next_index; // least index that may come
    int64_t deadline_ms;
    char *key; // owned, or NULL
    uint8_t hash[32];
    struct ready_buffer ready; // rows still to be inserted
    bool finishing;            // the last piece is there, rows are not
    bool spoke;                // a piece of it is in the open group
    bool stepped;              // the open group inserted rows of it
    bool failed;               // later pieces are answered with `why`
    bool discard;              // its rows are to be removed with the next commit
    bool ended;                // no piece will come any more; forgotten after the next commit
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
    ready_buffer_done(&u->ready);
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

static int reply_error(struct store *s, uint64_t upload, bool last, const struct err *why)
{
    struct upload_reply *r = upload_reply_new(upload);
    if (r != NULL) {
        r->last = last;
        r->status = -1;
        r->err = *why;
    }
    store_to_api(s, r);
    return 0;
}

// To a piece that is not the last, or that ends the upload without a batch.
static int reply_piece(struct store *s, const struct upload_piece *p)
{
    struct upload_reply *r = upload_reply_new(p->upload);
    if (r != NULL) {
        r->last = p->last;
    }
    store_to_api(s, r);
    return 0;
}

static int reply_batch(struct store *s, const struct upload *u, uint64_t batch, bool replayed)
{
    struct upload_reply *r = upload_reply_new(u->upload);
    if (r == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    r->last = true;
    r->replayed = replayed;
    if (batch_info_load(s, batch, &r->batch) < 0) {
        r->msg.free(&r->msg);
        return -1;
    }
    store_to_api(s, r);
    return 0;
}

// The upload is over without a batch: its rows are removed in the background. The entry stays to
// answer later pieces, unless none will come.
static void give_up(struct store *s, struct upload *u, bool last)
{
    u->discard = true;
    u->finishing = false;
    ready_buffer_done(&u->ready);
    s->back.have_removed = true;
    if (!u->failed) {
        u->failed = true;
        err_set(&u->why, ERR_BAD_REQUEST, "the upload is over");
    }
    u->ended = u->ended || last;
}

static int refuse(struct store *s, struct upload *u, bool last, const struct err *why)
{
    u->failed = true;
    u->why = *why;
    give_up(s, u, last);
    return reply_error(s, u->upload, last, why);
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
        if (ready_buffer_put(&u->ready, host, t->index) < 0) {
            return db_fail(&s->db, SQLITE_NOMEM);
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

// At the end of an upload. 1: the key was used before and the reply is made; 0: it is free; -1: the
// database failed.
static int replay(struct store *s, struct upload *u, const char *key)
{
    if (key == NULL) {
        return 0;
    }
    sqlite3_stmt *st = s->upload_sql.v[SQL_KEY];
    db_bind(st, "ti", key, s->now_at);
    int r = db_step(&s->db, st);
    if (r != 1) {
        return r;
    }
    uint64_t batch = (uint64_t)db_int(st, 0);
    uint8_t hash[sizeof(u->hash)];
    db_blob(st, 1, hash, sizeof(hash));
    db_reset(st);
    if (memcmp(hash, u->hash, sizeof(hash)) != 0) {
        struct err why;
        err_set(&why, ERR_IDEMPOTENCY_KEY_REUSED,
                "this idempotency key was used within the last 24 hours for another request");
        return refuse(s, u, true, &why) < 0 ? -1 : 1;
    }
    give_up(s, u, true);
    return reply_batch(s, u, batch, true) < 0 ? -1 : 1;
}

// Inserts up to `most` of the gathered ready rows.
static int drain(struct store *s, struct upload *u, const struct live_batch *b, size_t most)
{
    uint64_t host;
    uint32_t index;
    for (size_t i = 0; i < most && ready_buffer_take(&u->ready, u->finishing, &host, &index); i++) {
        if (ready_insert(s, b, index, host) < 0) {
            return -1;
        }
    }
    return 0;
}

static int accept_upload(struct store *s, struct upload *u, struct live_batch *b)
{
    int r = replay(s, u, u->key); // another upload may have come first
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    if (u->key != NULL) {
        sqlite3_stmt *st = s->upload_sql.v[SQL_KEY_PUT];
        db_bind(st, "tibi", u->key, (int64_t)b->batch, u->hash, sizeof(u->hash),
                s->now_at + KEY_LIFE_MS);
        if (db_exec(&s->db, st) < 0) {
            return -1;
        }
    }
    b->deadline_at = u->deadline_ms > 0 ? s->now_at + u->deadline_ms : 0;
    if (batch_accept(s, b) < 0 || reply_batch(s, u, b->batch, false) < 0) {
        return -1;
    }
    u->finishing = false;
    u->ended = true;
    return 0;
}

// All tasks are there: inserts a bounded number of ready rows, and accepts the batch after the last
// one.
static int finish(struct store *s, struct upload *u)
{
    u->stepped = true;
    struct live_batch *b = live_require(&s->live, &s->db, u->batch);
    if (b == NULL || drain(s, u, b, GROUP_OPS) < 0) {
        return -1;
    }
    return ready_buffer_length(&u->ready) > 0 ? 0 : accept_upload(s, u, b);
}

static int take_piece(struct store *s, struct upload *u, const struct upload_piece *p)
{
    struct err why;
    if (u->finishing || !indexes_ascend(u, &p->tasks) || (u->batch == 0) != (p->batch != NULL)) {
        err_set(&why, ERR_INTERNAL, "pieces of an upload came out of order");
        return refuse(s, u, p->last, &why);
    }
    if (p->last) {
        memcpy(u->hash, p->request_hash, sizeof(u->hash));
        int r = replay(s, u, p->batch != NULL ? p->batch->idempotency_key : u->key);
        if (r != 0) {
            return r < 0 ? -1 : 0;
        }
    }
    if (!store_may_add(s, (int64_t)p->tasks.n, &why)) {
        return refuse(s, u, p->last, &why);
    }
    if (u->batch == 0 && begin(s, u, p->batch) < 0) {
        return -1;
    }
    struct live_batch *b = live_require(&s->live, &s->db, u->batch);
    if (b == NULL || insert_tasks(s, u, b, &p->tasks) < 0) {
        return -1;
    }
    if (p->last) {
        u->finishing = true;
        return finish(s, u);
    }
    // Twice as fast as it fills, so that there are never more than two segments.
    return drain(s, u, b, 2 * p->tasks.n) < 0 ? -1 : reply_piece(s, p);
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
    u->spoke = true;
    if (p->abort) {
        bool owed = u->finishing;
        give_up(s, u, true);
        return owed && reply_error(s, u->upload, true, &u->why) < 0 ? -1 : reply_piece(s, p);
    }
    if (u->failed) {
        give_up(s, u, p->last);
        return reply_error(s, u->upload, p->last, &u->why);
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
        reply_error(s, p->upload, p->last, why);
        return;
    }
    refuse(s, u, p->last || p->abort, why);
}

void upload_rolled_back(struct store *s, const struct err *why)
{
    struct upload *u, *next;
    HASH_ITER(hh, s->uploads, u, next)
    {
        if (u->stepped && !u->spoke && u->finishing) { // else its pieces are answered
            refuse(s, u, true, why);
        }
        u->spoke = false;
        u->stepped = false;
    }
}

int64_t upload_buffered(const struct store *s)
{
    int64_t n = 0;
    for (const struct upload *u = s->uploads; u != NULL; u = u->hh.next) {
        n += (int64_t)ready_buffer_length(&u->ready);
    }
    return n;
}

bool upload_wanted(const struct store *s)
{
    for (const struct upload *u = s->uploads; u != NULL; u = u->hh.next) {
        if (u->finishing) {
            return true;
        }
    }
    return false;
}

int upload_step(struct store *s)
{
    struct upload *u, *next;
    HASH_ITER(hh, s->uploads, u, next)
    {
        if (u->finishing && !u->stepped) {
            return finish(s, u);
        }
    }
    return 0;
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
            live_move(&s->live, b, BATCH_REMOVED, s->now_at);
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
        u->spoke = false;
        u->stepped = false;
        if (u->ended) {
            forget(s, u);
        }
    }
}
