// SPDX-License-Identifier: MIT
// The API as a whole: its start, the messages it gets, drain and end. Main thread. What requests
// are and how they are answered is elsewhere: dispatch.c leads to the handlers of routes.c.
//
//   http_server --> dispatch --> handler --> (ports: reader, store, workers) --> answer
//                                   ^                                |
//                       waiters, pending, uplinks <-- api_on_message +
#include "daemon/api/api.h"

#include <stdlib.h>
#include <stdio.h>

#include "common/clock.h"
#include "daemon/api/context.h"
#include "daemon/api/dispatch.h"
#include "daemon/api/listeners.h"

#define CACHED_BATCHES 8192
#define RATES_EVERY_MS 1000

static void sample_rates(void *ctx)
{
    struct api *a = ctx;
    struct metrics *m = a->ports.metrics;
    struct rate_sample sample = {
        .at_ms = clock_monotonic_ms(),
        .results = metrics_get(m, METRIC_TASKS_SUCCEEDED) + metrics_get(m, METRIC_TASKS_FAILED),
        .bytes = metrics_get(m, METRIC_BYTES_RECEIVED),
    };
    rates_add(&a->rates, &sample);
    a->rates_rest = rates_are_zero(&a->rates) && metrics_get(m, METRIC_TRANSFERS_IN_FLIGHT) == 0;
    if (!a->rates_rest) {
        timer_set_ms(&a->rates_timer, RATES_EVERY_MS);
    }
}

static int start_server(struct api *a, const struct config *config, const int *fds, size_t n_fds,
                        struct err *e)
{
    struct http_server_config server = http_server_config_default(
        (unsigned)config->listen.max_connections, config->limits.request_body);
    if (http_server_new(a->loop, &server, dispatch_on_request, a, e, &a->server) < 0) {
        return -1;
    }
    const struct passed_sockets passed = {.fds = fds, .n = n_fds};
    return listeners_open(a->server, a->settings, &config->listen, &passed, e);
}

static int start(struct api *a, const struct config *config, struct err *e)
{
    a->cache = snapshot_cache_new(CACHED_BATCHES);
    buf_init(&a->last_batch.json, ANSWER_MAX_BODY);
    a->waiters = waiters_new();
    if (!a->cache || !a->waiters) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    a->waiter_due_ms = INT64_MAX;
    if (timer_init(&a->waiter_timer, a->loop, api_on_waiter_timer, a, e) < 0 ||
        timer_init(&a->rates_timer, a->loop, sample_rates, a, e) < 0) {
        return -1;
    }
    sample_rates(a);
    return api_settings_new(config, e, &a->settings);
}

int api_new(struct loop *loop, const struct config *config, const struct api_ports *ports,
            const int *passed_fds, size_t n_passed_fds, struct err *e, struct api **ret)
{
    struct api *a = calloc(1, sizeof(*a));
    if (!a) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    a->loop = loop;
    a->ports = *ports;
    a->next_number = 1;
    a->started_at = clock_wall_at();
    a->started_ms = clock_monotonic_ms();
    api_set_ready(a, false, "starting");
    if (start(a, config, e) < 0 || start_server(a, config, passed_fds, n_passed_fds, e) < 0) {
        api_free(&a);
        return -1;
    }
    *ret = a;
    return 0;
}

static void on_changed(struct api *a, const struct changed *changed)
{
    if (a->rates_rest) {
        rates_add_rest(&a->rates, clock_monotonic_ms() - RATES_EVERY_MS);
        sample_rates(a);
    }
    // The cache first: those who are woken read from it.
    for (size_t i = 0; i < changed->n; i++) {
        snapshot_cache_change(a->cache, &changed->v[i]);
    }
    for (size_t i = 0; i < changed->n; i++) {
        waiters_change(a->waiters, &changed->v[i]);
    }
}

void api_on_message(struct api *a, struct message *m)
{
    switch (m->kind) {
    case RING_UPLOAD_REPLY: uplink_on_reply(a, (struct upload_reply *)m); break;
    case RING_CONTROL_REPLY: pending_on_control_reply(a, (struct control_reply *)m); break;
    case RING_CHANGED: on_changed(a, (const struct changed *)m); break;
    case RING_HOST_QUERY: pending_on_host_query(a, (struct host_query *)m); break;
    default: break;
    }
    m->free(m);
}

void api_set_ready(struct api *a, bool ready, const char *why_not)
{
    a->ready = ready;
    snprintf(a->why_not, sizeof(a->why_not), "%s", ready || !why_not ? "" : why_not);
}

// Settings that allow the configured listeners.
static int checked_settings(const struct config *config, struct err *e, struct api_settings **ret)
{
    if (api_settings_new(config, e, ret) < 0) {
        return -1;
    }
    if (listeners_check(*ret, &config->listen, e) < 0) {
        api_settings_unref(ret);
        return -1;
    }
    return 0;
}

int api_check_config(const struct config *config, struct err *e)
{
    struct api_settings *settings = NULL;
    int r = checked_settings(config, e, &settings);
    api_settings_unref(&settings);
    return r;
}

int api_reload(struct api *a, const struct config *config, struct err *e)
{
    struct api_settings *fresh;
    if (checked_settings(config, e, &fresh) < 0) { // listeners stay
        return -1;
    }
    http_server_set_max_body(a->server, fresh->request_body);
    api_settings_unref(&a->settings);
    a->settings = fresh;
    return 0;
}

void api_drain(struct api *a)
{
    a->draining = true;
    waiters_shutdown(a->waiters);
    http_server_drain(a->server);
}

void api_free(struct api **api)
{
    struct api *a = *api;
    if (!a) {
        return;
    }
    http_server_free(
        &a->server); // every open exchange takes its waiter, upload or pending entry along
    timer_done(&a->waiter_timer);
    timer_done(&a->rates_timer);
    waiters_free(&a->waiters);
    snapshot_cache_free(&a->cache);
    buf_done(&a->last_batch.json);
    api_settings_unref(&a->settings);
    free(a);
    *api = NULL;
}
