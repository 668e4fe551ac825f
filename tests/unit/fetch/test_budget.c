// SPDX-License-Identifier: MIT
// The budget that workers share: its limit holds, waiters are woken once, and nobody with endless
// work starves them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/fetch/budget.h"

static int wakes[4];

static void note_wake(void *ctx, unsigned worker)
{
    (void)ctx;
    wakes[worker]++;
}

static struct budget *make(int64_t limit, unsigned n)
{
    struct budget *b = NULL;
    for (unsigned i = 0; i < 4; i++) {
        wakes[i] = 0;
    }
    assert_int_equal(0, budget_new(limit, n, note_wake, NULL, &b));
    return b;
}

static void gives_no_more_than_its_limit(void **state)
{
    (void)state;
    struct budget *b = make(10, 1);
    assert_true(budget_take(b, 7));
    assert_false(budget_take(b, 4));
    assert_true(budget_take(b, 3));
    assert_int_equal(10, budget_taken(b));
    budget_give(b, 7);
    assert_true(budget_take(b, 4));
    budget_free(&b);
    assert_null(b);
}

static void a_lower_limit_stops_new_takes_only(void **state)
{
    (void)state;
    struct budget *b = make(10, 1);
    assert_true(budget_take(b, 10));
    budget_set_limit(b, 5);
    budget_give(b, 4);
    assert_false(budget_take(b, 1));
    budget_give(b, 2);
    assert_true(budget_take(b, 1));
    budget_free(&b);
}

static void wakes_a_waiter_once_for_each_wait(void **state)
{
    (void)state;
    struct budget *b = make(2, 2);
    assert_true(budget_take_share(b, 0, 1));
    assert_true(budget_take_share(b, 0, 1));
    budget_wait(b, 1);
    assert_false(budget_take_share(b, 1, 1));
    budget_give_share(b, 0, 1);
    budget_give_share(b, 0, 1);
    assert_int_equal(1, wakes[1]);
    assert_int_equal(0, wakes[0]);
    assert_true(budget_take_share(b, 1, 1));
    budget_free(&b);
}

static void holds_a_busy_worker_to_its_share_while_another_waits(void **state)
{
    (void)state;
    struct budget *b = make(4, 2);
    for (int i = 0; i < 4; i++) {
        assert_true(budget_take_share(b, 0, 1));
    }
    budget_wait(b, 1);
    assert_false(budget_take_share(b, 1, 1));
    budget_give_share(b, 0, 1);
    assert_false(budget_take_share(b, 0, 1)); // has 3 of a share of 2
    assert_true(budget_take_share(b, 1, 1));
    budget_give_share(b, 0, 1);
    assert_true(budget_take_share(b, 0, 1)); // nobody waits any more
    budget_free(&b);
}

static void who_stops_waiting_lets_the_others_go_on(void **state)
{
    (void)state;
    struct budget *b = make(4, 2);
    for (int i = 0; i < 3; i++) {
        assert_true(budget_take_share(b, 0, 1));
    }
    budget_wait(b, 1);
    assert_false(budget_take_share(b, 0, 1));
    budget_wait(b, 0);
    budget_stop_waiting(b, 1);
    assert_int_equal(1, wakes[0]);
    assert_true(budget_take_share(b, 0, 1));
    budget_free(&b);
}

static void one_slot_goes_round_among_many_workers(void **state)
{
    (void)state;
    struct budget *b = make(1, 4);
    assert_true(budget_take_share(b, 0, 1));
    for (unsigned i = 1; i < 4; i++) {
        budget_wait(b, i);
    }
    budget_give_share(b, 0, 1);
    assert_true(budget_take_share(b, 3, 1));
    budget_give_share(b, 3, 1);
    assert_true(budget_take_share(b, 1, 1));
    budget_free(&b);
}

#define ROUNDS 20000

static atomic_int over;

static void *take_and_give(void *arg)
{
    struct budget *b = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (budget_take(b, 2)) {
            if (budget_taken(b) > 5) {
                atomic_fetch_add(&over, 1);
            }
            budget_give(b, 2);
        }
    }
    return NULL;
}

static void holds_its_limit_between_threads(void **state)
{
    (void)state;
    struct budget *b = make(5, 1);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(0, pthread_create(&threads[i], NULL, take_and_give, b));
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(0, atomic_load(&over));
    assert_int_equal(0, budget_taken(b));
    budget_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_no_more_than_its_limit),
        cmocka_unit_test(a_lower_limit_stops_new_takes_only),
        cmocka_unit_test(wakes_a_waiter_once_for_each_wait),
        cmocka_unit_test(holds_a_busy_worker_to_its_share_while_another_waits),
        cmocka_unit_test(who_stops_waiting_lets_the_others_go_on),
        cmocka_unit_test(one_slot_goes_round_among_many_workers),
        cmocka_unit_test(holds_its_limit_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
