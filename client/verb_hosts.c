// SPDX-License-Identifier: MIT
// Verbs on hosts: the list, one host, its limits, pause and resume.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/field.h"
#include "client/format.h"
#include "client/pages.h"
#include "client/report.h"
#include "client/table.h"
#include "client/verbs.h"
#include "common/json.h"
#include "common/url.h"

#define HOUR_MS  ((int64_t)3600 * 1000)
#define PATH_LEN 1024

const struct option_spec hosts_set_options[] = {
    {"concurrency", 'c', OPTION_NUMBER, "N", "most requests in flight at once", 1, 10000},
    {"delay", 'd', OPTION_DURATION, "DURATION", "between the starts of two requests", 0,
     24 * HOUR_MS},
    {"rate", 'r', OPTION_TEXT, "N", "most requests started per second; 0: no limit", 0, 0},
    {"reset", 0, OPTION_FLAG, NULL, "back to the configured limits first", 0, 0},
    {0},
};

// Where a host's limits are: at the top of the object or in "limits".
static const json_t *limit_of(const json_t *host, const char *key)
{
    const json_t *value = json_object_get(host, key);
    return value ? value : json_object_get(json_object_get(host, "limits"), key);
}

// A limit; for a person 0 is none.
static void add_limit(struct table *t, const char *key, const json_t *value)
{
    struct buf text = BUF_INIT(FORMAT_SIZE * 4);
    if (t->out->terminal && json_number_value(value) == 0) {
        buf_append_str(&text, "-");
    } else {
        report_scalar(t->out, key, value, &text);
    }
    table_add(t, TINT_NONE, text.data ? text.data : "");
    buf_done(&text);
}

static void add_row(struct table *t, const json_t *host)
{
    const char *blocked = field_str(host, "blocked_until");
    bool paused = json_is_true(limit_of(host, "paused"));
    table_add(t, TINT_NONE, field_str(host, "host"));
    table_add_int(t, field_int(host, "queued"));
    table_add_int(t, field_int(host, "in_flight"));
    add_limit(t, "max_concurrency", limit_of(host, "max_concurrency"));
    add_limit(t, "delay_ms", limit_of(host, "delay_ms"));
    add_limit(t, "rate", limit_of(host, "rate_per_s"));
    if (paused) {
        table_add(t, TINT_BUSY, "paused");
    } else if (*blocked && t->out->terminal) {
        char text[64];
        snprintf(text, sizeof text, "blocked until %.20s", blocked);
        table_add(t, TINT_BAD, text);
    } else {
        table_add(t, TINT_NONE, blocked);
    }
}

int verb_hosts(struct app *app, const struct args *a, struct err *e)
{
    static const struct column columns[] = {{"host", false, true},      {"queued", true, false},
                                            {"in flight", true, false}, {"most", true, false},
                                            {"delay", true, false},     {"rate", true, false},
                                            {"state", false, true},     {0}};
    struct table table;
    struct pages pages;
    json_t *host;
    bool any = false;
    int rc;
    (void)a;
    table_init(&table, &app->out, columns);
    pages_init(&pages, "/v1/hosts?limit=1000", "hosts");
    while ((rc = pages_next(app, &pages, &host, e)) > 0) {
        any = true;
        if (app->out.json) {
            output_ndjson(host);
        } else {
            add_row(&table, host);
        }
        if (pages_drained(&pages)) {
            table_flush(&table);
        }
    }
    pages_done(&pages);
    table_done(&table);
    if (rc == 0 && !any && app->out.terminal) {
        output_note(&app->out, "there is no host yet: nothing was submitted");
    }
    return rc;
}

static int host_path(const char *name, struct buf *path, struct err *e)
{
    char host[HOST_MAX + 1];
    if (host_parse(name, strlen(name), host) != URL_OK) {
        return err_set(e, ERR_USAGE,
                       "\"%s\" is no host: give a name or an address without scheme and path",
                       name);
    }
    buf_append_str(path, "/v1/hosts/");
    url_percent_encode(path, host, strlen(host));
    return path->failed ? err_set(e, ERR_SYSTEM, "out of memory") : 0;
}

