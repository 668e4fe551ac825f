// SPDX-License-Identifier: MIT
// One task: its request, where it stands, its attempts, its body piece by piece. On the API's
// thread.
#include <string.h>

#include "daemon/store/body_parts.h"
#include "daemon/store/reader_internal.h"

enum { SQL_TASK, SQL_ATTEMPTS, SQL_BODY, SQL_PART, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_TASK] =
        "SELECT t.url, h.name, t.ext_id, t.metadata, t.spec, r.attempt, r.not_before"
        " FROM task t JOIN host h ON h.id = t.host JOIN batch b ON b.id = ?1"
        " LEFT JOIN ready r ON r.host = t.host AND r.prio = 9 - b.priority AND r.batch = ?1"
        " AND r.idx = ?2 WHERE t.id = ?1 << 24 | ?2 AND b.state BETWEEN 1 AND 3",
    // The last attempt is in the result, unless the task was ended without being tried again.
    [SQL_ATTEMPTS] =
        "SELECT number, started_at, finished_at, status, error, queued_ms, dns_ms,"
        " connect_ms, tls_ms, first_byte_ms, total_ms, message, remote_ip FROM attempt"
        " WHERE task = ?1 UNION ALL SELECT attempts, started_at, finished_at, status,"
        " error, queued_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, message,"
        " remote_ip FROM result INDEXED BY result_input WHERE " RESULT_OF_TASK
        " AND state < 4 AND attempts > 0 ORDER BY 1",
    [SQL_BODY] =
        ("SELECT body, size, has_body FROM result INDEXED BY result_input WHERE " RESULT_OF_TASK),
    [SQL_PART] = "SELECT data FROM body WHERE id = ?",
};

int reader_tasks_open(struct reader *r, struct err *e)
{
    return db_prepare(&r->db, sql, SQL__N, e, &r->task_sql);
}

struct giving {
    struct task_row row;
    task_row_fn *fn;
    void *ctx;
};

static void on_result(void *ctx, const struct result_row *result)
{
    struct giving *g = ctx;
    if (result != NULL) {
        g->row.result = result;
        g->row.state = result->state;
        g->row.attempts = result->attempts;
    }
    g->fn(g->ctx, &g->row);
}

int reader_task(struct reader *r, uint64_t batch, uint32_t index, task_row_fn *fn, void *ctx,
                struct err *e)
{
    sqlite3_stmt *st = r->task_sql.v[SQL_TASK];
    db_bind(st, "ii", (int64_t)batch, (int64_t)index);
    int step = db_step(&r->db, st);
    if (step != 1) {
        return step < 0 ? reader_fail(r, e) : 0;
    }
    struct giving g = {
        .row = {.batch = batch,
                .index = index,
                .url = db_text(st, 0),
                .host = db_text(st, 1),
                .ext_id = db_text(st, 2),
                .metadata = db_text(st, 3),
                .spec = db_text(st, 4),
                .state = TASK_QUEUED,
                .attempts = (int)db_int(st, 5),
                .not_before_at = db_int(st, 6)},
        .fn = fn,
        .ctx = ctx,
    };
    // While this statement is open the result is read from the same snapshot.
    int r2 = reader_result_of(r, batch, index, on_result, &g);
    return db_end(&r->db, st) < 0 || r2 < 0 ? reader_fail(r, e) : 1;
}

int reader_attempts(struct reader *r, uint64_t batch, uint32_t index, attempt_row_fn *fn, void *ctx,
                    struct err *e)
{
    sqlite3_stmt *st = r->task_sql.v[SQL_ATTEMPTS];
    db_bind(st, "i", (int64_t)task_key(batch, index));
    int n = 0, step;
    while ((step = db_step(&r->db, st)) == 1) {
        struct attempt_row row = {
            .attempt = {.number = (int)db_int(st, 0),
                        .started_at = db_int(st, 1),
                        .finished_at = db_int(st, 2),
                        .status = (int)db_int(st, 3),
                        .error = (enum task_error)db_int(st, 4),
                        .timing = {(int32_t)db_int(st, 5), (int32_t)db_int(st, 6),
                                   (int32_t)db_int(st, 7), (int32_t)db_int(st, 8),
                                   (int32_t)db_int(st, 9), (int32_t)db_int(st, 10)},
                        .message = db_borrow(st, 11),
                        .remote_ip = db_borrow(st, 12)}};
        n++;
        if (fn(ctx, &row) != 0) {
            break;
        }
    }
    return db_end(&r->db, st) < 0 || step < 0 ? reader_fail(r, e) : n;
}

// Appends what the part at `offset` holds of the bytes up to `end`: how many, or -1.
static int64_t read_part(struct reader *r, int64_t first, uint64_t offset, uint64_t end,
                         struct buf *out)
{
    sqlite3_stmt *st = r->task_sql.v[SQL_PART];
    db_bind(st, "i", first + (int64_t)(offset / BODY_PART));
    if (db_step(&r->db, st) != 1) {
        return db_fail(&r->db, SQLITE_CORRUPT);
    }
    uint64_t at = offset % BODY_PART;
    uint64_t have = (uint64_t)sqlite3_column_bytes(st, 0);
    uint64_t take = have <= at ? 0 : have - at;
    take = take < end - offset ? take : end - offset;
    int added = buf_append(out, (const char *)sqlite3_column_blob(st, 0) + at, (size_t)take);
    db_reset(st);
    if (take == 0 || added < 0) {
        return db_fail(&r->db, take == 0 ? SQLITE_CORRUPT : SQLITE_NOMEM);
    }
    return (int64_t)take;
}

int reader_body(struct reader *r, uint64_t batch, uint32_t index, uint64_t offset, size_t n,
                struct buf *out, struct err *e)
{
    sqlite3_stmt *st = r->task_sql.v[SQL_BODY];
    db_bind(st, "i", (int64_t)task_key(batch, index));
    int step = db_step(&r->db, st);
    if (step != 1) {
        return step < 0 ? reader_fail(r, e) : 0;
    }
    int64_t first = db_int(st, 0);
    uint64_t size = (uint64_t)db_int(st, 1);
    bool has_body = db_int(st, 2) != 0;
    uint64_t end = offset < size && n < size - offset ? offset + n : size;
    // While this statement is open the parts are read from the same snapshot: a batch that is being
    // deleted is whole, or not there.
    int64_t got = 0;
    while (got >= 0 && has_body && offset < end) {
        got = read_part(r, first, offset, end, out);
        offset += got > 0 ? (uint64_t)got : 0;
    }
    db_reset(st);
    return got < 0 ? reader_fail(r, e) : has_body ? 1 : 0;
}
