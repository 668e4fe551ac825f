// SPDX-License-Identifier: MIT
// Texts that SQLite finds no memory for: they are NULL as absent ones are, but the statement says
// so.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/store/sqlite_db.h"

static bool no_memory;
static sqlite3_mem_methods real;

static void *meagre_malloc(int n)
{
    return no_memory ? NULL : real.xMalloc(n);
}

static void *meagre_realloc(void *p, int n)
{
    return no_memory ? NULL : real.xRealloc(p, n);
}

static int hook_memory(void **state)
{
    (void)state;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real), SQLITE_OK);
    sqlite3_mem_methods hooked = real;
    hooked.xMalloc = meagre_malloc;
    hooked.xRealloc = meagre_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &hooked), SQLITE_OK);
    return 0;
}

static void a_text_without_memory_is_told_apart_from_none(void **state)
{
    (void)state;
    static const char *const sql[] = {"SELECT long, none FROM t WHERE id = ?"};
    struct db db;
    struct err e;
    struct statements st;
    assert_int_equal(db_open_writer(&db, ":memory:", &e), 0);
    assert_int_equal(db_run(&db, "CREATE TABLE t (id INTEGER PRIMARY KEY, long TEXT, none TEXT)"),
                     0);
    assert_int_equal(db_prepare(&db, sql, 1, &e, &st), 0);
    int met = 0;
    for (int n = 20000; n < 20032; n++) { // of some lengths the zero needs more
        char insert[128];
        snprintf(insert, sizeof(insert),
                 "INSERT INTO t VALUES (%d, replace(hex(zeroblob(%d)), '00', 'x'), NULL)", n, n);
        assert_int_equal(db_run(&db, insert), 0);
        db_bind(st.v[0], "i", (int64_t)n);
        assert_int_equal(db_step(&db, st.v[0]), 1);
        no_memory = true;
        bool there = db_text(st.v[0], 0) != NULL;
        assert_null(db_text(st.v[0], 1));
        assert_int_equal(db_end(&db, st.v[0]), there ? 0 : -1);
        assert_int_equal(db_fault(&db), there ? DB_FINE : DB_BUSY);
        no_memory = false;
        met += there ? 0 : 1;
        db_clear(&db);
    }
    assert_true(met > 0);
    db_finalize(&st);
    db_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_without_memory_is_told_apart_from_none),
    };
    return cmocka_run_group_tests(tests, hook_memory, NULL);
}
