// SPDX-License-Identifier: MIT
// The end of a flight: from what came of its last hop to an outcome, a retry, or a task given back
// as if nothing had been. The messages were made with the flight, so an end is always told.
// Worker's thread only.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/fetch/flight.h"
#include "daemon/task/retry.h"

#define SHORTAGE_TELL_MS 60000 // a worker tells no more often

// Moves a string out of its old place.
static char *take(char **s)
{
    char *taken = *s;
    *s = NULL;
    return taken;
}

static int32_t to_ms(int64_t ms)
{
    return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (int32_t)ms;
}

static void fill_attempt(const struct flight *f, struct transfer_result *r, struct attempt *ret)
{
    const struct task_error_info *info = r->error == TASK_OK ? NULL : task_error_info(r->error);
    *ret = (struct attempt){
        .number = f->queued->attempts + 1,
        .started_at = f->started_at,
        .finished_at = clock_wall_at(),
        .status = r->status,
        .error = r->error,
        .message = take(&r->message),
        .remote_ip = take(&r->remote_ip),
        .timing = {.queued = to_ms(f->started_at - f->queued->queued_at),
                   .dns = r->dns_ms,
                   .connect = r->connect_ms,
                   .tls = r->tls_ms,
                   .first_byte = r->first_byte_ms,
                   .total = to_ms(f->active_ms)},
    };
    if (r->error == TASK_HTTP_STATUS) {
        char text[64];
        snprintf(text, sizeof(text), "HTTP status %d is not accepted", r->status);
        ret->message = strdup(text);
    } else if (info && !ret->message) {
        ret->message = strdup(info->message); // the code alone says as much if there is no memory
    }
}

static char *finish_chain(struct flight *f)
{
    if (f->chain.len == 0) {
        return NULL;
    }
    buf_append_char(&f->chain, ']');
    return buf_steal(&f->chain, NULL);
}

static void post_outcome(struct flight *f, struct transfer_result *r, bool retryable)
{
    struct outcome *o = f->outcome;
    f->outcome = NULL;
    o->state = r->error == TASK_OK ? TASK_SUCCEEDED : TASK_FAILED;
    o->retryable = retryable;
    fill_attempt(f, r, &o->last);
    o->redirects = finish_chain(f);
    o->final_url = f->hops > 0 ? buf_steal(&f->url_text, NULL) : NULL;
    o->http_version = take(&r->http_version);
    o->content_type = take(&r->content_type);
    o->headers = take(&r->headers);
    o->has_body = r->has_body;
    o->complete = r->complete;
    o->size = r->size;
    o->bytes_received = r->bytes_received;
    memcpy(o->sha256, r->sha256, sizeof o->sha256);
    o->body = r->body;
    body_init(&r->body);
    outbox_put(&f->worker->outbox, &o->msg);
}

static void post_retry(struct flight *f, struct transfer_result *r, int64_t at, bool counts)
{
    struct retry_later *m = f->retry;
    f->retry = NULL;
    fill_attempt(f, r, &m->attempt);
    m->not_before_at = at;
    m->counts = counts;
    struct host *h = worker_find_host(f->worker, m->ref.host);
    m->elsewhere = !h; // after a redirect
    if (h) {
        worker_expect_retry(f->worker, h, at);
    }
    outbox_put(&f->worker->outbox, &m->msg);
}

bool flight_may_repeat(const struct flight *f)
{
    return !f->sent || fetch_method_is_idempotent(f->options.method) || f->options.retry.unsafe;
}

static struct retry_verdict decide(const struct flight *f, const struct transfer_result *r)
{
    // A repetition begins with the first request again, so it is that method that counts.
    struct retry_input in = {
        .error = r->error,
        .status = r->status,
        .attempt = f->queued->attempts + 1,
        .method = f->options.method,
        .sent = f->sent,
        .now_at = clock_wall_at(),
        .retry_after_at = r->retry_after_at,
        .random = worker_random(f->worker),
    };
    return retry_decide(&f->options.retry, &in);
}

static void end_with(struct flight *f, struct transfer_result *r)
{
    if (f->errand) {
        flight_end_errand(f, r);
        transfer_result_done(r);
        flight_end(f);
        return;
    }
    struct metrics *metrics = f->worker->shared->metrics;
    struct retry_verdict v = {.retry = false};
    if (r->error != TASK_OK) {
        v = decide(f, r);
    }
    if (r->error == TASK_BLOCKED_ADDRESS) {
        metrics_add(metrics, METRIC_ADDRESSES_BLOCKED, 1);
    }
    if (v.retry) {
        metrics_add(metrics, METRIC_ATTEMPTS_RETRIED, 1);
        post_retry(f, r, v.at, true);
    } else {
        post_outcome(f, r, v.retryable);
    }
    transfer_result_done(r);
    flight_end(f);
}

// The task tries again for as long as it takes, unseen by who submitted it.
static void tell_shortage(struct worker *w, const char *of_what)
{
    int64_t now_ms = clock_monotonic_ms();
    if (w->shortage_told_ms != 0 && now_ms - w->shortage_told_ms < SHORTAGE_TELL_MS) {
        return;
    }
    w->shortage_told_ms = now_ms;
    log_warn("a transfer was given up for want of something here and will be tried again reason=%s",
             log_value(of_what ? of_what : ""));
}

void flight_settle(struct flight *f, struct transfer_result *r)
{
    if (r->local_shortage && flight_may_repeat(f)) {
        tell_shortage(f->worker, r->message);
        transfer_result_done(r);
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return;
    }
    if (r->error == TASK_OK && !task_options_accepts(&f->options, r->status)) {
        r->error = TASK_HTTP_STATUS;
    }
    end_with(f, r);
}

static struct transfer_result nothing(const struct flight *f, enum task_error error)
{
    struct transfer_result r = {.error = error,
                                .dns_ms = f->dns_ms,
                                .connect_ms = -1,
                                .tls_ms = -1,
                                .first_byte_ms = -1,
                                .total_ms = -1};
    body_init(&r.body);
    return r;
}

void flight_fail(struct flight *f, enum task_error error, const char *message)
{
    struct transfer_result r = nothing(f, error);
    r.message = message ? strdup(message) : NULL;
    end_with(f, &r);
}

void flight_give_back(struct flight *f, int64_t delay_ms)
{
    if (!flight_may_repeat(f)) {
        flight_fail(f, TASK_INTERNAL, "memory or descriptors lacked after the request was sent");
        return;
    }
    if (f->errand) {
        flight_postpone_errand(f, delay_ms);
        flight_end(f);
        return;
    }
    struct transfer_result r = nothing(f, TASK_OK);
    post_retry(f, &r, clock_wall_at() + delay_ms, false);
    flight_end(f);
}
