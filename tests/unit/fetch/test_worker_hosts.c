// SPDX-License-Identifier: MIT
// A worker alone, turned by hand: which hosts it holds, what it claims, and what it does when there
// are too many.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "config/file.h"
#include "daemon/fetch/flight.h"
#include "daemon/fetch/worker.h"

struct alone {
    struct worker w;
    struct worker_shared shared;
    struct metrics metrics;
    struct mailbox *mailboxes[1];
    struct list said; // to the store, by the last turns
};

static unsigned only_worker(const char *host, unsigned n)
{
    (void)host;
    (void)n;
    return 0;
}

static void nobody_to_wake(void *ctx, unsigned worker)
{
    (void)ctx;
    (void)worker;
}

static int set_up(void **state)
{
    struct alone *a = calloc(1, sizeof *a);
    struct err e;
    struct config *c = NULL;
    const struct fetch_settings *s = NULL;
    // Whoever claims nothing starts nothing: no test here opens a socket.
    const char *set[] = {"store.path=/tmp/none.db"};
    struct config_sources src = {.set = set, .n_set = 1};
    assert_non_null(a);
    assert_int_equal(0, config_load(&src, &e, &c));
    assert_int_equal(0, fetch_settings_new(c, &e, &s));
    config_free(&c);
    a->shared = (struct worker_shared){.n_workers = 1,
                                       .mailboxes = a->mailboxes,
                                       .metrics = &a->metrics,
                                       .ports.worker_of = only_worker};
    assert_int_equal(0, mailbox_new(&e, &a->shared.ports.store));
    assert_int_equal(0, budget_new(0, 1, nobody_to_wake, NULL, &a->shared.slots)); // no slots
    assert_int_equal(0, budget_new(1000, 1, nobody_to_wake, NULL, &a->shared.bytes));
    assert_int_equal(0, worker_init(&a->w, 0, &a->shared, s, &e));
    a->mailboxes[0] = a->w.mailbox;
    fetch_settings_unref(&s);
    list_init(&a->said);
    *state = a;
    return 0;
}

static void forget_said(struct alone *a)
{
    struct list *link;
    while ((link = list_pop_front(&a->said))) {
        struct message *m = list_entry(link, struct message, link);
        m->free(m);
    }
}

static int tear_down(void **state)
{
    struct alone *a = *state;
    worker_done(&a->w);
    mailbox_free(&a->w.mailbox);
    forget_said(a);
    budget_free(&a->shared.slots);
    budget_free(&a->shared.bytes);
    mailbox_free(&a->shared.ports.store);
    free(a);
    return 0;
}

static void turn(struct alone *a)
{
    worker_turn(&a->w);
    mailbox_take(a->shared.ports.store, &a->said);
}

static size_t count_said(const struct alone *a, unsigned kind, const struct message **ret_last)
{
    size_t n = 0;
    list_for_each (it, &a->said) {
        const struct message *m = list_entry(it, struct message, link);
        if (m->kind == kind) {
            n++;
            *ret_last = m;
        }
    }
    return n;
}

struct telling {
    uint64_t first;
    size_t n;
    bool scan_answer, more;
    int64_t blocked_until;
};

static void tell(struct alone *a, const struct telling *t)
{
    struct work *m = work_new(t->n);
    m->scan_answer = t->scan_answer;
    m->more = t->more;
    for (size_t i = 0; i < t->n; i++) {
        char name[32];
        snprintf(name, sizeof name, "h%llu.test", (unsigned long long)(t->first + i));
        m->v[i] = (struct host_record){
            .host = t->first + i,
            .name = strdup(name),
            .limits = {.max_concurrency = -1, .delay_ms = -1, .rate_per_s = -1},
            .blocked_until = t->blocked_until};
    }
    worker_on_work(&a->w, m);
    m->msg.free(&m->msg);
}

static void answer(struct alone *a, uint64_t host, size_t n, bool more)
{
    struct claimed *m = claimed_new(host, n);
    m->more = more;
    for (size_t i = 0; i < n; i++) {
        m->tasks[i] = (struct claimed_task){.ref = {.task = task_key(3, (uint32_t)i), .host = host},
                                            .url = "http://h.test/"};
    }
    if (n > 0) {
        m->batches[0].batch = 3;
    }
    m->n = n;
    m->n_batches = n > 0 ? 1 : 0;
    worker_on_claimed(&a->w, m);
    m->msg.free(&m->msg);
}

static unsigned n_hosts(const struct alone *a)
{
    return HASH_CNT(by_id, a->w.hosts_by_id);
}

