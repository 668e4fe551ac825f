// SPDX-License-Identifier: MIT
// Claims: which tasks of a host are next. Half are retries that are due, the longest waiting first;
// the other half are taken level by level, highest priority first, and within a level from the
// flows (one batch's tasks for this host) in turn, a few tasks each, beginning after the one served
// last. What one half lacks the other fills. So a batch of one URL waits for one turn of the
// others, not for their ends, nor for all that failed together and is due together. On the store's
// thread, between transactions: a claim only reads and remembers in the ledger.
//
// A flow that may not run now is passed by with one seek. Work for one claim is bounded; when the
// bound is reached the answer says `more`, and the next claim goes on where this one stopped.
#include <string.h>

#include "common/log.h"
#include "daemon/store/store_internal.h"

#define MAX_VISITS      2000          // flows and rows passed by in one claim
#define MAX_CLAIM_TASKS 1000          // in one answer
#define MAX_CLAIM_BYTES (1024 * 1024) // of strings in one answer, after which it is full
#define LOOK_AGAIN_MS   1000
#define RETRY_LEVEL     10 // the ledger's lane for retries; levels of priority are 0..9

enum { SQL_RETRIES, SQL_LEVEL, SQL_FLOW, SQL_ROWS, SQL_TASK, SQL_DEFAULTS, SQL_DUE, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_RETRIES] =
        "SELECT batch, idx, attempt, not_before, prio FROM ready WHERE host = ?"
        " AND not_before > 0 AND not_before >= ? AND not_before <= ? ORDER BY not_before",
    [SQL_LEVEL] = "SELECT prio FROM ready WHERE host = ? AND prio >= ? ORDER BY prio LIMIT 1",
    [SQL_FLOW] = "SELECT batch FROM ready WHERE host = ? AND prio = ? AND batch > ?"
                 " ORDER BY batch LIMIT 1",
    [SQL_ROWS] =
        "SELECT batch, idx, attempt, not_before, prio FROM ready WHERE host = ? AND prio = ?"
        " AND batch = ? AND idx >= ? ORDER BY idx",
    [SQL_TASK] = "SELECT url, spec FROM task WHERE id = ?",
    [SQL_DEFAULTS] = "SELECT defaults FROM batch WHERE id = ?",
    [SQL_DUE] = "SELECT not_before FROM ready WHERE host = ? AND not_before > 0 AND not_before > ?"
                " ORDER BY not_before LIMIT 1",
};

struct claiming {
    struct store *s;
    const struct claim *claim;
    struct claimed *answer;
    size_t want;
    int64_t slots;
    int visits;
    size_t bytes;
    bool held_back;    // a flow would have had more, but for `slots`
    bool retries_left; // there are more waiting retries than one claim can look at
    bool flows_left;   // and more flows
};

int claim_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->claim_sql);
}

static bool is_full(const struct claiming *c)
{
    return c->answer->n >= c->want || c->bytes >= MAX_CLAIM_BYTES;
}

static bool is_over(const struct claiming *c)
{
    return is_full(c) || c->visits <= 0;
}

static int copy(struct claiming *c, sqlite3_stmt *st, int at, const char **ret)
{
    const char *text = db_text(st, at);
    *ret = NULL;
    if (text == NULL) {
        return 0;
    }
    size_t n = (size_t)sqlite3_column_bytes(st, at);
    *ret = task_arena_copy(c->answer->arena, text, n);
    c->bytes += n;
    return *ret == NULL ? db_fail(&c->s->db, SQLITE_NOMEM) : 0;
}

// The place of `batch` in the answer, which is made with its defaults at its first task.
static int batch_at(struct claiming *c, uint64_t batch, uint32_t *ret)
{
    struct claimed *a = c->answer;
    for (size_t i = a->n_batches; i-- > 0;) {
        if (a->batches[i].batch == batch) {
            *ret = (uint32_t)i;
            return 0;
        }
    }
    sqlite3_stmt *st = c->s->claim_sql.v[SQL_DEFAULTS];
    db_bind(st, "i", (int64_t)batch);
    int r = db_step(&c->s->db, st);
    if (r != 1) {
        return r < 0 ? -1 : db_fail(&c->s->db, SQLITE_CORRUPT);
    }
    r = copy(c, st, 0, &a->batches[a->n_batches].defaults);
    r = db_end(&c->s->db, st) < 0 ? -1 : r;
    a->batches[a->n_batches].batch = batch;
    *ret = (uint32_t)a->n_batches++;
    return r;
}

