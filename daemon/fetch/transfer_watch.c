// SPDX-License-Identifier: MIT
// Time limits of transfers, on one timer an engine: each transfer is looked at when its next limit
// could be reached. libcurl itself limits the time to connect, TLS handshake included. Worker
// thread only.
//
// What counts as a stall, from the moment the answer has begun:
//  - a head (of an interim response, too) that is not finished stall_timeout_ms after its first
//  byte, however it drips;
//  - a body of which fewer than 100 bytes a second arrived on average over the last
//  stall_timeout_ms.
// Before that, and between an interim response and the next, first_byte_timeout_ms counts from when
// the request last moved. When the total time ends an answer that is hardly moving at that moment,
// that is a stall as well. A transfer paused for want of byte budget is not timed at all.
#include <curl/curl.h>

#include "common/clock.h"
#include "daemon/fetch/transfer_private.h"

#define MIN_BYTES_PER_S 100
// How soon a paused transfer asks the byte budget again.
#define BUDGET_RETRY_MS 20
#define LOOK_MS         1000 // if there is no stall limit

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t look_period_ms(const struct transfer_engine *e)
{
    // A ring of n samples spans n - 1 periods: exactly the stall time.
    int64_t period = e->settings.stall_timeout_ms / (WATCH_SAMPLES - 1);
    return e->settings.stall_timeout_ms > 0 ? (period > 0 ? period : 1) : LOOK_MS;
}

static void arm(struct transfer_engine *e)
{
    struct heap_node *first = heap_first(&e->due);
    if (first && (e->timer_ms == 0 || first->key < e->timer_ms)) {
        int64_t delay = first->key - clock_monotonic_ms();
        e->timer_ms = first->key;
        timer_set_ms(&e->timer, delay > 0 ? delay : 0);
    }
}

static void look_again_at(struct transfer *t, int64_t at_ms)
{
    heap_put(&t->engine->due, &t->watch.due, at_ms); // moves it: cannot fail
    arm(t->engine);
}

static uint64_t answer_bytes(const struct transfer *t)
{
    return t->head.bytes + t->wire;
}

static void sample(struct transfer *t, int64_t now)
{
    struct watch *w = &t->watch;
    w->samples[w->n_samples % WATCH_SAMPLES].at_ms = now;
    w->samples[w->n_samples % WATCH_SAMPLES].bytes = answer_bytes(t);
    w->n_samples++;
}

// True if fewer than the least acceptable bytes arrived since the oldest sample; `ret_span_ms` says
// how long that was.
static bool is_slow(const struct transfer *t, int64_t now, int64_t *ret_span_ms)
{
    const struct watch *w = &t->watch;
    unsigned oldest = w->n_samples < WATCH_SAMPLES ? 0 : w->n_samples % WATCH_SAMPLES;
    int64_t since = w->n_samples > 0 ? w->samples[oldest].at_ms : w->answered_ms;
    uint64_t before = w->n_samples > 0 ? w->samples[oldest].bytes : 0;
    *ret_span_ms = now - since;
    return *ret_span_ms > 0 &&
           (answer_bytes(t) - before) * 1000 < (uint64_t)*ret_span_ms * MIN_BYTES_PER_S;
}

// When the answer began, 0 if it has not. libcurl knows the first byte, but not behind a body of
// which it sent a part later than the head: then it means the first byte of that.
static int64_t answered_ms(const struct transfer *t, int64_t now)
{
    curl_off_t us = 0;
    if (t->sends_body) {
        return t->first_line_ms;
    }
    curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &us);
    return us > 0 ? min_of(now, t->watch.started_ms + us / 1000) : 0;
}

static void note_progress(struct transfer *t, int64_t now)
{
    struct watch *w = &t->watch;
    curl_off_t uploaded = 0;
    if (w->answered_ms == 0) {
        w->answered_ms = answered_ms(t, now);
    }
    bool in_head =
        t->head.state == RESPONSE_FIELDS ||
        (t->head.state == RESPONSE_STATUS && w->answered_ms > 0 && t->head.n_interim == 0);
    if (!in_head) {
        w->head_ms = 0;
    } else if (w->head_ms == 0) {
        w->head_ms = t->head.n_interim == 0 && w->answered_ms > 0 ? w->answered_ms : now;
    }
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
    uint64_t moved = (uint64_t)uploaded + t->head.bytes;
    if (w->moved_ms == 0 || moved != w->moved) {
        w->moved_ms = w->moved_ms == 0 ? t->request_ms : now;
        w->moved = moved;
    }
}

