// SPDX-License-Identifier: MIT
// Owns the counters that all fetch workers share: what is taken of a limit, by whom, and who waits
// for more. Called from any thread; lock-free. It never decides what is started, and `wake` is all
// it calls.
//
// Lost wake-ups cannot happen: a waiter raises its flag and then tries once more, a giver lowers
// the counter and then looks at the flags (both sequentially consistent), so one of the two sees
// the other.
#include "daemon/fetch/budget.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NOBODY UINT_MAX

struct budget_worker {
    _Atomic int64_t held;
    atomic_bool waiting; // wants more and got none since it said so
    atomic_bool to_wake; // has not been woken since it last called budget_wait
};

struct budget {
    _Atomic int64_t limit, taken;
    atomic_uint n_waiting;
    void (*wake)(void *ctx, unsigned worker);
    void *ctx;
    unsigned n_workers;
    struct budget_worker workers[];
};

int budget_new(int64_t limit, unsigned n_workers, void (*wake)(void *ctx, unsigned worker),
               void *ctx, struct budget **ret)
{
    struct budget *b = calloc(1, sizeof *b + n_workers * sizeof b->workers[0]);
    if (!b) {
        return -1;
    }
    atomic_init(&b->limit, limit);
    b->wake = wake;
    b->ctx = ctx;
    b->n_workers = n_workers;
    *ret = b;
    return 0;
}

void budget_free(struct budget **b)
{
    free(*b);
    *b = NULL;
}

// All but `giver`, who knows what it gave.
static void wake_waiting(struct budget *b, unsigned giver)
{
    if (atomic_load(&b->n_waiting) == 0) {
        return;
    }
    for (unsigned i = 0; i < b->n_workers; i++) {
        struct budget_worker *w = &b->workers[i];
        if (i != giver && atomic_load(&w->waiting) && atomic_exchange(&w->to_wake, false)) {
            b->wake(b->ctx, i);
        }
    }
}

void budget_set_limit(struct budget *b, int64_t limit)
{
    atomic_store(&b->limit, limit);
    wake_waiting(b, NOBODY);
}

bool budget_take(struct budget *b, int64_t n)
{
    int64_t taken = atomic_load(&b->taken);
    do {
        if (n > atomic_load(&b->limit) - taken) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&b->taken, &taken, taken + n));
    return true;
}

void budget_overdraw(struct budget *b, int64_t n)
{
    atomic_fetch_add(&b->taken, n);
}

void budget_give(struct budget *b, int64_t n)
{
    atomic_fetch_sub(&b->taken, n);
    wake_waiting(b, NOBODY);
}

bool budget_take_share(struct budget *b, unsigned worker, int64_t n)
{
    struct budget_worker *w = &b->workers[worker];
    unsigned others = atomic_load(&b->n_waiting) - (atomic_load(&w->waiting) ? 1u : 0u);
    int64_t share = atomic_load(&b->limit) / (int64_t)b->n_workers;
    // Who holds nothing may always try: with fewer slots than workers the share is 0.
    int64_t held = atomic_load(&w->held);
    if (others > 0 && held > 0 && held + n > share) {
        return false;
    }
    if (!budget_take(b, n)) {
        return false;
    }
    atomic_fetch_add(&w->held, n);
    budget_stop_waiting(b, worker);
    return true;
}

void budget_give_share(struct budget *b, unsigned worker, int64_t n)
{
    atomic_fetch_sub(&b->workers[worker].held, n);
    atomic_fetch_sub(&b->taken, n);
    wake_waiting(b, worker);
}

void budget_wait(struct budget *b, unsigned worker)
{
    struct budget_worker *w = &b->workers[worker];
    atomic_store(&w->to_wake, true);
    if (!atomic_exchange(&w->waiting, true)) {
        atomic_fetch_add(&b->n_waiting, 1);
    }
}

void budget_stop_waiting(struct budget *b, unsigned worker)
{
    if (atomic_exchange(&b->workers[worker].waiting, false)) {
        atomic_fetch_sub(&b->n_waiting, 1);
        wake_waiting(b, worker); // those it held to their share may go on
    }
}

int64_t budget_taken(const struct budget *b)
{
    return atomic_load(&b->taken);
}

int64_t budget_limit(const struct budget *b)
{
    return atomic_load(&b->limit);
}
