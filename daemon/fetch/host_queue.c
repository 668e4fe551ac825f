// SPDX-License-Identifier: MIT
// The queue of one host on its worker's thread. It starts nothing itself and never looks at the
// elements it links.
#include "daemon/fetch/host_queue.h"

#include <assert.h>

#define SPAN_US 100000

#define SECOND_US           INT64_C(1000000)
#define TURN_AWAY_LEAST_US  (SECOND_US / 10)
#define TURN_AWAY_BEYOND_US (60 * SECOND_US)
#define TURN_AWAY_MOST_US   (3600 * SECOND_US)

static uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void host_queue_init(struct host_queue *q, const struct host_clock *now)
{
    *q = (struct host_queue){.limits = {.max_concurrency = 1}};
    list_init(&q->tasks);
    list_init(&q->hops);
    host_pace_init(&q->pace, now->us);
    host_backoff_init(&q->backoff, 0, 0, now);
}

void host_queue_set_limits(struct host_queue *q, const struct host_limits *effective,
                           int64_t now_us)
{
    q->limits = *effective;
    host_pace_configure(&q->pace, effective->rate_per_s, effective->delay_ms, now_us);
}

void host_queue_add_task(struct host_queue *q, struct list *link)
{
    list_push_back(&q->tasks, link);
    q->n_tasks++;
}

uint32_t host_queue_line(const struct host_queue *q)
{
    return q->n_hops + q->n_parked;
}

void host_queue_add_hop(struct host_queue *q, struct list *link, int64_t now_us)
{
    if (host_queue_line(q) == 0) {
        q->line_since_us = now_us;
        q->line_started = 0;
    }
    list_push_back(&q->hops, link);
    q->n_hops++;
}

void host_queue_remove_task(struct host_queue *q, struct list *link)
{
    assert(q->n_tasks > 0 && list_linked(link));
    list_remove(link);
    q->n_tasks--;
}

void host_queue_remove_hop(struct host_queue *q, struct list *link)
{
    assert(q->n_hops > 0 && list_linked(link));
    list_remove(link);
    q->n_hops--;
}

int64_t host_queue_turn_away(struct host_queue *q, int64_t now_us)
{
    int64_t lasted_us = now_us - q->line_since_us;
    int64_t each_us = lasted_us / (q->line_started > 0 ? (int64_t)q->line_started : 1);
    int64_t most_us = min64(lasted_us + TURN_AWAY_BEYOND_US, TURN_AWAY_MOST_US);
    int64_t least_us = max64(host_queue_line(q) / 2 * each_us, TURN_AWAY_LEAST_US);
    int64_t after_us = max64(q->line_promised_us - now_us, least_us) + each_us;
    after_us = min64(after_us, most_us);
    q->line_promised_us = now_us + after_us;
    return after_us;
}

static uint32_t slots(const struct host_queue *q)
{
    if (q->limits.max_concurrency <= 0) {
        return 0;
    }
    return host_backoff_is_probing(&q->backoff) ? 1 : (uint32_t)q->limits.max_concurrency;
}

static enum host_verdict wait_for(struct host_wait *ret, enum wait_reason reason, int64_t until_us)
{
    *ret = (struct host_wait){.reason = reason, .until_us = until_us};
    return HOST_WAIT;
}

enum host_verdict host_queue_gate(const struct host_queue *q, int64_t now_us, struct host_wait *ret)
{
    if (q->limits.paused) {
        return wait_for(ret, WAIT_HOST_PAUSED, INT64_MAX);
    }
    int64_t backoff_us = host_backoff_until_us(&q->backoff);
    if (backoff_us > now_us) {
        return wait_for(ret, WAIT_HOST_BLOCKED, backoff_us);
    }
    if (q->in_flight >= slots(q)) {
        return wait_for(ret, WAIT_HOST_CONCURRENCY, INT64_MAX);
    }
    int64_t pace_us = host_pace_next_us(&q->pace, q->n_unsent, now_us);
    if (pace_us > now_us) {
        return wait_for(ret, WAIT_HOST_RATE, pace_us);
    }
    *ret = (struct host_wait){.reason = WAIT_NONE, .until_us = now_us};
    return HOST_START;
}

enum host_verdict host_queue_next(const struct host_queue *q, int64_t now_us, struct host_wait *ret)
{
    if (q->n_tasks == 0 && q->n_hops == 0) {
        *ret = (struct host_wait){.reason = WAIT_NONE, .until_us = INT64_MAX};
        return HOST_IDLE;
    }
    enum host_verdict v = host_queue_gate(q, now_us, ret);
    if (v == HOST_START && q->n_hops == 0 && q->n_parked >= slots(q)) {
        return wait_for(ret, WAIT_HOST_CONCURRENCY, INT64_MAX); // no more of them than of slots
    }
    return v;
}

// Starts are counted by tenths of a second; what lies further back than one counts as nothing.
static void count_start(struct host_queue *q, int64_t now_us)
{
    int64_t span = now_us / SPAN_US;
    if (span != q->span) {
        q->starts_before = span == q->span + 1 ? q->starts_now : 0;
        q->starts_now = 0;
        q->span = span;
    }
    q->starts_now++;
}

static uint32_t recent_starts(const struct host_queue *q, int64_t now_us)
{
    int64_t age = now_us / SPAN_US - q->span;
    if (age == 0) {
        return max_u32(q->starts_now, q->starts_before);
    }
    return age == 1 ? q->starts_now : 0;
}

struct list *host_queue_start(struct host_queue *q, int64_t now_us, bool *ret_is_hop)
{
    assert(q->n_hops + q->n_tasks > 0);
    count_start(q, now_us);
    q->in_flight++;
    q->n_unsent++;
    *ret_is_hop = q->n_hops > 0;
    if (*ret_is_hop) {
        q->line_started++;
        q->n_hops--;
        return list_pop_front(&q->hops);
    }
    q->n_tasks--;
    return list_pop_front(&q->tasks);
}

void host_queue_left(struct host_queue *q, int64_t at_us)
{
    assert(q->n_unsent > 0);
    q->n_unsent--;
    host_pace_left(&q->pace, at_us);
}

void host_queue_end(struct host_queue *q)
{
    assert(q->in_flight > 0);
    q->in_flight--;
}

uint32_t host_queue_wants(const struct host_queue *q, int64_t now_us)
{
    uint32_t target = max_u32(2 * min_u32(slots(q), HOST_WINDOW_MAX), 2 * recent_starts(q, now_us));
    uint32_t by_pace = (uint32_t)host_pace_within(&q->pace, 2 * SPAN_US);
    target = min_u32(min_u32(target, max_u32(by_pace, 2)), HOST_WINDOW_MAX);
    // Strictly below half, and an empty window always wants something.
    return 2 * q->n_tasks < target ? target - q->n_tasks : 0;
}

uint32_t host_queue_free_slots(const struct host_queue *q)
{
    uint32_t used = q->in_flight + q->n_tasks + q->n_hops + q->n_parked;
    uint32_t all = slots(q);
    return all > used ? all - used : 0;
}

bool host_queue_forgettable(const struct host_queue *q, int64_t now_us)
{
    return q->n_tasks == 0 && q->n_hops == 0 && q->in_flight == 0 && q->n_parked == 0 &&
           host_pace_rested(&q->pace, now_us) && q->backoff.probe_us <= now_us;
}
