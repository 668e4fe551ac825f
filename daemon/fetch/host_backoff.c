// SPDX-License-Identifier: MIT
// Back-off of one host. Pure, worker's thread; what must survive a restart is reported by the
// caller.
#include "daemon/fetch/host_backoff.h"

#define JITTER_PERCENT 10

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void block_for(struct host_backoff *b, const struct host_clock *now, int64_t ms)
{
    b->blocked_until_us = now->us + ms * 1000;
    b->blocked_until_at = now->at + ms;
    b->quiet_since_us = b->blocked_until_us;
}

void host_backoff_init(struct host_backoff *b, int64_t blocked_until_at, int32_t level,
                       const struct host_clock *now)
{
    *b = (struct host_backoff){.level = level, .quiet_since_us = now->us};
    int64_t left_ms = blocked_until_at - now->at;
    if (blocked_until_at > 0 && left_ms > 0) {
        // The cap holds here too: the wall clock may have been set back since this was written.
        block_for(b, now, min64(left_ms, HOST_BACKOFF_MAX_MS));
    } else if (blocked_until_at > 0) {
        b->quiet_since_us += max64(left_ms, -HOST_BACKOFF_QUIET_MS) * 1000;
    }
}

static int64_t own_backoff_ms(int32_t level, uint32_t random)
{
    int64_t ms = HOST_BACKOFF_FIRST_MS;
    for (int32_t i = 1; i < level && ms < HOST_BACKOFF_MAX_MS; i++) {
        ms *= 2;
    }
    ms = min64(ms, HOST_BACKOFF_MAX_MS);
    // Hosts that were slowed down together do not come back together.
    int64_t jitter = ms * JITTER_PERCENT / 100 * (int64_t)(random >> 1) / INT32_MAX;
    return min64(ms + jitter, HOST_BACKOFF_MAX_MS);
}

bool host_backoff_asked(struct host_backoff *b, const struct host_clock *now,
                        int64_t retry_after_at, uint32_t random)
{
    bool has_hint = retry_after_at > 0;
    int64_t hint_ms = min64(max64(retry_after_at - now->at, 0), HOST_BACKOFF_MAX_MS);
    if (host_backoff_is_blocked(b, now->us)) {
        if (!has_hint || now->us + hint_ms * 1000 <= b->blocked_until_us) {
            return false;
        }
        block_for(b, now, hint_ms);
        return true;
    }
    if (now->us - b->quiet_since_us >= HOST_BACKOFF_QUIET_MS * 1000) {
        b->level = 0;
    }
    if (b->level < INT32_MAX) {
        b->level++;
    }
    block_for(b, now, has_hint ? hint_ms : own_backoff_ms(b->level, random));
    return true;
}

void host_backoff_unreachable(struct host_backoff *b, const struct host_clock *now, int64_t took_ms)
{
    if (b->connect_failures < INT32_MAX) {
        b->connect_failures++;
    }
    if (host_backoff_is_probing(b)) {
        int64_t pause_ms =
            min64(max64(2 * took_ms, HOST_PROBE_PAUSE_MIN_MS), HOST_PROBE_PAUSE_MAX_MS);
        b->probe_us = now->us + pause_ms * 1000;
    }
}

void host_backoff_reached(struct host_backoff *b)
{
    b->connect_failures = 0;
    b->probe_us = 0;
}

bool host_backoff_is_probing(const struct host_backoff *b)
{
    return b->connect_failures >= HOST_PROBE_AFTER;
}

bool host_backoff_is_blocked(const struct host_backoff *b, int64_t now_us)
{
    return b->blocked_until_us > now_us;
}

int64_t host_backoff_until_us(const struct host_backoff *b)
{
    return max64(b->blocked_until_us, b->probe_us);
}
