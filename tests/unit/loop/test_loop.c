// SPDX-License-Identifier: MIT
// One loop: messages in rounds, timers, and every way to stop it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "daemon/loop/loop.h"

struct fixture {
    struct loop *loop;
    struct mailbox *mailbox;
    struct timer timer;
    int messages, rounds, fired;
};

static void free_message(struct message *m)
{
    free(m);
}

static void post(struct fixture *f)
{
    struct message *m = calloc(1, sizeof(*m));
    assert_non_null(m);
    m->free = free_message;
    mailbox_post(f->mailbox, m);
}

static void on_message(void *ctx, struct message *m)
{
    struct fixture *f = ctx;
    f->messages++;
    m->free(m);
}

static void after_round(void *ctx)
{
    struct fixture *f = ctx;
    f->rounds++;
    loop_stop(f->loop);
}

static void on_timer(void *ctx)
{
    struct fixture *f = ctx;
    if (++f->fired < 3) {
        timer_set_ms(&f->timer, -1); // at once
    } else {
        loop_stop(f->loop);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct err e;
    assert_non_null(f);
    assert_int_equal(loop_new("test", &e, &f->loop), 0);
    assert_int_equal(mailbox_new(&e, &f->mailbox), 0);
    assert_int_equal(loop_serve_mailbox(f->loop, f->mailbox, on_message, after_round, f, &e), 0);
    assert_int_equal(timer_init(&f->timer, f->loop, on_timer, f, &e), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    timer_done(&f->timer);
    timer_done(&f->timer); // twice is no harm
    loop_free(&f->loop);
    loop_free(&f->loop);
    mailbox_free(&f->mailbox);
    mailbox_free(&f->mailbox);
    free(f);
    return 0;
}

static void messages_of_one_round_are_followed_by_one_call(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++) {
        post(f);
    }
    assert_int_equal(mailbox_length(f->mailbox), 5);
    loop_run(f->loop);
    assert_int_equal(f->messages, 5);
    assert_int_equal(f->rounds, 1);
    assert_true(loop_take_lag_us(f->loop) >= 0);
    assert_int_equal(loop_take_lag_us(f->loop), 0);
}

static void a_timer_may_set_itself_again(void **state)
{
    struct fixture *f = *state;
    timer_set_ms(&f->timer, 1);
    loop_run(f->loop);
    assert_int_equal(f->fired, 3);
}

static void a_cancelled_timer_does_not_fire(void **state)
{
    struct fixture *f = *state;
    timer_set_ms(&f->timer, 0);
    timer_cancel(&f->timer);
    post(f);
    loop_run(f->loop);
    assert_int_equal(f->fired, 0);
}

static void a_stop_before_the_run_ends_it_at_once_and_only_that_one(void **state)
{
    struct fixture *f = *state;
    loop_stop(f->loop);
    loop_run(f->loop);
    assert_int_equal(f->messages, 0);
    post(f);
    loop_run(f->loop); // the wake-up of the first stop ends nothing
    assert_int_equal(f->messages, 1);
}

static void *stop_it(void *arg)
{
    loop_stop(arg);
    return NULL;
}

static void another_thread_may_stop_an_idle_loop(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_it, f->loop), 0);
    loop_run(f->loop);
    pthread_join(thread, NULL);
    assert_int_equal(f->rounds, 0);
}

static void a_beat_that_was_asked_for_grows_old_until_the_loop_turns(void **state)
{
    struct fixture *f = *state;
    int64_t asked = loop_last_beat_ms(f->loop);
    assert_int_equal(loop_last_beat_ms(f->loop), asked);
    post(f);
    loop_run(f->loop);
    assert_true(loop_last_beat_ms(f->loop) >= asked);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(messages_of_one_round_are_followed_by_one_call),
        TEST(a_timer_may_set_itself_again),
        TEST(a_cancelled_timer_does_not_fire),
        TEST(a_stop_before_the_run_ends_it_at_once_and_only_that_one),
        TEST(another_thread_may_stop_an_idle_loop),
        TEST(a_beat_that_was_asked_for_grows_old_until_the_loop_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
