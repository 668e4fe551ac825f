// SPDX-License-Identifier: MIT
// Opening: the lock, schemas of other versions, files that are no database.
#include <sqlite3.h>

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
        cmocka_unit_test(the_worker_of_a_host_is_stable_and_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
