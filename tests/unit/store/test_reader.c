// SPDX-License-Identifier: MIT
// The reader: pages of results in both orders, filters, bodies within a page, lists of batches and
// hosts.
#include <sqlite3.h>

#include "daemon/store/reader_internal.h"
#include "fixture.h"

struct page {
    int n, stop_after;
    int64_t seq[300];
    uint32_t index[300];
    size_t bytes;
};

static int on_result(void *ctx, const struct result_row *row)
{
    struct page *p = ctx;
    p->seq[p->n] = row->seq;
    p->index[p->n++] = row->index;
    p->bytes += row->body_len;
    assert_non_null(row->url);
    assert_string_equal(row->redirects, "[]");
    assert_string_equal(row->final_url, row->url);
    return p->n == p->stop_after;
}

static struct page read_page(struct fixture *f, const struct results_query *q)
{
    struct page p = {0};
    struct err e;
    int n = reader_results(f->reader, q, on_result, &p, &e);
    assert_int_equal(n, p.n);
    return p;
}

// 100 tasks ended from the last to the first; every tenth failed.
static uint64_t backwards(struct fixture *f)
{
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 100, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 100, 100);
    for (size_t i = c->n; i-- > 0;) {
        post_outcome(f, &c->tasks[i], i % 10 == 0 ? TASK_FAILED : TASK_SUCCEEDED);
    }
    release_message(c);
    wait_changed(f, b.batch, is_finished);
    return b.batch;
}

static void pages_follow_each_other_by_seq(void **state)
{
    struct fixture *f = *state;
    uint64_t batch = backwards(f);
    int64_t after = 0;
    for (int i = 0; i < 4; i++) {
        struct page p =
            read_page(f, &(struct results_query){.batch = batch, .after = after, .limit = 30});
        assert_int_equal(p.n, i < 3 ? 30 : 10);
        for (int k = 0; k < p.n; k++) {
            assert_int_equal(p.seq[k], after + 1 + k);
            assert_int_equal(p.index[k], 99 - (after + k));
        }
        after = p.seq[p.n - 1];
    }
    assert_int_equal(
        read_page(f, &(struct results_query){.batch = batch, .after = 100, .limit = 30}).n, 0);
    assert_int_equal(read_page(f, &(struct results_query){.batch = batch + 1, .limit = 30}).n, 0);
}

static void pages_follow_each_other_by_index(void **state)
{
    struct fixture *f = *state;
    uint64_t batch = backwards(f);
    struct results_query q = {.batch = batch, .by_index = true, .after = -1, .limit = 60};
    struct page p = read_page(f, &q);
    assert_int_equal(p.n, 60);
    assert_int_equal(p.index[0], 0);
    assert_int_equal(p.index[59], 59);
    q.after = 59;
    p = read_page(f, &q);
    assert_int_equal(p.n, 40);
    assert_int_equal(p.index[0], 60);
}

static void states_filter_in_both_orders(void **state)
{
    struct fixture *f = *state;
    uint64_t batch = backwards(f);
    struct results_query q = {.batch = batch, .limit = 300, .states = 1U << TASK_FAILED};
    struct page p = read_page(f, &q);
    assert_int_equal(p.n, 10);
    assert_int_equal(p.seq[0], 10);
    q.limit = 3;
    q.after = p.seq[2];
    p = read_page(f, &q);
    assert_int_equal(p.n, 3);
    assert_int_equal(p.seq[0], 40);
    q = (struct results_query){
        .batch = batch, .by_index = true, .after = -1, .limit = 300, .states = 1U << TASK_FAILED};
    p = read_page(f, &q);
    assert_int_equal(p.n, 10);
    assert_int_equal(p.index[1], 10);
    q = (struct results_query){
        .batch = batch, .limit = 300, .states = 1U << TASK_FAILED | 1U << TASK_SUCCEEDED};
    p = read_page(f, &q);
    assert_int_equal(p.n, 100);
    assert_int_equal(p.seq[99], 100);
    q.states = 1U << TASK_STATE_CANCELLED;
    assert_int_equal(read_page(f, &q).n, 0);
    q.states = 1U << TASK_QUEUED;
    assert_int_equal(read_page(f, &q).n, 0);
}

