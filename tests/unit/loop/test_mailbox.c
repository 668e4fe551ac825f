// SPDX-License-Identifier: MIT
// Mailboxes and loops: order, one wake-up, messages freed at the end, timers, stopping from another
// thread.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "daemon/loop/loop.h"
#include "daemon/loop/metrics.h"

struct numbered {
    struct message msg;
    int number;
    int *freed;
};

static void free_numbered(struct message *m)
{
    struct numbered *n = (struct numbered *)m;
    (*n->freed)++;
    free(n);
}

static struct message *numbered_new(int number, int *freed)
{
    struct numbered *n = calloc(1, sizeof(*n));
    assert_non_null(n);
    n->msg.free = free_numbered;
    n->number = number;
    n->freed = freed;
    return &n->msg;
}

static bool readable(const struct mailbox *mb)
{
    struct pollfd p = {.fd = mailbox_fd(mb), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void messages_come_in_order_with_one_wakeup(void **state)
{
    (void)state;
    struct mailbox *mb = NULL;
    int freed = 0;
    assert_int_equal(mailbox_new(NULL, &mb), 0);
    assert_false(readable(mb));
    for (int i = 0; i < 3; i++) {
        mailbox_post(mb, numbered_new(i, &freed));
    }
    struct list more;
    list_init(&more);
    for (int i = 3; i < 6; i++) {
        list_push_back(&more, &numbered_new(i, &freed)->link);
    }
    mailbox_post_list(mb, &more);
    assert_true(list_empty(&more));
    assert_true(readable(mb));
    assert_int_equal(mailbox_length(mb), 6);
    struct list taken;
    list_init(&taken);
    mailbox_take(mb, &taken);
    assert_false(readable(mb));
    for (int i = 0; i < 6; i++) {
        struct list *link = list_pop_front(&taken);
        assert_non_null(link);
        struct message *m = list_entry(link, struct message, link);
        assert_int_equal(((struct numbered *)m)->number, i);
        m->free(m);
    }
    assert_true(list_empty(&taken));
    assert_int_equal(freed, 6);
    mailbox_free(&mb);
    assert_null(mb);
}

static void unhandled_messages_are_freed_with_the_mailbox(void **state)
{
    (void)state;
    struct mailbox *mb = NULL;
    int freed = 0;
    assert_int_equal(mailbox_new(NULL, &mb), 0);
    mailbox_post(mb, numbered_new(1, &freed));
    mailbox_post(mb, numbered_new(2, &freed));
    mailbox_free(&mb);
    assert_int_equal(freed, 2);
}

enum { THREADS = 4, PER_THREAD = 5000 };

struct sums {
    struct loop *loop;
    struct mailbox *mb;
    int freed, seen, rounds;
};

static void *post_many(void *arg)
{
    struct sums *s = arg;
    for (int i = 0; i < PER_THREAD; i++) {
        mailbox_post(s->mb, numbered_new(i, &s->freed));
    }
    return NULL;
}

static void count_message(void *ctx, struct message *m)
{
    struct sums *s = ctx;
    s->seen++;
    m->free(m);
}

static void count_round(void *ctx)
{
    struct sums *s = ctx;
    s->rounds++;
    if (s->seen == THREADS * PER_THREAD) {
        loop_stop(s->loop);
    }
}

static void a_loop_loses_nothing_that_many_threads_post(void **state)
{
    (void)state;
    struct sums s = {0};
    assert_int_equal(loop_new("test", NULL, &s.loop), 0);
    assert_int_equal(mailbox_new(NULL, &s.mb), 0);
    assert_int_equal(loop_serve_mailbox(s.loop, s.mb, count_message, count_round, &s, NULL), 0);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &s), 0);
    }
    loop_run(s.loop);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(s.seen, THREADS * PER_THREAD);
    assert_int_equal(s.freed, THREADS * PER_THREAD);
    loop_free(&s.loop);
    mailbox_free(&s.mb);
}

struct ticks {
    struct loop *loop;
    struct timer timer;
    int n;
    int64_t began_ms, ended_ms;
};

static void on_tick(void *ctx)
{
    struct ticks *t = ctx;
    if (++t->n == 3) {
        t->ended_ms = clock_monotonic_ms();
        loop_stop(t->loop);
    } else {
        timer_set_ms(&t->timer, 5);
    }
}

static void a_timer_fires_once_and_may_set_itself_again(void **state)
{
    (void)state;
    struct ticks t = {.began_ms = clock_monotonic_ms()};
    assert_int_equal(loop_new("test", NULL, &t.loop), 0);
    assert_int_equal(timer_init(&t.timer, t.loop, on_tick, &t, NULL), 0);
    timer_set_ms(&t.timer, 1000000);
    timer_set_ms(&t.timer, 5); // replaces the first setting
    loop_run(t.loop);
    assert_int_equal(t.n, 3);
    assert_in_range(t.ended_ms - t.began_ms, 10, 10000);
    timer_done(&t.timer);
    loop_free(&t.loop);
}

struct halves {
    struct loop *loop;
    int fired;
};

static void stop_at_the_first(void *ctx)
{
    struct halves *h = ctx;
    h->fired++;
    loop_stop(h->loop);
}

static void a_stop_does_not_wait_for_what_is_due_in_the_same_round(void **state)
{
    (void)state;
    struct halves h = {.fired = 0};
    struct timer timers[2];
    assert_int_equal(loop_new("test", NULL, &h.loop), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(timer_init(&timers[i], h.loop, stop_at_the_first, &h, NULL), 0);
        timer_set_ms(&timers[i], 0);
    }
    loop_run(h.loop);
    assert_int_equal(h.fired, 1);
    loop_run(h.loop); // of the first stop nothing is left
    assert_int_equal(h.fired, 2);
    timer_done(&timers[0]);
    timer_done(&timers[1]);
    loop_free(&h.loop);
}

static void every_metric_has_a_name_and_help(void **state)
{
    (void)state;
    for (int i = 0; i < METRIC__COUNT; i++) {
        const struct metric_info *info = metric_info((enum metric)i);
        assert_non_null(info->name);
        assert_non_null(info->help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_in_order_with_one_wakeup),
        cmocka_unit_test(unhandled_messages_are_freed_with_the_mailbox),
        cmocka_unit_test(a_loop_loses_nothing_that_many_threads_post),
        cmocka_unit_test(a_timer_fires_once_and_may_set_itself_again),
        cmocka_unit_test(a_stop_does_not_wait_for_what_is_due_in_the_same_round),
        cmocka_unit_test(every_metric_has_a_name_and_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
