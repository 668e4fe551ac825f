// SPDX-License-Identifier: MIT
// A flight while it holds a slot: the address is vetted, the name resolved, a request that must not
// leave twice marked, the transfer made, and what it says of the host learnt. Whether the answer is
// followed, repeated or recorded is not decided here. Worker's thread only.
#include "daemon/fetch/flight.h"

#include <string.h>

#include "common/clock.h"

// ---- the transfer

static int64_t left_ms(const struct flight *f)
{
    int64_t left = f->options.timeout_ms - f->active_ms;
    return left > 0 ? left : 0;
}

// Transfers that wait for each other's bytes would wait for ever. So one of each worker may always
// go on, whatever the budget says, until it has ended and given its bytes back.
static bool body_take(void *ctx, size_t n)
{
    struct flight *f = ctx;
    struct worker *w = f->worker;
    if (!budget_take(w->shared->bytes, (int64_t)n)) {
        if (w->overdrawn && w->overdrawn != f) {
            return false;
        }
        w->overdrawn = f;
        budget_overdraw(w->shared->bytes, (int64_t)n);
    }
    metrics_add(w->shared->metrics, METRIC_BODY_BYTES_HELD, (int64_t)n);
    return true;
}

static void body_give(void *ctx, size_t n)
{
    struct worker *w = ((struct flight *)ctx)->worker;
    budget_give(w->shared->bytes, (int64_t)n);
    metrics_add(w->shared->metrics, METRIC_BODY_BYTES_HELD, -(int64_t)n);
}

static bool is_out_of_reach(enum task_error e)
{
    return e == TASK_CONNECT_REFUSED || e == TASK_CONNECT_TIMEOUT || e == TASK_CONNECT_FAILED ||
           e == TASK_DNS_TEMPORARY;
}

// What the end of a hop says of its host. Through a proxy, only an answer says anything.
static void learn_of_host(struct flight *f, enum task_error error, int status,
                          int64_t retry_after_at)
{
    struct host *h = f->host;
    struct host_backoff *b = &h->queue.backoff;
    struct host_clock now = worker_clock();
    if (is_out_of_reach(error)) {
        if (!f->options.proxy) {
            host_backoff_unreachable(b, &now, now.us / 1000 - f->since_ms);
        }
    } else if (status != 0 || !f->options.proxy) {
        host_backoff_reached(b);
    }
    if ((status == 429 || status == 503) &&
        host_backoff_asked(b, &now, retry_after_at, worker_random(f->worker))) {
        worker_report_host(f->worker, h);
        flight_return_hops(f->worker, h);
    }
}

// The pace of its host counts from here.
static void on_sent(void *ctx, int64_t sent_ms)
{
    struct flight *f = ctx;
    struct host_queue *q = &f->host->queue;
    if (f->unsent) {
        f->unsent = false;
        host_queue_left(q, sent_ms * 1000);
        worker_touch(f->worker, f->host);
    } else { // once more, on a new connection
        host_pace_left(&q->pace, sent_ms * 1000);
    }
}

static void on_done(void *ctx, struct transfer_result *r)
{
    struct flight *f = ctx;
    f->transfer = NULL;
    f->active_ms += clock_monotonic_ms() - f->since_ms;
    f->sent = f->sent || r->sent;
    r->dns_ms = f->dns_ms;
    if (!r->local_shortage) {
        learn_of_host(f, r->error, r->status, r->retry_after_at);
        if (r->sent && f->unsent) {
            on_sent(f, r->sent_ms);
        }
    }
    flight_release_slot(f);
    if (!flight_redirected(f, r)) {
        flight_settle(f, r);
    }
}

static void transfer(struct flight *f)
{
    struct worker *w = f->worker;
    const struct host_pace *pace = &f->host->queue.pace;
    struct body_budget_ops budget = {.take = body_take, .give = body_give, .ctx = f};
    struct transfer_request r = {
        .url = &f->url,
        .url_text = f->url_text.data,
        .options = &f->options,
        .method = f->method,
        .send_body = f->send_body,
        .drop_credentials = f->drop_credentials,
        .may_redirect = f->options.max_redirects > 0,
        .keep_beginning = f->errand != NULL,
        .total_timeout_ms = left_ms(f),
        .n_addresses = f->resolved.n,
        .policy = &f->settings->policy,
        .on_sent = pace->delay_us > 0 || pace->rate_per_s > 0 ? on_sent : NULL,
    };
    _Static_assert(sizeof r.addresses == sizeof f->resolved.addresses, "as many as are resolved");
    memcpy(r.addresses, f->resolved.addresses, sizeof r.addresses);
    flight_move(f, FLIGHT_TRANSFERRING);
    f->since_ms = clock_monotonic_ms();
    if (transfer_start(w->engine, &r, &budget, on_done, f, &f->transfer) < 0) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
    }
}

