// SPDX-License-Identifier: MIT
// When the next request to a host may start, by its rate (token bucket) and its delay (least gap).
// Both count from when requests leave, since the server sees them then: many may have started and
// wait for one name, or for their handshakes. Pure: the clock, in monotonic microseconds, is given
// by the caller.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct host_pace {
    double rate_per_s; // 0: no limit
    int64_t delay_us;  // 0: none
    double tokens;     // at filled_us
    int64_t filled_us;
    int64_t not_before_us; // end of the gap after the last request
    bool started;          // one has ever left
};

void host_pace_init(struct host_pace *p, int64_t now_us);
void host_pace_configure(struct host_pace *p, double rate_per_s, int64_t delay_ms, int64_t now_us);

// The earliest time a request may start while `n_unsent` have started and not left: these may leave
// at any moment, all together. Not later than `now_us`: at once; INT64_MAX: when one has left.
int64_t host_pace_next_us(const struct host_pace *p, uint32_t n_unsent, int64_t now_us);

void host_pace_left(struct host_pace *p, int64_t at_us);

// Nothing of the past holds a request back any more, nor would a new pace allow more: it may be
// forgotten.
bool host_pace_rested(const struct host_pace *p, int64_t now_us);

// Requests that may start within `span_us` at this pace; INT32_MAX without a limit.
int32_t host_pace_within(const struct host_pace *p, int64_t span_us);
