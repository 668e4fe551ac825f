// SPDX-License-Identifier: MIT
// One host's limits, played in virtual time: slots, rate, delay, blocks, probes, and the size of
// the window.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "daemon/fetch/host_queue.h"

#define SECOND   INT64_C(1000000)
#define START_US (50 * SECOND)
#define START_AT INT64_C(1700000000000)
#define ITEMS    4096

static struct list items[ITEMS];

static struct host_clock clock_after(int64_t us)
{
    return (struct host_clock){.us = START_US + us, .at = START_AT + us / 1000};
}

static void set_up(struct host_queue *q, int32_t concurrency, double rate, int64_t delay_ms,
                   unsigned n_tasks)
{
    struct host_clock now = clock_after(0);
    struct host_limits l = {
        .max_concurrency = concurrency, .rate_per_s = rate, .delay_ms = delay_ms};
    host_queue_init(q, &now);
    host_queue_set_limits(q, &l, now.us);
    for (unsigned i = 0; i < n_tasks; i++) {
        list_init(&items[i]);
        host_queue_add_task(q, &items[i]);
    }
}

// One that leaves as soon as it is started.
static struct list *start(struct host_queue *q, int64_t us)
{
    bool hop;
    struct list *link = host_queue_start(q, START_US + us, &hop);
    host_queue_left(q, START_US + us);
    return link;
}

static void assert_waits(const struct host_queue *q, int64_t us, enum wait_reason reason,
                         int64_t until_us)
{
    struct host_wait w;
    assert_int_equal(HOST_WAIT, host_queue_next(q, START_US + us, &w));
    assert_int_equal(reason, w.reason);
    assert_int_equal(until_us, w.until_us);
}

static void assert_starts(const struct host_queue *q, int64_t us)
{
    struct host_wait w;
    assert_int_equal(HOST_START, host_queue_next(q, START_US + us, &w));
}

// Starts all that may start until `end_us`, each ended at once, and returns how many.
static unsigned run(struct host_queue *q, int64_t end_us, int64_t *ret_least_gap_us)
{
    unsigned n = 0;
    int64_t last = -1, t = 0;
    *ret_least_gap_us = INT64_MAX;
    for (;;) {
        struct host_wait w;
        enum host_verdict v = host_queue_next(q, START_US + t, &w);
        if (v == HOST_IDLE) {
            return n;
        }
        if (v == HOST_WAIT) {
            t = w.until_us - START_US;
            if (w.until_us == INT64_MAX || t >= end_us) {
                return n;
            }
            continue;
        }
        struct list *link = start(q, t);
        host_queue_end(q);
        host_queue_add_task(q, link);
        if (last >= 0 && t - last < *ret_least_gap_us) {
            *ret_least_gap_us = t - last;
        }
        last = t;
        n++;
    }
}

static void an_empty_queue_is_idle(void **state)
{
    (void)state;
    struct host_queue q;
    struct host_wait w;
    set_up(&q, 2, 0, 0, 0);
    assert_int_equal(HOST_IDLE, host_queue_next(&q, START_US, &w));
}

static void starts_in_order_up_to_its_slots(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 2, 0, 0, 3);
    assert_ptr_equal(&items[0], start(&q, 0));
    assert_ptr_equal(&items[1], start(&q, 0));
    assert_waits(&q, 0, WAIT_HOST_CONCURRENCY, INT64_MAX);
    host_queue_end(&q);
    assert_starts(&q, 0);
    assert_ptr_equal(&items[2], start(&q, 0));
}

static void a_hop_goes_first(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 2, 0, 0, 1);
    list_init(&items[1]);
    host_queue_add_hop(&q, &items[1], START_US);
    bool hop;
    assert_ptr_equal(&items[1], host_queue_start(&q, START_US, &hop));
    assert_true(hop);
    assert_ptr_equal(&items[0], host_queue_start(&q, START_US, &hop));
    assert_false(hop);
}

// A quick host redirects all to a slow one, whose line holds some. Those turned away ask the quick
// one again each time they come back; the slow one must not run dry meanwhile.
static void play_a_line(double rate_per_s, unsigned hops, unsigned *ret_asked, int64_t *ret_us)
{
    enum { LINE = 1024, TICK_US = 2500 };
    struct host_queue q;
    int64_t *back_us = calloc((size_t)64 * hops, sizeof(int64_t)), us = 0;
    unsigned next_back = 0, n_back = 0, fresh = hops, started = 0;
    assert_non_null(back_us);
    set_up(&q, 100, rate_per_s, 0, 0);
    *ret_asked = 0;
    for (unsigned item = 0; started < hops; us += TICK_US) {
        bool returned = next_back < n_back && back_us[next_back] <= us;
        if (returned || fresh > 0) {
            next_back += returned;
            fresh -= !returned;
            ++*ret_asked;
            if (q.n_hops == LINE) {
                assert_true(n_back < 64 * hops);
                back_us[n_back++] = us + host_queue_turn_away(&q, START_US + us);
            } else {
                struct list *link = &items[item++ % ITEMS];
                list_init(link);
                host_queue_add_hop(&q, link, START_US + us);
            }
        }
        struct host_wait w;
        while (host_queue_next(&q, START_US + us, &w) == HOST_START) {
            start(&q, us);
            host_queue_end(&q);
            started++;
        }
    }
    *ret_us = us;
    free(back_us);
}

