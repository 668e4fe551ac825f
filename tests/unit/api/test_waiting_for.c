// SPDX-License-Identifier: MIT
// Why a task is not running: every reason, and which of several is told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/waiting_for.h"

#define NOW   INT64_C(1000000)
#define LATER (NOW + 5000)

struct sample {
    const char *what;
    struct batch_info batch;
    struct task_row task;
    struct host_status host;
    bool host_paused, in_flight;
    struct waiting expected;
};

static const struct result_row result = {.seq = 1};

static const struct sample samples[] = {
    {.what = "nothing known", .expected = {WAIT_QUEUE, 0}},
    {.what = "in flight", .in_flight = true, .host_paused = true, .expected = {WAIT_NONE, 0}},
    {.what = "ended", .task = {.result = &result}, .expected = {WAIT_NONE, 0}},
    {.what = "ended by state", .task = {.state = TASK_FAILED}, .expected = {WAIT_NONE, 0}},
    {.what = "paused batch before all else",
     .batch = {.now = {.state = BATCH_PAUSED}, .not_before_at = LATER},
     .host_paused = true,
     .expected = {WAIT_PAUSED, 0}},
    {.what = "not before",
     .batch = {.now = {.state = BATCH_RUNNING}, .not_before_at = LATER},
     .task = {.not_before_at = LATER + 1},
     .expected = {WAIT_NOT_BEFORE, LATER}},
    {.what = "not before, but it has come",
     .batch = {.not_before_at = NOW},
     .expected = {WAIT_QUEUE, 0}},
    {.what = "retry",
     .task = {.not_before_at = LATER},
     .host = {.blocked_until = LATER},
     .expected = {WAIT_RETRY, LATER}},
    {.what = "retry that is due", .task = {.not_before_at = NOW}, .expected = {WAIT_QUEUE, 0}},
    {.what = "paused host",
     .host = {.blocked_until = LATER},
     .host_paused = true,
     .expected = {WAIT_HOST_PAUSED, 0}},
    {.what = "blocked host",
     .host = {.known = true, .blocked_until = LATER, .reason = WAIT_HOST_RATE},
     .expected = {WAIT_HOST_BLOCKED, LATER}},
    {.what = "batch at its own limit",
     .batch = {.now = {.counts = {.running = 2}}, .concurrency = 2},
     .host = {.known = true, .reason = WAIT_HOST_CONCURRENCY},
     .expected = {WAIT_BATCH_CONCURRENCY, 0}},
    {.what = "host at its limit",
     .batch = {.now = {.counts = {.running = 1}}, .concurrency = 2},
     .host = {.known = true, .reason = WAIT_HOST_CONCURRENCY},
     .expected = {WAIT_HOST_CONCURRENCY, 0}},
    {.what = "rate",
     .host = {.known = true, .reason = WAIT_HOST_RATE, .next_start_at = LATER},
     .expected = {WAIT_HOST_RATE, LATER}},
    {.what = "global limit",
     .host = {.known = true, .reason = WAIT_GLOBAL_CONCURRENCY, .next_start_at = NOW - 1},
     .expected = {WAIT_GLOBAL_CONCURRENCY, 0}},
    {.what = "behind others", .host = {.known = true}, .expected = {WAIT_QUEUE, 0}},
};

static void every_reason_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *s = &samples[i];
        struct host_limits limits = {.max_concurrency = 8, .paused = s->host_paused};
        struct waiting_facts facts = {.batch = &s->batch,
                                      .task = &s->task,
                                      .host = &s->host,
                                      .limits = &limits,
                                      .in_flight = s->in_flight,
                                      .now_at = NOW};
        struct waiting w = waiting_for(&facts);
        if (w.reason != s->expected.reason || w.until_at != s->expected.until_at) {
            fail_msg("%s: %s until %lld", s->what, wait_reason_name(w.reason),
                     (long long)w.until_at);
        }
    }
}

static void text_of(const struct waiting *w, const char *expected)
{
    struct buf out = BUF_INIT(1000);
    struct json_writer writer = JSON_WRITER(&out);
    waiting_render(&writer, w, "a.example");
    assert_string_equal(out.data, expected);
    buf_done(&out);
}

static void reasons_are_shown_with_their_time(void **state)
{
    (void)state;
    text_of(&(struct waiting){WAIT_NONE, 0}, "null");
    text_of(&(struct waiting){WAIT_QUEUE, 0}, "{\"reason\":\"queue\",\"host\":\"a.example\"}");
    text_of(&(struct waiting){WAIT_RETRY, NOW},
            "{\"reason\":\"retry\",\"at\":\"1970-01-01T00:16:40.000Z\",\"host\":\"a.example\"}");
    text_of(&(struct waiting){WAIT_HOST_BLOCKED, NOW},
            "{\"reason\":\"host_blocked\",\"until\":\"1970-01-01T00:16:40.000Z\","
            "\"host\":\"a.example\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reason_is_told),
        cmocka_unit_test(reasons_are_shown_with_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
