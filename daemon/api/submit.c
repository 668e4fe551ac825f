// SPDX-License-Identifier: MIT
// The body of a submission: from bytes by the parser to pieces for the store, with back-pressure;
// then the store's verdict. Main thread. A piece on its way keeps no more than the upload budget
// allows; a full window pauses the client.
#include "daemon/api/submit.h"

#include <stdlib.h>
#include <string.h>

// Gives back what only the upload needs: a request may wait long after it.
static void release_upload(struct submit *s)
{
    submission_free(&s->parser);
    uplink_free(&s->uplink);
    EVP_MD_CTX_free(s->digest);
    s->digest = NULL;
    s->api->upload_bytes -= s->reserved;
    s->reserved = 0;
    metrics_set(s->api->ports.metrics, METRIC_UPLOAD_BYTES, (int64_t)s->api->upload_bytes);
}

void submit_free(struct submit *s)
{
    api_unwait(s->api, &s->waiter);
    release_upload(s);
    buf_done(&s->rejected);
    api_settings_unref(&s->settings);
    free(s);
}

static void on_gone(void *ctx, struct http_exchange *x)
{
    (void)x;
    submit_free(ctx);
}

// ---- pieces to the store
// -------------------------------------------------------------------------------------------

static void on_piece(void *ctx, struct task_piece *piece)
{
    struct submit *s = ctx;
    if (uplink_add(s->uplink, piece) < 0) {
        s->no_memory = true;
    }
}

static void on_room(void *ctx)
{
    struct submit *s = ctx;
    if (s->paused) {
        s->paused = false;
        http_resume_body(s->x);
    }
}

// ---- waiting for the end
// -------------------------------------------------------------------------------------------

static void on_wake(struct waiter *waiter, enum wake why, const struct batch_snapshot *now)
{
    struct submit *s = list_entry(waiter, struct submit, waiter);
    if (why != WAKE_CHANGED || now->state == BATCH_FINISHED) {
        submit_answer(s);
    }
}

static void answer_or_wait(struct submit *s, const struct batch_info *b)
{
    memcpy(s->id, b->now.id, UUID_SIZE);
    release_upload(s);
    s->waiter.wake = on_wake;
    if (s->wait_s == 0 || s->api->draining || b->now.state == BATCH_FINISHED ||
        api_wait(s->api, &s->waiter, b->now.batch, s->wait_s) < 0) {
        submit_answer(s); // without memory to wait it is answered at once, as a time-out is
    }
}

static void on_reply(void *ctx, struct upload_reply *reply)
{
    struct submit *s = ctx;
    struct err e;
    if (reply->status < 0) {
        submit_fail(s, &reply->err);
        return;
    }
    struct batch_info *info = reply->batch;
    reply->batch = NULL;
    const struct batch_info *b = info ? snapshot_cache_put(s->api->cache, info) : NULL;
    if (!b) {
        err_set(&e, ERR_OVERLOADED, "the batch was stored, but there is no memory to show it");
        submit_fail(s, &e);
        return;
    }
    s->replayed = reply->replayed;
    answer_or_wait(s, b);
}

// ---- the body
// ------------------------------------------------------------------------------------------------------

static void on_data(void *ctx, struct http_exchange *x, const void *p, size_t n)
{
    struct submit *s = ctx;
    struct err e;
    EVP_DigestUpdate(s->digest, p, n);
    if (s->known) {
        return;
    }
    if (submission_feed(s->parser, p, n, &e) < 0) {
        submit_fail(s, &e);
    } else if (s->no_memory) {
        err_set(&e, ERR_OVERLOADED, "out of memory");
        submit_fail(s, &e);
    } else if (uplink_is_full(s->uplink)) {
        s->paused = true;
        http_pause_body(x);
    }
}

// The key was used before: the same request gets the same batch, another one is refused.
static void replay(struct submit *s, const uint8_t hash[HASH_SIZE])
{
    struct err e;
    const struct batch_info *b = NULL;
    if (memcmp(hash, s->known_hash, HASH_SIZE) != 0) {
        err_set(&e, ERR_IDEMPOTENCY_KEY_REUSED,
                "this idempotency key was used for another request within the last 24 hours");
    } else {
        b = batch_find(s->api, s->known_id, &e);
    }
    if (!b) {
        submit_fail(s, &e);
        return;
    }
    s->replayed = true;
    answer_or_wait(s, b);
}

static void send_last(struct submit *s, const uint8_t hash[HASH_SIZE])
{
    struct err e;
    struct task_piece last;
    if (submission_end(s->parser, &e) < 0) {
        submit_fail(s, &e);
        return;
    }
    if (s->partial) {
        submit_render_errors(s->parser, "rejected", &s->rejected);
    }
    bool sent = false;
    if (!s->no_memory && !s->rejected.failed) {
        submission_take_last(s->parser, &last);
        submission_free(&s->parser);
        sent = uplink_finish(s->uplink, &last, hash) == 0;
    }
    if (!sent) {
        err_set(&e, ERR_OVERLOADED, "out of memory");
        submit_fail(s, &e);
    }
}

static void on_end(void *ctx, struct http_exchange *x)
{
    struct submit *s = ctx;
    uint8_t hash[HASH_SIZE] = {0};
    unsigned n = 0;
    (void)x;
    EVP_DigestFinal_ex(s->digest, hash, &n);
    if (s->known) {
        replay(s, hash);
    } else {
        send_last(s, hash);
    }
}

int submit_open(struct submit *s, struct batch_new **batch)
{
    static const struct uplink_ops ops = {.on_room = on_room, .on_reply = on_reply};
    struct submission_rules rules = {
        .limits = s->settings->task_limits,
        .policy = &s->settings->policy,
        .max_tasks = s->settings->tasks_per_batch,
        .max_line = SUBMIT_MAX_LINE,
        .max_document = (size_t)s->settings->json_document,
        .partial = s->partial,
    };
    struct batch_new *borrowed = *batch;
    if (uplink_new(s->api, batch, &ops, s, &s->uplink) < 0) {
        return -1;
    }
    return submission_new(s->format, &rules, borrowed, on_piece, s, &s->parser);
}

void handle_submit(struct request *r)
{
    static const struct http_body_ops ops = {.on_data = on_data, .on_end = on_end};
    struct submit *s = submit_new(r);
    if (s) {
        http_on_gone(r->x, on_gone, s);
        http_read_body(r->x, s->settings->request_body, &ops, s);
    }
}
