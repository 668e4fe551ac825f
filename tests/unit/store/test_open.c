// SPDX-License-Identifier: MIT
// Opening: the lock, schemas of other versions, files that are no database.
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include "fixture.h"

static int try_open(struct fixture *f, struct err *e)
{
    struct mailbox *workers[1] = {f->worker[0].mailbox};
    struct store_ports ports = {.api = f->api.mailbox,
                                .workers = workers,
                                .n_workers = 1,
                                .metrics = &f->metrics,
                                .on_fatal = fixture_on_fatal,
                                .ctx = f};
    struct store *s = NULL;
    int r = store_open(&f->config, &ports, e, &s);
    store_close(&s);
    return r;
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_second_store_is_kept_out_and_told_who_holds_it(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct err e;
    assert_int_equal(try_open(f, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    char pid[32];
    snprintf(pid, sizeof(pid), "process %ld ", (long)getpid());
    assert_non_null(strstr(e.text, pid));
    fixture_stop(f);
    assert_int_equal(try_open(f, &e), 0);
    fixture_remove(f);
}

static void a_newer_schema_is_refused(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    run_sql(f->path, "PRAGMA user_version=999");
    struct err e;
    assert_int_equal(try_open(f, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.text, "999"));
    fixture_remove(f);
}

static void the_database_of_another_program_is_refused(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    run_sql(f->path, "CREATE TABLE theirs (a)");
    struct err e;
    assert_int_equal(try_open(f, &e), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    fixture_remove(f);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++) {
        fputs("this is no database ", file);
    }
    fclose(file);
    struct err e;
    assert_int_equal(try_open(f, &e), -1);
    assert_int_equal(e.code, ERR_SYSTEM);
    assert_non_null(strstr(e.text, "no database"));
    fixture_remove(f);
}

static void a_missing_directory_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    char path[] = "/nonexistent/gatherd.db";
    f->config.store.path = path;
    struct err e;
    assert_int_equal(try_open(f, &e), -1);
    assert_non_null(strstr(e.text, "/nonexistent/gatherd.db"));
    fixture_remove(f);
}

// As if it had last been written a day from now: what a clock set back by a day looks like.
static void age_files(const struct fixture *f, int64_t written_at)
{
    struct timespec t = {.tv_sec = written_at / 1000, .tv_nsec = written_at % 1000 * 1000000};
    assert_int_equal(utimensat(AT_FDCWD, f->path, (struct timespec[]){t, t}, 0), 0);
}

static void retries_and_blocks_follow_a_clock_set_back_while_it_was_down(void **state)
{
    (void)state;
    const int64_t day = 86400 * 1000;
    struct fixture *f = fixture_new();
    fixture_start(f);
    submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 1, 1);
    int64_t then_at = clock_wall_at() + day; // the clock was a day ahead
    post_retry(f, &c->tasks[0], then_at + 5000);
    struct host_state *blocked = host_state_new("a.test");
    blocked->blocked_until = then_at + 7000;
    mailbox_post(store_mailbox(f->store), &blocked->msg);
    release_message(c);
    flush_store(f);
    fixture_stop(f);
    age_files(f, then_at);
    fixture_start(f);
    c = claim_tasks(f, "a.test", 1, 1);
    assert_int_equal(c->n, 0);
    assert_in_range(c->next_due_at, clock_wall_at() + 1000, clock_wall_at() + 5000);
    release_message(c);
    unsigned worker = store_worker_of("a.test", WORKERS);
    struct host_lookup *ask = host_lookup_new(worker, "a.test");
    mailbox_post(store_mailbox(f->store), &ask->msg);
    struct work *w = take(&f->worker[worker], RING_WORK);
    assert_in_range(w->v[0].blocked_until, clock_wall_at() + 3000, clock_wall_at() + 7000);
    release_message(w);
    fixture_stop(f);
    fixture_remove(f);
}

static void the_worker_of_a_host_is_stable_and_spread(void **state)
{
    (void)state;
    int n[4] = {0};
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof(name), "h%d.example", i);
        unsigned w = store_worker_of(name, 4);
        assert_int_equal(w, store_worker_of(name, 4));
        n[w]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(n[i], 200, 300);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_store_is_kept_out_and_told_who_holds_it),
        cmocka_unit_test(a_newer_schema_is_refused),
        cmocka_unit_test(the_database_of_another_program_is_refused),
        cmocka_unit_test(a_file_that_is_no_database_is_refused),
        cmocka_unit_test(a_missing_directory_is_an_error_that_names_it),
        cmocka_unit_test(retries_and_blocks_follow_a_clock_set_back_while_it_was_down),
        cmocka_unit_test(the_worker_of_a_host_is_stable_and_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