// Makes 50,000 results of batch 7 by hand: all succeeded but the first and the last.
static void insert_many(const struct fixture *f)
{
    static const char sql[] =
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT 50000)"
        " INSERT INTO task (id, host, url) SELECT 7 << 24 | i, 1, 'http://a.test/' FROM n;"
        "INSERT INTO result (id, task, state, status, error, retryable, attempts, has_body,"
        " complete, size, body, started_at, finished_at, queued_ms, dns_ms, connect_ms, tls_ms,"
        " first_byte_ms, total_ms) SELECT id + 1, id, CASE WHEN id & 16777215 IN (0, 49999)"
        " THEN 3 ELSE 2 END, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM task";
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

// What the reader's statements did since the last call.
static int steps(struct fixture *f)
{
    int n = 0;
    sqlite3 *db = f->reader->db.handle;
    for (sqlite3_stmt *st = sqlite3_next_stmt(db, NULL); st != NULL;
         st = sqlite3_next_stmt(db, st)) {
        n += sqlite3_stmt_status(st, SQLITE_STMTSTATUS_VM_STEP, 1);
    }
    return n;
}

static void a_rare_state_is_found_without_walking_over_the_others(void **state)
{
    struct fixture *f = *state;
    insert_many(f);
    struct results_query q = {.batch = 7, .limit = 100, .states = 1U << TASK_FAILED};
    for (int by_index = 0; by_index < 2; by_index++) {
        q.by_index = by_index != 0;
        q.after = by_index ? -1 : 0;
        steps(f);
        struct page p = read_page(f, &q);
        assert_int_equal(p.n, 2);
        assert_int_equal(p.index[1], 49999);
        assert_in_range(steps(f), 1, 1000);
    }
    q.after = 0; // the first one was seen
    assert_int_equal(read_page(f, &q).index[0], 49999);
    q.states = 1U << TASK_SUCCEEDED | 1U << TASK_FAILED;
    struct page p = read_page(f, &q);
    assert_int_equal(p.n, 100);
    assert_int_equal(p.index[99], 100);
}

static void a_callback_can_end_the_page(void **state)
{
    struct fixture *f = *state;
    uint64_t batch = backwards(f);
    struct page p = {.stop_after = 5};
    struct err e;
    const struct results_query q = {.batch = batch, .limit = 100};
    assert_int_equal(reader_results(f->reader, &q, on_result, &p, &e), 5);
}

static void bodies_are_read_up_to_the_largest_asked_for(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 10, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 10, 10);
    for (size_t i = 0; i < c->n; i++) {
        struct outcome *o = outcome_new(&c->tasks[i].ref);
        o->state = TASK_SUCCEEDED;
        o->has_body = true;
        o->size = 1000;
        o->body.size = 1000;
        o->body.data = calloc(1, 1000);
        mailbox_post(store_mailbox(f->store), &o->msg);
    }
    release_message(c);
    wait_changed(f, b.batch, is_finished);
    struct results_query q = {
        .batch = b.batch, .limit = 100, .include = RESULTS_WITH_BODY, .largest_body = 1000};
    struct page p = read_page(f, &q);
    assert_int_equal(p.n, 10);
    assert_int_equal(p.bytes, 10000);
    q.largest_body = 999;
    p = read_page(f, &q);
    assert_int_equal(p.n, 10);
    assert_int_equal(p.bytes, 0);
    q.largest_body = 1000;
    q.include = 0;
    assert_int_equal(read_page(f, &q).bytes, 0);
}

struct batches {
    int n;
    uint64_t batch[20];
};

static int on_batch(void *ctx, const struct batch_info *b)
{
    struct batches *l = ctx;
    l->batch[l->n++] = b->now.batch;
    return 0;
}

static struct batches list_batches(struct fixture *f, const struct batch_filter *filter)
{
    struct batches l = {0};
    struct err e;
    int n = reader_batches(f->reader, filter, on_batch, &l, &e);
    assert_int_equal(n, l.n);
    return l;
}

