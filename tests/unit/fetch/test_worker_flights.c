// SPDX-License-Identifier: MIT
// Flights with everything around them played: outcomes, retries, redirects over hosts and workers,
// marking, halts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/fetch/rig.h"

#define QUICK_RETRY "{\"retry\":{\"max_attempts\":3,\"min_backoff_ms\":100,\"max_backoff_ms\":100}}"
#define NO_RETRY    "{\"retry\":{\"max_attempts\":1}}"

static struct rig *two_workers(void)
{
    const char *set[] = {"fetch.workers=2"};
    return rig_new(set, 1);
}

static const struct outcome *run_one(struct rig *r, int host, const char *path, const char *spec)
{
    struct rig_task *t = rig_add(r, host, path, spec);
    rig_tell(r);
    rig_finish(r);
    return t->outcome;
}

static void a_success_tells_all_there_is(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    int64_t before = clock_wall_at();
    const struct outcome *o = run_one(r, 1, "/slow/30", NULL);
    assert_int_equal(TASK_SUCCEEDED, o->state);
    assert_int_equal(TASK_OK, o->last.error);
    assert_null(o->last.message);
    assert_null(o->final_url);
    assert_null(o->redirects);
    assert_true(o->complete && o->has_body);
    assert_int_equal(0, o->size);
    assert_string_equal("127.0.0.1", o->last.remote_ip);
    assert_in_range(o->last.started_at, before, clock_wall_at());
    assert_true(o->last.finished_at >= o->last.started_at + 25);
    assert_true(o->last.timing.total >= 25);
    assert_true(o->last.timing.dns >= 0);
    assert_true(o->last.timing.queued >= 0);
    assert_int_equal(1, metrics_get(&r->metrics, METRIC_ATTEMPTS));
    rig_free(r);
}

static void a_status_that_is_not_accepted_fails(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    const struct outcome *o = run_one(r, 1, "/status/404", NULL);
    assert_int_equal(TASK_FAILED, o->state);
    assert_int_equal(TASK_HTTP_STATUS, o->last.error);
    assert_int_equal(404, o->last.status);
    assert_false(o->retryable);
    assert_non_null(o->headers);
    assert_non_null(o->last.message);
    o = run_one(r, 1, "/status/404", "{\"accept_status\":\"404\"}");
    assert_int_equal(TASK_SUCCEEDED, o->state);
    rig_free(r);
}

static void what_may_pass_is_repeated_and_counted(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    struct rig_task *t = rig_add(r, 1, "/status/500", QUICK_RETRY);
    rig_tell(r);
    rig_finish(r);
    assert_int_equal(2, t->retries);
    assert_true(t->last_retry->counts);
    assert_int_equal(2, t->last_retry->attempt.number);
    assert_int_equal(500, t->last_retry->attempt.status);
    assert_int_equal(3, t->outcome->last.number);
    assert_true(t->outcome->retryable);
    assert_int_equal(3, r->origins[1].requests);
    assert_true(r->origins[1].at_us[1] - r->origins[1].at_us[0] >= 95000);
    assert_int_equal(2, metrics_get(&r->metrics, METRIC_ATTEMPTS_RETRIED));
    rig_free(r);
}

static void the_batchs_defaults_hold_below_the_tasks_own(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->defaults = "{\"accept_status\":\"404\",\"headers\":{\"Authorization\":\"secret\"}}";
    const struct outcome *o = run_one(r, 1, "/status/404", NULL);
    assert_int_equal(TASK_SUCCEEDED, o->state);
    assert_string_equal("secret", r->origins[1].last_authorization);
    o = run_one(r, 1, "/status/404", "{\"accept_status\":\"200\"}");
    assert_int_equal(TASK_FAILED, o->state);
    assert_string_equal("secret", r->origins[1].last_authorization);
    rig_free(r);
}

static void a_refused_connection_is_named(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    struct rig_task *t = rig_add(r, 1, "/", NO_RETRY);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0); // bound and not listening: nobody else gets the port
    assert_int_equal(0, bind(fd, (struct sockaddr *)&sa, len));
    getsockname(fd, (struct sockaddr *)&sa, &len);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(sa.sin_port));
    rig_set_url(t, url);
    rig_tell(r);
    rig_finish(r);
    close(fd);
    assert_int_equal(TASK_CONNECT_REFUSED, t->outcome->last.error);
    assert_true(t->outcome->retryable);
    rig_free(r);
}

