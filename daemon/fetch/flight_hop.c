// SPDX-License-Identifier: MIT
// Between two hops: a flight without a slot finds the worker that owns its next host, that worker
// finds the host, and the flight waits in its queue before all fresh tasks. So a redirect obeys the
// limits of the host it leads to. Worker's thread only; a flight that is AWAY belongs to the
// message it is.
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch/flight.h"

#define MAX_HOPS_WAITING 1024
#define LONG_WAIT_US     (60 * INT64_C(1000000))

// Hops to one host whose record the store was asked for.
struct flight_lookup {
    UT_hash_handle hh;
    struct list waiting; // flight.link
    char name[];
};

static struct flight_lookup *find_lookup(const struct worker *w, const char *name)
{
    struct flight_lookup *l;
    HASH_FIND_STR(w->lookups, name, l);
    return l;
}

bool flight_host_wanted(const struct worker *w, const char *name)
{
    return find_lookup(w, name) != NULL;
}

static struct flight_lookup *begin_lookup(struct worker *w, const char *name)
{
    size_t size = strlen(name) + 1;
    struct flight_lookup *l = calloc(1, sizeof *l + size);
    struct host_lookup *m = host_lookup_new(w->number, name);
    if (l && m) {
        memcpy(l->name, name, size);
        list_init(&l->waiting);
        HASH_ADD_STR(w->lookups, name, l);
    }
    if (!l || !m || !TABLE_ADDED(l, hh)) {
        free(l);
        if (m) {
            m->msg.free(&m->msg);
        }
        return NULL;
    }
    outbox_put(&w->outbox, &m->msg);
    worker_want_turn(w);
    return l;
}

// The answer may still come when nobody waits any more; so a lookup stays until then.
void flight_leave_lookup(struct flight *f)
{
    list_remove(&f->link);
}

void flight_drop_lookups(struct worker *w)
{
    struct flight_lookup *l, *next;
    HASH_ITER(hh, w->lookups, l, next)
    {
        HASH_DEL(w->lookups, l);
        free(l);
    }
}

// ---- waiting

static bool is_closed_for_long(const struct host *h, struct host_wait *ret)
{
    int64_t now_us = worker_clock().us;
    return host_queue_gate(&h->queue, now_us, ret) == HOST_WAIT &&
           (ret->reason == WAIT_HOST_PAUSED ||
            (ret->reason == WAIT_HOST_BLOCKED && ret->until_us - now_us > LONG_WAIT_US));
}

// How long a task given back waits before it begins anew, when its host is closed.
static int64_t patience_ms(struct worker *w, const struct host_wait *closed)
{
    int64_t spread_ms = worker_random(w) % 4000;
    if (closed->until_us == INT64_MAX) {
        return LONG_WAIT_US / 1000 + spread_ms;
    }
    return (closed->until_us - worker_clock().us) / 1000 + spread_ms;
}

void flight_wait_for_host(struct flight *f, struct host *h)
{
    struct worker *w = f->worker;
    struct host_wait wait;
    int64_t now_us = worker_clock().us;
    if (is_closed_for_long(h, &wait) && flight_may_repeat(f)) {
        flight_give_back(f, patience_ms(w, &wait));
        return;
    }
    // It asks the host it comes from once more; so it is not to come back in vain. But an errand is
    // what others in the line may be waiting for.
    bool is_full = host_queue_line(&h->queue) >= MAX_HOPS_WAITING;
    if (is_full && !f->errand && flight_may_repeat(f)) {
        flight_give_back(f, host_queue_turn_away(&h->queue, now_us) / 1000);
        return;
    }
    flight_move(f, FLIGHT_HOPPING);
    f->host = h;
    host_queue_add_hop(&h->queue, &f->link, now_us);
    worker_touch(w, h);
}

void flight_return_hops(struct worker *w, struct host *h)
{
    struct host_wait wait;
    if (!is_closed_for_long(h, &wait)) {
        return;
    }
    list_for_each_safe (it, next, &h->queue.hops) {
        struct flight *f = list_entry(it, struct flight, link);
        if (flight_may_repeat(f)) {
            host_queue_remove_hop(&h->queue, &f->link);
            f->host = NULL; // a hop that waits holds no slot
            flight_give_back(f, patience_ms(w, &wait));
        }
    }
}

static void find_host(struct flight *f)
{
    struct worker *w = f->worker;
    struct host *h = worker_find_host_by_name(w, f->url.host);
    if (h) {
        flight_wait_for_host(f, h);
        return;
    }
    struct flight_lookup *l = find_lookup(w, f->url.host);
    if (!l) {
        l = begin_lookup(w, f->url.host);
    }
    if (!l) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return;
    }
    flight_move(f, FLIGHT_LOOKUP);
    list_push_back(&l->waiting, &f->link);
}

void flight_host_known(struct worker *w, const char *name, struct host *h)
{
    struct flight_lookup *l = find_lookup(w, name);
    if (!l) {
        return;
    }
    struct list *link;
    while ((link = list_pop_front(&l->waiting))) {
        struct flight *f = list_entry(link, struct flight, link);
        if (h) {
            flight_wait_for_host(f, h);
        } else {
            flight_give_back(f, FLIGHT_SHORTAGE_MS);
        }
    }
    HASH_DEL(w->lookups, l);
    free(l);
}

// ---- between workers

// A flight takes along all it is made of, and a place in the other worker's table of batches.
static void depart(struct flight *f, unsigned to)
{
    struct worker *w = f->worker;
    struct batch_share *share = batch_share_new(f->batch->batch);
    if (!share) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return;
    }
    flight_move(f, FLIGHT_AWAY);
    flight_leave(f);
    f->worker = NULL;
    f->batch = share;
    mailbox_post(w->shared->mailboxes[to], &f->msg);
}

void flight_arrive(struct worker *w, struct flight *f)
{
    f->worker = w;
    f->batch = batch_shares_adopt(&w->batches, f->batch);
    list_push_back(&f->batch->flights, &f->in_batch);
    HASH_ADD(hh, w->flights, task, sizeof f->task, f);
    if (!TABLE_ADDED(f, hh)) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return;
    }
    if (worker_was_halted(w, f->batch->batch)) {
        flight_abort(f); // the halt came while it was on its way
        return;
    }
    find_host(f);
}

void flight_hop(struct flight *f)
{
    struct worker *w = f->worker;
    unsigned owner = w->shared->ports.worker_of(f->url.host, w->shared->n_workers);
    if (owner == w->number) {
        find_host(f);
    } else {
        depart(f, owner);
    }
}