static void a_host_with_work_is_claimed_from_once_at_a_time(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    tell(a, &(struct telling){.first = 1, .n = 1});
    turn(a);
    turn(a);
    assert_int_equal(1, count_said(a, RING_CLAIM, &m));
    const struct claim *c = (const struct claim *)m;
    assert_int_equal(1, c->host);
    assert_int_equal(16, c->n);
    assert_int_equal(8, c->slots);
    forget_said(a);
    answer(a, 1, 4, true);
    turn(a);
    assert_int_equal(1, count_said(a, RING_CLAIM, &m));
    c = (const struct claim *)m;
    assert_int_equal(12, c->n);
    assert_int_equal(4, c->slots);
}

static void a_host_without_work_is_forgotten(void **state)
{
    struct alone *a = *state;
    tell(a, &(struct telling){.first = 1, .n = 1});
    turn(a);
    answer(a, 1, 0, false);
    turn(a);
    assert_int_equal(0, n_hosts(a));
    assert_int_equal(0, metrics_get(&a->metrics, METRIC_HOSTS_ACTIVE));
}

static void work_told_during_a_claim_is_asked_for_again(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    tell(a, &(struct telling){.first = 1, .n = 1});
    turn(a);
    tell(a, &(struct telling){.first = 1, .n = 1});
    turn(a);
    answer(a, 1, 0, false);
    turn(a);
    assert_int_equal(2, count_said(a, RING_CLAIM, &m));
}

static void an_empty_answer_that_says_more_is_not_followed_at_once(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    tell(a, &(struct telling){.first = 1, .n = 1});
    turn(a);
    answer(a, 1, 0, true);
    turn(a);
    assert_int_equal(1, count_said(a, RING_CLAIM, &m));
    int64_t end = clock_monotonic_ms() + 5000;
    while (count_said(a, RING_CLAIM, &m) == 1 && clock_monotonic_ms() < end) {
        turn(a);
    }
    assert_int_equal(2, count_said(a, RING_CLAIM, &m));
}

static void nothing_is_claimed_from_a_blocked_host(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    tell(a, &(struct telling){.first = 1, .n = 1, .blocked_until = clock_wall_at() + 60000});
    turn(a);
    assert_int_equal(0, count_said(a, RING_CLAIM, &m));
    assert_int_equal(1, metrics_get(&a->metrics, METRIC_HOSTS_BLOCKED));
    assert_int_equal(1, n_hosts(a));
}

static void hosts_that_were_not_told_are_looked_for(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    tell(a, &(struct telling){.more = true});
    turn(a);
    assert_int_equal(1, count_said(a, RING_SCAN, &m));
    assert_int_equal(0, ((const struct host_scan *)m)->after);
    tell(a, &(struct telling){.first = 10, .n = 5, .scan_answer = true, .more = true});
    turn(a);
    assert_int_equal(2, count_said(a, RING_SCAN, &m));
    assert_int_equal(14, ((const struct host_scan *)m)->after);
    tell(a, &(struct telling){.more = true}); // while one is under way: once more from the start
    tell(a, &(struct telling){.first = 20, .n = 1, .scan_answer = true});
    turn(a);
    assert_int_equal(3, count_said(a, RING_SCAN, &m));
    assert_int_equal(0, ((const struct host_scan *)m)->after);
    tell(a, &(struct telling){.scan_answer = true});
    turn(a);
    assert_int_equal(3, count_said(a, RING_SCAN, &m));
}

static void no_more_hosts_are_held_than_fit(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    tell(a, &(struct telling){.first = 1, .n = WORKER_MAX_HOSTS + 100});
    assert_int_equal(WORKER_MAX_HOSTS, n_hosts(a));
    turn(a);
    forget_said(a);
    for (uint64_t host = 1; host <= WORKER_MAX_HOSTS; host++) {
        answer(a, host, 0, false);
    }
    turn(a);
    turn(a);
    assert_int_equal(0, n_hosts(a));
    assert_int_equal(1, count_said(a, RING_SCAN, &m)); // for those that did not fit
}

static void hosts_blocked_for_long_make_room(void **state)
{
    struct alone *a = *state;
    int64_t tomorrow = clock_wall_at() + 86400000;
    tell(a, &(struct telling){.first = 1, .n = WORKER_MAX_HOSTS, .blocked_until = tomorrow});
    turn(a);
    tell(a, &(struct telling){.first = 50000, .n = 10});
    turn(a);
    assert_int_equal(WORKER_MAX_HOSTS, n_hosts(a));
    assert_non_null(worker_find_host(&a->w, 50009));
    assert_null(worker_find_host(&a->w, 1));
    assert_int_not_equal(SCAN_NONE, a->w.scan); // they are found again later
}

