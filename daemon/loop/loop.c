// SPDX-License-Identifier: MIT
// The loop of one thread. Everything here runs on that thread but loop_stop and the questions about
// beat and lag.
#include "daemon/loop/loop.h"

#include <event2/event.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

// As asyncio's loop.slow_callback_duration.
#define SLOW_CALLBACK_US 100000

struct service {
    struct service *next;
    struct loop *loop;
    struct mailbox *mailbox;
    struct event *event;
    loop_message_fn *fn;
    void (*after)(void *ctx);
    void *ctx;
};

struct loop {
    char name[16];
    struct event_base *base;
    struct service *services;
    struct mailbox *own; // nothing is posted to it: it is woken for stops and for beats
    _Atomic int64_t lag_us;
    atomic_bool stopping;
};

int loop_new(const char *name, struct err *e, struct loop **ret)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    snprintf(l->name, sizeof(l->name), "%s", name);
    l->base = event_base_new();
    if (l->base == NULL) {
        err_set(e, ERR_SYSTEM, "cannot create the event loop %s", name);
        loop_free(&l);
        return -1;
    }
    if (mailbox_new(e, &l->own) < 0 || loop_serve_mailbox(l, l->own, NULL, NULL, l, e) < 0) {
        loop_free(&l);
        return -1;
    }
    *ret = l;
    return 0;
}

void loop_free(struct loop **loop)
{
    struct loop *l = *loop;
    if (l == NULL) {
        return;
    }
    while (l->services != NULL) {
        struct service *s = l->services;
        l->services = s->next;
        event_free(s->event);
        free(s);
    }
    mailbox_free(&l->own);
    if (l->base != NULL) {
        event_base_loop(l->base, EVLOOP_NONBLOCK); // bufferevents that were let go end in a turn
        event_base_free(l->base);
    }
    free(l);
    *loop = NULL;
}

struct event_base *loop_base(struct loop *l)
{
    return l->base;
}

int64_t loop_callback_begin(void)
{
    return clock_monotonic_us();
}

void loop_callback_end(struct loop *l, int64_t since_us, const char *what)
{
    int64_t us = clock_monotonic_us() - since_us;
    int64_t seen = atomic_load_explicit(&l->lag_us, memory_order_relaxed);
    while (us > seen && !atomic_compare_exchange_weak_explicit(
                            &l->lag_us, &seen, us, memory_order_relaxed, memory_order_relaxed)) {}
    if (us >= SLOW_CALLBACK_US) {
        log_debug("slow callback loop=%s callback=%s duration_ms=%lld", l->name, what,
                  (long long)(us / 1000));
    }
    // Others may be due in this round, and take long: a stop does not wait for them.
    if (atomic_load_explicit(&l->stopping, memory_order_relaxed)) {
        event_base_loopbreak(l->base);
    }
}

static void on_mailbox(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct service *s = arg;
    int64_t since = loop_callback_begin();
    struct list messages;
    list_init(&messages);
    mailbox_take(s->mailbox, &messages);
    for (struct list *link = list_pop_front(&messages); link != NULL;
         link = list_pop_front(&messages)) {
        s->fn(s->ctx, list_entry(link, struct message, link));
    }
    if (s->after != NULL) {
        s->after(s->ctx);
    }
    loop_callback_end(s->loop, since, "mailbox");
}

int loop_serve_mailbox(struct loop *l, struct mailbox *mb, loop_message_fn *fn,
                       void (*after)(void *ctx), void *ctx, struct err *e)
{
    struct service *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    *s = (struct service){.loop = l, .mailbox = mb, .fn = fn, .after = after, .ctx = ctx};
    s->event = event_new(l->base, mailbox_fd(mb), EV_READ | EV_PERSIST, on_mailbox, s);
    if (s->event == NULL || event_add(s->event, NULL) < 0) {
        if (s->event != NULL) {
            event_free(s->event);
        }
        free(s);
        return err_set(e, ERR_SYSTEM, "cannot watch a mailbox on loop %s", l->name);
    }
    s->next = l->services;
    l->services = s;
    return 0;
}

void loop_run(struct loop *l)
{
    if (!atomic_load(&l->stopping)) {
        event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
    }
    atomic_store(&l->stopping, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopping, true);
    mailbox_wake(l->own); // the end of any callback stops the run
}

int64_t loop_take_lag_us(struct loop *l)
{
    return atomic_exchange_explicit(&l->lag_us, 0, memory_order_relaxed);
}

int64_t loop_last_beat_ms(struct loop *l)
{
    return mailbox_beat_ms(l->own);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct timer *t = arg;
    struct loop *l = t->loop;
    int64_t since = loop_callback_begin();
    t->fire(t->ctx); // may end the timer: only the loop is touched afterwards
    loop_callback_end(l, since, "timer");
}

int timer_init(struct timer *t, struct loop *l, void (*fire)(void *ctx), void *ctx, struct err *e)
{
    *t = (struct timer){.loop = l, .fire = fire, .ctx = ctx};
    t->event = evtimer_new(l->base, on_timer, t);
    if (t->event == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    return 0;
}

void timer_done(struct timer *t)
{
    if (t->event != NULL) {
        event_free(t->event);
        t->event = NULL;
    }
}

void timer_set_ms(struct timer *t, int64_t delay_ms)
{
    if (delay_ms < 0) {
        delay_ms = 0;
    }
    struct timeval tv = {.tv_sec = (time_t)(delay_ms / 1000),
                         .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};
    event_add(t->event, &tv);
}

void timer_cancel(struct timer *t)
{
    if (t->event != NULL) {
        event_del(t->event);
    }
}
