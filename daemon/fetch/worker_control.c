// SPDX-License-Identifier: MIT
// What a worker is told to do or asked: halts, limits, questions, a new configuration, draining.
// Worker's thread only.
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch/flight.h"
#include "daemon/fetch/worker.h"

// ---- halts

static void drop_task(struct worker *w, struct queued_task *t, struct release *m)
{
    if (m) {
        m->v[m->n++] = t->ref;
    }
    host_queue_remove_task(&t->host->queue, &t->link);
    worker_count_window(w, -1);
    worker_touch(w, t->host);
    queued_task_free(&t);
}

// Without memory to say so, tasks of a paused batch are forgotten here and stay claimed in the
// store until it is resumed and its host is told again, or the daemon restarts: nothing is lost,
// and nothing of a paused batch is started.
static void drop_tasks(struct worker *w, struct batch_share *b, bool release)
{
    size_t n = 0;
    list_for_each (it, &b->tasks) {
        n++;
    }
    struct release *m = release && n > 0 ? release_new(n) : NULL;
    if (m) {
        m->n = 0;
    }
    while (!list_empty(&b->tasks)) {
        drop_task(w, list_entry(b->tasks.next, struct queued_task, in_batch), m);
    }
    if (m) {
        outbox_put(&w->outbox, &m->msg);
    }
}

bool worker_was_halted(const struct worker *w, uint64_t batch)
{
    for (unsigned i = 0; i < HALTED_KEPT && i < w->n_halted; i++) {
        if (w->halted[i] == batch) {
            return true;
        }
    }
    return false;
}

void worker_on_halt(struct worker *w, const struct batch_halt *m)
{
    if (!m->pause) {
        w->halted[w->n_halted++ % HALTED_KEPT] = m->batch;
    }
    struct batch_share *b = batch_shares_find(&w->batches, m->batch);
    if (!b) {
        return;
    }
    drop_tasks(w, b, m->pause);
    if (!m->pause) {
        // The share outlives its last flight, because that leaves a count to be told.
        batch_shares_running(&w->batches, b, 1);
        while (!list_empty(&b->flights)) {
            flight_abort(list_entry(b->flights.next, struct flight, in_batch));
        }
        batch_shares_running(&w->batches, b, -1);
    }
    batch_shares_review(&w->batches, b);
    worker_want_turn(w);
}

// ---- limits and configuration

void worker_on_limits(struct worker *w, const struct host_limits_changed *m)
{
    struct host *h = worker_find_host_by_name(w, m->name);
    if (h) {
        h->admin = m->limits;
        worker_apply_limits(w, h);
    }
}

static void free_config(struct message *m)
{
    struct worker_config *c = (struct worker_config *)m;
    fetch_settings_unref(&c->settings);
    free(c);
}

struct worker_config *worker_config_new(const struct fetch_settings *settings)
{
    struct worker_config *c = calloc(1, sizeof *c);
    if (c) {
        c->msg.kind = RING_CONFIG;
        c->msg.free = free_config;
        list_init(&c->msg.link);
        c->settings = fetch_settings_ref(settings);
    }
    return c;
}

void worker_on_config(struct worker *w, struct worker_config *m)
{
    const struct fetch_settings *old = w->settings;
    w->settings = m->settings;
    m->settings = NULL;
    transfer_engine_configure(w->engine, &w->settings->transfer);
    if (strcmp(old->transfer.user_agent, w->settings->transfer.user_agent) != 0) {
        robots_cache_forget(&w->robots);
    }
    batch_shares_forget_options(&w->batches);
    list_for_each (it, &w->hosts) {
        worker_apply_limits(w, list_entry(it, struct host, by_age));
    }
    fetch_settings_unref(&old);
}

void worker_drain(struct worker *w)
{
    w->draining = true;
    list_for_each (it, &w->hosts) {
        struct host *h = list_entry(it, struct host, by_age);
        while (!list_empty(&h->queue.tasks)) {
            struct queued_task *t = list_entry(h->queue.tasks.next, struct queued_task, link);
            struct batch_share *b = t->batch;
            host_queue_remove_task(&h->queue, &t->link);
            worker_count_window(w, -1);
            queued_task_free(&t);
            batch_shares_review(&w->batches, b);
        }
    }
    worker_want_turn(w);
}

// ---- questions

static void fill_status(const struct worker *w, const struct host *h, struct host_status *s)
{
    const struct host_queue *q = &h->queue;
    struct host_clock now = worker_clock();
    struct host_wait wait;
    s->known = true;
    s->in_flight = q->in_flight;
    s->waiting = q->n_tasks + q->n_hops;
    s->effective = q->limits;
    bool blocked = host_backoff_is_blocked(&q->backoff, now.us);
    s->blocked_until = blocked ? q->backoff.blocked_until_at : 0;
    s->backoff_level = q->backoff.level;
    s->reason = WAIT_NONE;
    s->next_start_at = 0;
    if (host_queue_gate(q, now.us, &wait) == HOST_WAIT) {
        s->reason = wait.reason;
        if (wait.until_us != INT64_MAX) {
            s->next_start_at = now.at + (wait.until_us - now.us) / 1000;
        }
    } else if (q->n_tasks > 0 || q->n_hops > 0) {
        s->reason = w->held_up;
    }
}

static void look_for_task(const struct worker *w, struct host_query *q)
{
    struct flight *f;
    HASH_FIND(hh, w->flights, &q->task, sizeof q->task, f);
    if (f) {
        q->task_running = true;
        return;
    }
    struct batch_share *b;
    uint64_t batch = task_key_batch(q->task);
    HASH_FIND(hh, w->batches.by_batch, &batch, sizeof batch, b);
    if (!b) {
        return;
    }
    list_for_each (it, &b->tasks) {
        if (list_entry(it, struct queued_task, in_batch)->ref.task == q->task) {
            q->task_waiting = true;
        }
    }
}

void worker_on_query(struct worker *w, struct host_query *q)
{
    for (size_t i = 0; i < q->n; i++) {
        struct host *h = worker_find_host_by_name(w, q->v[i].name);
        if (h) {
            fill_status(w, h, &q->v[i]);
        }
    }
    if (q->task != 0) {
        look_for_task(w, q);
    }
    bool last = w->number + 1 == w->shared->n_workers;
    mailbox_post(last ? w->shared->ports.api : w->shared->mailboxes[w->number + 1], &q->msg);
}
