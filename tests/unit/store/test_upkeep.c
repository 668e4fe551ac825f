// SPDX-License-Identifier: MIT
// What the store does when nobody asks: checkpoints beside foreign readers, and forgetting what has
// expired.
#include <sqlite3.h>
#include <sys/stat.h>

#include "fixture.h"

static sqlite3 *open_foreign(const struct fixture *f)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, WAIT_MS);
    return db;
}

static void run_sql(sqlite3 *db, const char *sql)
{
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

static int64_t log_size(const struct fixture *f)
{
    char path[160];
    struct stat st;
    snprintf(path, sizeof(path), "%s-wal", f->path);
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

// A backup or a shell may read for minutes. The log's space is given back when it has ended.
static void a_foreign_reader_does_not_hold_up_the_store(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    f->config.store.min_free = UINT64_MAX; // so the log is to be cut at once
    fixture_open(f);
    sqlite3 *foreign = open_foreign(f);
    run_sql(foreign, "BEGIN; SELECT count(*) FROM batch");
    int64_t since_ms = clock_monotonic_ms();
    fixture_run(f);
    flush_store(f);
    flush_store(f); // after the turn that took the first one
    assert_true(clock_monotonic_ms() - since_ms < 1000);
    assert_true(log_size(f) > 0);
    run_sql(foreign, "COMMIT");
    sqlite3_close(foreign);
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (log_size(f) > 0 && clock_monotonic_ms() < end) {
        struct control_reply *r = control_batch(f, CONTROL_CANCEL, (uint8_t[UUID_SIZE]){1}, false);
        release_message(r); // writes nothing
    }
    assert_int_equal(log_size(f), 0);
    fixture_stop(f);
    fixture_remove(f);
}

static int64_t wait_for_number(sqlite3 *db, const char *sql, int64_t wanted)
{
    int64_t end = clock_monotonic_ms() + WAIT_MS, n;
    while ((n = number(db, sql)) != wanted && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    return n;
}

static void set_retention(struct fixture *f, int64_t ms)
{
    struct config config = f->config;
    config.store.retention_ms = ms;
    store_post_config(f->store, &config);
}

static struct host_limits set_limit(struct fixture *f, const char *host, int32_t concurrency)
{
    struct control *c = control_new(CONTROL_HOST_SET, 1);
    assert_non_null(c);
    c->host = strdup(host);
    c->host_fields = 1U;
    c->limits.max_concurrency = concurrency;
    mailbox_post(store_mailbox(f->store), &c->msg);
    release_message(take(&f->api, RING_CONTROL_REPLY));
    struct host_limits_changed *m =
        take(&f->worker[store_worker_of(host, WORKERS)], RING_HOST_LIMITS);
    assert_string_equal(m->name, host);
    struct host_limits limits = m->limits;
    release_message(m);
    return limits;
}

static void post_block(struct fixture *f, const char *host, int64_t until, int64_t needed_until)
{
    struct host_state *m = host_state_new(host);
    assert_non_null(m);
    m->blocked_until = until;
    m->needed_until = needed_until;
    m->backoff_level = 3;
    mailbox_post(store_mailbox(f->store), &m->msg);
}

static void hosts_are_forgotten_when_nothing_needs_them(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    sqlite3 *db = open_foreign(f);
    unsigned worker;
    int64_t now_at = clock_wall_at();
    submit_batch(f, (struct submit){.n = 3, .host = "done.test"});
    work_off(f, "done.test", TASK_SUCCEEDED);
    submit_batch(f, (struct submit){.n = 3, .host = "open.test"});
    set_limit(f, "set.test", 3);
    post_block(f, "blocked.test", now_at + 60000, now_at + 120000);
    post_block(f, "was-blocked.test", now_at - 1, now_at - 1);
    uint64_t last = host_id(f, "hop.test", &worker);
    assert_int_equal(number(db, "SELECT count(*) FROM host WHERE name <> 'flush.test'"), 6);
    set_retention(f, 1);
    assert_int_equal(wait_for_number(db, "SELECT count(*) FROM host", 3), 3);
    assert_int_equal(number(db, "SELECT count(*) FROM host WHERE name IN ('open.test',"
                                "'set.test', 'blocked.test')"),
                     3);
    // Met again it is a new row, told by the new number; and what is set or reported by its name
    // holds, whatever number the worker knows.
    assert_true(host_id(f, "done.test", &worker) > last);
    assert_int_equal(set_limit(f, "done.test", 2).max_concurrency, 2);
    post_block(f, "hop.test", now_at + 60000, now_at + 120000);
    assert_int_equal(wait_for_number(db, "SELECT count(*) FROM host", 5), 5);
    set_limit(f, "done.test", -1);
    assert_int_equal(wait_for_number(db, "SELECT count(*) FROM host", 4), 4);
    assert_int_equal(work_off(f, "open.test", TASK_SUCCEEDED), 3);
    sqlite3_close(db);
    fixture_stop(f);
    fixture_remove(f);
}

// Rows of a host that a worker must not take for another host's.
static void no_number_is_given_to_two_hosts(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    sqlite3 *db = open_foreign(f);
    unsigned worker;
    set_retention(f, 1);
    uint64_t first = host_id(f, "a.test", &worker);
    assert_int_equal(wait_for_number(db, "SELECT count(*) FROM host", 0), 0);
    assert_true(host_id(f, "b.test", &worker) > first);
    sqlite3_close(db);
    fixture_stop(f);
    fixture_remove(f);
}

// Its tasks are there, and their ready rows are still to come.
static void an_upload_under_way_keeps_its_hosts(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    f->config.store.retention_ms = 1;
    fixture_start(f);
    const struct submit s = {.n = 2000, .host = "a.test"};
    post_piece(f, 1, &s, 0, 1000, false);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    int64_t end = clock_wall_at() + 5;
    while (clock_wall_at() < end) { // each may forget hosts
        flush_store(f);
    }
    post_piece(f, 1, &s, 1000, 1000, true);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 2000);
    sqlite3 *db = open_foreign(f);
    assert_int_equal(wait_for_number(db, "SELECT count(*) FROM host", 0), 0);
    sqlite3_close(db);
    fixture_stop(f);
    fixture_remove(f);
}

static const char kept_is_wrong[] =
    "SELECT count(*) FROM host LEFT JOIN (SELECT task.host, count(*) AS n FROM task"
    " JOIN result ON result.task = task.id GROUP BY task.host) AS k ON k.host = host.id"
    " WHERE kept <> coalesce(k.n, 0)";

static void what_refers_to_a_host_is_counted(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    sqlite3 *db = open_foreign(f);
    struct batch_snapshot done = submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
    work_off(f, "a.test", TASK_FAILED);
    struct batch_snapshot half = submit_batch(f, (struct submit){.n = 1200, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    for (size_t i = 0; i < c->n; i++) {
        post_outcome(f, &c->tasks[i], TASK_SUCCEEDED);
    }
    release_message(c);
    flush_store(f);
    assert_int_equal(number(db, "SELECT kept FROM host WHERE name = 'a.test'"), 8);
    const struct submit given_up = {.n = 2000, .host = "a.test"};
    post_piece(f, 99, &given_up, 0, 1000, false);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    struct upload_piece *p = upload_piece_new(99);
    assert_non_null(p);
    p->abort = true;
    mailbox_post(store_mailbox(f->store), &p->msg);
    assert_int_equal(wait_for_number(db, "SELECT count(*) FROM task", 1203), 1203);
    assert_int_equal(number(db, kept_is_wrong), 0);
    release_message(control_batch(f, CONTROL_DELETE, half.id, true));
    assert_int_equal(wait_for_number(db, "SELECT count(*) FROM task", 3), 3);
    assert_int_equal(number(db, "SELECT kept FROM host WHERE name = 'a.test'"), 3);
    release_message(control_batch(f, CONTROL_DELETE, done.id, false));
    assert_int_equal(wait_for_number(db, "SELECT kept FROM host WHERE name = 'a.test'", 0), 0);
    assert_int_equal(number(db, kept_is_wrong), 0);
    sqlite3_close(db);
    fixture_stop(f);
    fixture_remove(f);
}

static void keys_that_have_expired_are_forgotten(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    submit_batch(f, (struct submit){.n = 1, .host = "a.test", .key = "fresh", .hash = 1});
    fixture_stop(f);
    sqlite3 *foreign = open_foreign(f);
    run_sql(foreign, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1200)"
                     " INSERT INTO idempotency SELECT 'old ' || i, 1, x'00', i FROM n");
    fixture_start(f);
    assert_int_equal(wait_for_number(foreign, "SELECT count(*) FROM idempotency", 1), 1);
    assert_int_equal(number(foreign, "SELECT count(*) FROM idempotency WHERE key = 'fresh'"), 1);
    sqlite3_close(foreign);
    fixture_stop(f);
    fixture_remove(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_foreign_reader_does_not_hold_up_the_store),
        cmocka_unit_test(hosts_are_forgotten_when_nothing_needs_them),
        cmocka_unit_test(no_number_is_given_to_two_hosts),
        cmocka_unit_test(an_upload_under_way_keeps_its_hosts),
        cmocka_unit_test(what_refers_to_a_host_is_counted),
        cmocka_unit_test(keys_that_have_expired_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
