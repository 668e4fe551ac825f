// SPDX-License-Identifier: MIT
// Workers with everything around them played: what origin servers see of limits, blocks and
// fairness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/fetch/rig.h"

static struct rig *two_workers(void)
{
    const char *set[] = {"fetch.workers=2"};
    return rig_new(set, 1);
}

static void every_task_ends_once(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    for (int i = 0; i < 1000; i++) {
        rig_add(r, 1 + i % RIG_HOSTS, "/", NULL);
    }
    rig_tell(r);
    rig_finish(r);
    for (size_t i = 0; i < r->n_tasks; i++) {
        const struct outcome *o = r->tasks[i].outcome;
        assert_int_equal(TASK_SUCCEEDED, o->state);
        assert_int_equal(200, o->last.status);
        assert_int_equal(1, o->last.number);
    }
    assert_int_equal(0, fetch_in_flight(r->fetch));
    assert_int_equal(0, metrics_get(&r->metrics, METRIC_TASKS_IN_WINDOWS));
    assert_int_equal(0, metrics_get(&r->metrics, METRIC_HOSTS_ACTIVE)); // forgotten
    rig_free(r);
}

static void a_host_gets_no_more_at_once_than_its_slots(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->limits[1].max_concurrency = 3;
    for (int i = 0; i < 30; i++) {
        rig_add(r, 1, "/slow/20", NULL);
    }
    rig_tell(r);
    rig_finish(r);
    assert_int_equal(3, r->origins[1].most_open);
    rig_free(r);
}

static void all_hosts_together_get_no_more_than_the_daemons_slots(void **state)
{
    (void)state;
    const char *set[] = {"fetch.workers=2", "fetch.concurrency=3"};
    struct rig *r = rig_new(set, 2);
    for (int i = 0; i < 40; i++) {
        rig_add(r, 1 + i % RIG_HOSTS, "/slow/10", NULL);
    }
    rig_tell(r);
    rig_finish(r);
    assert_int_equal(3, r->most_open);
    rig_free(r);
}

// When the i-th request was started, by its worker's clock: this test's own loop may be late to see
// it come.
static int64_t started_at(const struct rig *r, size_t i)
{
    return r->tasks[i].outcome->last.started_at;
}

static void a_rate_holds(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->limits[1].rate_per_s = 100;
    for (int i = 0; i < 150; i++) {
        rig_add(r, 1, "/", NULL);
    }
    rig_tell(r);
    rig_finish(r);
    double seconds = (double)(started_at(r, 149) - started_at(r, 0)) / 1e3;
    double rate = 149 / seconds;
    assert_true(rate < 102.0);
    assert_true(rate > 80.0); // the machine may be busy
    const struct rig_origin *o = &r->origins[1];
    assert_true(149e6 / (double)(o->at_us[149] - o->at_us[0]) < 115.0);
    rig_free(r);
}

static void a_delay_holds_between_any_two_requests(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->limits[1].delay_ms = 50;
    for (int i = 0; i < 10; i++) {
        rig_add(r, 1, "/", NULL);
    }
    rig_tell(r);
    rig_finish(r);
    for (size_t i = 1; i < 10; i++) {
        assert_true(started_at(r, i) - started_at(r, i - 1) >= 49);
    }
    const struct rig_origin *o = &r->origins[1];
    assert_true(o->at_us[9] - o->at_us[0] > 400000);
    rig_free(r);
}

static void a_busy_host_delays_no_other(void **state)
{
    (void)state;
    const char *set[] = {"fetch.workers=1", "fetch.concurrency=16"};
    struct rig *r = rig_new(set, 2);
    for (int i = 0; i < 500; i++) {
        rig_add(r, 1, "/slow/50", NULL);
    }
    rig_tell(r);
    rig_until(r, r->origins[1].open == 8);
    struct rig_task *other = rig_add(r, 2, "/", NULL);
    int64_t since = clock_monotonic_ms();
    rig_tell_host(r, 2);
    rig_until(r, other->state == RIG_ENDED);
    assert_true(clock_monotonic_ms() - since < 200);
    rig_free(r);
}