static void who_finds_a_long_line_comes_back_when_it_has_gone_on(void **state)
{
    (void)state;
    static const unsigned rates[] = {1, 5, 20, 100, 300};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        enum { HOPS = 6000 };
        unsigned asked;
        int64_t us;
        play_a_line(rates[i], HOPS, &asked, &us);
        assert_in_range(asked, HOPS, 6 * HOPS);
        assert_in_range(us, 0, HOPS * SECOND / rates[i] + SECOND);
    }
}

static void removed_elements_never_start(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 2, 0, 0, 2);
    host_queue_remove_task(&q, &items[0]);
    assert_ptr_equal(&items[1], start(&q, 0));
    assert_int_equal(0, q.n_tasks);
}

static void keeps_its_rate_within_two_percent(void **state)
{
    (void)state;
    static const double rates[] = {0.3, 1, 2.5, 7, 33.3, 100, 999, 5000};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct host_queue q;
        set_up(&q, 8, rates[i], 0, 4);
        double seconds = 1000 / rates[i] + 60;
        int64_t gap;
        unsigned n = run(&q, (int64_t)(seconds * 1e6), &gap);
        double measured = n / seconds;
        assert_true(measured <= rates[i] * 1.02 && measured >= rates[i] * 0.98);
    }
}

static void idle_time_earns_no_more_than_a_tenth_of_a_second(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 100, 50, 0, 100);
    start(&q, 0);
    unsigned n = 0;
    struct host_wait w;
    while (host_queue_next(&q, START_US + 60 * SECOND, &w) == HOST_START) {
        start(&q, 60 * SECOND);
        n++;
    }
    assert_int_equal(5, n);
}

static void keeps_its_delay_exactly(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 500, 4);
    int64_t gap;
    assert_int_equal(20, run(&q, 10 * SECOND, &gap));
    assert_int_equal(SECOND / 2, gap);
}

static void the_delay_counts_from_when_the_request_left(void **state)
{
    (void)state;
    struct host_queue q;
    bool hop;
    set_up(&q, 8, 0, 500, 2);
    host_queue_start(&q, START_US, &hop);
    host_queue_left(&q, START_US + 80000);
    assert_waits(&q, 500000, WAIT_HOST_RATE, START_US + 580000);
    assert_starts(&q, 580000);
}

static void what_has_not_left_may_leave_all_at_once(void **state)
{
    (void)state;
    struct host_queue q;
    bool hop;
    set_up(&q, 8, 0, 500, 3);
    host_queue_start(&q, START_US, &hop);
    assert_waits(&q, 3 * SECOND, WAIT_HOST_RATE, INT64_MAX);
    host_queue_left(&q, START_US + 3 * SECOND);
    assert_waits(&q, 3 * SECOND, WAIT_HOST_RATE, START_US + 3 * SECOND + SECOND / 2);
    assert_starts(&q, 4 * SECOND);
    set_up(&q, 8, 30, 0, 8); // no more than the bucket holds: three
    for (int i = 0; i < 3; i++) {
        assert_starts(&q, SECOND);
        host_queue_start(&q, START_US + SECOND, &hop);
    }
    assert_waits(&q, 2 * SECOND, WAIT_HOST_RATE, INT64_MAX);
    for (int i = 0; i < 3; i++) {
        host_queue_left(&q, START_US + 2 * SECOND);
    }
    assert_waits(&q, 2 * SECOND, WAIT_HOST_RATE, START_US + 2 * SECOND + 33334);
}

static void new_limits_act_at_once(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 1, 0, 60000, 2);
    start(&q, 0);
    struct host_limits l = {.max_concurrency = 2, .delay_ms = 1000};
    host_queue_set_limits(&q, &l, START_US + SECOND / 2);
    assert_waits(&q, SECOND / 2, WAIT_HOST_RATE, START_US + SECOND);
    l.paused = true;
    host_queue_set_limits(&q, &l, START_US + SECOND);
    assert_waits(&q, SECOND, WAIT_HOST_PAUSED, INT64_MAX);
    l = (struct host_limits){.max_concurrency = 2};
    host_queue_set_limits(&q, &l, START_US + SECOND);
    assert_starts(&q, SECOND);
}

