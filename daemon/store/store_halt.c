// SPDX-License-Identifier: MIT
// Ending what is unfinished of a batch (cancel, expire) and deleting what is removed, in bounded
// pieces between other work. Where it stands need not be stored: the batch's row says that there is
// work, and rows that were ended or deleted are not found again. On the store's thread.
#include "common/log.h"
#include "daemon/store/body_parts.h"
#include "daemon/store/store_internal.h"

#define PIECE 1000 // indexes looked at, or rows deleted, in one step

enum {
    SQL_UNFINISHED,
    SQL_HALTING,
    SQL_REMOVED,
    SQL_TASKS,
    SQL_DROP_READY,
    SQL_DROP_ATTEMPTS,
    SQL_DROP_TASK,
    SQL_RESULTS,
    SQL_DROP_RESULT,
    SQL_DROP_BATCH,
    SQL__N
};

static const char *const sql[SQL__N] = {
    [SQL_UNFINISHED] =
        "SELECT t.id, t.host, r.attempt FROM task t CROSS JOIN ready r ON r.host = t.host"
        " AND r.prio = ?1 AND r.batch = ?2 AND r.idx = t.id & 16777215"
        " WHERE t.id >= ?3 AND t.id < ?4",
    [SQL_HALTING] =
        "SELECT id FROM batch INDEXED BY batch_halting WHERE halt > 0 AND state < 3 LIMIT 1",
    [SQL_REMOVED] = "SELECT id, priority, max(succeeded, failed, cancelled, expired) FROM batch"
                    " WHERE state = 4"
                    " ORDER BY id LIMIT 1",
    [SQL_TASKS] = "SELECT id, host FROM task WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
    [SQL_DROP_READY] = "DELETE FROM ready WHERE host = ? AND prio = ? AND batch = ? AND idx = ?",
    [SQL_DROP_ATTEMPTS] = "DELETE FROM attempt WHERE task = ?",
    [SQL_DROP_TASK] = "DELETE FROM task WHERE id = ?",
    [SQL_RESULTS] =
        "SELECT id, body, size FROM result WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
    [SQL_DROP_RESULT] = "DELETE FROM result WHERE id = ?",
    [SQL_DROP_BATCH] = "DELETE FROM batch WHERE id = ?",
};

int halt_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->halt_sql);
}

int halt_begin(struct store *s, struct live_batch *b, enum task_state state)
{
    b->halt = (int)state;
    s->back.have_halting = true;
    live_touch(&s->live, b, s->now_at, true);
    store_halt_workers(s, b->batch, false);
    return 0;
}

// Ends the unfinished tasks among PIECE indexes from `from` on. Looking costs, too.
static int halt_piece(struct store *s, const struct live_batch *b, uint32_t from)
{
    struct {
        struct task_ref ref;
        int attempts;
    } found[PIECE];
    int n = 0, r;
    sqlite3_stmt *st = s->halt_sql.v[SQL_UNFINISHED];
    int64_t start = batch_range_start(b->batch) + from, end = batch_range_end(b->batch);
    end = start + PIECE < end ? start + PIECE : end;
    db_bind(st, "iiii", prio_of(b->priority), (int64_t)b->batch, start, end);
    s->ops += 1 + (size_t)(b->counts.total < PIECE ? b->counts.total : PIECE) / 4;
    while ((r = db_step(&s->db, st)) == 1) {
        found[n].ref = (struct task_ref){.task = (uint64_t)db_int(st, 0),
                                         .host = (uint64_t)db_int(st, 1),
                                         .priority = (uint8_t)b->priority};
        found[n++].attempts = (int)db_int(st, 2);
    }
    enum task_state state = (enum task_state)b->halt;
    enum task_error error = state == TASK_STATE_EXPIRED ? TASK_EXPIRED : TASK_CANCELLED;
    for (int i = 0; i < n && r == 0; i++) {
        r = record_ended(s, &found[i].ref, found[i].attempts, state, error) < 0 ? -1 : 0;
    }
    return r;
}

int halt_soon(struct store *s, struct live_batch *b, enum task_state state)
{
    if (halt_begin(s, b, state) < 0) {
        return -1;
    }
    bool small = b->counts.total <= PIECE; // its indexes may be more: some entries were left out
    for (uint32_t from = 0; small && b->state != BATCH_FINISHED && from <= TASK_INDEX_MAX;
         from += PIECE) {
        if (halt_piece(s, b, from) < 0) {
            return -1;
        }
    }
    return 0;
}

// The batch to go on with: 1, 0 if there is none, -1.
static int halting_batch(struct store *s, struct live_batch **ret)
{
    struct background *g = &s->back;
    *ret = g->halting == 0 ? NULL : live_get(&s->live, &s->db, g->halting);
    if (*ret != NULL && (*ret)->state < BATCH_FINISHED) {
        return 1;
    }
    // What was halted in this very group is in its row at the group's end.
    if (live_flush(&s->live, &s->db) < 0) {
        return -1;
    }
    sqlite3_stmt *st = s->halt_sql.v[SQL_HALTING];
    int r = db_step(&s->db, st);
    g->halting = 0;
    g->halting_next = 0;
    if (r == 1) {
        g->halting = (uint64_t)db_int(st, 0);
        db_reset(st);
        *ret = live_require(&s->live, &s->db, g->halting);
        return *ret == NULL ? -1 : 1;
    }
    g->have_halting = false;
    return r;
}

