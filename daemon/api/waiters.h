// SPDX-License-Identifier: MIT
// Requests that wait for something to change: for a batch's next state, or for time to pass. Main
// thread. Knows nothing of HTTP: a waiter is woken by its callback, which looks whether what it
// waits for has come. Time is given by the caller, so that tests run it in virtual time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/heap.h"
#include "common/list.h"
#include "daemon/task/batch.h"

struct waiters;
struct waiter;
struct waiter_group;

enum wake {
    WAKE_CHANGED,  // `now` is the batch's new state; the waiter stays unless it is removed
    WAKE_DELETED,  // the batch is gone; the waiter is removed already
    WAKE_TIMEOUT,  // its time is over; removed already
    WAKE_SHUTDOWN, // the daemon drains; removed already
};

// The callback may remove any waiter, itself too, and may add others.
typedef void waiter_fn(struct waiter *w, enum wake why, const struct batch_snapshot *now);

// Embedded in what waits. Zeroed, it waits for nothing.
struct waiter {
    waiter_fn *wake;
    struct waiter_group *group; // NULL: not waiting
    struct list link;
    struct heap_node deadline;
};

struct waiters *waiters_new(void);      // NULL without memory
void waiters_free(struct waiters **ws); // none may be waiting any more

// Waits for changes of the batch with row number `batch`, until `deadline_ms` (INT64_MAX: for
// ever). -1 without memory.
int waiters_add(struct waiters *ws, struct waiter *w, uint64_t batch, int64_t deadline_ms);
void waiters_remove(struct waiters *ws, struct waiter *w); // nothing if it is not waiting

void waiters_change(struct waiters *ws, const struct batch_snapshot *now);
void waiters_expire(struct waiters *ws, int64_t now_ms);
void waiters_shutdown(struct waiters *ws);
int64_t waiters_next_ms(const struct waiters *ws); // the first deadline; INT64_MAX: none
size_t waiters_count(const struct waiters *ws);