static void forbidden_addresses_and_ports_are_never_asked(void **state)
{
    (void)state;
    const char *set[] = {"fetch.workers=1", "fetch.allow_ports=2-3"};
    struct rig *r = rig_new(set, 2);
    struct rig_task *address = rig_add(r, 1, "/", NULL);
    struct rig_task *port = rig_add(r, 1, "/", NULL);
    rig_set_url(address, "http://10.0.0.1/");
    rig_set_url(port, "http://127.0.0.1:25/");
    rig_tell(r);
    rig_finish(r);
    assert_int_equal(TASK_BLOCKED_ADDRESS, address->outcome->last.error);
    assert_int_equal(TASK_BLOCKED_PORT, port->outcome->last.error);
    assert_false(address->outcome->retryable);
    rig_free(r);
}

static void redirects_lead_over_hosts_and_workers(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    const struct outcome *o = run_one(r, 1, "/to/302/2/to/301/3/to/307/3/end", NULL);
    assert_int_equal(TASK_SUCCEEDED, o->state);
    assert_int_equal(200, o->last.status);
    assert_int_equal(1, o->ref.host);
    char expected[512], final[64];
    snprintf(final, sizeof final, "http://127.0.0.3:%u/end", r->origins[3].port);
    assert_string_equal(final, o->final_url);
    snprintf(expected, sizeof expected,
             "[{\"status\":302,\"url\":\"http://127.0.0.1:%u/to/302/2/to/301/3/to/307/3/end\"},"
             "{\"status\":301,\"url\":\"http://127.0.0.2:%u/to/301/3/to/307/3/end\"},"
             "{\"status\":307,\"url\":\"http://127.0.0.3:%u/to/307/3/end\"}]",
             r->origins[1].port, r->origins[2].port, r->origins[3].port);
    assert_string_equal(expected, o->redirects);
    assert_int_equal(1, metrics_get(&r->metrics, METRIC_ATTEMPTS));
    assert_int_equal(3, metrics_get(&r->metrics, METRIC_REDIRECT_HOPS));
    assert_true(r->lookups >= 2);
    assert_int_equal(0, fetch_in_flight(r->fetch));
    rig_free(r);
}

static void a_hop_obeys_the_limits_of_its_new_host(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->limits[2].max_concurrency = 2;
    for (int i = 0; i < 30; i++) {
        rig_add(r, 1, "/to/302/2/slow/20", NULL);
    }
    rig_tell(r);
    rig_finish(r);
    assert_int_equal(30, r->origins[2].requests);
    assert_int_equal(2, r->origins[2].most_open);
    rig_free(r);
}

static void a_circle_ends(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    const struct outcome *o =
        run_one(r, 1, "/to/302/2/to/302/1/to/302/2/end", "{\"max_redirects\":2}");
    assert_int_equal(TASK_FAILED, o->state);
    assert_int_equal(TASK_TOO_MANY_REDIRECTS, o->last.error);
    assert_int_equal(302, o->last.status);
    rig_free(r);
}

// A server that is slow to tell its robots.txt must not gather in memory all that is led to it. Nor
// may those that wait for the file be in its own way, when it is elsewhere on the same host.
static void no_more_hops_wait_for_a_robots_txt_than_for_a_slot(void **state)
{
    (void)state;
    enum { TASKS = 1500, LINE = 1024 };
    char there[64];
    const char *set[] = {"fetch.workers=2", "fetch.robots=obey"};
    struct rig *r = rig_new(set, 2);
    struct rig_origin *from = &r->origins[1], *to = &r->origins[2];
    r->limits[1].max_concurrency = 16;
    to->hold_robots = true;
    for (int i = 0; i < TASKS; i++) {
        rig_add(r, 1, "/to/302/2/end", NULL);
    }
    rig_tell(r);
    rig_until(r, to->held && from->requests > TASKS); // and its own robots.txt
    rig_run(r, 50);                                   // what was on its way has come
    assert_in_range(metrics_get(&r->metrics, METRIC_TRANSFERS_IN_FLIGHT), LINE, LINE + 64);
    snprintf(there, sizeof there, "http://127.0.0.2:%u/status/404", to->port);
    evhttp_add_header(evhttp_request_get_output_headers(to->held), "Location", there);
    evhttp_send_reply(to->held, 302, "Moved", NULL);
    rig_until(r, r->n_ended >= LINE);
    // The store tells the first host's worker of what the other's gave back, when it is due.
    rig_until(r, (rig_tell(r), r->n_ended == TASKS));
    rig_until(r, r->running == 0);
    assert_in_range(from->requests, TASKS, 3 * TASKS);
    rig_free(r);
}

static void without_redirects_the_answer_is_the_result(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    const struct outcome *o = run_one(r, 1, "/to/302/2/end", "{\"max_redirects\":0}");
    assert_int_equal(TASK_SUCCEEDED, o->state);
    assert_int_equal(302, o->last.status);
    assert_null(o->redirects);
    o = run_one(r, 1, "/status/302", NULL); // no Location
    assert_int_equal(TASK_SUCCEEDED, o->state);
    assert_int_equal(302, o->last.status);
    rig_free(r);
}

