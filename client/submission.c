// SPDX-License-Identifier: MIT
// Owns how options of the command line become a submission, and that sending it twice makes one
// batch.
#include "client/submission.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/batch.h"
#include "client/field.h"
#include "client/interrupt.h"
#include "client/last.h"
#include "client/slurp.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/url.h"

#define DOCUMENT_MAX ((size_t)64 << 20)
#define BODY_MAX     ((size_t)1 << 20) // the daemon's bound for a task's body
#define QUERY_MAX    8192
#define HOUR_MS      ((int64_t)3600 * 1000)
#define MONTH_MS     ((int64_t)30 * 24 * HOUR_MS)

const struct option_spec submit_batch_options[] = {
    {"name", 0, OPTION_TEXT, "TEXT", "a name to find the batch by", 0, 0},
    {"priority", 'p', OPTION_NUMBER, "0-9", "9 goes first (default 5)", 0, 9},
    {"deadline", 0, OPTION_DURATION, "DURATION", "what is unfinished then ends as expired", 1,
     MONTH_MS},
    {"concurrency", 0, OPTION_NUMBER, "N", "most of this batch in flight at once", 1, 100000},
    {"fail-fast", 0, OPTION_FLAG, NULL, "the first failure cancels the rest", 0, 0},
    {"partial", 0, OPTION_FLAG, NULL, "submit the valid URLs, leave out the others", 0, 0},
    {"idempotency-key", 0, OPTION_TEXT, "KEY", "the same key again: the same batch", 0, 0},
    {0},
};

const struct option_spec submit_task_options[] = {
    {"timeout", 't', OPTION_DURATION, "DURATION", "of one attempt (default: the daemon's)", 1,
     HOUR_MS},
    {"retries", 'r', OPTION_NUMBER, "N", "how often a failed attempt is repeated (default 2)", 0,
     19},
    {"accept-status", 0, OPTION_TEXT, "LIST", "statuses that are a success (default 200-399)", 0,
     0},
    {"header", 'H', OPTION_LIST, "NAME: VALUE", "a request header; may be repeated", 0, 0},
    {"method", 'X', OPTION_TEXT, "METHOD", "request method (default GET, with --data POST)", 0, 0},
    {"data", 'd', OPTION_TEXT, "BODY|@FILE", "request body", 0, 0},
    {0},
};

// ---- the JSON document ----

static int write_headers(struct json_writer *w, const struct args *a, struct err *e)
{
    jw_key(w, "headers");
    jw_object(w);
    const char *line;
    for (size_t i = 0; (line = args_nth(a, "header", i)); i++) {
        size_t n = strcspn(line, ":");
        if (n == 0 || line[n] != ':') {
            return err_set(e, ERR_USAGE, "-H needs \"Name: value\", not \"%s\"", line);
        }
        for (size_t k = 0; k < i; k++) {
            if (strncasecmp(args_nth(a, "header", k), line, n + 1) == 0) {
                return err_set(e, ERR_USAGE, "the header %.*s is given twice", (int)n, line);
            }
        }
        // The name is written as a string of its own: it may hold what jw_key must not get.
        jw_strn(w, line, n);
        buf_append_char(w->out, ':');
        w->comma = false;
        const char *value = line + n + 1;
        jw_str(w, value + strspn(value, " \t"));
    }
    jw_object_end(w);
    return 0;
}

static int write_body(struct json_writer *w, const char *data, struct err *e)
{
    struct buf body = BUF_INIT(BODY_MAX);
    if (slurp_data(data, &body, e) != 0) {
        buf_done(&body);
        return -1;
    }
    const char *bytes = body.data ? body.data : "";
    if (utf8_valid(bytes, body.len)) {
        jw_key(w, "body");
        jw_strn(w, bytes, body.len);
    } else {
        jw_key(w, "body_base64");
        jw_base64(w, bytes, body.len);
    }
    buf_done(&body);
    return 0;
}

static int write_defaults(struct json_writer *w, const struct args *a, struct err *e)
{
    const char *data = args_text(a, "data");
    const char *method = args_text(a, "method");
    int64_t timeout = args_number(a, "timeout", -1), retries = args_number(a, "retries", -1);
    jw_key(w, "defaults");
    jw_object(w);
    if (method || data) {
        jw_key_str(w, "method", method ? method : "POST");
    }
    if (timeout >= 0) {
        jw_key_int(w, "timeout_ms", timeout);
    }
    if (args_text(a, "accept-status")) {
        jw_key_str(w, "accept_status", args_text(a, "accept-status"));
    }
    if (retries >= 0) {
        jw_key(w, "retry");
        jw_object(w);
        jw_key_int(w, "max_attempts", retries + 1);
        jw_object_end(w);
    }
    int rc = args_nth(a, "header", 0) ? write_headers(w, a, e) : 0;
    if (rc == 0 && data) {
        rc = write_body(w, data, e);
    }
    jw_object_end(w);
    return rc;
}

static void write_batch_options(struct json_writer *w, const struct args *a)
{
    static const struct {
        const char *option, *key;
    } numbers[] = {
        {"priority", "priority"}, {"deadline", "deadline_ms"}, {"concurrency", "concurrency"}};
    if (args_text(a, "name")) {
        jw_key_str(w, "name", args_text(a, "name"));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int64_t value = args_number(a, numbers[i].option, -1);
        if (value >= 0) {
            jw_key_int(w, numbers[i].key, value);
        }
    }
    if (args_flag(a, "fail-fast")) {
        jw_key_bool(w, "fail_fast", true);
    }
}

