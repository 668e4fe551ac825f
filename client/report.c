// SPDX-License-Identifier: MIT
// Owns the readable form of API objects. Tolerates missing and unknown members.
#include "client/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/field.h"
#include "client/format.h"
#include "common/buf.h"

#define VALUE_MAX ((size_t)1 << 20)
#define NAME_MAX_ 128
#define BAR_WIDTH 30

static bool ends_with(const char *text, const char *ending)
{
    size_t n = strlen(text), m = strlen(ending);
    return n >= m && strcmp(text + n - m, ending) == 0;
}

void report_scalar(const struct output *out, const char *key, const json_t *value, struct buf *text)
{
    char number[FORMAT_SIZE];
    if (json_is_string(value)) {
        buf_append_str(text, json_string_value(value));
    } else if (!json_is_number(value)) {
        buf_append_str(text, json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "-");
    } else if (!out->terminal) {
        if (json_is_real(value)) {
            buf_printf(text, "%g", json_real_value(value));
        } else {
            buf_printf(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        }
    } else if (ends_with(key, "_ms") || ends_with(key, "_s")) {
        double unit = ends_with(key, "_ms") ? 1 : 1000;
        format_duration(whole_of(json_number_value(value) * unit), number);
        buf_append_str(text, number);
    } else if (strstr(key, "bytes") && json_is_integer(value)) {
        format_size((uint64_t)json_integer_value(value), number);
        buf_append_str(text, number);
    } else if (json_is_real(value)) {
        buf_printf(text, "%.4g", json_real_value(value));
    } else {
        format_count(json_integer_value(value), number);
        buf_append_str(text, number);
    }
}

// "per_s" is a rate, no duration.
static const char *unit_key(const char *key)
{
    return ends_with(key, "per_s") ? "" : key;
}

void report_object(const struct output *out, const char *prefix, const json_t *object)
{
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        char name[NAME_MAX_];
        snprintf(name, sizeof name, "%s%s%.100s", prefix, *prefix ? "." : "", key);
        if (json_is_object(value)) {
            report_object(out, name, value);
            continue;
        }
        struct buf text = BUF_INIT(VALUE_MAX);
        if (json_is_array(value)) {
            buf_printf(&text, "%zu entries", json_array_size(value));
        } else {
            report_scalar(out, unit_key(key), value, &text);
        }
        output_field(out, name, text.data ? text.data : "");
        buf_done(&text);
    }
}

// Both return the number of lines they printed, as report_batch does.
static int field_if(const struct output *out, const json_t *batch, const char *key,
                    const char *shown)
{
    if (!field_has(batch, key)) {
        return 0;
    }
    output_field(out, shown, field_str(batch, key));
    return 1;
}

static int report_counts(const struct output *out, const json_t *batch)
{
    static const char *const states[] = {"queued", "running",   "succeeded",
                                         "failed", "cancelled", "expired"};
    struct counts c = counts_of(batch);
    const json_t *counts = json_object_get(batch, "counts");
    char done[FORMAT_SIZE], total[FORMAT_SIZE];
    int lines = 1;
    if (out->terminal) {
        struct buf text = BUF_INIT(VALUE_MAX);
        format_count(counts_done(&c), done);
        format_count(c.total, total);
        progress_bar(&text, counts_share(&c), BAR_WIDTH, out->utf8);
        buf_printf(&text, " %s of %s done (%d%%)", done, total, (int)(counts_share(&c) * 100));
        output_field(out, "progress", text.data ? text.data : "");
        buf_done(&text);
    } else {
        snprintf(total, sizeof total, "%" PRId64, c.total);
        output_field(out, "total", total);
    }
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        int64_t n = field_int(counts, states[i]);
        if (n == 0 && out->terminal) {
            continue;
        }
        format_count(n, done);
        snprintf(total, sizeof total, "%" PRId64, n);
        output_field_tinted(out, states[i], tint_of_state(states[i]), out->terminal ? done : total);
        lines++;
    }
    return lines;
}

int report_batch(const struct output *out, const json_t *batch)
{
    struct buf text = BUF_INIT(VALUE_MAX);
    const char *state = field_str(batch, "state");
    output_field(out, "batch", field_str(batch, "id"));
    int lines = 4 + field_if(out, batch, "name", "name");
    output_field_tinted(out, "state", tint_of_state(state), state);
    lines += report_counts(out, batch);
    report_scalar(out, "bytes_received", json_object_get(batch, "bytes_received"), &text);
    output_field(out, "received", text.data ? text.data : "");
    buf_reset(&text);
    report_scalar(out, "priority", json_object_get(batch, "priority"), &text);
    output_field(out, "priority", text.data ? text.data : "");
    buf_done(&text);
    lines += field_if(out, batch, "created_at", "created");
    lines += field_if(out, batch, "not_before", "not before");
    lines += field_if(out, batch, "started_at", "started");
    lines += field_if(out, batch, "deadline_at", "deadline");
    lines += field_if(out, batch, "cancel_requested_at", "cancelled at");
    lines += field_if(out, batch, "finished_at", "finished");
    lines += field_if(out, batch, "retry_of", "retry of");
    return lines;
}

