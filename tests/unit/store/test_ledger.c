// SPDX-License-Identifier: MIT
// The ledger: what is out, cursors that go back, bounded memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/store/ledger.h"
#include "daemon/task/batch.h"

static void a_task_is_out_until_it_is_removed(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, 8);
    assert_false(ledger_has(&l, task_key(1, 5)));
    assert_int_equal(ledger_add(&l, task_key(1, 5), 7), 0);
    assert_true(ledger_has(&l, task_key(1, 5)));
    assert_false(ledger_has(&l, task_key(1, 4)));
    assert_true(ledger_remove(&l, task_key(1, 5)));
    assert_false(ledger_remove(&l, task_key(1, 5)));
    assert_int_equal(ledger_length(&l), 0);
    ledger_done(&l);
}

static void a_release_sets_the_cursor_back_to_the_least_index(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, 8);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(ledger_add(&l, task_key(3, i), 7), 0);
    }
    ledger_set_cursor(&l, 7, 3, 10);
    assert_true(ledger_release(&l, task_key(3, 6)));
    assert_true(ledger_release(&l, task_key(3, 4)));
    assert_true(ledger_release(&l, task_key(3, 8)));
    assert_false(ledger_release(&l, task_key(3, 8)));
    assert_int_equal(ledger_cursor(&l, 7, 3), 4);
    assert_int_equal(ledger_cursor(&l, 8, 3), 0);
    ledger_done(&l);
}

static void a_removal_leaves_the_cursor(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, 8);
    assert_int_equal(ledger_add(&l, task_key(3, 1), 7), 0);
    ledger_set_cursor(&l, 7, 3, 2);
    assert_true(ledger_remove(&l, task_key(3, 1)));
    assert_int_equal(ledger_cursor(&l, 7, 3), 2);
    ledger_done(&l);
}

static void cursors_and_lanes_are_bounded(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, 4);
    for (uint64_t batch = 1; batch <= 100; batch++) {
        ledger_set_cursor(&l, 1, batch, 9);
        assert_non_null(ledger_lane(&l, batch, 0));
        assert_int_equal(ledger_cursor(&l, 1, 1), 9); // kept, since it is used
    }
    assert_int_equal(l.n_flows, 4);
    assert_int_equal(l.n_lanes, 4);
    assert_int_equal(ledger_cursor(&l, 1, 100), 9);
    assert_int_equal(ledger_cursor(&l, 1, 50), 0);
    ledger_done(&l);
}

static void a_lane_keeps_its_place(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l, 4);
    ledger_lane(&l, 1, 4)->pos = 17;
    assert_int_equal(ledger_lane(&l, 1, 4)->pos, 17);
    assert_int_equal(ledger_lane(&l, 1, 5)->pos, 0);
    assert_int_equal(ledger_lane(&l, 2, 4)->pos, 0);
    ledger_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_out_until_it_is_removed),
        cmocka_unit_test(a_release_sets_the_cursor_back_to_the_least_index),
        cmocka_unit_test(a_removal_leaves_the_cursor),
        cmocka_unit_test(cursors_and_lanes_are_bounded),
        cmocka_unit_test(a_lane_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