// Its robots.txt is being fetched elsewhere, after a redirect: nothing of it is in flight here.
static void a_host_at_which_flights_are_parked_makes_no_room(void **state)
{
    struct alone *a = *state;
    tell(a, &(struct telling){.first = 1, .n = 1});
    turn(a);
    struct host *h = worker_find_host(&a->w, 1);
    h->queue.n_parked = 1;
    answer(a, 1, 0, false);
    turn(a);
    tell(a, &(struct telling){.first = 100, .n = WORKER_MAX_HOSTS});
    assert_int_equal(WORKER_MAX_HOSTS, n_hosts(a));
    assert_ptr_equal(h, worker_find_host(&a->w, 1));
    h->queue.n_parked = 0;
    tell(a, &(struct telling){.first = 90000, .n = 1});
    assert_null(worker_find_host(&a->w, 1));
}

static void tell_number(struct alone *a, const char *name, uint64_t number)
{
    struct work *m = work_new(1);
    m->v[0] =
        (struct host_record){.host = number,
                             .name = strdup(name),
                             .limits = {.max_concurrency = -1, .delay_ms = -1, .rate_per_s = -1}};
    worker_on_work(&a->w, m);
    m->msg.free(&m->msg);
}

// The store deletes the row of a host that nothing refers to, and makes one with another number for
// the next task, perhaps while a claim by the old number is under way.
static void a_host_whose_row_was_made_anew_stays_the_same(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    tell_number(a, "a.test", 1);
    turn(a);
    struct host *h = worker_find_host(&a->w, 1);
    host_pace_left(&h->queue.pace, worker_clock().us);
    tell_number(a, "a.test", 9);
    assert_int_equal(1, n_hosts(a));
    assert_ptr_equal(h, worker_find_host(&a->w, 9));
    assert_null(worker_find_host(&a->w, 1));
    assert_true(h->queue.pace.started);
    answer(a, 1, 0, false);
    turn(a);
    assert_int_equal(2, count_said(a, RING_CLAIM, &m));
    assert_int_equal(9, ((const struct claim *)m)->host);
    answer(a, 9, 4, false);
    assert_int_equal(4, h->queue.n_tasks);
}

static void all_windows_together_are_bounded(void **state)
{
    struct alone *a = *state;
    const struct message *m = NULL;
    size_t n_full = WORKER_MAX_WINDOW / 16;
    tell(a, &(struct telling){.first = 1, .n = n_full});
    turn(a);
    for (uint64_t host = 1; host <= n_full; host++) {
        answer(a, host, 16, true);
    }
    turn(a);
    assert_int_equal(WORKER_MAX_WINDOW, a->w.n_window);
    forget_said(a);
    tell(a, &(struct telling){.first = 90000, .n = 1});
    turn(a);
    assert_int_equal(1, count_said(a, RING_CLAIM, &m));
    assert_int_equal(1, ((const struct claim *)m)->n); // but nobody goes without
    assert_int_equal(WORKER_MAX_WINDOW, metrics_get(&a->metrics, METRIC_TASKS_IN_WINDOWS));
}

static void says_when_the_daemons_slots_hold_it_up(void **state)
{
    struct alone *a = *state;
    tell(a, &(struct telling){.first = 1, .n = 1});
    turn(a);
    answer(a, 1, 2, false);
    turn(a);
    assert_int_equal(WAIT_GLOBAL_CONCURRENCY, a->w.held_up);
    assert_int_equal(2, a->w.n_window);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(a_host_with_work_is_claimed_from_once_at_a_time),
        ALONE(a_host_without_work_is_forgotten),
        ALONE(work_told_during_a_claim_is_asked_for_again),
        ALONE(an_empty_answer_that_says_more_is_not_followed_at_once),
        ALONE(nothing_is_claimed_from_a_blocked_host),
        ALONE(hosts_that_were_not_told_are_looked_for),
        ALONE(no_more_hosts_are_held_than_fit),
        ALONE(hosts_blocked_for_long_make_room),
        ALONE(a_host_at_which_flights_are_parked_makes_no_room),
        ALONE(a_host_whose_row_was_made_anew_stays_the_same),
        ALONE(all_windows_together_are_bounded),
        ALONE(says_when_the_daemons_slots_hold_it_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
