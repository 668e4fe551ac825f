// SPDX-License-Identifier: MIT
// Retry: a new batch of those tasks of a finished one that ended in given states. Copied in pieces,
// as `loading`, like a large upload; answered when the last piece is committed. Several copies take
// turns. On the store's thread.
#include <stdlib.h>
#include <string.h>

#include "daemon/store/store_internal.h"

#define PIECE    500 // tasks in one step
#define N_STATES 3   // that a task to be tried again may be in

enum { SQL_RESULTS, SQL_TASK, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_RESULTS] = "SELECT task FROM result INDEXED BY result_input WHERE task >> 24 = ?1"
                    " AND state = ?2 AND task >= ?3 ORDER BY task LIMIT ?4",
    [SQL_TASK] = "SELECT t.host, t.url, t.ext_id, t.metadata, t.spec FROM task t WHERE t.id = ?",
};

enum copy_end { COPY_GOES_ON, COPY_ANSWERED, COPY_FAILED };

struct copy_state {    // what a group changes, and a failed group puts back
    uint64_t batch;    // the new one, 0: not begun
    int64_t next_task; // of the source
    uint32_t next_index;
    enum copy_end end;
};

struct copy_job {
    struct list link;
    uint64_t token, source;
    uint8_t source_id[UUID_SIZE], id[UUID_SIZE];
    unsigned states;
    bool committed; // the group that it began in was
    struct copy_state now, saved;
};

int copy_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->copy_sql);
}

void copy_close(struct store *s)
{
    for (struct list *l = list_pop_front(&s->copies); l != NULL; l = list_pop_front(&s->copies)) {
        free(list_entry(l, struct copy_job, link));
    }
    db_finalize(&s->copy_sql);
}

static struct copy_job *first(const struct store *s)
{
    return list_empty(&s->copies) ? NULL : list_entry(s->copies.next, struct copy_job, link);
}

bool copy_reads(const struct store *s, uint64_t batch)
{
    list_for_each (it, &s->copies) {
        const struct copy_job *job = list_entry(it, struct copy_job, link);
        if (job->source == batch && job->now.end == COPY_GOES_ON) {
            return true;
        }
    }
    return false;
}