static void methods_turn_as_browsers_have_it(void **state)
{
    (void)state;
    static const struct {
        const char *path, *method, *end;
    } rows[] = {
        {"/to/301/2/end", "POST", "GET"},  {"/to/302/2/end", "POST", "GET"},
        {"/to/303/2/end", "POST", "GET"},  {"/to/307/2/end", "POST", "POST"},
        {"/to/308/2/end", "POST", "POST"}, {"/to/303/2/end", "HEAD", "HEAD"},
        {"/to/302/2/end", "HEAD", "HEAD"}, {"/to/303/2/end", "GET", "GET"},
    };
    struct rig *r = two_workers();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char spec[64];
        snprintf(spec, sizeof spec, "{\"method\":\"%s\"}", rows[i].method);
        assert_int_equal(TASK_SUCCEEDED, run_one(r, 1, rows[i].path, spec)->state);
        assert_string_equal(rows[i].end, r->origins[2].last_method);
    }
    rig_free(r);
}

static void credentials_never_reach_another_origin(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    const char *spec = "{\"headers\":{\"Authorization\":\"secret\"}}";
    run_one(r, 1, "/to/302/1/end", spec);
    assert_string_equal("secret", r->origins[1].last_authorization);
    run_one(r, 1, "/to/302/2/end", spec);
    assert_string_equal("", r->origins[2].last_authorization);
    run_one(r, 1, "/to/302/2/to/302/1/end", spec); // not on the way back either
    assert_string_equal("", r->origins[1].last_authorization);
    rig_free(r);
}

static void the_time_of_all_hops_counts_together(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    const struct outcome *o = run_one(r, 1, "/late/150/2/late/150/1/late/150/3/end",
                                      "{\"timeout_ms\":400,\"retry\":{\"max_attempts\":1}}");
    assert_int_equal(TASK_FAILED, o->state);
    assert_true(o->last.error == TASK_TIMEOUT_TOTAL || o->last.error == TASK_TIMEOUT_FIRST_BYTE);
    assert_in_range(o->last.timing.total, 390, 600);
    assert_int_equal(2, metrics_get(&r->metrics, METRIC_REDIRECT_HOPS));
    assert_int_equal(0, r->origins[3].requests);
    rig_free(r);
}

static void waiting_for_a_slot_costs_no_time_of_its_own(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->limits[1].max_concurrency = 1;
    r->limits[2].max_concurrency = 1;
    for (int i = 0; i < 6; i++) {
        rig_add(r, 1, i % 2 ? "/slow/150" : "/to/302/2/slow/150",
                "{\"timeout_ms\":300,\"retry\":{\"max_attempts\":1}}");
    }
    rig_tell(r);
    rig_finish(r);
    for (size_t i = 0; i < r->n_tasks; i++) {
        assert_int_equal(TASK_SUCCEEDED, r->tasks[i].outcome->state);
    }
    rig_free(r);
}

static void a_post_is_marked_before_it_is_sent(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->hold_marks = true;
    struct rig_task *t = rig_add(r, 1, "/", "{\"method\":\"POST\"}");
    rig_tell(r);
    rig_until(r, t->marks == 1);
    rig_run(r, 50);
    assert_int_equal(0, r->origins[1].requests);
    struct mark_sent *m =
        mark_sent_new(1, &(struct task_ref){.task = task_key(t->batch, t->index), .host = 1});
    m->msg.kind = RING_SENT_MARKED;
    mailbox_post(fetch_mailboxes(r->fetch)[1], &m->msg);
    rig_finish(r);
    assert_int_equal(1, r->origins[1].requests);
    assert_int_equal(1, t->marks);
    rig_free(r);
}

static void a_post_that_ended_meanwhile_is_not_sent(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    r->refuse_marks = true;
    struct rig_task *t = rig_add(r, 1, "/", "{\"method\":\"POST\"}");
    rig_tell(r);
    rig_until(r, t->marks == 1);
    rig_until(r, fetch_in_flight(r->fetch) == 0 && r->running == 0);
    assert_int_equal(0, r->origins[1].requests);
    assert_int_equal(RIG_CLAIMED, t->state); // no outcome is owed
    rig_free(r);
}

