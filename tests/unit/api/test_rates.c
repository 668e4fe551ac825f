// SPDX-License-Identifier: MIT
// The ring of samples: windows, and rest while nothing grows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "daemon/api/rates.h"

static void add(struct rates *r, int64_t at_ms, int64_t results)
{
    rates_add(r, &(struct rate_sample){.at_ms = at_ms, .results = results, .bytes = results * 10});
}

static void assert_rate(const struct rates *r, int64_t window_ms, double results_per_s)
{
    struct rate rate = rates_over(r, window_ms);
    assert_true(rate.results_per_s > results_per_s - 0.01 &&
                rate.results_per_s < results_per_s + 0.01);
    assert_true(rate.bytes_per_s > results_per_s * 10 - 0.1 &&
                rate.bytes_per_s < results_per_s * 10 + 0.1);
}

static void a_window_reaches_as_far_back_as_it_is_long(void **state)
{
    (void)state;
    struct rates r = {0};
    add(&r, 0, 0);
    assert_rate(&r, 10000, 0);
    for (int64_t s = 1; s <= 100; s++) {
        add(&r, s * 1000, s <= 90 ? s * 5 : 450 + (s - 90) * 20);
    }
    assert_rate(&r, 10000, 20);
    assert_rate(&r, 60000, (200 + 50 * 5) / 60.0);
}

static void rates_are_zero_when_no_window_shows_growth(void **state)
{
    (void)state;
    struct rates r = {0};
    add(&r, 0, 7);
    assert_true(rates_are_zero(&r));
    add(&r, 1000, 8);
    for (int64_t s = 2; s <= RATES_SAMPLES; s++) {
        assert_false(rates_are_zero(&r));
        add(&r, s * 1000, 8);
    }
    assert_true(rates_are_zero(&r));
}

static void what_comes_after_a_rest_is_not_spread_over_it(void **state)
{
    (void)state;
    struct rates r = {0};
    add(&r, 0, 0);
    rates_add_rest(&r, 3600000 - 1000);
    add(&r, 3600000, 30);
    assert_rate(&r, 10000, 30);
    rates_add_rest(&r, 3600000 - 500); // no time has passed
    assert_rate(&r, 10000, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_reaches_as_far_back_as_it_is_long),
        cmocka_unit_test(rates_are_zero_when_no_window_shows_growth),
        cmocka_unit_test(what_comes_after_a_rest_is_not_spread_over_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