// Adds the task of the ready row that `row` stands on to the answer.
static int give(struct claiming *c, struct live_batch *b, sqlite3_stmt *row)
{
    struct store *s = c->s;
    struct claimed_task *t = &c->answer->tasks[c->answer->n];
    int64_t not_before = db_int(row, 3);
    int64_t start = b->not_before_at > b->created_at ? b->not_before_at : b->created_at;
    *t = (struct claimed_task){
        .ref = {.task = task_key(b->batch, (uint32_t)db_int(row, 1)),
                .host = c->claim->host,
                .priority = (uint8_t)(9 - db_int(row, 4))},
        .attempts = (int32_t)db_int(row, 2),
        .queued_at = not_before > 0 ? not_before : start,
    };
    sqlite3_stmt *st = s->claim_sql.v[SQL_TASK];
    db_bind(st, "i", (int64_t)t->ref.task);
    int r = db_step(&s->db, st);
    if (r != 1) {
        return r < 0 ? -1 : db_fail(&s->db, SQLITE_CORRUPT); // a ready row always has its task
    }
    r = copy(c, st, 0, &t->url);
    r = r < 0 ? r : copy(c, st, 1, &t->spec);
    if (db_end(&s->db, st) < 0 || r < 0 || batch_at(c, b->batch, &t->batch_at) < 0) {
        return -1;
    }
    if (ledger_add(&s->ledger, t->ref.task, t->ref.host) < 0) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    b->outstanding++;
    c->slots -= b->concurrency > 0 ? 1 : 0;
    c->answer->n++;
    return 0;
}

// How many tasks of `b` may be given now: at most `most`. What is refused for the batch's own
// concurrency is remembered.
static int allowance(struct claiming *c, struct live_batch *b, int64_t most, int64_t *ret)
{
    *ret = 0;
    if (!live_may_run(b, c->s->now_at)) {
        return 0;
    }
    if (b->concurrency > 0) {
        int64_t room = live_room(b);
        if (room <= 0) {
            return live_refuse(&c->s->live, b, c->claim->host) < 0
                       ? db_fail(&c->s->db, SQLITE_NOMEM)
                       : 0;
        }
        // What a limited batch gives to a host without a free slot only waits there, and is lacking
        // elsewhere. But an empty answer would leave the flow to chance, so then one task is given.
        int64_t slots = c->slots > 0 ? c->slots : c->answer->n == 0 ? 1 : 0;
        c->held_back = c->held_back || slots < room;
        most = room < most ? room : most;
        most = slots < most ? slots : most;
    }
    *ret = most;
    return 0;
}

// Gives up to `quantum` tasks of one flow: the number given, or -1.
static int64_t serve_flow(struct claiming *c, unsigned level, uint64_t batch, int64_t quantum)
{
    struct store *s = c->s;
    struct live_batch *b = live_get(&s->live, &s->db, batch);
    int64_t may, given = 0;
    if (b == NULL || allowance(c, b, quantum, &may) < 0) {
        return s->db.rc != SQLITE_OK ? -1 : 0;
    }
    if (may == 0) {
        return 0;
    }
    uint32_t next = ledger_cursor(&s->ledger, c->claim->host, batch);
    sqlite3_stmt *st = s->claim_sql.v[SQL_ROWS];
    db_bind(st, "iiii", (int64_t)c->claim->host, (int64_t)level, (int64_t)batch, (int64_t)next);
    int r = 1;
    while (given < may && !is_over(c) && (r = db_step(&s->db, st)) == 1) {
        uint32_t index = (uint32_t)db_int(st, 1);
        if (db_int(st, 3) > 0 || ledger_has(&s->ledger, task_key(batch, index))) {
            c->visits--; // a waiting retry, or out already
        } else if (give(c, b, st) < 0) {
            r = -1;
            break;
        } else {
            given++;
        }
        next = index + 1;
    }
    db_reset(st);
    ledger_set_cursor(&s->ledger, c->claim->host, batch, next);
    return r < 0 ? -1 : given;
}

// 1 and the number, 0 at the end, -1.
static int next_number(struct claiming *c, int which, int64_t level, uint64_t after, uint64_t *ret)
{
    sqlite3_stmt *st = c->s->claim_sql.v[which];
    if (which == SQL_LEVEL) {
        db_bind(st, "ii", (int64_t)c->claim->host, level);
    } else {
        db_bind(st, "iii", (int64_t)c->claim->host, level, (int64_t)after);
    }
    int r = db_step(&c->s->db, st);
    if (r == 1) {
        *ret = (uint64_t)db_int(st, 0);
        db_reset(st);
    }
    return r;
}

// Serves the flows of one level in turn until the answer is full or a whole cycle gave nothing. 0
// or -1.
static int serve_level(struct claiming *c, unsigned level)
{
    struct ledger_lane *lane = ledger_lane(&c->s->ledger, c->claim->host, level);
    if (lane == NULL) {
        return db_fail(&c->s->db, SQLITE_NOMEM);
    }
    int64_t quantum = c->want / 8 > 0 ? (int64_t)c->want / 8 : 1;
    while (!is_over(c)) {
        uint64_t batch = 0;
        int r = next_number(c, SQL_FLOW, level, lane->pos, &batch);
        if (r < 0) {
            return -1;
        }
        bool at_end = r == 0 || (lane->wrapped && batch > lane->stop_at);
        if (at_end && (lane->wrapped || lane->stop_at == 0)) {
            lane->pos = lane->stop_at;
            lane->wrapped = false;
            return 0; // a whole cycle without a task
        }
        if (at_end) {
            lane->wrapped = true;
            lane->pos = 0;
            continue;
        }
        int64_t given = serve_flow(c, level, batch, quantum);
        if (given < 0) {
            return -1;
        }
        lane->pos = batch;
        if (given > 0) {
            lane->stop_at = batch;
            lane->wrapped = false;
        }
        c->visits--;
    }
    return 0;
}

