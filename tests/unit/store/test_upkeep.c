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
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (number(foreign, "SELECT count(*) FROM idempotency") > 1 && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    assert_int_equal(number(foreign, "SELECT count(*) FROM idempotency"), 1);
    assert_int_equal(number(foreign, "SELECT count(*) FROM idempotency WHERE key = 'fresh'"), 1);
    sqlite3_close(foreign);
    fixture_stop(f);
    fixture_remove(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_foreign_reader_does_not_hold_up_the_store),
        cmocka_unit_test(keys_that_have_expired_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