// The limit that `t` has reached, or false; then when to look again.
static bool reached(struct transfer *t, int64_t now, enum limit *ret_limit, int64_t *ret_next_ms)
{
    const struct transfer_settings *s = &t->engine->settings;
    struct watch *w = &t->watch;
    *ret_next_ms = min_of(w->deadline_ms, now + look_period_ms(t->engine));
    *ret_limit = LIMIT_TOTAL;
    if (now >= w->deadline_ms) {
        return true;
    }
    if (t->request_ms == 0) {
        return false; // connecting: libcurl's timer
    }
    if (w->head_ms > 0) {
        *ret_limit = LIMIT_STALL;
        return s->stall_timeout_ms > 0 && now - w->head_ms >= s->stall_timeout_ms;
    }
    if (t->head.state != RESPONSE_COMPLETE) {
        *ret_limit = LIMIT_FIRST_BYTE;
        if (s->first_byte_timeout_ms > 0) {
            *ret_next_ms = min_of(*ret_next_ms, w->moved_ms + s->first_byte_timeout_ms);
        }
        return s->first_byte_timeout_ms > 0 && now - w->moved_ms >= s->first_byte_timeout_ms;
    }
    int64_t span = 0;
    bool slow = is_slow(t, now, &span);
    *ret_limit = LIMIT_STALL;
    return s->stall_timeout_ms > 0 && slow && w->n_samples >= WATCH_SAMPLES &&
           span >= s->stall_timeout_ms;
}

// Lets a paused transfer try the byte budget again; it may be paused again at once.
static void resume(struct transfer *t, int64_t now)
{
    struct watch *w = &t->watch;
    w->deadline_ms += now - w->paused_ms;
    w->paused_ms = 0;
    w->n_samples = 0;
    look_again_at(t, min_of(w->deadline_ms, now + look_period_ms(t->engine)));
    CURLcode code = curl_easy_pause(t->easy, CURLPAUSE_CONT);
    if (code != CURLE_OK) { // the write callback refused: it has decided
        transfer_decide(t, TASK_INTERNAL, NULL);
        transfer_end_now(t);
    }
}

static void look(struct transfer *t, int64_t now)
{
    enum limit limit;
    int64_t next_ms, span;
    if (t->watch.paused_ms > 0) {
        resume(t, now);
        return;
    }
    if (t->request_ms > 0) {
        note_progress(t, now);
    }
    if (reached(t, now, &limit, &next_ms)) {
        bool slow = t->watch.head_ms > 0 || is_slow(t, now, &span);
        transfer_decide(t, classify_limit(limit, transfer_phase(t), slow), NULL);
        transfer_end_now(t);
        return;
    }
    if (t->head.state == RESPONSE_COMPLETE) {
        sample(t, now);
    }
    look_again_at(t, next_ms);
}

static void on_timer(void *ctx)
{
    struct transfer_engine *e = ctx;
    int64_t now = clock_monotonic_ms();
    struct heap_node *first;
    e->timer_ms = 0;
    while ((first = heap_first(&e->due)) && first->key <= now) {
        look(heap_entry(first, struct transfer, watch.due), now);
    }
    arm(e);
}

int transfer_watch_init(struct transfer_engine *e, struct loop *loop, struct err *err)
{
    return timer_init(&e->timer, loop, on_timer, e, err);
}

void transfer_watch_done(struct transfer_engine *e)
{
    timer_done(&e->timer);
    heap_done(&e->due);
}

int transfer_watch_start(struct transfer *t, int64_t total_timeout_ms)
{
    const struct transfer_engine *e = t->engine;
    int64_t now = clock_monotonic_ms();
    t->watch = (struct watch){.started_ms = now, .deadline_ms = now + total_timeout_ms};
    int64_t first_ms = min_of(t->watch.deadline_ms, now + look_period_ms(e));
    if (e->settings.first_byte_timeout_ms > 0) {
        first_ms = min_of(first_ms, now + e->settings.first_byte_timeout_ms);
    }
    if (heap_put(&t->engine->due, &t->watch.due, first_ms) < 0) {
        return -1;
    }
    arm(t->engine);
    return 0;
}

void transfer_watch_stop(struct transfer *t)
{
    heap_remove(&t->engine->due, &t->watch.due);
}

void transfer_watch_paused(struct transfer *t)
{
    t->watch.paused_ms = clock_monotonic_ms();
    look_again_at(t, t->watch.paused_ms + BUDGET_RETRY_MS);
}
