// SPDX-License-Identifier: MIT
// Owns how one task reads: what was asked, what came of it, and where the time went. Prints through
// output.c only.
#include <inttypes.h>
#include <stdio.h>

#include "client/field.h"
#include "client/format.h"
#include "client/progress.h"
#include "client/report.h"

#define BAR_WIDTH 40
#define TEXT_MAX  ((size_t)1 << 20)
#define TIME_MAX  (INT64_MAX / BAR_WIDTH) // a bar's arithmetic

// One phase as a bar that begins where the phases before it ended.
static void print_phase(const struct output *out, const char *name, int64_t from, int64_t ms,
                        int64_t total)
{
    char number[FORMAT_SIZE];
    struct buf line = BUF_INIT(4096);
    format_duration(ms, number);
    if (out->terminal) {
        int start = (int)(from * BAR_WIDTH / total);
        int width = (int)((from + ms) * BAR_WIDTH / total) - start;
        width = start + width > BAR_WIDTH ? BAR_WIDTH - start : width;
        buf_printf(&line, "%7s  %*s", number, start, "");
        progress_bar(&line, 1.0, width > 0 ? width : 0, out->utf8);
        if (width <= 0) {
            buf_append_str(&line, out->utf8 ? "▏" : "|");
        }
    } else {
        buf_printf(&line, "%" PRId64, ms);
    }
    output_field(out, name, line.data ? line.data : "");
    buf_done(&line);
}

// The phases are those of the last hop; the time of the hops before it is in the total alone.
static void print_timing(const struct output *out, const json_t *timing, bool redirected)
{
    static const struct {
        const char *key, *shown;
    } phases[] = {{"dns", "  dns"},
                  {"connect", "  connect"},
                  {"tls", "  tls"},
                  {"first_byte", "  first byte"}};
    int64_t total = field_int(timing, "total"), at = 0;
    total = total > TIME_MAX ? TIME_MAX : total;
    char number[FORMAT_SIZE];
    if (!json_is_object(timing)) {
        return;
    }
    if (field_has(timing, "queued")) {
        format_duration(field_int(timing, "queued"), number);
        output_field(out, "queued for", number);
    }
    format_duration(total, number);
    output_field(out, "took", number);
    for (size_t i = 0; total > 0 && i < sizeof phases / sizeof phases[0]; i++) {
        int64_t ms = field_int(timing, phases[i].key);
        if (field_has(timing, phases[i].key) && ms >= 0) {
            ms = ms > total - at ? total - at : ms;
            print_phase(out, phases[i].shown, at, ms, total);
            at += ms;
        }
    }
    if (total > at) {
        print_phase(out, redirected ? "  hops, body" : "  body", at, total - at, total);
    }
}

static void print_error(const struct output *out, const json_t *error)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    if (json_is_object(error)) {
        buf_printf(&text, "%s: %s%s", field_str(error, "code"), field_str(error, "message"),
                   field_true(error, "retryable") ? " (may pass)" : "");
        output_field_tinted(out, "error", TINT_BAD, text.data ? text.data : "");
    }
    buf_done(&text);
}

static void print_redirects(const struct output *out, const json_t *redirects)
{
    size_t i;
    const json_t *hop;
    json_array_foreach(redirects, i, hop)
    {
        struct buf text = BUF_INIT(TEXT_MAX);
        buf_printf(&text, "%" PRId64 " %s", field_int(hop, "status"), field_str(hop, "url"));
        output_field(out, i == 0 ? "redirects" : "", text.data ? text.data : "");
        buf_done(&text);
    }
}

static void print_attempts(const struct output *out, const json_t *attempts)
{
    size_t i;
    const json_t *attempt;
    bool repeated = json_array_size(attempts) > 1; // a single one is the result
    for (i = 0; repeated && (attempt = json_array_get(attempts, i)); i++) {
        struct buf text = BUF_INIT(TEXT_MAX);
        const json_t *error = json_object_get(attempt, "error");
        char name[FORMAT_SIZE], took[FORMAT_SIZE];
        int64_t number = field_int(attempt, "number");
        snprintf(name, sizeof name, "attempt %" PRId64, number > 0 ? number : (int64_t)i + 1);
        format_duration(field_int(json_object_get(attempt, "timing_ms"), "total"), took);
        buf_printf(&text, "%s  %s", field_str(attempt, "started_at"), took);
        if (json_is_object(error)) {
            buf_printf(&text, "  %s: %s", field_str(error, "code"), field_str(error, "message"));
        } else if (field_has(attempt, "status")) {
            buf_printf(&text, "  %" PRId64, field_int(attempt, "status"));
        }
        output_field(out, name, text.data ? text.data : "");
        buf_done(&text);
    }
}