static void print_host(struct app *app, const json_t *host)
{
    if (app->out.json) {
        output_json(&app->out, host);
    } else if (app->out.terminal) {
        report_host(&app->out, host);
    } else {
        report_object(&app->out, "", host);
    }
}

int verb_hosts_show(struct app *app, const struct args *a, struct err *e)
{
    struct buf path = BUF_INIT(PATH_LEN);
    json_t *host = NULL;
    int rc = host_path(a->positional[0], &path, e);
    rc = rc == 0 ? conn_json(app->conn, "GET", path.data, &host, e) : rc;
    rc = rc == 0 ? app_check(host, "host", e) : rc;
    if (rc == 0) {
        print_host(app, host);
    }
    json_decref(host);
    buf_done(&path);
    return rc;
}

// Sends the members in `body` to the host `name` and shows what it is then.
static int patch(struct app *app, const char *name, const struct buf *body, struct err *e)
{
    struct buf path = BUF_INIT(PATH_LEN);
    struct reply reply = {0};
    json_t *host = NULL;
    int rc = host_path(name, &path, e);
    if (rc == 0) {
        struct request r = {.method = "PATCH",
                            .path = path.data,
                            .content_type = "application/json",
                            .body = body->data,
                            .body_size = body->len};
        rc = conn_send(app->conn, &r, &reply, e);
    }
    if (rc == 0 && reply.body.len > 0) {
        host = reply_json(&reply, e);
        rc = host ? app_check(host, "host", e) : -1;
    }
    if (rc == 0 && host && (app->out.json || (app->out.terminal && !app->out.quiet))) {
        print_host(app, host);
    }
    json_decref(host);
    reply_done(&reply);
    buf_done(&path);
    return rc;
}

// A whole-number limit: its value if given, null (the configured one) with --reset, else nothing.
static void write_limit(struct json_writer *w, const struct args *a, const char *option,
                        const char *key)
{
    if (args_text(a, option)) {
        jw_key_int(w, key, args_number(a, option, 0));
    } else if (args_flag(a, "reset")) {
        jw_key_null(w, key);
    }
}

int verb_hosts_set(struct app *app, const struct args *a, struct err *e)
{
    struct buf body = BUF_INIT(PATH_LEN);
    struct json_writer w = JSON_WRITER(&body);
    const char *rate = args_text(a, "rate");
    char *end = NULL;
    double per_s = rate ? strtod(rate, &end) : 0;
    if (rate && (end == rate || *end != '\0' || !(per_s >= 0 && per_s <= 1e6))) {
        return err_set(e, ERR_USAGE, "--rate needs a number of requests per second, not \"%s\"",
                       rate);
    }
    if (!rate && !args_text(a, "concurrency") && !args_text(a, "delay") && !args_flag(a, "reset")) {
        return err_set(e, ERR_USAGE,
                       "nothing to set: give --concurrency, --delay, --rate or --reset");
    }
    jw_object(&w);
    write_limit(&w, a, "concurrency", "max_concurrency");
    write_limit(&w, a, "delay", "delay_ms");
    if (rate) {
        jw_key(&w, "rate_per_s");
        jw_real(&w, per_s);
    } else if (args_flag(a, "reset")) {
        jw_key_null(&w, "rate_per_s");
    }
    jw_object_end(&w);
    int rc = body.failed ? err_set(e, ERR_SYSTEM, "out of memory")
                         : patch(app, a->positional[0], &body, e);
    buf_done(&body);
    return rc;
}

static int set_paused(struct app *app, const char *name, bool paused, struct err *e)
{
    struct buf body = BUF_INIT(PATH_LEN);
    struct json_writer w = JSON_WRITER(&body);
    jw_object(&w);
    jw_key_bool(&w, "paused", paused);
    jw_object_end(&w);
    int rc = body.failed ? err_set(e, ERR_SYSTEM, "out of memory") : patch(app, name, &body, e);
    buf_done(&body);
    return rc;
}

int verb_hosts_pause(struct app *app, const struct args *a, struct err *e)
{
    return set_paused(app, a->positional[0], true, e);
}

int verb_hosts_resume(struct app *app, const struct args *a, struct err *e)
{
    return set_paused(app, a->positional[0], false, e);
}
