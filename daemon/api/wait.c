// SPDX-License-Identifier: MIT
// The API's waiters on its loop: one timer for all of them. Main thread.
#include <stdio.h>

#include "common/clock.h"
#include "daemon/api/context.h"

// Sets the timer for the first deadline, unless it fires early enough anyway.
static void arm(struct api *api)
{
    int64_t next = waiters_next_ms(api->waiters);
    if (next < api->waiter_due_ms) {
        int64_t now = clock_monotonic_ms();
        api->waiter_due_ms = next;
        timer_set_ms(&api->waiter_timer, next > now ? next - now : 0);
    }
}

static void count(struct api *api)
{
    metrics_set(api->ports.metrics, METRIC_HTTP_WAITERS, (int64_t)waiters_count(api->waiters));
}

int api_wait(struct api *api, struct waiter *w, uint64_t batch, uint64_t seconds)
{
    int64_t deadline =
        seconds == UINT64_MAX ? INT64_MAX : clock_monotonic_ms() + (int64_t)seconds * 1000;
    if (waiters_add(api->waiters, w, batch, deadline) < 0) {
        return -1;
    }
    count(api);
    arm(api);
    return 0;
}

void api_unwait(struct api *api, struct waiter *w)
{
    waiters_remove(api->waiters, w);
    count(api);
}

void api_on_waiter_timer(void *ctx)
{
    struct api *api = ctx;
    api->waiter_due_ms = INT64_MAX;
    waiters_expire(api->waiters, clock_monotonic_ms());
    count(api);
    arm(api);
}

void preference_applied(uint64_t seconds, char ret[PREFERENCE_SIZE])
{
    snprintf(ret, PREFERENCE_SIZE, "wait=%llu", (unsigned long long)seconds);
}