static void a_worker_with_endless_work_leaves_slots_to_the_others(void **state)
{
    (void)state;
    const char *set[] = {"fetch.workers=2", "fetch.concurrency=4"};
    struct rig *r = rig_new(set, 2);
    for (int i = 0; i < 400; i++) {
        rig_add(r, 2, "/slow/20", NULL); // worker 0
    }
    rig_tell(r);
    rig_until(r, r->origins[2].open == 4);
    struct rig_task *other = rig_add(r, 1, "/", NULL); // worker 1
    int64_t since = clock_monotonic_ms();
    rig_tell_host(r, 1);
    rig_until(r, other->state == RIG_ENDED);
    assert_true(clock_monotonic_ms() - since < 200);
    rig_free(r);
}

static void a_slow_hosts_window_stays_small(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->limits[1].delay_ms = 100;
    for (int i = 0; i < 100; i++) {
        rig_add(r, 1, "/", NULL);
    }
    rig_tell(r);
    rig_until(r, r->n_ended >= 5);
    assert_true(r->most_claimed <= 4);
    rig_free(r);
}

static void retry_after_stops_the_whole_host(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    struct rig_task *first = rig_add(r, 1, "/after/1", "{\"retry\":{\"max_attempts\":1}}");
    rig_tell(r);
    rig_until(r, first->state == RIG_ENDED);
    assert_int_equal(TASK_HTTP_STATUS, first->outcome->last.error);
    assert_int_equal(429, first->outcome->last.status);
    rig_until(r, r->states == 1);
    assert_int_equal(1, r->last_state_host);
    assert_int_equal(1, r->last_state.backoff_level);
    int64_t blocked_until = r->last_state.blocked_until;
    assert_in_range(blocked_until - clock_wall_at(), 1, 1000);
    rig_add(r, 1, "/", NULL);
    rig_tell(r);
    rig_finish(r);
    assert_true(clock_wall_at() >= blocked_until);
    rig_free(r);
}

static void a_block_kept_by_the_store_holds(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    rig_add(r, 1, "/", NULL);
    int64_t until = clock_wall_at() + 300;
    struct work *m = work_new(1);
    m->v[0] = (struct host_record){
        .host = 1, .name = strdup("127.0.0.1"), .limits = r->limits[1], .blocked_until = until};
    mailbox_post(fetch_mailboxes(r->fetch)[1], &m->msg);
    rig_finish(r);
    assert_true(clock_wall_at() >= until);
    rig_free(r);
}

static void set_paused(struct rig *r, bool paused)
{
    struct host_limits_changed *m = host_limits_changed_new("127.0.0.1");
    m->limits = r->limits[1];
    m->limits.paused = paused;
    mailbox_post(fetch_mailboxes(r->fetch)[1], &m->msg);
}

static struct host_query *ask(struct rig *r, uint64_t task)
{
    struct host_query *q = host_query_new(1, 2);
    struct list answers;
    list_init(&answers);
    snprintf(q->v[0].name, sizeof q->v[0].name, "127.0.0.1");
    snprintf(q->v[1].name, sizeof q->v[1].name, "127.0.0.2");
    q->task = task;
    fetch_post_host_query(r->fetch, q);
    rig_until(r, mailbox_length(r->api) == 1);
    mailbox_take(r->api, &answers);
    return (struct host_query *)list_entry(list_pop_front(&answers), struct message, link);
}

static void pausing_and_resuming_a_host_acts_at_once(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    for (int i = 0; i < 60; i++) {
        rig_add(r, 1, "/slow/20", NULL);
    }
    rig_tell(r);
    rig_until(r, r->n_ended >= 8);
    set_paused(r, true);
    rig_until(r, r->origins[1].open == 0);
    rig_run(r, 50); // what was on its way has come
    unsigned seen = r->origins[1].requests;
    rig_run(r, 100);
    assert_int_equal(seen, r->origins[1].requests);
    struct host_query *q = ask(r, 0);
    assert_true(q->v[0].known);
    assert_int_equal(WAIT_HOST_PAUSED, q->v[0].reason);
    assert_int_equal(0, q->v[0].in_flight);
    assert_false(q->v[1].known);
    q->msg.free(&q->msg);
    set_paused(r, false);
    rig_finish(r);
    rig_free(r);
}

