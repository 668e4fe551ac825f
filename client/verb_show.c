// SPDX-License-Identifier: MIT
// Verbs on one task: show (request, result, attempts, timing as bars) and cat (its body).
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/batch.h"
#include "client/body.h"
#include "client/field.h"
#include "client/format.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/verbs.h"

#define BAR_WIDTH 40
#define TEXT_MAX  ((size_t)1 << 20)

const struct option_spec cat_options[] = {
    {"output", 'o', OPTION_TEXT, "FILE", "write to FILE", 0, 0},
    {0},
};

static int parse_index(const char *text, int64_t *ret, struct err *e)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0) {
        return err_set(e, ERR_USAGE,
                       "INDEX is a task's position in its batch, 0 or more, not \"%s\"", text);
    }
    *ret = value;
    return 0;
}

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

static void print_timing(const struct output *out, const json_t *timing)
{
    static const struct {
        const char *key, *shown;
    } phases[] = {{"dns", "  dns"},
                  {"connect", "  connect"},
                  {"tls", "  tls"},
                  {"first_byte", "  first byte"}};
    int64_t total = field_int(timing, "total"), at = 0;
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
        print_phase(out, "  body", at, total - at, total);
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
    json_array_foreach(attempts, i, attempt)
    {
        struct buf text = BUF_INIT(TEXT_MAX);
        const json_t *error = json_object_get(attempt, "error");
        char name[FORMAT_SIZE], took[FORMAT_SIZE];
        int64_t number = field_int(attempt, "number");
        snprintf(name, sizeof name, "attempt %" PRId64, number > 0 ? number : (int64_t)i + 1);
        format_duration(field_int(json_object_get(attempt, "timing_ms"), "total"), took);
        buf_append_str(&text, field_str(attempt, "started_at"));
        if (field_has(attempt, "status")) {
            buf_printf(&text, "  %" PRId64, field_int(attempt, "status"));
        }
        buf_printf(&text, "  %s", took);
        if (json_is_object(error)) {
            buf_printf(&text, "  %s: %s", field_str(error, "code"), field_str(error, "message"));
        } else if (json_is_string(error)) {
            buf_printf(&text, "  %s: %s", json_string_value(error), field_str(attempt, "message"));
        }
        output_field(out, name, text.data ? text.data : "");
        buf_done(&text);
    }
}

// The fields of a result that are worth a line, in reading order.
static void print_result(const struct output *out, const json_t *result)
{
    static const char *const keys[] = {"final_url",    "status",     "http_version", "remote_ip",
                                       "content_type", "size_bytes", "sha256",       "complete",
                                       "attempts",     "seq",        "started_at",   "finished_at"};
    print_error(out, json_object_get(result, "error"));
    print_redirects(out, json_object_get(result, "redirects"));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        bool size = strcmp(keys[i], "size_bytes") == 0;
        const json_t *value = json_object_get(result, size ? "size" : keys[i]);
        struct buf text = BUF_INIT(TEXT_MAX);
        if (value && !json_is_null(value) && !json_is_array(value)) {
            report_scalar(out, keys[i], value, &text);
            output_field(out, size ? "size" : keys[i], text.data ? text.data : "");
        }
        buf_done(&text);
    }
    print_timing(out, json_object_get(result, "timing_ms"));
}

static void print_waiting(const struct output *out, const json_t *waiting)
{
    if (json_is_string(waiting)) {
        output_field_tinted(out, "waiting for", TINT_BUSY, json_string_value(waiting));
    } else if (json_is_object(waiting)) {
        report_object(out, "waiting for", waiting);
    }
}

static void print_task(const struct output *out, const char *id, int64_t index, const json_t *task)
{
    const json_t *member = json_object_get(task, "result");
    const json_t *result = json_is_object(member) ? member : task;
    const char *state = field_str(result, "state");
    char number[FORMAT_SIZE];
    state = *state ? state : field_str(task, "state");
    snprintf(number, sizeof number, "%" PRId64, index);
    output_field(out, "batch", id);
    output_field(out, "index", number);
    if (field_has(task, "id")) {
        output_field(out, "id", field_str(task, "id"));
    }
    const char *url = field_str(json_object_get(task, "request"), "url");
    output_field(out, "url", *url ? url : field_str(result, "url"));
    output_field_tinted(out, "state", tint_of_state(state), state);
    print_waiting(out, json_object_get(task, "waiting_for"));
    report_object(out, "request", json_object_get(task, "request"));
    print_result(out, result);
    const json_t *attempts = json_object_get(task, "attempts");
    print_attempts(out, json_is_array(attempts) ? attempts : json_object_get(result, "attempts"));
}

int verb_show(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    int64_t index = 0;
    if (parse_index(a->positional[1], &index, e) != 0 ||
        batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    json_t *task = app_call(app, "GET", e, "/v1/batches/%s/tasks/%" PRId64, id, index);
    if (!task) {
        return -1;
    }
    if (app->out.json) {
        output_json(&app->out, task);
    } else {
        print_task(&app->out, id, index, task);
    }
    json_decref(task);
    return 0;
}

int verb_cat(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    int64_t index = 0;
    const char *file = args_text(a, "output");
    if (parse_index(a->positional[1], &index, e) != 0 ||
        batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    struct body_target to = {.fd = -1, .refuse_binary = app->out.terminal && !file};
    if (file) {
        to.fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (to.fd < 0) {
            return err_set_errno(e, errno, "cannot write to %s", file);
        }
    }
    int rc = body_copy(app, id, index, &to, e);
    if (to.fd >= 0 && close(to.fd) != 0 && rc == 0) {
        rc = err_set_errno(e, errno, "cannot write to %s", file);
    }
    return rc;
}
