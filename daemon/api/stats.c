// SPDX-License-Identifier: MIT
// GET /v1/stats: the daemon at a glance, from its metrics. Main thread.
#include "common/clock.h"
#include "common/json.h"
#include "daemon/api/context.h"

struct member {
    const char *name;
    enum metric metric;
};

static void render_group(struct json_writer *w, struct metrics *m, const char *name,
                         const struct member *members)
{
    jw_key(w, name);
    jw_object(w);
    for (; members->name; members++) {
        jw_key_int(w, members->name, metrics_get(m, members->metric));
    }
    jw_object_end(w);
}

static void render_groups(struct json_writer *w, struct metrics *m)
{
    static const struct member tasks[] = {
        {"unfinished", METRIC_TASKS_UNFINISHED},
        {"in_flight", METRIC_TRANSFERS_IN_FLIGHT},
        {"waiting", METRIC_TASKS_IN_WINDOWS},
        {"accepted", METRIC_TASKS_ACCEPTED},
        {"succeeded", METRIC_TASKS_SUCCEEDED},
        {"failed", METRIC_TASKS_FAILED},
        {"cancelled", METRIC_TASKS_CANCELLED},
        {"expired", METRIC_TASKS_EXPIRED},
        {"attempts", METRIC_ATTEMPTS},
        {"retried", METRIC_ATTEMPTS_RETRIED},
        {NULL, METRIC__COUNT},
    };
    static const struct member batches[] = {
        {"accepted", METRIC_BATCHES_ACCEPTED},
        {"finished", METRIC_BATCHES_FINISHED},
        {NULL, METRIC__COUNT},
    };
    static const struct member hosts[] = {
        {"active", METRIC_HOSTS_ACTIVE},
        {"blocked", METRIC_HOSTS_BLOCKED},
        {NULL, METRIC__COUNT},
    };
    static const struct member http[] = {
        {"connections", METRIC_HTTP_CONNECTIONS},
        {"waiters", METRIC_HTTP_WAITERS},
        {"requests", METRIC_HTTP_REQUESTS},
        {"upload_bytes", METRIC_UPLOAD_BYTES},
        {NULL, METRIC__COUNT},
    };
    render_group(w, m, "tasks", tasks);
    render_group(w, m, "batches", batches);
    render_group(w, m, "hosts", hosts);
    render_group(w, m, "http", http);
}

static void render_rate(struct json_writer *w, const char *name, const struct rate *rate)
{
    jw_key(w, name);
    jw_object(w);
    jw_key(w, "results_per_s");
    jw_real(w, rate->results_per_s);
    jw_key(w, "bytes_per_s");
    jw_real(w, rate->bytes_per_s);
    jw_object_end(w);
}

static void render_rates(struct json_writer *w, const struct rates *rates)
{
    struct rate short_term = rates_over(rates, 10000), long_term = rates_over(rates, 60000);
    jw_key(w, "rates");
    jw_object(w);
    render_rate(w, "last_10s", &short_term);
    render_rate(w, "last_60s", &long_term);
    jw_object_end(w);
}

static void render_store(struct json_writer *w, const struct api *api)
{
    struct metrics *m = api->ports.metrics;
    jw_key(w, "store");
    jw_object(w);
    jw_key_int(w, "bytes", metrics_get(m, METRIC_STORE_BYTES));
    jw_key_int(w, "free_bytes", metrics_get(m, METRIC_STORE_FREE_BYTES));
    jw_key_bool(w, "full", api->ports.store_full(api->ports.ctx));
    jw_key_int(w, "commits", metrics_get(m, METRIC_STORE_COMMITS));
    jw_key_int(w, "messages_waiting", metrics_get(m, METRIC_STORE_MAILBOX));
    jw_object_end(w);
}

void handle_stats(struct request *r)
{
    struct api *api = r->api;
    struct answer a = answer_json(200);
    struct json_writer w = JSON_WRITER(&a.body);
    api->ports.refresh_metrics(api->ports.ctx);
    metrics_set(api->ports.metrics, METRIC_HTTP_CONNECTIONS, http_server_connections(api->server));
    jw_object(&w);
    jw_key_str(&w, "version", GATHERD_VERSION);
    jw_key_time(&w, "started_at", api->started_at);
    jw_key_int(&w, "uptime_ms", clock_monotonic_ms() - api->started_ms);
    jw_key_bool(&w, "draining", api->draining);
    render_groups(&w, api->ports.metrics);
    jw_key_int(&w, "bytes_received", metrics_get(api->ports.metrics, METRIC_BYTES_RECEIVED));
    render_rates(&w, &api->rates);
    render_store(&w, api);
    jw_object_end(&w);
    answer_field(&a, "Cache-Control", "no-store");
    answer_send(api, r->x, &a);
}
