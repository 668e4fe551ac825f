// SPDX-License-Identifier: MIT
// Class x attempt x method -> verdict.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/task/retry.h"

#define ALL                                                                                        \
    (TASK_CLASS_NETWORK | TASK_CLASS_TIMEOUT | TASK_CLASS_STATUS_429 | TASK_CLASS_STATUS_5XX)
#define DAY INT64_C(86400000)

static const struct retry_policy usual = {
    .max_attempts = 3, .min_backoff_ms = 1000, .max_backoff_ms = 300000, .on = ALL};

static void verdicts_follow_class_attempt_and_method(void **state)
{
    (void)state;
    static const struct {
        enum task_error error;
        int status, attempt;
        enum fetch_method method;
        bool sent, unsafe;
        unsigned on;
        bool retryable, retry;
    } rows[] = {
        {TASK_CONNECT_REFUSED, 0, 1, METHOD_GET, false, false, ALL, true, true},
        {TASK_CONNECT_REFUSED, 0, 2, METHOD_GET, false, false, ALL, true, true},
        {TASK_CONNECT_REFUSED, 0, 3, METHOD_GET, false, false, ALL, true, false},
        {TASK_CONNECT_REFUSED, 0, 1, METHOD_GET, false, false, TASK_CLASS_TIMEOUT, true, false},
        {TASK_TIMEOUT_STALL, 200, 1, METHOD_GET, true, false, ALL, true, true},
        {TASK_TIMEOUT_STALL, 200, 1, METHOD_GET, true, false, TASK_CLASS_NETWORK, true, false},
        {TASK_TRUNCATED_BODY, 200, 1, METHOD_PUT, true, false, ALL, true, true},
        {TASK_EMPTY_REPLY, 0, 1, METHOD_DELETE, true, false, ALL, true, true},
        {TASK_CONNECTION_RESET, 0, 1, METHOD_POST, true, false, ALL, true, false},
        {TASK_CONNECTION_RESET, 0, 1, METHOD_POST, true, true, ALL, true, true},
        {TASK_CONNECT_TIMEOUT, 0, 1, METHOD_POST, false, false, ALL, true, true},
        {TASK_CONNECT_TIMEOUT, 0, 1, METHOD_PATCH, false, false, ALL, true, true},
        {TASK_HTTP_STATUS, 503, 1, METHOD_PATCH, true, false, ALL, true, false},
        {TASK_HTTP_STATUS, 429, 1, METHOD_GET, true, false, ALL, true, true},
        {TASK_HTTP_STATUS, 429, 1, METHOD_GET, true, false, TASK_CLASS_STATUS_5XX, true, false},
        {TASK_HTTP_STATUS, 500, 1, METHOD_GET, true, false, ALL, true, true},
        {TASK_HTTP_STATUS, 599, 1, METHOD_GET, true, false, TASK_CLASS_STATUS_5XX, true, true},
        {TASK_HTTP_STATUS, 600, 1, METHOD_GET, true, false, ALL, false, false},
        {TASK_HTTP_STATUS, 408, 1, METHOD_GET, true, false, ALL, true, true},
        {TASK_HTTP_STATUS, 408, 1, METHOD_POST, true, false, ALL, true, false},
        {TASK_HTTP_STATUS, 408, 1, METHOD_GET, true, false, TASK_CLASS_STATUS_5XX, true, false},
        {TASK_HTTP_STATUS, 425, 1, METHOD_GET, true, false, ALL, false, false},
        {TASK_HTTP_STATUS, 404, 1, METHOD_GET, true, false, ALL, false, false},
        {TASK_HTTP_PROTOCOL, 500, 1, METHOD_GET, true, false, ALL, false, false},
        {TASK_TLS_VERIFY, 0, 1, METHOD_GET, false, false, ALL, false, false},
        {TASK_BODY_TOO_LARGE, 200, 1, METHOD_GET, true, false, ALL, false, false},
        {TASK_DNS_NOT_FOUND, 0, 1, METHOD_GET, false, false, ALL, false, false},
        {TASK_DNS_TEMPORARY, 0, 1, METHOD_GET, false, false, ALL, true, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct retry_policy p = usual;
        p.on = rows[i].on;
        p.unsafe = rows[i].unsafe;
        struct retry_input in = {.error = rows[i].error,
                                 .status = rows[i].status,
                                 .attempt = rows[i].attempt,
                                 .method = rows[i].method,
                                 .sent = rows[i].sent,
                                 .now_at = 5000};
        struct retry_verdict v = retry_decide(&p, &in);
        if (v.retryable != rows[i].retryable || v.retry != rows[i].retry) {
            fail_msg("row %zu: retryable %d, retry %d", i, v.retryable, v.retry);
        }
        assert_int_equal(v.at, v.retry ? 6000 : 0);
    }
}

static int64_t delay(int attempt, uint32_t random, int64_t retry_after_at)
{
    struct retry_policy p = usual;
    p.max_attempts = 20;
    struct retry_input in = {.error = TASK_HTTP_STATUS,
                             .status = 503,
                             .attempt = attempt,
                             .sent = true,
                             .now_at = 1000000,
                             .retry_after_at = retry_after_at,
                             .random = random};
    struct retry_verdict v = retry_decide(&p, &in);
    assert_true(v.retry);
    return v.at - in.now_at;
}

static void backoff_is_jittered_between_min_and_a_doubling_ceiling(void **state)
{
    (void)state;
    assert_int_equal(delay(1, 0, 0), 1000);
    assert_int_equal(delay(1, UINT32_MAX, 0), 2000);
    assert_int_equal(delay(2, UINT32_MAX, 0), 4000);
    assert_int_equal(delay(3, UINT32_MAX, 0), 8000);
    assert_int_equal(delay(3, UINT32_C(1) << 31, 0), 4500);
    assert_int_equal(delay(9, UINT32_MAX, 0), 300000);
    assert_int_equal(delay(19, UINT32_MAX, 0), 300000);
    assert_int_equal(delay(19, 0, 0), 1000);
}

static void a_ceiling_below_the_floor_wins(void **state)
{
    (void)state;
    struct retry_policy p = {
        .max_attempts = 2, .min_backoff_ms = 5000, .max_backoff_ms = 100, .on = ALL};
    struct retry_input in = {.error = TASK_CONNECT_REFUSED, .attempt = 1, .random = UINT32_MAX};
    assert_int_equal(retry_decide(&p, &in).at, 100);
    p = (struct retry_policy){.max_attempts = 2, .on = ALL};
    assert_int_equal(retry_decide(&p, &in).at, 0);
    assert_true(retry_decide(&p, &in).retry);
    p.min_backoff_ms = 1;
    p.max_backoff_ms = INT64_MAX / 4; // no overflow
    assert_int_equal(retry_decide(&p, &in).at, 2);
}

static void retry_after_delays_but_never_hastens_and_is_capped_at_a_day(void **state)
{
    (void)state;
    assert_int_equal(delay(1, 0, 1000000 + 7000), 7000);
    assert_int_equal(delay(1, 0, 1000000 + 500), 1000);
    assert_int_equal(delay(1, 0, 1), 1000);
    assert_int_equal(delay(1, 0, 1000000 + DAY), DAY);
    assert_int_equal(delay(1, 0, 1000000 + 400 * DAY), DAY);
    assert_int_equal(delay(1, 0, INT64_MAX), DAY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_follow_class_attempt_and_method),
        cmocka_unit_test(backoff_is_jittered_between_min_and_a_doubling_ceiling),
        cmocka_unit_test(a_ceiling_below_the_floor_wins),
        cmocka_unit_test(retry_after_delays_but_never_hastens_and_is_capped_at_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