static int serve_levels(struct claiming *c)
{
    uint64_t level = 0;
    int r;
    while (!is_over(c) && (r = next_number(c, SQL_LEVEL, (int64_t)level, 0, &level)) != 0) {
        if (r < 0 || serve_level(c, (unsigned)level) < 0) {
            return -1;
        }
        level++;
    }
    c->flows_left = c->visits <= 0;
    return 0;
}

// Retries that are due, the longest waiting first. `pos` of their lane is the time to begin at:
// past the rows of batches that may not run, when those are more than one claim can pass by.
static int serve_retries(struct claiming *c)
{
    struct store *s = c->s;
    struct ledger_lane *lane = ledger_lane(&s->ledger, c->claim->host, RETRY_LEVEL);
    if (lane == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    uint64_t from = lane->pos, at = from;
    sqlite3_stmt *st = s->claim_sql.v[SQL_RETRIES];
    db_bind(st, "iii", (int64_t)c->claim->host, (int64_t)from, s->now_at);
    int r = 1;
    while (!is_over(c) && (r = db_step(&s->db, st)) == 1) {
        uint64_t batch = (uint64_t)db_int(st, 0);
        uint32_t index = (uint32_t)db_int(st, 1);
        at = (uint64_t)db_int(st, 3);
        int64_t may = 0;
        if (!ledger_has(&s->ledger, task_key(batch, index))) {
            struct live_batch *b = live_get(&s->live, &s->db, batch);
            r = b == NULL ? (s->db.rc != SQLITE_OK ? -1 : 0) : allowance(c, b, 1, &may);
            r = r < 0 ? r : may > 0 ? give(c, b, st) : 0;
        }
        c->visits -= may > 0 ? 0 : 1;
        if (r < 0) {
            break;
        }
    }
    db_reset(st);
    c->retries_left = c->visits <= 0;
    lane->pos = !c->retries_left ? 0 : at > from ? at : at + 1;
    return r < 0 ? -1 : 0;
}

// Adds tasks of one kind until there are `want`.
static int fill(struct claiming *c, bool retries, size_t want)
{
    c->want = want;
    c->visits = MAX_VISITS;
    return retries ? serve_retries(c) : serve_levels(c);
}

// Which half comes first alternates, since a claim may be for one task.
static int serve(struct claiming *c)
{
    struct ledger_lane *lane = ledger_lane(&c->s->ledger, c->claim->host, RETRY_LEVEL);
    if (lane == NULL) {
        return db_fail(&c->s->db, SQLITE_NOMEM);
    }
    lane->turn = !lane->turn;
    size_t want = c->want;
    bool first = lane->turn;
    int r = fill(c, first, (want + 1) / 2);
    bool has_more = is_full(c);
    r = r < 0 ? -1 : fill(c, !first, want);
    return r < 0 || !has_more ? r : fill(c, first, want);
}

static int find_next_due(struct claiming *c)
{
    // Retries that were passed by belong to batches that may not run; somewhere behind them may be
    // others.
    c->answer->next_due_at = c->retries_left ? c->s->now_at + LOOK_AGAIN_MS : 0;
    sqlite3_stmt *st = c->s->claim_sql.v[SQL_DUE];
    db_bind(st, "ii", (int64_t)c->claim->host, c->s->now_at);
    int r = db_step(&c->s->db, st);
    if (r == 1) {
        int64_t at = db_int(st, 0);
        if (c->answer->next_due_at == 0 || at < c->answer->next_due_at) {
            c->answer->next_due_at = at;
        }
        db_reset(st);
    }
    return r < 0 ? -1 : 0;
}

// What was given in an answer that is not sent.
static void take_back(struct store *s, struct claimed *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct live_batch *b = live_find(&s->live, task_key_batch(a->tasks[i].ref.task));
        if (ledger_release(&s->ledger, a->tasks[i].ref.task) && b != NULL) {
            b->outstanding--;
        }
    }
    a->msg.free(&a->msg);
}

int claim_answer(struct store *s, const struct claim *m)
{
    size_t want = m->n < MAX_CLAIM_TASKS ? m->n : MAX_CLAIM_TASKS;
    struct claiming c = {.s = s, .claim = m, .want = want, .slots = m->slots};
    c.answer = claimed_new(m->host, want);
    if (c.answer == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    if (serve(&c) < 0 || find_next_due(&c) < 0) {
        take_back(s, c.answer);
        return -1;
    }
    c.answer->more = is_full(&c) || c.flows_left || (c.held_back && c.answer->n > 0);
    store_to_worker(s, m->worker, c.answer);
    return 0;
}
