// SPDX-License-Identifier: MIT
// Results as pages. All of them in order of seq are one walk; others are found in the indexes of
// states first, and then each row is read: a rare state in a batch of a million costs as little as
// a common one. On the API's thread.
#include <stdlib.h>
#include <string.h>

#include "daemon/store/body_parts.h"
#include "daemon/store/reader_internal.h"

enum {
    SQL_BY_SEQ,
    SQL_BY_STATE,
    SQL_BY_INDEX,
    SQL_ROW,
    SQL_TASK_RESULT,
    SQL_TASK_ROW,
    SQL_PARTS,
    SQL__N
};

#define FIRST_STATE TASK_SUCCEEDED
#define LAST_STATE  TASK_STATE_EXPIRED
#define N_STATES    4

#define ROW_COLUMNS                                                                                \
    "r.id, r.task, t.url, t.ext_id, t.metadata, r.state, r.status, r.error, r.message, "           \
    "r.retryable,"                                                                                 \
    " r.attempts, r.final_url, r.redirects, r.http_version, r.remote_ip, r.content_type, r.size,"  \
    " r.has_body, r.complete, r.sha256, r.queued_ms, r.dns_ms, r.connect_ms, r.tls_ms,"            \
    " r.first_byte_ms, r.total_ms, r.started_at, r.finished_at, r.body, r.headers"

static const char *const sql[SQL__N] = {
    [SQL_BY_SEQ] = "SELECT " ROW_COLUMNS " FROM result r CROSS JOIN task t ON t.id = r.task"
                   " WHERE r.id > ? AND r.id < ? ORDER BY r.id LIMIT ?",
    [SQL_BY_STATE] = "SELECT id, id FROM result INDEXED BY result_state WHERE state = ?4"
                     " AND id > ?1 AND id < ?2 ORDER BY id LIMIT ?3",
    [SQL_BY_INDEX] = "SELECT task, id FROM result INDEXED BY result_input WHERE task >> 24 ="
                     " (?2 >> 24) - 1 AND state = ?4 AND task > ?1 ORDER BY task LIMIT ?3",
    [SQL_ROW] = "SELECT " ROW_COLUMNS " FROM result r JOIN task t ON t.id = r.task WHERE r.id = ?",
    // Apart from SQL_ROW, which may be open: a callback of reader_results may ask for a task.
    [SQL_TASK_ROW] =
        "SELECT " ROW_COLUMNS " FROM result r JOIN task t ON t.id = r.task WHERE r.id = ?",
    [SQL_TASK_RESULT] = ("SELECT id FROM result INDEXED BY result_input WHERE " RESULT_OF_TASK),
    [SQL_PARTS] = "SELECT data FROM body WHERE id >= ? AND id < ? ORDER BY id",
};

int reader_results_open(struct reader *r, struct err *e)
{
    return db_prepare(&r->db, sql, SQL__N, e, &r->result_sql);
}

static struct result_row read_row(sqlite3_stmt *st)
{
    struct result_row row = {
        .batch = task_key_batch((uint64_t)db_int(st, 1)),
        .index = task_key_index((uint64_t)db_int(st, 1)),
        .seq = (int64_t)task_key_index((uint64_t)db_int(st, 0)),
        .url = db_text(st, 2),
        .ext_id = db_text(st, 3),
        .metadata = db_text(st, 4),
        .state = (enum task_state)db_int(st, 5),
        .status = (int)db_int(st, 6),
        .error = (enum task_error)db_int(st, 7),
        .message = db_text(st, 8),
        .retryable = db_int(st, 9) != 0,
        .attempts = (int)db_int(st, 10),
        .final_url = db_text(st, 11),
        .redirects = db_text(st, 12),
        .http_version = db_text(st, 13),
        .remote_ip = db_text(st, 14),
        .content_type = db_text(st, 15),
        .size = (uint64_t)db_int(st, 16),
        .has_body = db_int(st, 17) != 0,
        .complete = db_int(st, 18) != 0,
        .timing = {(int32_t)db_int(st, 20), (int32_t)db_int(st, 21), (int32_t)db_int(st, 22),
                   (int32_t)db_int(st, 23), (int32_t)db_int(st, 24), (int32_t)db_int(st, 25)},
        .started_at = db_int(st, 26),
        .finished_at = db_int(st, 27),
    };
    db_blob(st, 19, row.sha256, sizeof(row.sha256));
    row.final_url = row.final_url == NULL ? row.url : row.final_url;
    row.redirects = row.redirects == NULL ? "[]" : row.redirects;
    return row;
}