static void batches_are_listed_newest_first_and_filtered(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b[6];
    for (int i = 0; i < 6; i++) {
        b[i] = submit_batch(
            f, (struct submit){.n = 1, .host = "a.test", .name = i % 2 == 0 ? "even" : "odd"});
    }
    release_message(control_batch(f, CONTROL_PAUSE, b[1].id, false));
    release_message(control_batch(f, CONTROL_PAUSE, b[4].id, false));
    struct batches l = list_batches(f, &(struct batch_filter){.state = -1, .limit = 4});
    assert_int_equal(l.n, 4);
    assert_int_equal(l.batch[0], b[5].batch);
    l = list_batches(f, &(struct batch_filter){.state = -1, .limit = 4, .before = l.batch[3]});
    assert_int_equal(l.n, 2);
    assert_int_equal(l.batch[1], b[0].batch);
    l = list_batches(f, &(struct batch_filter){.state = BATCH_PAUSED, .limit = 4});
    assert_int_equal(l.n, 2);
    assert_int_equal(l.batch[0], b[4].batch);
    l = list_batches(f, &(struct batch_filter){.state = -1, .name = "odd", .limit = 4});
    assert_int_equal(l.n, 3);
    l = list_batches(f, &(struct batch_filter){.state = BATCH_PAUSED, .name = "odd", .limit = 4});
    assert_int_equal(l.n, 1);
    assert_int_equal(l.batch[0], b[1].batch);
}

struct task_seen {
    enum task_state state;
    int attempts;
    int64_t not_before_at;
    bool has_result;
    char host[64];
};

static int on_task(void *ctx, const struct task_row *row)
{
    struct task_seen *s = ctx;
    s->state = row->state;
    s->attempts = row->attempts;
    s->not_before_at = row->not_before_at;
    s->has_result = row->result != NULL;
    snprintf(s->host, sizeof(s->host), "%s", row->host);
    return 0;
}

static void a_task_shows_where_it_stands(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b =
        submit_batch(f, (struct submit){.n = 3, .host = "a.test", .priority = 8});
    struct claimed *c = claim_tasks(f, "a.test", 2, 2);
    post_outcome(f, &c->tasks[0], TASK_FAILED);
    int64_t due = clock_wall_at() + 100000;
    post_retry(f, &c->tasks[1], due);
    flush_store(f);
    release_message(c);
    struct task_seen s;
    struct err e;
    assert_int_equal(reader_task(f->reader, b.batch, 0, on_task, &s, &e), 1);
    assert_int_equal(s.state, TASK_FAILED);
    assert_true(s.has_result);
    assert_int_equal(s.attempts, 1);
    assert_string_equal(s.host, "a.test");
    assert_int_equal(reader_task(f->reader, b.batch, 1, on_task, &s, &e), 1);
    assert_int_equal(s.state, TASK_QUEUED);
    assert_false(s.has_result);
    assert_int_equal(s.attempts, 1);
    assert_int_equal(s.not_before_at, due);
    assert_int_equal(reader_task(f->reader, b.batch, 2, on_task, &s, &e), 1);
    assert_int_equal(s.attempts, 0);
    assert_int_equal(s.not_before_at, 0);
    assert_int_equal(reader_task(f->reader, b.batch, 3, on_task, &s, &e), 0);
    assert_int_equal(reader_task(f->reader, b.batch + 1, 0, on_task, &s, &e), 0);
}

struct hosts_seen {
    int n;
    char name[10][64];
    int64_t queued, succeeded, failed;
};

static int on_host(void *ctx, const struct host_row *row)
{
    struct hosts_seen *h = ctx;
    snprintf(h->name[h->n++], sizeof(h->name[0]), "%s", row->record.name);
    h->queued += row->queued;
    h->succeeded += row->succeeded;
    h->failed += row->failed;
    return 0;
}

