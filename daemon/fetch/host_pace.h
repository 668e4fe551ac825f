// SPDX-License-Identifier: MIT
// When the next request to a host may start, by its rate (token bucket) and its delay (least gap
// between starts). Pure: the clock, in monotonic microseconds, is given by the caller.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct host_pace {
    double rate_per_s; // 0: no limit
    int64_t delay_us;  // 0: none
    double tokens;     // at filled_us
    int64_t filled_us;
    int64_t not_before_us; // end of the gap after the last start
    bool started;          // a request has ever started here
};

void host_pace_init(struct host_pace *p, int64_t now_us);
void host_pace_configure(struct host_pace *p, double rate_per_s, int64_t delay_ms, int64_t now_us);

// The earliest time a request may start; not later than `now_us`: at once.
int64_t host_pace_next_us(const struct host_pace *p, int64_t now_us);

void host_pace_start(struct host_pace *p, int64_t now_us);

// The request that started left only at `sent_us`, after a DNS lookup or a handshake: the gap
// counts from there, since the server sees it from there.
void host_pace_sent(struct host_pace *p, int64_t sent_us);

// Nothing of the past holds a request back any more, nor would a new pace allow more: it may be
// forgotten.
bool host_pace_rested(const struct host_pace *p, int64_t now_us);

// Requests that may start within `span_us` at this pace; INT32_MAX without a limit.
int32_t host_pace_within(const struct host_pace *p, int64_t span_us);
