// SPDX-License-Identifier: MIT
// One thread's event loop: a libevent base, the thread's mailbox, one-shot timers, and a watch on
// callbacks that take too long (asyncio's debug mode: slow callbacks are logged with their name).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "daemon/loop/mailbox.h"

struct event_base;
struct event;
struct loop;

// Handles one message, which it then owns. Called on the loop's thread.
typedef void loop_message_fn(void *ctx, struct message *m);

int loop_new(const char *name, struct err *e, struct loop **ret);
void loop_free(struct loop **l);
struct event_base *loop_base(struct loop *l);

// Messages of the loop's mailbox go to `fn` (NULL: nothing is posted to it, it is only woken);
// after each round of them `after` (may be NULL) is called once, the place to flush what the round
// produced.
int loop_serve_mailbox(struct loop *l, struct mailbox *mb, loop_message_fn *fn,
                       void (*after)(void *ctx), void *ctx, struct err *e);

void loop_run(struct loop *l);  // until loop_stop, at once if that came first
void loop_stop(struct loop *l); // ends one run; any thread

// Longest time one callback held the loop, in microseconds, since the last call. Any thread.
int64_t loop_take_lag_us(struct loop *l);

// Whether the loop turns, as mailbox_beat_ms tells it. Any thread.
int64_t loop_last_beat_ms(struct loop *l);

// Mailboxes and timers are measured by themselves; other event callbacks that do real work stand
// between these two.
int64_t loop_callback_begin(void);
void loop_callback_end(struct loop *l, int64_t since_us, const char *what);

// A one-shot timer, embedded by value. The callback may set it again.
struct timer {
    struct event *event;
    struct loop *loop;
    void (*fire)(void *ctx);
    void *ctx;
};

int timer_init(struct timer *t, struct loop *l, void (*fire)(void *ctx), void *ctx, struct err *e);
void timer_done(struct timer *t);
void timer_set_ms(struct timer *t, int64_t delay_ms); // from now; replaces an earlier setting
void timer_cancel(struct timer *t);
