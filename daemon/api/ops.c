// SPDX-License-Identifier: MIT
// Health, metrics and the documents the API has about itself. Main thread.
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/api/context.h"

#define STUCK_AFTER_MS 15000 // since a thread was asked to turn

extern const char openapi_json_start[], openapi_json_end[];

// ---- health
// ------------------------------------------------------------------------------------------------------

struct check {
    const char *name;
    bool ok;
    const char *detail; // why not
};

#define CHECKS 4

static void run_checks(const struct api *a, struct check ret[CHECKS])
{
    int64_t beat = a->ports.oldest_beat_ms(a->ports.ctx);
    bool alive = clock_monotonic_ms() - beat < STUCK_AFTER_MS;
    bool full = a->ports.store_full(a->ports.ctx);
    ret[0] = (struct check){"started", a->ready, a->why_not};
    ret[1] = (struct check){"accepting", !a->draining, "the daemon is shutting down"};
    ret[2] = (struct check){"threads", alive, "a thread of the daemon has not turned for a while"};
    ret[3] = (struct check){"space", !full, "the disk is nearly full: submissions are refused"};
}

// Whether the daemon can serve: a full disk refuses submissions alone.
static const struct check *first_fault(const struct check *checks)
{
    for (size_t i = 0; i < CHECKS - 1; i++) {
        if (!checks[i].ok) {
            return &checks[i];
        }
    }
    return NULL;
}

static void render_checks(struct json_writer *w, const struct check *checks)
{
    jw_key(w, "checks");
    jw_array(w);
    for (size_t i = 0; i < CHECKS; i++) {
        jw_object(w);
        jw_key_str(w, "name", checks[i].name);
        jw_key_bool(w, "ok", checks[i].ok);
        jw_key_str(w, "detail", checks[i].ok ? NULL : checks[i].detail);
        jw_object_end(w);
    }
    jw_array_end(w);
}

static void answer_health(struct request *r, const struct check *checks, const struct check *fault)
{
    bool verbose = query_get(&r->query, "verbose");
    struct buf extra = BUF_INIT(4096);
    struct json_writer members = JSON_WRITER(&extra);
    if (verbose) {
        render_checks(&members, checks);
    }
    if (fault) {
        struct err e;
        err_set(&e, r->api->draining ? ERR_DRAINING : ERR_OVERLOADED, "%s", fault->detail);
        answer_error_more(r->api, r->x, &e, NULL, verbose && !extra.failed ? extra.data : NULL);
    } else {
        struct answer a = answer_json(200);
        struct json_writer w = JSON_WRITER(&a.body);
        jw_object(&w);
        jw_key_str(&w, "status", "ok");
        if (verbose) {
            render_checks(&w, checks);
        }
        jw_object_end(&w);
        answer_field(&a, "Cache-Control", "no-store");
        answer_send(r->api, r->x, &a);
    }
    buf_done(&extra);
}

void handle_livez(struct request *r)
{
    struct check checks[CHECKS];
    run_checks(r->api, checks);
    answer_health(r, checks, checks[2].ok ? NULL : &checks[2]);
}

void handle_readyz(struct request *r)
{
    struct check checks[CHECKS];
    run_checks(r->api, checks);
    answer_health(r, checks, first_fault(checks));
}

// ---- metrics
// -----------------------------------------------------------------------------------------------------

static void write_metric(struct buf *out, const struct metric_info *info, double value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", info->name, info->help, info->name,
               info->kind == METRIC_COUNTER ? "counter" : "gauge", info->name, value);
}

void handle_metrics(struct request *r)
{
    static const struct metric_info lag = {
        "gatherd_event_loop_lag_seconds", METRIC_GAUGE,
        "Longest round of callbacks on any thread since the metrics were last read."};
    static const struct metric_info uptime = {"gatherd_uptime_seconds", METRIC_GAUGE,
                                              "Time since the start."};
    struct api *api = r->api;
    struct metrics *m = api->ports.metrics;
    struct answer a = answer_json(200);
    a.content_type = "text/plain; version=0.0.4; charset=utf-8";
    api->ports.refresh_metrics(api->ports.ctx);
    metrics_set(m, METRIC_HTTP_CONNECTIONS, http_server_connections(api->server));
    buf_append_str(&a.body, "# HELP gatherd_build_info The version that runs.\n"
                            "# TYPE gatherd_build_info gauge\n"
                            "gatherd_build_info{version=\"" GATHERD_VERSION "\"} 1\n");
    for (unsigned id = 0; id < METRIC__COUNT; id++) {
        write_metric(&a.body, metric_info(id), metrics_value(m, id));
    }
    write_metric(&a.body, &lag, (double)api->ports.take_lag_us(api->ports.ctx) / 1e6);
    write_metric(&a.body, &uptime, (double)(clock_monotonic_ms() - api->started_ms) / 1e3);
    answer_send(api, r->x, &a);
}

// ---- documents
// ---------------------------------------------------------------------------------------------------

void handle_openapi(struct request *r)
{
    struct answer a = answer_json(200);
    buf_append(&a.body, openapi_json_start, (size_t)(openapi_json_end - openapi_json_start));
    answer_send(r->api, r->x, &a);
}