static void retry_after_blocks_the_whole_host(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 0, 2);
    struct host_clock now = clock_after(0);
    assert_true(host_backoff_asked(&q.backoff, &now, START_AT + 7000, 0));
    assert_int_equal(START_AT + 7000, q.backoff.blocked_until_at);
    assert_waits(&q, SECOND, WAIT_HOST_BLOCKED, START_US + 7 * SECOND);
    assert_starts(&q, 7 * SECOND);
}

static void retry_after_is_capped_at_a_day(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 0, 1);
    struct host_clock now = clock_after(0);
    host_backoff_asked(&q.backoff, &now, START_AT + 30 * HOST_BACKOFF_MAX_MS, 0);
    assert_int_equal(START_AT + HOST_BACKOFF_MAX_MS, q.backoff.blocked_until_at);
    set_up(&q, 8, 0, 0, 1);
    host_backoff_init(&q.backoff, START_AT + 30 * HOST_BACKOFF_MAX_MS, 1, &now);
    assert_int_equal(START_AT + HOST_BACKOFF_MAX_MS, q.backoff.blocked_until_at);
}

static void without_retry_after_the_block_doubles_up_to_a_day(void **state)
{
    (void)state;
    struct host_backoff b;
    struct host_clock now = clock_after(0);
    host_backoff_init(&b, 0, 0, &now);
    int64_t expected = 60000;
    for (int level = 1; level <= 14; level++) {
        assert_true(host_backoff_asked(&b, &now, 0, UINT32_MAX / 2));
        int64_t ms = b.blocked_until_at - now.at;
        assert_int_equal(level, b.level);
        assert_in_range(ms, expected, expected + expected / 10);
        now = (struct host_clock){.us = b.blocked_until_us, .at = b.blocked_until_at};
        expected = expected * 2 < HOST_BACKOFF_MAX_MS ? expected * 2 : HOST_BACKOFF_MAX_MS;
    }
}

static void requests_under_way_do_not_deepen_a_block(void **state)
{
    (void)state;
    struct host_backoff b;
    struct host_clock now = clock_after(0);
    host_backoff_init(&b, 0, 0, &now);
    assert_true(host_backoff_asked(&b, &now, 0, 0));
    now = clock_after(SECOND);
    assert_false(host_backoff_asked(&b, &now, 0, 0));
    assert_false(host_backoff_asked(&b, &now, now.at + 10000, 0));
    assert_int_equal(1, b.level);
    assert_true(host_backoff_asked(&b, &now, now.at + 90000, 0)); // a later Retry-After holds
    assert_int_equal(1, b.level);
    assert_int_equal(now.at + 90000, b.blocked_until_at);
}

static void half_an_hour_of_quiet_forgives(void **state)
{
    (void)state;
    struct host_backoff b;
    struct host_clock now = clock_after(0);
    host_backoff_init(&b, 0, 5, &now);
    now = clock_after(29 * 60 * SECOND);
    host_backoff_asked(&b, &now, now.at + 1000, 0);
    assert_int_equal(6, b.level);
    now = clock_after(29 * 60 * SECOND + SECOND + 30 * 60 * SECOND);
    host_backoff_asked(&b, &now, 0, 0);
    assert_int_equal(1, b.level);
}

// A host that nothing waits for is forgotten by its worker, and comes back from what the store
// kept.
static void quiet_counts_also_while_nobody_remembers_the_host(void **state)
{
    (void)state;
    struct host_backoff b;
    struct host_clock now = clock_after(31 * 60 * SECOND);
    host_backoff_init(&b, START_AT, 5, &now);
    host_backoff_asked(&b, &now, 0, 0);
    assert_int_equal(1, b.level);
    now = clock_after(29 * 60 * SECOND);
    host_backoff_init(&b, START_AT, 5, &now);
    host_backoff_asked(&b, &now, 0, 0);
    assert_int_equal(6, b.level);
}

static void a_block_outlives_a_restart(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 0, 1);
    struct host_clock now = clock_after(0);
    host_backoff_init(&q.backoff, START_AT + 5000, 2, &now);
    assert_waits(&q, 0, WAIT_HOST_BLOCKED, START_US + 5 * SECOND);
    host_backoff_init(&q.backoff, START_AT - 1, 2, &now);
    assert_starts(&q, 0);
}

static void a_host_out_of_reach_is_probed_with_one_request(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 0, 20);
    struct host_clock now = clock_after(0);
    for (int i = 0; i < HOST_PROBE_AFTER; i++) {
        assert_starts(&q, 0);
        start(&q, 0);
        host_queue_end(&q);
        host_backoff_unreachable(&q.backoff, &now, 1000);
    }
    assert_waits(&q, 0, WAIT_HOST_BLOCKED, START_US + 2 * SECOND);
    start(&q, 2 * SECOND);
    assert_waits(&q, 2 * SECOND, WAIT_HOST_CONCURRENCY, INT64_MAX);
    host_backoff_reached(&q.backoff);
    assert_starts(&q, 2 * SECOND);
}