static void a_post_that_was_sent_is_not_repeated(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    struct rig_task *t =
        rig_add(r, 1, "/status/500", "{\"method\":\"POST\",\"retry\":{\"min_backoff_ms\":100}}");
    rig_tell(r);
    rig_finish(r);
    assert_int_equal(1, r->origins[1].requests);
    assert_int_equal(0, t->retries);
    assert_true(t->outcome->retryable);
    t = rig_add(r, 2, "/status/500",
                "{\"method\":\"POST\",\"retry\":{\"min_backoff_ms\":100,\"max_attempts\":2,"
                "\"unsafe\":true}}");
    rig_tell(r);
    rig_finish(r);
    assert_int_equal(2, r->origins[2].requests);
    assert_int_equal(0, t->marks);
    rig_free(r);
}

static void halt(struct rig *r, uint64_t batch, bool pause)
{
    for (unsigned i = 0; i < fetch_n_workers(r->fetch); i++) {
        struct batch_halt *m = batch_halt_new(batch, pause);
        mailbox_post(fetch_mailboxes(r->fetch)[i], &m->msg);
    }
}

static void a_cancelled_batch_ends_in_silence(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    for (int i = 0; i < 40; i++) {
        rig_add(r, 1, "/slow/2000", NULL);
        rig_add(r, 1, "/to/302/2/slow/2000", NULL);
    }
    rig_tell(r);
    rig_until(r, r->origins[1].open + r->origins[2].open >= 10);
    struct rig_task *other = rig_add(r, 1, "/", NULL);
    other->batch = RIG_BATCH + 1;
    for (size_t i = 0; i + 1 < r->n_tasks; i++) {
        r->tasks[i].state = r->tasks[i].state == RIG_READY ? RIG_ENDED : r->tasks[i].state;
    }
    halt(r, RIG_BATCH, false);
    rig_tell_host(r, 1);
    rig_until(r, other->state == RIG_ENDED);
    rig_until(r, fetch_in_flight(r->fetch) == 0 && r->running == 0);
    assert_int_equal(1, r->n_ended);
    assert_int_equal(0, metrics_get(&r->metrics, METRIC_TASKS_IN_WINDOWS));
    rig_free(r);
}

static void a_paused_batch_gives_back_what_waits_and_ends_what_flies(void **state)
{
    (void)state;
    struct rig *r = two_workers();
    for (int i = 0; i < 40; i++) {
        rig_add(r, 1, "/slow/100", NULL);
    }
    rig_tell(r);
    rig_until(r, r->origins[1].open == 8);
    // Nothing more to be claimed, as the store of a paused batch has it.
    size_t waiting = 0;
    for (size_t i = 0; i < r->n_tasks; i++) {
        r->tasks[i].not_before_at = r->tasks[i].state == RIG_READY ? clock_wall_at() + 100000 : 0;
    }
    halt(r, RIG_BATCH, true);
    rig_until(r, fetch_in_flight(r->fetch) == 0 && r->running == 0 && r->n_ended >= 8);
    for (size_t i = 0; i < r->n_tasks; i++) {
        waiting += r->tasks[i].releases;
        assert_int_not_equal(RIG_CLAIMED, r->tasks[i].state);
    }
    assert_true(waiting > 0);
    assert_int_equal(r->n_ended, r->origins[1].requests);
    for (size_t i = 0; i < r->n_tasks; i++) {
        r->tasks[i].not_before_at = 0;
    }
    rig_tell(r); // resumed
    rig_finish(r);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_success_tells_all_there_is),
        cmocka_unit_test(a_status_that_is_not_accepted_fails),
        cmocka_unit_test(what_may_pass_is_repeated_and_counted),
        cmocka_unit_test(the_batchs_defaults_hold_below_the_tasks_own),
        cmocka_unit_test(a_refused_connection_is_named),
        cmocka_unit_test(forbidden_addresses_and_ports_are_never_asked),
        cmocka_unit_test(redirects_lead_over_hosts_and_workers),
        cmocka_unit_test(a_hop_obeys_the_limits_of_its_new_host),
        cmocka_unit_test(a_circle_ends),
        cmocka_unit_test(no_more_hops_wait_for_a_robots_txt_than_for_a_slot),
        cmocka_unit_test(without_redirects_the_answer_is_the_result),
        cmocka_unit_test(methods_turn_as_browsers_have_it),
        cmocka_unit_test(credentials_never_reach_another_origin),
        cmocka_unit_test(the_time_of_all_hops_counts_together),
        cmocka_unit_test(waiting_for_a_slot_costs_no_time_of_its_own),
        cmocka_unit_test(a_post_is_marked_before_it_is_sent),
        cmocka_unit_test(a_post_that_ended_meanwhile_is_not_sent),
        cmocka_unit_test(a_post_that_was_sent_is_not_repeated),
        cmocka_unit_test(a_cancelled_batch_ends_in_silence),
        cmocka_unit_test(a_paused_batch_gives_back_what_waits_and_ends_what_flies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
