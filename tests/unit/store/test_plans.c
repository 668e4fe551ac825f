// SPDX-License-Identifier: MIT
// Every statement of the store and of its reader finds its rows by an index: none walks a table
// that grows with what is queued or kept.
#include "daemon/store/reader_internal.h"
#include "daemon/store/store_internal.h"
#include "fixture.h"

static const char *const excepted[] = {
    "UPDATE host SET blocked_until = max(", // when the clock is set back
    "SELECT number, started_at",            // sorts the attempts of one task
};

static bool is_excepted(const char *sql)
{
    for (size_t i = 0; i < sizeof(excepted) / sizeof(excepted[0]); i++) {
        if (strncmp(sql, excepted[i], strlen(excepted[i])) == 0) {
            return true;
        }
    }
    return false;
}

// A walk along an index is bounded where a LIMIT ends it; not where all is sorted first.
static bool is_bad(const char *sql, const char *step)
{
    bool scan = strncmp(step, "SCAN ", 5) == 0 && strcmp(step, "SCAN (subquery-1)") != 0;
    bool limited = strstr(step, " USING ") != NULL && strstr(sql, "LIMIT") != NULL;
    return (scan && !limited) || strstr(step, "AUTOMATIC") != NULL ||
           strstr(step, "TEMP B-TREE FOR ORDER BY") != NULL;
}

static int check_plan(sqlite3 *db, const char *sql)
{
    char explain[4096];
    snprintf(explain, sizeof(explain), "EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &st, NULL), SQLITE_OK);
    int bad = 0;
    while (sqlite3_step(st) == SQLITE_ROW) {
        const char *step = (const char *)sqlite3_column_text(st, 3);
        if (is_bad(sql, step) && !is_excepted(sql)) {
            fprintf(stderr, "%s\n    %s\n", sql, step);
            bad++;
        }
    }
    sqlite3_finalize(st);
    return bad;
}

static void check_plans(sqlite3 *db, int least)
{
    int n = 0, bad = 0;
    for (sqlite3_stmt *st = sqlite3_next_stmt(db, NULL); st != NULL;) {
        sqlite3_stmt *next = sqlite3_next_stmt(db, st);
        bad += check_plan(db, sqlite3_sql(st));
        st = next;
        n++;
    }
    assert_true(n >= least);
    assert_int_equal(bad, 0);
}

static void no_statement_walks_a_table(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct err e;
    fixture_open(f);
    check_plans(f->store->db.handle, 40);
    assert_int_equal(reader_open(f->path, &e, &f->reader), 0);
    check_plans(f->reader->db.handle, 15);
    fixture_stop(f);
    fixture_remove(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_statement_walks_a_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
