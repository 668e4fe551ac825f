// SPDX-License-Identifier: MIT
// Large bodies: in and out of the database in pieces, whatever comes between.
#include <fcntl.h>
#include <sqlite3.h>

#include "daemon/store/body_parts.h"
#include "fixture.h"
#include "faulty_vfs.h"

#define LARGE ((uint64_t)34 * 1024 * 1024 + 7)

static int64_t number(struct fixture *f, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

static int64_t parts(struct fixture *f)
{
    return number(f, "SELECT (SELECT count(*) FROM body) + (SELECT count(*) FROM body_begun)");
}

static void wait_for_parts(struct fixture *f, int64_t n)
{
    for (int64_t end = clock_monotonic_ms() + WAIT_MS;
         parts(f) != n && clock_monotonic_ms() < end;) {
        usleep(1000);
    }
    assert_int_equal(parts(f), n);
}

static int64_t commits(struct fixture *f)
{
    return metrics_get(&f->metrics, METRIC_STORE_COMMITS);
}

// Zeros, with a number at the begin of each part.
static struct outcome *large_outcome(const struct fixture *f, const struct claimed_task *t)
{
    struct outcome *o = outcome_new(&t->ref);
    char path[160];
    assert_non_null(o);
    o->state = TASK_SUCCEEDED;
    o->has_body = true;
    o->size = o->body.size = LARGE;
    snprintf(path, sizeof(path), "%s/body", f->dir);
    o->body.fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(o->body.fd >= 0);
    unlink(path);
    assert_int_equal(ftruncate(o->body.fd, (off_t)LARGE), 0);
    for (uint32_t i = 0; i < body_parts(LARGE); i++) {
        assert_int_equal(pwrite(o->body.fd, &i, sizeof(i), (off_t)i * BODY_PART), sizeof(i));
    }
    return o;
}

static void assert_whole(struct fixture *f, uint64_t batch)
{
    struct err e;
    struct buf b = BUF_INIT(BODY_PART);
    for (uint32_t i = 0; i < body_parts(LARGE); i++) {
        uint32_t there = 0;
        buf_reset(&b);
        assert_int_equal(reader_body(f->reader, batch, 0, (uint64_t)i * BODY_PART, 4, &b, &e), 1);
        memcpy(&there, b.data, sizeof(there));
        assert_int_equal(there, i);
    }
    buf_reset(&b);
    assert_int_equal(reader_body(f->reader, batch, 0, LARGE - 1, 4, &b, &e), 1);
    assert_int_equal(b.len, 1);
    buf_done(&b);
    assert_int_equal(parts(f), body_parts(LARGE)); // and none is left begun
}

static struct claimed *one_task(struct fixture *f, struct batch_snapshot *ret)
{
    *ret = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 1, 1);
    assert_int_equal(c->n, 1);
    return c;
}

static void a_large_body_is_written_and_deleted_with_several_commits(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b;
    struct claimed *c = one_task(f, &b);
    int64_t before = commits(f);
    mailbox_post(store_mailbox(f->store), &large_outcome(f, &c->tasks[0])->msg);
    wait_changed(f, b.batch, is_finished);
    assert_true(commits(f) - before >= 3);
    assert_whole(f, b.batch);
    before = commits(f);
    release_message(control_batch(f, CONTROL_DELETE, b.id, false));
    wait_for_parts(f, 0);
    flush_store(f); // one more: a commit is seen in the database before it is counted
    assert_true(commits(f) - before >= 4);
    release_message(c);
}

static void the_parts_of_a_body_without_a_result_are_deleted(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b;
    struct claimed *c = one_task(f, &b);
    release_message(control_batch(f, CONTROL_CANCEL, b.id, false));
    mailbox_post(store_mailbox(f->store), &large_outcome(f, &c->tasks[0])->msg);
    flush_store(f);
    assert_true(parts(f) > 0);
    wait_for_parts(f, 0);
    assert_int_equal(metrics_get(&f->metrics, METRIC_OUTCOMES_STALE), 1);
    release_message(c);
}

// What a crash leaves: parts up to some number, and the mark of how many there were to be.
static void what_a_crash_left_of_a_body_is_deleted_and_its_numbers_are_not_given_again(void **state)
{
    struct fixture *f = *state;
    fixture_stop(f);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO body_begun (first, parts) VALUES (1, 300);"
                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200)"
                     " INSERT INTO body SELECT i, x'00' FROM n",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    fixture_start(f);
    struct batch_snapshot b;
    struct claimed *c = one_task(f, &b);
    mailbox_post(store_mailbox(f->store), &large_outcome(f, &c->tasks[0])->msg);
    wait_changed(f, b.batch, is_finished);
    wait_for_parts(f, body_parts(LARGE));
    assert_whole(f, b.batch);
    release_message(c);
}

static void a_disk_that_fills_amid_a_body_is_waited_for(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b;
    struct claimed *c = one_task(f, &b);
    faulty_after = 6000; // pages: amid its pieces
    faulty_write = SQLITE_FULL;
    mailbox_post(store_mailbox(f->store), &large_outcome(f, &c->tasks[0])->msg);
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (!store_is_full(f->store) && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    assert_true(store_is_full(f->store));
    faulty_write = 0;
    wait_changed(f, b.batch, is_finished);
    assert_whole(f, b.batch);
    release_message(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    faulty_install();
    const struct CMUnitTest tests[] = {
        TEST(a_large_body_is_written_and_deleted_with_several_commits),
        TEST(the_parts_of_a_body_without_a_result_are_deleted),
        TEST(what_a_crash_left_of_a_body_is_deleted_and_its_numbers_are_not_given_again),
        TEST(a_disk_that_fills_amid_a_body_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