int copy_begin(struct store *s, const struct control *m, const struct live_batch *source)
{
    struct copy_job *job = calloc(1, sizeof(*job));
    if (job == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    job->token = m->token;
    job->source = source->batch;
    job->states = m->retry_states;
    job->now.next_task = batch_range_start(source->batch);
    memcpy(job->source_id, source->id, UUID_SIZE);
    memcpy(job->id, m->new_id, UUID_SIZE);
    job->saved = job->now;
    list_push_back(&s->copies, &job->link);
    return 0;
}

static int make_batch(struct store *s, struct copy_job *job)
{
    struct batch_info *info;
    if (batch_info_load(s, job->source, &info) < 0) {
        return -1;
    }
    memcpy(info->now.id, job->id, UUID_SIZE);
    memcpy(info->retry_of, job->source_id, UUID_SIZE);
    info->has_retry_of = true;
    info->not_before_at = 0;
    info->deadline_at = 0; // set when it is accepted
    info->created_at = s->now_at;
    int r = batch_insert(s, info, NULL, &job->now.batch);
    batch_info_free(&info);
    return r;
}

static int copy_task(struct store *s, struct copy_job *job, struct live_batch *b, int64_t task)
{
    sqlite3_stmt *st = s->copy_sql.v[SQL_TASK];
    db_bind(st, "i", task);
    if (db_step(&s->db, st) != 1) {
        return db_fail(&s->db, SQLITE_CORRUPT);
    }
    struct new_task t = {.index = job->now.next_index++,
                         .url = db_text(st, 1),
                         .ext_id = db_text(st, 2),
                         .metadata = db_text(st, 3),
                         .spec = db_text(st, 4)};
    uint64_t host = (uint64_t)db_int(st, 0);
    int r = t.url == NULL ? db_fail(&s->db, SQLITE_NOMEM) : task_insert(s, b, &t, host);
    r = r < 0 ? -1 : ready_insert(s, b, t.index, host);
    b->counts.total++;
    return db_end(&s->db, st) < 0 ? -1 : r;
}

static int compare(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

// The tasks of the next piece: their number, or -1. *ret_done: those were the last.
static int choose(struct store *s, struct copy_job *job, int64_t tasks[N_STATES * PIECE],
                  bool *ret_done)
{
    sqlite3_stmt *st = s->copy_sql.v[SQL_RESULTS];
    int n = 0, r = 0;
    for (int state = TASK_FAILED; r == 0 && state < TASK_FAILED + N_STATES; state++) {
        if (!(job->states & 1U << state)) {
            continue;
        }
        db_bind(st, "iiii", (int64_t)job->source, (int64_t)state, job->now.next_task,
                (int64_t)PIECE);
        while ((r = db_step(&s->db, st)) == 1) {
            tasks[n++] = db_int(st, 0);
        }
    }
    if (r < 0) {
        return -1;
    }
    qsort(tasks, (size_t)n, sizeof(*tasks), compare);
    *ret_done = n < PIECE;
    n = n < PIECE ? n : PIECE;
    if (n > 0) {
        job->now.next_task = tasks[n - 1] + 1;
    }
    return n;
}

static void refuse(struct store *s, struct copy_job *job, enum err_code code, const char *text)
{
    control_refuse(s, job->token, code, text);
    job->now.end = COPY_ANSWERED;
}

// Makes the new batch invisible for good; its rows are deleted in the background.
static int discard(struct store *s, struct copy_job *job)
{
    struct live_batch *b =
        job->now.batch == 0 ? NULL : live_require(&s->live, &s->db, job->now.batch);
    if (b == NULL) {
        return job->now.batch == 0 ? 0 : -1;
    }
    live_move(&s->live, b, BATCH_REMOVED, s->now_at);
    s->back.have_removed = true;
    list_remove(&b->changed); // nobody ever heard of it
    return 0;
}

static int accept_copy(struct store *s, struct copy_job *job, struct live_batch *b)
{
    const struct live_batch *source = live_require(&s->live, &s->db, job->source);
    if (source == NULL) {
        return -1;
    }
    if (source->deadline_at > 0) { // the same time to live
        b->deadline_at = s->now_at + (source->deadline_at - source->created_at);
    }
    struct control_reply *r = control_reply_new(job->token);
    if (r == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    if (batch_accept(s, b) < 0 || batch_info_load(s, b->batch, &r->batch) < 0) {
        r->msg.free(&r->msg);
        return -1;
    }
    store_to_api(s, r);
    job->now.end = COPY_ANSWERED;
    return 0;
}

int copy_step(struct store *s)
{
    struct copy_job *job = first(s);
    if (job == NULL) {
        return 0;
    }
    if (job->now.end == COPY_FAILED) {
        job->now.end = COPY_ANSWERED; // it was answered when it failed
        return discard(s, job);
    }
    int64_t tasks[N_STATES * PIECE];
    bool done;
    struct err why;
    int n = choose(s, job, tasks, &done);
    if (n < 0) {
        return -1;
    }
    if (!store_may_add(s, n, &why)) {
        refuse(s, job, why.code, why.text);
        return discard(s, job);
    }
    if (n > 0 && job->now.batch == 0 && make_batch(s, job) < 0) {
        return -1;
    }
    if (done && job->now.batch == 0) {
        refuse(s, job, ERR_CONFLICT, "the batch has no task in such a state");
        return 0;
    }
    struct live_batch *b = live_require(&s->live, &s->db, job->now.batch);
    if (b == NULL) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        if (copy_task(s, job, b, tasks[i]) < 0) {
            return -1;
        }
    }
    live_touch(&s->live, b, s->now_at, true);
    return done ? accept_copy(s, job, b) : 0;
}

void copy_committed(struct store *s)
{
    struct list *stepped = s->copies.next;
    bool goes_on = false;
    list_for_each_safe (it, next, &s->copies) {
        struct copy_job *job = list_entry(it, struct copy_job, link);
        if (job->now.end == COPY_ANSWERED) {
            list_remove(&job->link);
            free(job);
        } else {
            job->saved = job->now;
            job->committed = true;
            goes_on |= it == stepped;
        }
    }
    if (goes_on) {
        list_remove(stepped);
        list_push_back(&s->copies, stepped);
    }
}

void copy_rolled_back(struct store *s, const struct err *why)
{
    list_for_each_safe (it, next, &s->copies) {
        struct copy_job *job = list_entry(it, struct copy_job, link);
        job->now = job->saved;
        if (!job->committed) { // its message is answered with the group's
            list_remove(&job->link);
            free(job);
        } else if (it == s->copies.next && job->now.end == COPY_GOES_ON) {
            control_refuse(s, job->token, why->code, why->text);
            job->now.end = COPY_FAILED;
            job->saved = job->now;
        }
    }
}
