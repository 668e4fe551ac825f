// SPDX-License-Identifier: MIT
// The table of batches in memory: what is held, what is forgotten, and what a rollback leaves.
#include <stdio.h>
#include <string.h>

#include "daemon/store/live_batch.h"
#include "daemon/store/schema.h"
#include "fixture.h"

struct table {
    struct db db;
    struct live_table live;
};

// Batches 1..n, running, in a database in memory; at most `max` are kept.
static void table_init(struct table *t, int n, size_t max)
{
    struct err e;
    assert_int_equal(db_open_writer(&t->db, ":memory:", &e), 0);
    assert_int_equal(db_run(&t->db, schema_sql[0].start), 0);
    for (int i = 1; i <= n; i++) {
        char sql[256];
        snprintf(sql, sizeof(sql),
                 "INSERT INTO batch (uuid, state, version, total, priority, concurrency, fail_fast)"
                 " VALUES (randomblob(16), 1, 1, 10, 0, 0, 0)");
        assert_int_equal(db_run(&t->db, sql), 0);
    }
    assert_int_equal(live_open(&t->live, &t->db, max, &e), 0);
}

static void table_done(struct table *t)
{
    live_close(&t->live);
    db_close(&t->db);
}

static void tell_changes(struct table *t)
{
    struct changed *c;
    assert_int_equal(live_flush(&t->live, &t->db), 0);
    live_committed(&t->live, &t->db);
    assert_int_equal(live_take_changed(&t->live, &c), 0);
    if (c != NULL) {
        c->msg.free(&c->msg);
    }
}

static void a_batch_removed_while_it_ran_is_forgotten_when_its_transfers_have_ended(void **state)
{
    (void)state;
    enum { N = 20, MAX = 2 };
    struct table t;
    table_init(&t, N, MAX);
    for (uint64_t id = 1; id <= N; id++) {
        struct live_batch *b = live_get(&t.live, &t.db, id);
        assert_non_null(b);
        live_progress(&t.live, b, 3, 1000);
        live_move(&t.live, b, BATCH_REMOVED, 1000);
    }
    tell_changes(&t);
    live_trim(&t.live);
    assert_int_equal(t.live.n, N); // they still run
    for (uint64_t id = 1; id <= N; id++) {
        live_progress(&t.live, live_get(&t.live, &t.db, id), -3, 1000);
    }
    tell_changes(&t);
    live_trim(&t.live);
    assert_int_equal(t.live.n, MAX);
    table_done(&t);
}

static void a_version_that_was_told_is_not_given_again_after_a_rollback(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 1, 10);
    struct live_batch *b = live_get(&t.live, &t.db, 1);
    for (int i = 0; i < 5000; i++) {
        live_progress(&t.live, b, 1, 1); // faster than the clock
    }
    uint64_t told = live_snapshot(b).version;
    live_rolled_back(&t.live, &t.db);
    b = live_get(&t.live, &t.db, 1);
    live_touch(&t.live, b, 1, true);
    assert_true(live_snapshot(b).version > told);
    table_done(&t);
}

static void refused_hosts_are_kept_once_and_in_order_up_to_a_bound(void **state)
{
    (void)state;
    struct table t;
    table_init(&t, 1, 10);
    struct live_batch *b = live_get(&t.live, &t.db, 1);
    for (uint64_t i = 0; i < 2 * LIVE_REFUSED_MAX; i++) {
        assert_false(b->refused_more);
        assert_int_equal(live_refuse(&t.live, b, 1 + i / 2), 0);
    }
    assert_int_equal(b->n_refused, LIVE_REFUSED_MAX);
    assert_int_equal(b->refused[0], 1);
    assert_int_equal(b->refused[LIVE_REFUSED_MAX - 1], LIVE_REFUSED_MAX);
    assert_int_equal(live_refuse(&t.live, b, LIVE_REFUSED_MAX + 1), 0);
    assert_true(b->refused_more);
    table_done(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_removed_while_it_ran_is_forgotten_when_its_transfers_have_ended),
        cmocka_unit_test(refused_hosts_are_kept_once_and_in_order_up_to_a_bound),
        cmocka_unit_test(a_version_that_was_told_is_not_given_again_after_a_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
