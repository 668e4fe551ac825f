// SPDX-License-Identifier: MIT
// The beginning and the end of a flight, and the one function that moves its state. Worker's thread
// only.
#include "daemon/fetch/flight.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

#define MAX_CHAIN (4 * 1024 * 1024)

// ---- states

static bool may_move(enum flight_state from, enum flight_state to)
{
    static const unsigned edges[] = {
        [FLIGHT_NEW] = 1u << FLIGHT_PARKED | 1u << FLIGHT_RESOLVING,
        [FLIGHT_PARKED] = 1u << FLIGHT_HOPPING,
        [FLIGHT_RESOLVING] = 1u << FLIGHT_MARKING | 1u << FLIGHT_TRANSFERRING,
        [FLIGHT_MARKING] = 1u << FLIGHT_TRANSFERRING,
        [FLIGHT_TRANSFERRING] = 1u << FLIGHT_LOOKUP | 1u << FLIGHT_HOPPING | 1u << FLIGHT_AWAY,
        [FLIGHT_LOOKUP] = 1u << FLIGHT_HOPPING,
        [FLIGHT_HOPPING] = 1u << FLIGHT_PARKED | 1u << FLIGHT_RESOLVING,
        [FLIGHT_AWAY] = 1u << FLIGHT_LOOKUP | 1u << FLIGHT_HOPPING,
    };
    return (edges[from] & 1u << to) != 0;
}

void flight_move(struct flight *f, enum flight_state to)
{
    bool allowed = may_move(f->state, to);
    assert(allowed);
    (void)allowed;
    f->state = to;
}

// ---- birth and death

static void free_message(struct message *m)
{
    struct flight *f = (struct flight *)m; // on its way to a worker that is no more
    f->running = NULL;                     // nor are the marks: the store is closed
    batch_share_free(&f->batch);
    flight_free(f);
}

static struct flight *new_flight(struct worker *w, uint64_t key)
{
    struct flight *f = calloc(1, sizeof *f);
    if (!f) {
        return NULL;
    }
    f->msg = (struct message){.kind = RING_HOP, .free = free_message};
    list_init(&f->msg.link);
    list_init(&f->link);
    list_init(&f->in_batch);
    buf_init(&f->url_text, URL_MAX);
    buf_init(&f->chain, MAX_CHAIN);
    f->task = key;
    f->started_at = clock_wall_at();
    f->dns_ms = -1;
    f->worker = w;
    f->settings = fetch_settings_ref(w->settings);
    return f;
}

static struct flight *enter(struct flight *f)
{
    HASH_ADD(hh, f->worker->flights, task, sizeof f->task, f);
    if (!TABLE_ADDED(f, hh)) {
        flight_free(f);
        return NULL;
    }
    return f;
}

struct flight *flight_new(struct worker *w, const struct queued_task *t)
{
    struct flight *f = new_flight(w, t->ref.task);
    if (!f) {
        return NULL;
    }
    f->outcome = outcome_new(&t->ref);
    f->retry = retry_later_new(&t->ref);
    if (!f->outcome || !f->retry) {
        flight_free(f);
        return NULL;
    }
    return enter(f);
}

struct flight *flight_new_errand(struct worker *w, uint64_t key, struct errand *e)
{
    struct flight *f = new_flight(w, key);
    if (f && enter(f)) {
        f->errand = e;
        return f;
    }
    return NULL;
}

void flight_free(struct flight *f)
{
    running_leave(&f->running);
    outcome_free(&f->outcome);
    if (f->retry) {
        f->retry->msg.free(&f->retry->msg);
    }
    queued_task_free(&f->queued);
    flight_free_errand(&f->errand);
    task_options_done(&f->options);
    buf_done(&f->url_text);
    buf_done(&f->chain);
    fetch_settings_unref(&f->settings);
    free(f);
}

void flight_release_slot(struct flight *f)
{
    struct worker *w = f->worker;
    if (w->overdrawn == f) {
        w->overdrawn = NULL;
    }
    if (!f->host) {
        return;
    }
    if (f->unsent) {
        host_queue_left(&f->host->queue, clock_monotonic_us());
        f->unsent = false;
    }
    host_queue_end(&f->host->queue);
    budget_give_share(w->shared->slots, w->number, 1);
    worker_touch(w, f->host);
    f->host = NULL;
}

void flight_leave(struct flight *f)
{
    struct worker *w = f->worker;
    if (TABLE_ADDED(f, hh)) { // not when it arrived from another worker and there was no memory
        HASH_DEL(w->flights, f);
    }
    heap_remove(&w->deadlines, &f->deadline);
    list_remove(&f->in_batch);
    batch_shares_review(&w->batches, f->batch);
    f->batch = NULL;
    worker_want_turn(w);
}

void flight_end(struct flight *f)
{
    struct worker *w = f->worker;
    flight_release_slot(f);
    if (f->queued) {
        batch_shares_running(&w->batches, f->batch, -1);
    }
    flight_leave(f);
    atomic_fetch_sub(&w->shared->in_flight, 1);
    metrics_add(w->shared->metrics, METRIC_TRANSFERS_IN_FLIGHT, -1);
    flight_free(f);
}

// ---- the request

static bool parse_request(struct flight *f, struct input_error *ret_error)
{
    struct queued_task *t = f->queued;
    *ret_error = (struct input_error){.code = NULL};
    int r =
        batch_share_options(f->batch, &f->settings->task_limits, t->spec, &f->options, ret_error);
    if (r != 0) {
        return false;
    }
    f->method = f->options.method;
    f->send_body = f->options.body != NULL;
    const char *detail = "";
    enum url_verdict verdict = url_parse(t->url, strlen(t->url), &f->url, &f->url_text, &detail);
    if (verdict != URL_OK && verdict != URL_NO_MEMORY) {
        ret_error->code = "invalid_url";
    }
    return verdict == URL_OK;
}

void flight_begin(struct flight *f, struct host *h, struct queued_task *t)
{
    struct worker *w = f->worker;
    f->queued = t;
    f->batch = t->batch;
    f->host = h;
    f->unsent = true;
    list_remove(&t->in_batch);
    t->host = NULL;
    list_push_back(&f->batch->flights, &f->in_batch);
    f->running = running_enter(w->shared->ports.running, f->task);
    batch_shares_running(&w->batches, f->batch, 1);
    atomic_fetch_add(&w->shared->in_flight, 1);
    metrics_add(w->shared->metrics, METRIC_TRANSFERS_IN_FLIGHT, 1);
    struct input_error what;
    if (!parse_request(f, &what)) {
        // Both were valid when they were accepted: without a fault named, it was memory that
        // lacked.
        if (what.code) {
            flight_fail(f, TASK_INTERNAL, "the stored request cannot be read any more");
        } else {
            flight_give_back(f, FLIGHT_SHORTAGE_MS);
        }
        return;
    }
    metrics_add(w->shared->metrics, METRIC_ATTEMPTS, 1);
    flight_go(f, h);
}

void flight_abort(struct flight *f)
{
    struct worker *w = f->worker;
    resolver_cancel(&f->lookup);
    if (f->transfer) {
        transfer_abort(&f->transfer);
    }
    if (f->state == FLIGHT_HOPPING) {
        host_queue_remove_hop(&f->host->queue, &f->link);
        worker_touch(w, f->host);
        f->host = NULL;
    } else if (f->state == FLIGHT_LOOKUP) {
        flight_leave_lookup(f);
    } else if (f->state == FLIGHT_PARKED) {
        flight_unpark(f);
    }
    flight_end(f);
}
