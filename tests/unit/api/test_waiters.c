// SPDX-License-Identifier: MIT
// Waiting in virtual time: who is woken by what, in which order, and what callbacks may do.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/waiters.h"

struct probe {
    struct waiter w;
    struct waiters *ws;
    unsigned woken;
    enum wake last;
    int64_t done;            // of the last change
    struct waiter *victim;   // removed by the callback
    struct waiter *newcomer; // added by the callback
};

static void on_wake(struct waiter *w, enum wake why, const struct batch_snapshot *now)
{
    struct probe *p = list_entry(w, struct probe, w);
    p->woken++;
    p->last = why;
    p->done = now ? batch_counts_done(&now->counts) : -1;
    if (p->victim) {
        waiters_remove(p->ws, p->victim);
    }
    if (p->newcomer) {
        assert_int_equal(waiters_add(p->ws, p->newcomer, 1, INT64_MAX), 0);
        p->newcomer = NULL;
    }
}

static struct probe probe(struct waiters *ws)
{
    return (struct probe){.w.wake = on_wake, .ws = ws};
}

static struct batch_snapshot snapshot(uint64_t batch, int64_t succeeded)
{
    return (struct batch_snapshot){.batch = batch, .counts = {.total = 10, .succeeded = succeeded}};
}

static void only_waiters_of_the_batch_are_woken(void **state)
{
    struct waiters *ws = waiters_new();
    struct probe a = probe(ws), b = probe(ws), c = probe(ws);
    struct batch_snapshot now = snapshot(1, 3);
    (void)state;
    assert_int_equal(waiters_add(ws, &a.w, 1, 100), 0);
    assert_int_equal(waiters_add(ws, &b.w, 1, INT64_MAX), 0);
    assert_int_equal(waiters_add(ws, &c.w, 2, 50), 0);
    waiters_change(ws, &now);
    assert_int_equal(a.woken, 1);
    assert_int_equal(a.last, WAKE_CHANGED);
    assert_int_equal(b.done, 3);
    assert_int_equal(c.woken, 0);
    waiters_change(ws, &now);
    assert_int_equal(a.woken, 2);
    waiters_remove(ws, &a.w);
    waiters_remove(ws, &a.w); // twice is nothing
    waiters_change(ws, &now);
    assert_int_equal(a.woken, 2);
    assert_int_equal(b.woken, 3);
    waiters_remove(ws, &b.w);
    waiters_remove(ws, &c.w);
    assert_int_equal(waiters_count(ws), 0);
    assert_true(waiters_next_ms(ws) == INT64_MAX);
    waiters_free(&ws);
}

static void time_outs_come_in_order_and_once(void **state)
{
    struct waiters *ws = waiters_new();
    struct probe v[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        v[i] = probe(ws);
        assert_int_equal(waiters_add(ws, &v[i].w, (uint64_t)i, 300 - 100 * i), 0);
    }
    assert_int_equal(waiters_next_ms(ws), 100);
    waiters_expire(ws, 99);
    assert_int_equal(v[2].woken, 0);
    waiters_expire(ws, 200);
    assert_int_equal(v[2].last, WAKE_TIMEOUT);
    assert_int_equal(v[1].woken, 1);
    assert_int_equal(v[0].woken, 0);
    assert_int_equal(waiters_next_ms(ws), 300);
    waiters_expire(ws, 1000);
    waiters_expire(ws, 2000);
    assert_int_equal(v[0].woken, 1);
    assert_int_equal(v[2].woken, 1);
    assert_int_equal(waiters_count(ws), 0);
    waiters_free(&ws);
}

static void a_deleted_batch_lets_its_waiters_go(void **state)
{
    struct waiters *ws = waiters_new();
    struct probe a = probe(ws), b = probe(ws);
    struct batch_snapshot now = {.batch = 1, .deleted = true};
    (void)state;
    waiters_add(ws, &a.w, 1, 100);
    waiters_add(ws, &b.w, 1, 100);
    waiters_change(ws, &now);
    assert_int_equal(a.last, WAKE_DELETED);
    assert_int_equal(b.last, WAKE_DELETED);
    assert_int_equal(waiters_count(ws), 0);
    assert_true(waiters_next_ms(ws) == INT64_MAX);
    waiters_free(&ws);
}

static void callbacks_may_remove_themselves_and_others(void **state)
{
    struct waiters *ws = waiters_new();
    struct probe a = probe(ws), b = probe(ws), c = probe(ws);
    struct batch_snapshot now = snapshot(1, 1);
    (void)state;
    waiters_add(ws, &a.w, 1, 100);
    waiters_add(ws, &b.w, 1, 100);
    waiters_add(ws, &c.w, 1, 100);
    a.victim = &b.w; // not woken yet
    c.victim = &c.w;
    waiters_change(ws, &now);
    assert_int_equal(a.woken, 1);
    assert_int_equal(b.woken, 0);
    assert_int_equal(c.woken, 1);
    assert_int_equal(waiters_count(ws), 1);
    a.victim = &a.w; // the last one: its group must outlive the round
    waiters_change(ws, &now);
    assert_int_equal(waiters_count(ws), 0);
    waiters_free(&ws);
}

static void who_is_added_by_a_callback_waits_for_the_next_change(void **state)
{
    struct waiters *ws = waiters_new();
    struct probe a = probe(ws), b = probe(ws);
    struct batch_snapshot now = snapshot(1, 1);
    (void)state;
    waiters_add(ws, &a.w, 1, 100);
    a.newcomer = &b.w;
    waiters_change(ws, &now);
    assert_int_equal(b.woken, 0);
    waiters_change(ws, &now);
    assert_int_equal(b.woken, 1);
    waiters_shutdown(ws);
    assert_int_equal(a.last, WAKE_SHUTDOWN);
    assert_int_equal(b.last, WAKE_SHUTDOWN);
    assert_int_equal(waiters_count(ws), 0);
    waiters_free(&ws);
}

static void five_thousand_wait_and_go(void **state)
{
    enum { N = 5000 };
    struct waiters *ws = waiters_new();
    struct probe *v = calloc(N, sizeof(*v));
    struct batch_snapshot now = snapshot(7, 1);
    (void)state;
    assert_non_null(v);
    for (unsigned i = 0; i < N; i++) {
        v[i] = probe(ws);
        assert_int_equal(waiters_add(ws, &v[i].w, i % 10, (int64_t)(i * 7919u % N)), 0);
    }
    waiters_change(ws, &now);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(v[i].woken, i % 10 == 7);
    }
    waiters_expire(ws, N);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(v[i].last, WAKE_TIMEOUT);
    }
    assert_int_equal(waiters_count(ws), 0);
    free(v);
    waiters_free(&ws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_waiters_of_the_batch_are_woken),
        cmocka_unit_test(time_outs_come_in_order_and_once),
        cmocka_unit_test(a_deleted_batch_lets_its_waiters_go),
        cmocka_unit_test(callbacks_may_remove_themselves_and_others),
        cmocka_unit_test(who_is_added_by_a_callback_waits_for_the_next_change),
        cmocka_unit_test(five_thousand_wait_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