static void quick_refusals_are_soon_over(void **state)
{
    (void)state;
    struct host_backoff b;
    struct host_clock now = clock_after(0);
    host_backoff_init(&b, 0, 0, &now);
    for (int i = 0; i < 1000; i++) {
        host_backoff_unreachable(&b, &now, 0);
    }
    assert_int_equal(now.us + HOST_PROBE_PAUSE_MIN_MS * 1000, host_backoff_until_us(&b));
    assert_false(host_backoff_is_blocked(&b, now.us));
}

static void the_window_is_two_rounds(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 0, 0);
    assert_int_equal(16, host_queue_wants(&q, START_US));
    assert_int_equal(8, host_queue_free_slots(&q));
    set_up(&q, 8, 0, 0, 7);
    assert_int_equal(9, host_queue_wants(&q, START_US));
    assert_int_equal(1, host_queue_free_slots(&q));
    set_up(&q, 8, 0, 0, 8);
    assert_int_equal(0, host_queue_wants(&q, START_US));
}

static void the_window_of_a_slow_host_is_small(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 1000, 0);
    assert_int_equal(2, host_queue_wants(&q, START_US));
    set_up(&q, 8, 0, 1000, 1);
    assert_int_equal(0, host_queue_wants(&q, START_US));
    set_up(&q, 8, 30, 0, 0);
    assert_int_equal(6, host_queue_wants(&q, START_US));
}

static void the_window_of_a_quick_host_grows_to_its_bound(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 0, 100);
    for (int i = 0; i < 100; i++) {
        start(&q, i * 900);
        host_queue_end(&q);
    }
    assert_int_equal(200, host_queue_wants(&q, START_US + 90000));
    assert_int_equal(200, host_queue_wants(&q, START_US + 190000));
    assert_int_equal(16, host_queue_wants(&q, START_US + 300000));
    for (int i = 0; i < HOST_WINDOW_MAX; i++) {
        host_queue_add_task(&q, &items[0]);
        start(&q, 300000 + i / 5);
        host_queue_end(&q);
    }
    assert_int_equal(HOST_WINDOW_MAX, host_queue_wants(&q, START_US + 301000));
}

static void limits_cannot_be_evaded_by_forgetting(void **state)
{
    (void)state;
    struct host_queue q;
    set_up(&q, 8, 0, 10000, 1);
    assert_false(host_queue_forgettable(&q, START_US));
    start(&q, 0);
    assert_false(host_queue_forgettable(&q, START_US + 20 * SECOND));
    host_queue_end(&q);
    assert_false(host_queue_forgettable(&q, START_US + 9 * SECOND));
    assert_true(host_queue_forgettable(&q, START_US + 10 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_is_idle),
        cmocka_unit_test(starts_in_order_up_to_its_slots),
        cmocka_unit_test(a_hop_goes_first),
        cmocka_unit_test(who_finds_a_long_line_comes_back_when_it_has_gone_on),
        cmocka_unit_test(removed_elements_never_start),
        cmocka_unit_test(keeps_its_rate_within_two_percent),
        cmocka_unit_test(idle_time_earns_no_more_than_a_tenth_of_a_second),
        cmocka_unit_test(keeps_its_delay_exactly),
        cmocka_unit_test(the_delay_counts_from_when_the_request_left),
        cmocka_unit_test(what_has_not_left_may_leave_all_at_once),
        cmocka_unit_test(new_limits_act_at_once),
        cmocka_unit_test(retry_after_blocks_the_whole_host),
        cmocka_unit_test(retry_after_is_capped_at_a_day),
        cmocka_unit_test(without_retry_after_the_block_doubles_up_to_a_day),
        cmocka_unit_test(requests_under_way_do_not_deepen_a_block),
        cmocka_unit_test(half_an_hour_of_quiet_forgives),
        cmocka_unit_test(quiet_counts_also_while_nobody_remembers_the_host),
        cmocka_unit_test(a_block_outlives_a_restart),
        cmocka_unit_test(a_host_out_of_reach_is_probed_with_one_request),
        cmocka_unit_test(quick_refusals_are_soon_over),
        cmocka_unit_test(the_window_is_two_rounds),
        cmocka_unit_test(the_window_of_a_slow_host_is_small),
        cmocka_unit_test(the_window_of_a_quick_host_grows_to_its_bound),
        cmocka_unit_test(limits_cannot_be_evaded_by_forgetting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