int submission_document(const struct args *a, struct buf *out, struct err *e)
{
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    write_batch_options(&w, a);
    if (write_defaults(&w, a, e) != 0) {
        return -1;
    }
    jw_key(&w, "urls");
    jw_array(&w);
    for (size_t i = 0; i < a->positional_count; i++) {
        jw_str(&w, a->positional[i]);
    }
    jw_array_end(&w);
    jw_object_end(&w);
    return out->failed ? err_set(e, ERR_SYSTEM, "out of memory") : 0;
}

// ---- the query of an upload ----

static int refuse_task_options(const struct args *a, struct err *e)
{
    for (const struct option_spec *s = submit_task_options; s->name; s++) {
        if (args_flag(a, s->name)) {
            return err_set(
                e, ERR_USAGE,
                "--%s goes with URLs on the command line only; for a file of URLs write NDJSON: "
                "one {\"url\": ..., \"timeout_ms\": ...} a line",
                s->name);
        }
    }
    return 0;
}

static void append_pair(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%c%s=", out->len == 0 ? '?' : '&', key);
    url_percent_encode(out, value, strlen(value));
}

static void append_number(struct buf *out, const char *key, int64_t value)
{
    char text[24];
    if (value >= 0) {
        snprintf(text, sizeof text, "%" PRId64, value);
        append_pair(out, key, text);
    }
}

int submission_query(const struct args *a, struct buf *out, struct err *e)
{
    if (refuse_task_options(a, e) != 0) {
        return -1;
    }
    if (args_text(a, "name")) {
        append_pair(out, "name", args_text(a, "name"));
    }
    append_number(out, "priority", args_number(a, "priority", -1));
    append_number(out, "deadline_ms", args_number(a, "deadline", -1));
    append_number(out, "concurrency", args_number(a, "concurrency", -1));
    append_number(out, "fail_fast", args_flag(a, "fail-fast") ? 1 : -1);
    append_number(out, "partial", args_flag(a, "partial") ? 1 : -1);
    return out->failed ? err_set(e, ERR_SYSTEM, "out of memory") : 0;
}

// ---- sending ----

static int send_once(struct app *app, const struct request *r, json_t **ret, struct err *e)
{
    struct reply reply;
    int rc = conn_send(app->conn, r, &reply, e);
    if (rc == 0) {
        *ret = reply_json(&reply, e);
        rc = *ret ? batch_check(*ret, e) : -1;
    }
    if (rc != 0) {
        json_decref(*ret);
        *ret = NULL;
    }
    reply_done(&reply);
    return rc;
}

// The rejected entries of a partial submission, which the 202 lists.
static void tell_rejected(struct app *app, const json_t *batch)
{
    const json_t *errors = json_object_get(batch, "rejected");
    int64_t total = field_int(batch, "rejected_total");
    if (json_array_size(errors) == 0) {
        return;
    }
    output_note(&app->out, "%" PRId64 " %s left out:", total,
                total == 1 ? "entry was" : "entries were");
    size_t i;
    const json_t *entry;
    json_array_foreach(errors, i, entry)
    {
        char where[32];
        snprintf(where, sizeof where, "line %" PRId64, field_int(entry, "line"));
        output_note(&app->out, "  %s: %s: %s",
                    field_has(entry, "line") ? where : field_str(entry, "pointer"),
                    field_str(entry, "code"), field_str(entry, "detail"));
    }
}

int submission_send(struct app *app, const struct args *a, const struct submission_body *body,
                    json_t **ret, struct err *e)
{
    char path[QUERY_MAX + 16], random_key[UUID_TEXT_SIZE];
    uint8_t id[UUID_SIZE];
    uuid_v7(clock_wall_at(), id);
    uuid_format(id, random_key);
    const char *key = args_text(a, "idempotency-key");
    if (key && (!*key || strpbrk(key, "\r\n"))) {
        // libcurl would send no such header, or another one.
        return err_set(e, ERR_USAGE, "--idempotency-key must not be empty or have line ends");
    }
    snprintf(path, sizeof path, "/v1/batches%s", body->query);
    struct request r = {
        .method = "POST",
        .path = path,
        .content_type = body->content_type,
        .idempotency_key = key ? key : random_key,
        .body = body->document ? body->document->data : NULL,
        .body_size = body->document ? body->document->len : 0,
        .source = body->source,
    };
    int rc = send_once(app, &r, ret, e);
    bool again = rc != 0 && e->code == ERR_UNREACHABLE && !interrupt_seen() &&
                 (!r.source || r.source->rewind(r.source) == 0);
    if (again) {
        rc = send_once(app, &r, ret, e);
    }
    bool in_doubt = rc != 0 && (e->code == ERR_UNREACHABLE || interrupt_seen());
    if (in_doubt && conn_sent(app->conn)) {
        output_note(&app->out,
                    "the batch may or may not have been accepted; the same command with "
                    "--idempotency-key %s cannot make a second one",
                    r.idempotency_key);
    }
    if (rc == 0) {
        last_store(conn_server(app->conn), field_str(*ret, "id"));
        tell_rejected(app, *ret);
    }
    return rc;
}

int submission_send_urls(struct app *app, const struct args *a, json_t **ret, struct err *e)
{
    struct buf document = BUF_INIT(DOCUMENT_MAX);
    struct submission_body body = {.query = args_flag(a, "partial") ? "?partial=1" : "",
                                   .content_type = "application/json",
                                   .document = &document};
    int rc = submission_document(a, &document, e);
    rc = rc == 0 ? submission_send(app, a, &body, ret, e) : rc;
    buf_done(&document);
    return rc;
}