// "text/html; charset=utf-8", 12 KiB, and whether that is all.
static void print_body(const struct output *out, const json_t *result)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    report_scalar(out, "bytes", json_object_get(result, "size"), &text);
    if (field_int(result, "size") > 0 && !field_true(result, "complete")) {
        buf_append_str(&text, " (incomplete)");
    }
    if (field_has(result, "content_type")) {
        output_field(out, "content type", field_str(result, "content_type"));
    }
    output_field(out, "size", text.data ? text.data : "");
    if (field_has(result, "sha256")) {
        output_field(out, "sha256", field_str(result, "sha256"));
    }
    buf_done(&text);
}

static void print_result(const struct output *out, const json_t *result)
{
    const json_t *redirects = json_object_get(result, "redirects");
    bool redirected = json_array_size(redirects) > 0;
    struct buf text = BUF_INIT(TEXT_MAX);
    print_error(out, json_object_get(result, "error"));
    print_redirects(out, redirects);
    if (redirected) {
        output_field(out, "final url", field_str(result, "final_url"));
    }
    if (field_has(result, "status")) {
        report_scalar(out, "status", json_object_get(result, "status"), &text);
        output_field(out, "status", text.data ? text.data : "");
    }
    if (field_has(result, "remote_ip")) {
        buf_reset(&text);
        buf_append_str(&text, field_str(result, "remote_ip"));
        if (field_has(result, "http_version")) {
            buf_printf(&text, ", HTTP/%s", field_str(result, "http_version"));
        }
        output_field(out, "served by", text.data ? text.data : "");
    }
    buf_done(&text);
    if (field_has(result, "size")) {
        print_body(out, result);
    }
    output_field(out, "started", field_str(result, "started_at"));
    output_field(out, "finished", field_str(result, "finished_at"));
    print_timing(out, json_object_get(result, "timing_ms"), redirected);
}

// "GET; 30s each, at most 3 attempts, 10 redirects, 10 MiB", and what is sent besides.
static void print_request(const struct output *out, const json_t *request)
{
    char timeout[FORMAT_SIZE], most[FORMAT_SIZE], body[FORMAT_SIZE];
    struct buf text = BUF_INIT(TEXT_MAX);
    size_t i;
    const json_t *field;
    format_duration(field_int(request, "timeout_ms"), timeout);
    format_size((uint64_t)field_int(request, "max_body_bytes"), most);
    format_size((uint64_t)field_int(request, "body_size"), body);
    buf_append_str(&text, field_str(request, "method"));
    if (field_int(request, "body_size") > 0) {
        buf_printf(&text, " with a body of %s", body);
    }
    int64_t attempts = field_int(json_object_get(request, "retry"), "max_attempts");
    int64_t redirects = field_int(request, "max_redirects");
    buf_printf(&text, "; %s each, at most %" PRId64 " attempt%s, %" PRId64 " redirect%s, %s%s%s",
               timeout, attempts, attempts == 1 ? "" : "s", redirects, redirects == 1 ? "" : "s",
               most, field_true(request, "proxied") ? ", through a proxy" : "",
               json_is_false(json_object_get(request, "verify_tls")) ? ", any certificate" : "");
    output_field(out, "request", text.data ? text.data : "");
    json_array_foreach(json_object_get(request, "headers"), i, field)
    {
        const char *name = json_string_value(json_array_get(field, 0));
        const char *value = json_string_value(json_array_get(field, 1));
        buf_reset(&text);
        buf_printf(&text, "%s: %s", name ? name : "", value ? value : "");
        output_field(out, "", text.data ? text.data : "");
    }
    buf_done(&text);
}

// "host_blocked until 2026-… (example.com)"
static void print_waiting(const struct output *out, const json_t *waiting)
{
    struct buf text = BUF_INIT(TEXT_MAX);
    if (json_is_object(waiting)) {
        const char *at = field_has(waiting, "until") ? "until" : "at";
        buf_append_str(&text, field_str(waiting, "reason"));
        if (field_has(waiting, at)) {
            buf_printf(&text, " %s %s", at, field_str(waiting, at));
        }
        buf_printf(&text, " (%s)", field_str(waiting, "host"));
        output_field_tinted(out, "waiting for", TINT_BUSY, text.data ? text.data : "");
    }
    buf_done(&text);
}

void report_task(const struct output *out, const char *batch_id, int64_t index, const json_t *task)
{
    const json_t *request = json_object_get(task, "request"),
                 *result = json_object_get(task, "result");
    const char *state = field_str(task, "state");
    char number[FORMAT_SIZE];
    snprintf(number, sizeof number, "%" PRId64, index);
    output_field(out, "batch", batch_id);
    output_field(out, "index", number);
    if (field_has(task, "id")) {
        output_field(out, "id", field_str(task, "id"));
    }
    output_field(out, "url", field_str(request, "url"));
    output_field_tinted(out, "state", tint_of_state(state), state);
    print_waiting(out, json_object_get(task, "waiting_for"));
    print_request(out, request);
    print_attempts(out, json_object_get(task, "attempts"));
    if (json_is_object(result)) {
        print_result(out, result);
    }
}
