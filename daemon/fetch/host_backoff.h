// SPDX-License-Identifier: MIT
// How long a host is left alone: because it asked for it (429, 503), or because it cannot be
// reached. Pure: clock and randomness are given by the caller.
//
// A host that asks is blocked as a whole: until its Retry-After, at most a day; without one for 60
// s, doubled each time it asks again, up to a day. Half an hour without a further request to slow
// down forgives it all.
//
// A host that refused ten connections in a row is probed: one request at a time, with a pause after
// each failure of twice what the failure took. Failing slowly (time-outs) so costs a third of one
// slot, failing quickly (refusals) costs little and is soon over for whoever waits for the verdict
// on many URLs. The first contact ends it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HOST_BACKOFF_FIRST_MS   60000
#define HOST_BACKOFF_MAX_MS     (24 * 3600 * INT64_C(1000))
#define HOST_BACKOFF_QUIET_MS   (30 * 60 * INT64_C(1000))
#define HOST_PROBE_AFTER        10
#define HOST_PROBE_PAUSE_MIN_MS 50
#define HOST_PROBE_PAUSE_MAX_MS 30000

struct host_clock {
    int64_t us; // monotonic
    int64_t at; // wall, milliseconds
};

struct host_backoff {
    int64_t blocked_until_at; // wall; 0: not blocked (or no longer, see blocked_until_us)
    int64_t blocked_until_us; // the same on the monotonic clock: what decides
    int32_t level;            // how many times in a row it asked
    int64_t quiet_since_us;   // when the last request to slow down took effect
    int32_t connect_failures; // in a row
    int64_t probe_us;         // while it is probed: not before
};

// From what the store kept; quiet counts from the end of that block.
void host_backoff_init(struct host_backoff *b, int64_t blocked_until_at, int32_t level,
                       const struct host_clock *now);

// The host answered 429 or 503. `retry_after_at`: 0 if it did not say. Requests that were under way
// when it asked do not make it worse. True if blocked_until_at or level changed.
bool host_backoff_asked(struct host_backoff *b, const struct host_clock *now,
                        int64_t retry_after_at, uint32_t random);

// A connection could not be made; `took_ms` is what the attempt cost.
void host_backoff_unreachable(struct host_backoff *b, const struct host_clock *now,
                              int64_t took_ms);
void host_backoff_reached(struct host_backoff *b);

bool host_backoff_is_probing(const struct host_backoff *b);

// Until when (monotonic) nothing may start; not later than now: nothing stands against it.
int64_t host_backoff_until_us(const struct host_backoff *b);
// The same for a block alone, without the pauses between probes.
bool host_backoff_is_blocked(const struct host_backoff *b, int64_t now_us);
