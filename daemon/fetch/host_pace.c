// SPDX-License-Identifier: MIT
// Rate and delay of one host. Pure arithmetic on the worker's thread; it knows no queue and no
// clock.
//
// The bucket holds what a tenth of a second allows, and at least one token: enough to make up for a
// late timer at high rates, too little for a burst to push a server past its rate by more than that
// tenth. It begins with one token, so a fresh host is paced from its first request on.
#include "daemon/fetch/host_pace.h"

#include <math.h>

#define BURST_S   0.1
#define US_PER_S  1e6
#define ENOUGH    (1.0 - 1e-9) // a token, but for rounding
#define LONGEST_S 86400.0      // keeps absurd rates (1e-300 per second) inside 64 bits

static double capacity(const struct host_pace *p)
{
    return fmax(1.0, p->rate_per_s * BURST_S);
}

static double tokens_at(const struct host_pace *p, int64_t now_us)
{
    double gained = (double)(now_us - p->filled_us) / US_PER_S * p->rate_per_s;
    return fmin(capacity(p), p->tokens + fmax(0.0, gained));
}

static void fill(struct host_pace *p, int64_t now_us)
{
    p->tokens = tokens_at(p, now_us);
    p->filled_us = now_us;
}

void host_pace_init(struct host_pace *p, int64_t now_us)
{
    *p = (struct host_pace){.tokens = 1.0, .filled_us = now_us};
}

void host_pace_configure(struct host_pace *p, double rate_per_s, int64_t delay_ms, int64_t now_us)
{
    fill(p, now_us);
    int64_t last_us = p->not_before_us - p->delay_us;
    p->rate_per_s = rate_per_s > 0 ? rate_per_s : 0;
    p->delay_us = delay_ms > 0 ? delay_ms * 1000 : 0;
    p->tokens = fmin(p->tokens, capacity(p));
    p->not_before_us = p->started ? last_us + p->delay_us : 0;
}

static int64_t rate_next_us(const struct host_pace *p, uint32_t n_unsent, int64_t now_us)
{
    if (p->rate_per_s <= 0) {
        return now_us;
    }
    double needed = (double)n_unsent + 1.0; // a token for each of them, too
    double missing = needed - tokens_at(p, now_us);
    if (missing <= 1.0 - ENOUGH) {
        return now_us;
    }
    if (needed > capacity(p) + 1.0 - ENOUGH) {
        return INT64_MAX;
    }
    double wait_s = fmin(missing / p->rate_per_s, LONGEST_S);
    return now_us + (int64_t)ceil(wait_s * US_PER_S);
}

int64_t host_pace_next_us(const struct host_pace *p, uint32_t n_unsent, int64_t now_us)
{
    if (p->delay_us > 0 && n_unsent > 0) {
        return INT64_MAX;
    }
    int64_t by_rate = rate_next_us(p, n_unsent, now_us);
    return by_rate > p->not_before_us ? by_rate : p->not_before_us;
}

void host_pace_left(struct host_pace *p, int64_t at_us)
{
    fill(p, at_us);
    if (p->rate_per_s > 0) {
        p->tokens = fmax(0.0, p->tokens - 1.0);
    }
    p->started = true;
    if (at_us + p->delay_us > p->not_before_us) {
        p->not_before_us = at_us + p->delay_us;
    }
}

bool host_pace_rested(const struct host_pace *p, int64_t now_us)
{
    return host_pace_next_us(p, 0, now_us) <= now_us;
}

int32_t host_pace_within(const struct host_pace *p, int64_t span_us)
{
    double n = INT32_MAX;
    if (p->rate_per_s > 0) {
        n = fmin(n, p->rate_per_s * (double)span_us / US_PER_S);
    }
    if (p->delay_us > 0) {
        n = fmin(n, (double)span_us / (double)p->delay_us);
    }
    return (int32_t)ceil(n);
}