static void says_what_is_running_and_what_waits(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->limits[1].max_concurrency = 1;
    rig_add(r, 1, "/slow/300", NULL);
    rig_add(r, 1, "/", NULL);
    rig_tell(r);
    rig_until(r, r->origins[1].open == 1);
    struct host_query *q = ask(r, task_key(RIG_BATCH, 0));
    assert_true(q->task_running && !q->task_waiting);
    assert_int_equal(1, q->v[0].in_flight);
    assert_int_equal(1, q->v[0].waiting);
    assert_int_equal(1, q->v[0].effective.max_concurrency);
    assert_int_equal(0, q->v[0].effective.delay_ms);
    assert_int_equal(WAIT_HOST_CONCURRENCY, q->v[0].reason);
    q->msg.free(&q->msg);
    q = ask(r, task_key(RIG_BATCH, 1));
    assert_true(!q->task_running && q->task_waiting);
    q->msg.free(&q->msg);
    rig_finish(r);
    rig_free(r);
}

static void a_reload_changes_limits(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    for (int i = 0; i < 60; i++) {
        rig_add(r, 1, "/slow/20", NULL);
    }
    rig_tell(r);
    rig_until(r, r->origins[1].open == 8);
    const char *set[] = {"fetch.workers=2", "fetch.host_concurrency=2"};
    struct config *c = rig_config(set, 2);
    fetch_post_config(r->fetch, c);
    config_free(&c);
    rig_until(r, r->origins[1].open <= 2);
    r->origins[1].most_open = 0;
    rig_finish(r);
    assert_true(r->origins[1].most_open <= 2);
    rig_free(r);
}

static void bodies_that_together_exceed_the_byte_budget_all_arrive(void **state)
{
    (void)state;
    const char *set[] = {"fetch.workers=2", "fetch.max_body=1M", "fetch.byte_budget=1M"};
    struct rig *r = rig_new(set, 3);
    for (int i = 0; i < 24; i++) {
        rig_add(r, 1 + i % 2, "/big/900", NULL);
    }
    rig_tell(r);
    rig_finish(r);
    for (size_t i = 0; i < r->n_tasks; i++) {
        assert_int_equal(TASK_SUCCEEDED, r->tasks[i].outcome->state);
        assert_int_equal(900 * 1024, r->tasks[i].outcome->size);
    }
    assert_int_equal(0, metrics_get(&r->metrics, METRIC_BODY_BYTES_HELD));
    rig_free(r);
}

static void draining_starts_nothing_more(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    for (int i = 0; i < 100; i++) {
        rig_add(r, 1, "/slow/50", NULL);
    }
    rig_tell(r);
    rig_until(r, r->origins[1].open == 8);
    fetch_drain(r->fetch);
    rig_until(r, fetch_in_flight(r->fetch) == 0);
    rig_run(r, 50);
    assert_in_range(r->n_ended, 8, 24);
    assert_int_equal(r->origins[1].requests, r->n_ended);
    assert_int_equal(0, r->running);
    rig_free(r);
}

static void can_be_freed_with_everything_under_way(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    for (int i = 0; i < 100; i++) {
        rig_add(r, 1 + i % RIG_HOSTS, i % 2 ? "/slow/1000" : "/to/302/1/slow/1000", NULL);
    }
    rig_tell(r);
    rig_until(r, r->open >= 8);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_ends_once),
        cmocka_unit_test(a_host_gets_no_more_at_once_than_its_slots),
        cmocka_unit_test(all_hosts_together_get_no_more_than_the_daemons_slots),
        cmocka_unit_test(a_rate_holds),
        cmocka_unit_test(a_delay_holds_between_any_two_requests),
        cmocka_unit_test(a_busy_host_delays_no_other),
        cmocka_unit_test(a_worker_with_endless_work_leaves_slots_to_the_others),
        cmocka_unit_test(a_slow_hosts_window_stays_small),
        cmocka_unit_test(retry_after_stops_the_whole_host),
        cmocka_unit_test(a_block_kept_by_the_store_holds),
        cmocka_unit_test(pausing_and_resuming_a_host_acts_at_once),
        cmocka_unit_test(says_what_is_running_and_what_waits),
        cmocka_unit_test(a_reload_changes_limits),
        cmocka_unit_test(bodies_that_together_exceed_the_byte_budget_all_arrive),
        cmocka_unit_test(draining_starts_nothing_more),
        cmocka_unit_test(can_be_freed_with_everything_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