// A whole body into memory: borrowed from `into`.
static int read_body(struct reader *r, int64_t first, struct result_row *row, struct buf *into)
{
    buf_reset(into);
    row->body = "";
    if (first == 0) {
        return 0;
    }
    sqlite3_stmt *st = r->result_sql.v[SQL_PARTS];
    db_bind(st, "ii", first, first + body_parts((int64_t)row->size));
    int step;
    while ((step = db_step(&r->db, st)) == 1) {
        buf_append(into, sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
    }
    if (step < 0 || into->failed) {
        return db_fail(&r->db, SQLITE_NOMEM);
    }
    row->body = into->data;
    row->body_len = into->len;
    return 0;
}

struct giving {
    struct reader *r;
    const struct results_query *q;
    result_row_fn *fn;
    void *ctx;
    struct buf body;
    int n;
};

// The row at which `st` stands. 1: go on; 0: enough; -1: failed.
static int give(struct giving *g, sqlite3_stmt *st)
{
    struct result_row row = read_row(st);
    if (g->q->include & RESULTS_WITH_HEADERS) {
        row.headers = db_text(st, 29);
    }
    bool with_body =
        (g->q->include & RESULTS_WITH_BODY) != 0 && row.has_body && row.size <= g->q->largest_body;
    if (with_body && read_body(g->r, db_int(st, 28), &row, &g->body) < 0) {
        return -1;
    }
    g->n++;
    return g->fn(g->ctx, &row) != 0 ? 0 : 1;
}

// All rows of a statement. 1: there are no more; 0: enough; -1: failed.
static int give_all(struct giving *g, sqlite3_stmt *st)
{
    int step = 0, go_on = 1;
    while (go_on == 1 && (step = db_step(&g->r->db, st)) == 1) {
        go_on = give(g, st);
    }
    return db_end(&g->r->db, st) < 0 || step < 0 ? -1 : go_on;
}

static int give_by_seq(struct giving *g)
{
    const struct results_query *q = g->q;
    sqlite3_stmt *st = g->r->result_sql.v[SQL_BY_SEQ];
    db_bind(st, "iii", (int64_t)task_key(q->batch, 0) + q->after,
            (int64_t)task_key(q->batch + 1, 0), (int64_t)q->limit);
    return give_all(g, st);
}

// A result that is to be given, and where it stands in the order asked for.
struct place {
    int64_t key, id;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

// Adds the first results in one state to v[*n].
static int find(struct reader *r, const struct results_query *q, int state, struct place *v,
                size_t *n)
{
    sqlite3_stmt *st = r->result_sql.v[q->by_index ? SQL_BY_INDEX : SQL_BY_STATE];
    db_bind(st, "iiii", (int64_t)task_key(q->batch, 0) + q->after,
            (int64_t)task_key(q->batch + 1, 0), (int64_t)q->limit, (int64_t)state);
    int step;
    while ((step = db_step(&r->db, st)) == 1) {
        v[(*n)++] = (struct place){.key = db_int(st, 0), .id = db_int(st, 1)};
    }
    return step;
}

static int give_in_states(struct giving *g, unsigned states)
{
    size_t n = 0;
    struct place *v = calloc((size_t)g->q->limit * N_STATES + 1, sizeof(*v));
    if (!v) {
        return db_fail(&g->r->db, SQLITE_NOMEM);
    }
    int step = 1;
    for (int state = FIRST_STATE; step >= 0 && state <= LAST_STATE; state++) {
        if (states >> state & 1U) {
            step = find(g->r, g->q, state, v, &n);
        }
    }
    if (step >= 0) {
        qsort(v, n, sizeof(*v), compare_places);
        n = n > g->q->limit ? g->q->limit : n;
        step = 1;
    }
    for (size_t i = 0; step == 1 && i < n; i++) {
        sqlite3_stmt *st = g->r->result_sql.v[SQL_ROW];
        db_bind(st, "i", v[i].id);
        step = give_all(g, st); // none if it was deleted meanwhile
    }
    free(v);
    return step;
}

int reader_results(struct reader *r, const struct results_query *q, result_row_fn *fn, void *ctx,
                   struct err *e)
{
    unsigned all = 1U << TASK_SUCCEEDED | 1U << TASK_FAILED | 1U << TASK_STATE_CANCELLED |
                   1U << TASK_STATE_EXPIRED;
    unsigned states = q->states == 0 ? all : q->states & all;
    struct giving g = {.r = r, .q = q, .fn = fn, .ctx = ctx, .body = BUF_INIT(SIZE_MAX / 2)};
    int step = !q->by_index && states == all ? give_by_seq(&g) : give_in_states(&g, states);
    buf_done(&g.body);
    return step < 0 ? reader_fail(r, e) : g.n;
}

int reader_result_of(struct reader *r, uint64_t batch, uint32_t index, result_seen_fn *fn,
                     void *ctx)
{
    sqlite3_stmt *find = r->result_sql.v[SQL_TASK_RESULT], *st = r->result_sql.v[SQL_TASK_ROW];
    db_bind(find, "i", (int64_t)task_key(batch, index));
    int step = db_step(&r->db, find);
    if (step == 1) {
        db_bind(st, "i", db_int(find, 0));
        db_reset(find);
        step = db_step(&r->db, st);
    }
    if (step == 1) {
        struct result_row row = read_row(st);
        row.headers = db_text(st, 29);
        fn(ctx, &row);
        step = db_end(&r->db, st);
    } else if (step == 0) {
        fn(ctx, NULL);
    }
    return step < 0 ? -1 : 0;
}