// ---- marking: the store must know before a request leaves that must not leave twice

static bool must_mark(const struct flight *f)
{
    return !f->marked && !fetch_method_is_idempotent(f->method) && !f->options.retry.unsafe;
}

static void mark(struct flight *f)
{
    struct worker *w = f->worker;
    struct mark_sent *m = mark_sent_new(w->number, &f->queued->ref);
    if (!m) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return;
    }
    flight_move(f, FLIGHT_MARKING);
    outbox_put(&w->outbox, &m->msg);
    worker_want_turn(w);
}

void flight_on_marked(struct worker *w, const struct mark_sent *m)
{
    struct flight *f;
    HASH_FIND(hh, w->flights, &m->ref.task, sizeof m->ref.task, f);
    if (!f || f->state != FLIGHT_MARKING) {
        return; // halted meanwhile
    }
    if (m->status != 0) {
        flight_abort(f); // the task has ended without us
        return;
    }
    f->marked = true;
    transfer(f);
}

// ---- the name

static void end_lookup(struct flight *f)
{
    int64_t took_ms = clock_monotonic_ms() - f->since_ms;
    heap_remove(&f->worker->deadlines, &f->deadline);
    f->active_ms += took_ms;
    f->dns_ms = (int32_t)took_ms;
}

static void on_resolved(void *ctx, const struct resolved *r)
{
    struct flight *f = ctx;
    f->lookup = NULL;
    end_lookup(f);
    if (r->local_shortage) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
    } else if (r->error != TASK_OK) {
        learn_of_host(f, r->error, 0, 0);
        flight_fail(f, r->error, NULL);
    } else if (left_ms(f) == 0) {
        flight_fail(f, TASK_TIMEOUT_TOTAL, NULL);
    } else {
        f->resolved = *r;
        must_mark(f) ? mark(f) : transfer(f);
    }
}

// The resolver's patience is about a connection's; a task may ask for less.
void flight_on_deadline(struct flight *f)
{
    resolver_cancel(&f->lookup);
    bool total = left_ms(f) <= f->options.connect_timeout_ms;
    end_lookup(f);
    if (total) {
        flight_fail(f, TASK_TIMEOUT_TOTAL, "the time was over before the name was resolved");
        return;
    }
    learn_of_host(f, TASK_DNS_TEMPORARY, 0, 0);
    flight_fail(f, TASK_DNS_TEMPORARY, "the name server did not answer in time");
}

// Whom to connect to: the origin, or the proxy, which then resolves the origin's name. A proxy is
// named by whoever submits, so its address is vetted like any other; an administrator who runs one
// inside allows it by fetch.allow_addresses.
static enum task_error next_stop(const struct flight *f, struct url *ret)
{
    *ret = f->url;
    if (f->options.proxy &&
        url_parse(f->options.proxy, strlen(f->options.proxy), ret, NULL, NULL) != URL_OK) {
        return TASK_PROXY;
    }
    const struct url *both[] = {&f->url, ret};
    for (size_t i = 0; i < 2; i++) {
        switch (address_policy_check_url(&f->settings->policy, both[i])) {
        case URL_POLICY_OK: break;
        case URL_POLICY_BLOCKED_PORT: return TASK_BLOCKED_PORT;
        case URL_POLICY_BLOCKED_ADDRESS: return TASK_BLOCKED_ADDRESS;
        }
    }
    return TASK_OK;
}

void flight_go(struct flight *f, struct host *h)
{
    struct worker *w = f->worker;
    f->host = h;
    f->unsent = true;
    struct url stop;
    enum task_error refused = next_stop(f, &stop);
    if (refused != TASK_OK) {
        flight_fail(f, refused, NULL);
        return;
    }
    if (flight_stopped_by_robots(f)) {
        return;
    }
    flight_move(f, FLIGHT_RESOLVING);
    f->since_ms = clock_monotonic_ms();
    int64_t left = left_ms(f), connect = f->options.connect_timeout_ms;
    int64_t deadline_ms = f->since_ms + (left < connect ? left : connect);
    if (heap_put(&w->deadlines, &f->deadline, deadline_ms) < 0 ||
        resolver_lookup(w->resolver, stop.host, &f->settings->policy, on_resolved, f, &f->lookup) <
            0) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return;
    }
    worker_want_turn(w);
}
