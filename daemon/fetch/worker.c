// SPDX-License-Identifier: MIT
// Sets a worker up and takes it down, and hands each message to who knows what it means. Runs on
// the worker's thread, but for worker_init and worker_done (main thread, while there is no other)
// and worker_wake.
#include "daemon/fetch/worker.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/fetch/flight.h"

struct host_clock worker_clock(void)
{
    return (struct host_clock){.us = clock_monotonic_us(), .at = clock_wall_at()};
}

// SplitMix64. Jitter needs no secrecy, only workers and restarts that differ.
uint32_t worker_random(struct worker *w)
{
    w->random += 0x9e3779b97f4a7c15u;
    uint64_t z = w->random;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

static void keep_wake_message(struct message *m)
{
    (void)m; // embedded in its worker
}

void worker_wake(struct worker *w)
{
    if (!atomic_exchange(&w->wake_posted, true)) {
        mailbox_post(w->mailbox, &w->wake_message);
    }
}

static void on_fetch_message(struct worker *w, struct message *m)
{
    switch (m->kind) {
    case RING_HOP: flight_arrive(w, (struct flight *)m); return;
    case RING_HOST_QUERY: worker_on_query(w, (struct host_query *)m); return;
    case RING_CONFIG: worker_on_config(w, (struct worker_config *)m); break;
    case RING_STOP: worker_drain(w); break;
    case WORKER_ROBOTS: flight_on_robots(w, m); break;
    case WORKER_WAKE:
        atomic_store(&w->wake_posted, false);
        worker_want_turn(w);
        return;
    default: log_error("fetch got a message that is not for it kind=%u", m->kind); break;
    }
    m->free(m);
}

static void on_message(void *ctx, struct message *m)
{
    struct worker *w = ctx;
    list_init(&m->link);
    switch (m->kind) {
    case RING_WORK: worker_on_work(w, (const struct work *)m); break;
    case RING_CLAIMED: worker_on_claimed(w, (struct claimed *)m); break;
    case RING_SENT_MARKED: flight_on_marked(w, (const struct mark_sent *)m); break;
    case RING_BATCH_HALT: worker_on_halt(w, (const struct batch_halt *)m); break;
    case RING_HOST_LIMITS: worker_on_limits(w, (const struct host_limits_changed *)m); break;
    default: on_fetch_message(w, m); return;
    }
    m->free(m);
}

static int make_parts(struct worker *w, struct err *e)
{
    struct resolver_settings r = {.servers = w->settings->resolver_servers,
                                  .timeout_ms = 1000,
                                  .tries = 3,
                                  .min_ttl_ms = 1000,
                                  .max_ttl_ms = 3600000,
                                  .negative_ttl_ms = 5000,
                                  .max_entries = 10000};
    snprintf(w->name, sizeof(w->name), "fetch%u", w->number);
    struct metrics *metrics = w->shared->metrics;
    if (mailbox_new(e, &w->mailbox) < 0 || loop_new(w->name, e, &w->loop) < 0 ||
        timer_init(&w->turn, w->loop, worker_turn, w, e) < 0 ||
        loop_serve_mailbox(w->loop, w->mailbox, on_message, NULL, w, e) < 0 ||
        resolver_new(w->loop, &r, metrics, e, &w->resolver) < 0) {
        return -1;
    }
    return transfer_engine_new(w->loop, &w->settings->transfer, metrics, e, &w->engine);
}

int worker_init(struct worker *w, unsigned number, struct worker_shared *shared,
                const struct fetch_settings *settings, struct err *e)
{
    *w = (struct worker){.number = number, .shared = shared, .turn_at_ms = INT64_MAX};
    w->settings = fetch_settings_ref(settings);
    list_init(&w->ready);
    list_init(&w->touched);
    list_init(&w->hosts);
    batch_shares_init(&w->batches);
    robots_cache_init(&w->robots);
    outbox_init(&w->outbox);
    w->wake_message = (struct message){.kind = WORKER_WAKE, .free = keep_wake_message};
    list_init(&w->wake_message.link);
    if (getrandom(&w->random, sizeof w->random, 0) != (ssize_t)sizeof w->random) {
        w->random = (uint64_t)clock_monotonic_us() ^ number;
    }
    if (make_parts(w, e) < 0) {
        worker_done(w);
        return -1;
    }
    return 0;
}

static void abort_flights(struct worker *w)
{
    struct flight *f, *next;
    HASH_ITER(hh, w->flights, f, next)
    {
        flight_abort(f);
    }
    flight_drop_lookups(w);
}

void worker_done(struct worker *w)
{
    if (!w->settings) {
        return; // was never set up
    }
    abort_flights(w);
    robots_cache_done(&w->robots);
    worker_drop_hosts(w);
    outbox_done(&w->outbox);
    batch_shares_done(&w->batches);
    transfer_engine_free(&w->engine);
    resolver_free(&w->resolver);
    heap_done(&w->wakes);
    heap_done(&w->deadlines);
    timer_done(&w->turn);
    loop_free(&w->loop);
    fetch_settings_unref(&w->settings);
}