// One line of the overview.
__attribute__((format(printf, 3, 4))) static void say(const struct output *out, const char *name,
                                                      const char *format, ...)
{
    struct buf text = BUF_INIT(VALUE_MAX);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    output_field(out, name, text.data ? text.data : "");
    buf_done(&text);
}

// The member as a count with separators: "4,812".
static const char *count(const json_t *object, const char *key, char ret[FORMAT_SIZE])
{
    format_count(field_int(object, key), ret);
    return ret;
}

static const char *size(const json_t *object, const char *key, char ret[FORMAT_SIZE])
{
    format_size((uint64_t)field_int(object, key), ret);
    return ret;
}

static void report_rates(const struct output *out, const json_t *rates)
{
    const json_t *last_10s = json_object_get(rates, "last_10s");
    const json_t *last_60s = json_object_get(rates, "last_60s");
    char now[FORMAT_SIZE], minute[FORMAT_SIZE], bytes[FORMAT_SIZE];
    format_rate(json_number_value(json_object_get(last_10s, "results_per_s")), now);
    format_rate(json_number_value(json_object_get(last_60s, "results_per_s")), minute);
    size(last_10s, "bytes_per_s", bytes);
    say(out, "rate", "%s and %s/s over 10 s, %s over a minute", now, bytes, minute);
}

void report_stats(const struct output *out, const json_t *stats)
{
    const json_t *tasks = json_object_get(stats, "tasks"), *hosts = json_object_get(stats, "hosts");
    const json_t *batches = json_object_get(stats, "batches"),
                 *http = json_object_get(stats, "http");
    const json_t *store = json_object_get(stats, "store");
    char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE], d[FORMAT_SIZE];
    format_duration(field_int(stats, "uptime_ms"), a);
    say(out, "version", "%s, up %s%s", field_str(stats, "version"), a,
        field_true(stats, "draining") ? ", shutting down" : "");
    say(out, "queue", "%s unfinished, %s in flight", count(tasks, "unfinished", a),
        count(tasks, "in_flight", b));
    say(out, "ended", "%s succeeded, %s failed, %s cancelled, %s expired",
        count(tasks, "succeeded", a), count(tasks, "failed", b), count(tasks, "cancelled", c),
        count(tasks, "expired", d));
    say(out, "attempts", "%s, retried: %s", count(tasks, "attempts", a),
        count(tasks, "retried", b));
    say(out, "batches", "%s accepted, %s finished", count(batches, "accepted", a),
        count(batches, "finished", b));
    say(out, "hosts", "%s active, %s to be left alone for now", count(hosts, "active", a),
        count(hosts, "blocked", b));
    report_rates(out, json_object_get(stats, "rates"));
    say(out, "received", "%s", size(stats, "bytes_received", a));
    say(out, "database", "%s, %s free on its disk%s", size(store, "bytes", a),
        size(store, "free_bytes", b),
        field_true(store, "full") ? ": full, nothing new is accepted" : "");
    say(out, "api", "%s requests, connections: %s, waiting: %s", count(http, "requests", a),
        count(http, "connections", b), count(http, "waiters", c));
}

void report_host(const struct output *out, const json_t *host)
{
    const json_t *own = json_object_get(host, "overrides");
    bool set = field_has(own, "max_concurrency") || field_has(own, "delay_ms") ||
               field_has(own, "rate_per_s");
    double rate = json_number_value(json_object_get(host, "rate_per_s"));
    char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE];
    output_field(out, "host", field_str(host, "host"));
    say(out, "queue", "%s queued, %s in flight", count(host, "queued", a),
        count(host, "in_flight", b));
    say(out, "ended", "%s succeeded, %s failed, %s received", count(host, "succeeded", a),
        count(host, "failed", b), size(host, "bytes_received", c));
    format_duration(field_int(host, "delay_ms"), a);
    format_rate(rate, b);
    say(out, "limits", "%s at once, %s%s, %s%s%s", count(host, "max_concurrency", c),
        field_int(host, "delay_ms") > 0 ? a : "no delay",
        field_int(host, "delay_ms") > 0 ? " between starts" : "", rate > 0 ? "at most " : "",
        rate > 0 ? b : "any rate", set ? " (set by hand)" : "");
    if (field_true(host, "paused")) {
        output_field_tinted(out, "state", TINT_BUSY, "paused");
    } else if (field_has(host, "blocked_until")) {
        say(out, "state", "left alone until %s", field_str(host, "blocked_until"));
    } else {
        output_field(out, "state", field_has(host, "reason") ? field_str(host, "reason") : "open");
    }
}
