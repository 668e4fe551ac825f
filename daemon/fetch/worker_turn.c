// SPDX-License-Identifier: MIT
// One turn of a worker: look at what was touched, start a bounded number of requests, in turn over
// the hosts that may start one, tell the store, and sleep until something is due. Worker's thread
// only.
#include "common/clock.h"
#include "daemon/fetch/flight.h"
#include "daemon/fetch/worker.h"

#define MAX_STARTS 64 // of one turn; then the loop sees to its sockets first
#define MAX_STORE_QUEUE                                                                            \
    2048 // messages the store has not taken; beyond, results wait for the disk, and no new ones are
         // made
#define STORE_PAUSE_MS 5
#define NO_MEMORY_MS   100

void worker_want_turn(struct worker *w)
{
    if (w->turn_at_ms != 0) {
        w->turn_at_ms = 0;
        timer_set_ms(&w->turn, 0);
    }
}

// Half of the budget starts new requests, the other half lets those under way finish.
static bool bytes_allow(const struct worker *w)
{
    return budget_taken(w->shared->bytes) <= budget_limit(w->shared->bytes) / 2;
}

static bool take_slot(struct worker *w)
{
    struct budget *slots = w->shared->slots;
    if (budget_take_share(slots, w->number, 1)) {
        return true;
    }
    budget_wait(slots, w->number);
    return budget_take_share(slots, w->number, 1);
}

// Takes a slot of the daemon's, or says why not. *retry_ms: when to try again, if nobody wakes us.
static bool may_start(struct worker *w, int64_t *retry_ms)
{
    w->held_up = WAIT_NONE;
    if (mailbox_length(w->shared->ports.store) > MAX_STORE_QUEUE) {
        w->held_up = WAIT_BYTE_BUDGET;
        *retry_ms = STORE_PAUSE_MS;
        return false;
    }
    if (!bytes_allow(w)) {
        budget_wait(w->shared->bytes, w->number);
        if (!bytes_allow(w)) {
            w->held_up = WAIT_BYTE_BUDGET;
            return false;
        }
    }
    if (!take_slot(w)) {
        w->held_up = WAIT_GLOBAL_CONCURRENCY;
        return false;
    }
    return true;
}

// A slot of the daemon is held.
static int start_one(struct worker *w, struct host *h)
{
    struct host_queue *q = &h->queue;
    int64_t now_us = clock_monotonic_us();
    struct flight *f = NULL;
    if (q->n_hops == 0) {
        f = flight_new(w, list_entry(q->tasks.next, struct queued_task, link));
        if (!f) {
            budget_give_share(w->shared->slots, w->number, 1);
            return -1;
        }
    }
    bool is_hop;
    struct list *link = host_queue_start(q, now_us, &is_hop);
    if (is_hop) {
        flight_go(list_entry(link, struct flight, link), h);
    } else {
        worker_count_window(w, -1);
        flight_begin(f, h, list_entry(link, struct queued_task, link));
    }
    return 0;
}

// Returns in how many milliseconds to go on, or -1 if nothing is left to be started now.
static int64_t pump(struct worker *w)
{
    int64_t retry_ms = -1;
    for (int n = 0; n < MAX_STARTS; n++) {
        if (list_empty(&w->ready)) {
            budget_stop_waiting(w->shared->slots, w->number);
            w->held_up = WAIT_NONE;
            return -1;
        }
        struct host *h = list_entry(w->ready.next, struct host, ready);
        struct host_wait wait;
        worker_touch(w, h);
        if (host_queue_next(&h->queue, clock_monotonic_us(), &wait) != HOST_START) {
            list_remove(&h->ready);
            continue;
        }
        if (!may_start(w, &retry_ms)) {
            return retry_ms;
        }
        list_remove(&h->ready);
        list_push_back(&w->ready, &h->ready);
        if (start_one(w, h) < 0) {
            return NO_MEMORY_MS;
        }
    }
    return 0;
}

static void pass_deadlines(struct worker *w, int64_t now_ms)
{
    struct heap_node *node;
    while ((node = heap_first(&w->deadlines)) && node->key <= now_ms) {
        flight_on_deadline(heap_entry(node, struct flight, deadline));
    }
}

static int64_t earliest(const struct heap *h, int64_t at)
{
    const struct heap_node *node = heap_first(h);
    return node && node->key < at ? node->key : at;
}

static void arm(struct worker *w, int64_t go_on_ms)
{
    int64_t now_ms = clock_monotonic_ms();
    int64_t at = go_on_ms >= 0 ? now_ms + go_on_ms : INT64_MAX;
    if (!list_empty(&w->touched)) {
        at = now_ms;
    }
    if (w->scan == SCAN_WANTED && w->scan_next_ms < at) {
        at = w->scan_next_ms > now_ms ? w->scan_next_ms : now_ms;
    }
    at = earliest(&w->wakes, earliest(&w->deadlines, at));
    w->turn_at_ms = at <= now_ms ? 0 : at;
    if (at == INT64_MAX) {
        timer_cancel(&w->turn);
    } else {
        timer_set_ms(&w->turn, at > now_ms ? at - now_ms : 0);
    }
}

void worker_turn(void *ctx)
{
    struct worker *w = ctx;
    int64_t now_ms = clock_monotonic_ms();
    w->turn_at_ms = 0; // whatever asks for a turn from here on is seen by this one
    worker_touch_due(w, now_ms);
    pass_deadlines(w, now_ms);
    worker_review_touched(w);
    int64_t go_on_ms = pump(w);
    worker_review_touched(w);
    if (go_on_ms < 0 && !list_empty(&w->ready) && w->held_up == WAIT_NONE) {
        go_on_ms = 0; // made ready by what was just started and failed at once
    }
    worker_scan(w);
    outbox_flush(&w->outbox, &w->batches, w->shared->ports.store);
    arm(w, go_on_ms);
}