static void hosts_are_listed_by_name_with_their_counts(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 40, .hosts = 4});
    struct claimed *c = claim_tasks(f, "h2.test", 3, 3);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    post_outcome(f, &c->tasks[1], TASK_FAILED);
    release_message(c);
    flush_store(f);
    struct hosts_seen h = {0};
    struct err e;
    assert_int_equal(reader_hosts(f->reader, "h0.test", 2, on_host, &h, &e), 2);
    assert_string_equal(h.name[0], "h1.test");
    assert_string_equal(h.name[1], "h2.test");
    assert_int_equal(h.queued, 18);
    assert_int_equal(h.succeeded, 1);
    assert_int_equal(h.failed, 1);
    assert_int_equal(reader_host(f->reader, "none.test", on_host, &h, &e), 0);
}

static int on_attempt(void *ctx, const struct attempt_row *row)
{
    (void)ctx, (void)row;
    return 0;
}

// Every call fails with `code`, and says why.
static void assert_nothing_is_read(struct reader *r, const struct batch_snapshot *b,
                                   enum err_code code)
{
    struct batch_info *info = NULL;
    struct page p = {0};
    struct batches l = {0};
    struct task_seen t;
    struct hosts_seen h = {0};
    struct buf body = BUF_INIT(1000);
    struct results_query by_seq = {.batch = b->batch, .limit = 9}, by_index = by_seq,
                         failed = by_seq;
    uint8_t id[UUID_SIZE] = {0}, hash[32];
    struct err e[11];
    by_index.by_index = true;
    failed.states = 1U << TASK_FAILED;
    const int results[] = {
        reader_batch(r, b->id, &e[0], &info),
        reader_batches(r, &(struct batch_filter){.state = -1, .limit = 9}, on_batch, &l, &e[1]),
        reader_results(r, &by_seq, on_result, &p, &e[2]),
        reader_results(r, &by_index, on_result, &p, &e[3]),
        reader_results(r, &failed, on_result, &p, &e[4]),
        reader_task(r, b->batch, 0, on_task, &t, &e[5]),
        reader_attempts(r, b->batch, 0, on_attempt, NULL, &e[6]),
        reader_body(r, b->batch, 0, 0, 9, &body, &e[7]),
        reader_hosts(r, NULL, 9, on_host, &h, &e[8]),
        reader_host(r, "a.test", on_host, &h, &e[9]),
        reader_idempotency(r, "key", &e[10], id, hash),
    };
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        assert_int_equal(results[i], -1);
        assert_int_equal(e[i].code, code);
        assert_non_null(strstr(e[i].text, "cannot read the database: "));
    }
    buf_done(&body);
}

static void run(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void a_database_that_cannot_be_read_fails_every_call(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
    struct reader *r = NULL;
    struct err e;
    sqlite3 *db = NULL;
    char copy[160], sql[256];
    snprintf(copy, sizeof copy, "%s.copy", f->path);
    snprintf(sql, sizeof sql, "VACUUM INTO '%s'", copy);
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    run(db, sql);
    sqlite3_close(db);
    assert_int_equal(reader_open(copy, &e, &r), 0);
    sqlite3_busy_timeout(r->db.handle, 0);
    assert_int_equal(sqlite3_open(copy, &db), SQLITE_OK);
    run(db, "BEGIN EXCLUSIVE"); // the copy has no write-ahead log
    assert_nothing_is_read(r, &b, ERR_OVERLOADED);
    run(db, "COMMIT; DROP VIEW results; DROP VIEW failures");
    const char *const tables[] = {"batch", "task",    "ready", "result",
                                  "body",  "attempt", "host",  "idempotency"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        snprintf(sql, sizeof sql, "DROP TABLE %s", tables[i]);
        run(db, sql);
    }
    assert_nothing_is_read(r, &b, ERR_INTERNAL);
    sqlite3_close(db);
    reader_close(&r);
    unlink(copy);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_follow_each_other_by_seq),
        TEST(pages_follow_each_other_by_index),
        TEST(states_filter_in_both_orders),
        TEST(a_rare_state_is_found_without_walking_over_the_others),
        TEST(a_callback_can_end_the_page),
        TEST(bodies_are_read_up_to_the_largest_asked_for),
        TEST(batches_are_listed_newest_first_and_filtered),
        TEST(a_task_shows_where_it_stands),
        TEST(hosts_are_listed_by_name_with_their_counts),
        TEST(a_database_that_cannot_be_read_fails_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