int halt_step(struct store *s)
{
    struct live_batch *b;
    int r = halting_batch(s, &b);
    if (r != 1) {
        return r;
    }
    if (s->back.halting_next > TASK_INDEX_MAX) {
        log_error("a batch has fewer tasks than its counters say batch=%llu missing=%lld",
                  (unsigned long long)b->batch, (long long)live_unfinished(b));
        b->counts.total = batch_counts_done(&b->counts);
        live_move(&s->live, b, BATCH_FINISHED, s->now_at);
        return 0;
    }
    uint32_t from = s->back.halting_next;
    s->back.halting_next += PIECE;
    return halt_piece(s, b, from);
}

// ---- removal ----

struct removal {
    uint64_t batch;
    int64_t prio;
    bool has_results; // else it was never accepted, and a task may have had no ready row
    int rows;         // deleted in this step
};

static int drop_by(struct store *s, int which, int64_t id)
{
    db_bind(s->halt_sql.v[which], "i", id);
    return db_exec(&s->db, s->halt_sql.v[which]);
}

static int drop_task(struct store *s, const struct removal *r, int64_t task, int64_t host)
{
    sqlite3_stmt *st = s->halt_sql.v[SQL_DROP_READY];
    db_bind(st, "iiii", host, r->prio, (int64_t)r->batch, task - batch_range_start(r->batch));
    int ready = db_exec(&s->db, st);
    bool ended = ready == 0 && r->has_results;
    struct host_change change = {.queued = ready > 0 ? -1 : 0, .kept = ended ? -1 : 0};
    if ((ready > 0 || ended) && hosts_count(s, (uint64_t)host, &change) < 0) {
        return -1;
    }
    if (ready > 0) {
        if (store_settle(s, (uint64_t)task) < 0) {
            return -1;
        }
        s->back.unfinished--;
    }
    return ready < 0 || drop_by(s, SQL_DROP_ATTEMPTS, task) < 0 ||
                   drop_by(s, SQL_DROP_TASK, task) < 0
               ? -1
               : 0;
}

static int drop_tasks(struct store *s, struct removal *removal)
{
    int64_t tasks[PIECE], hosts[PIECE];
    int n = 0, r;
    sqlite3_stmt *st = s->halt_sql.v[SQL_TASKS];
    db_bind(st, "iii", batch_range_start(removal->batch), batch_range_end(removal->batch),
            (int64_t)PIECE);
    while ((r = db_step(&s->db, st)) == 1) {
        tasks[n] = db_int(st, 0);
        hosts[n++] = db_int(st, 1);
    }
    for (int i = 0; i < n && r == 0; i++) {
        r = drop_task(s, removal, tasks[i], hosts[i]);
    }
    removal->rows += n;
    return r;
}

static int drop_results(struct store *s, struct removal *removal)
{
    struct {
        int64_t id, body, parts;
    } found[PIECE];
    int n = 0, r;
    sqlite3_stmt *st = s->halt_sql.v[SQL_RESULTS];
    db_bind(st, "iii", batch_range_start(removal->batch), batch_range_end(removal->batch),
            (int64_t)PIECE);
    while ((r = db_step(&s->db, st)) == 1) {
        found[n].id = db_int(st, 0);
        found[n].body = db_int(st, 1);
        found[n].parts = found[n].body == 0 ? 0 : body_parts(db_int(st, 2));
        n++;
    }
    for (int i = 0; i < n && r == 0 && removal->rows < PIECE; i++) {
        int dropped = body_drop(s, found[i].body, found[i].parts);
        bool whole = dropped < BODY_DROP_MOST; // else the next step goes on with it
        if (dropped < 0 || (whole && drop_by(s, SQL_DROP_RESULT, found[i].id) < 0)) {
            r = -1;
        }
        removal->rows += 1 + dropped * BODY_DROP_OPS;
    }
    return r;
}

int purge_step(struct store *s)
{
    if (live_flush(&s->live, &s->db) < 0) {
        return -1;
    }
    sqlite3_stmt *st = s->halt_sql.v[SQL_REMOVED];
    int r = db_step(&s->db, st);
    if (r != 1) {
        s->back.have_removed = false;
        s->back.have_free = true;
        return r;
    }
    struct removal removal = {.batch = (uint64_t)db_int(st, 0),
                              .prio = prio_of((int)db_int(st, 1)),
                              .has_results = db_int(st, 2) != 0};
    db_reset(st);
    if (drop_tasks(s, &removal) < 0) {
        return -1;
    }
    if (removal.rows == 0 && drop_results(s, &removal) < 0) {
        return -1;
    }
    if (removal.rows == 0 && drop_by(s, SQL_DROP_BATCH, (int64_t)removal.batch) < 0) {
        return -1;
    }
    s->ops += 1 + (size_t)removal.rows;
    return 0;
}
