// SPDX-License-Identifier: MIT
// Verbs on the daemon itself: ping and the raw call api.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/field.h"
#include "client/problem.h"
#include "client/slurp.h"
#include "client/verbs.h"
#include "common/json.h"

#define DATA_MAX    ((size_t)64 << 20)
#define HEADERS_MAX 64

const struct option_spec api_options[] = {
    {"method", 'X', OPTION_TEXT, "METHOD", "request method (default GET, with --data POST)", 0, 0},
    {"data", 'd', OPTION_TEXT, "DATA|@FILE", "request body, JSON unless -H says otherwise", 0, 0},
    {"header", 'H', OPTION_LIST, "NAME: VALUE", "a request header; may be repeated", 0, 0},
    {0},
};

int verb_ping(struct app *app, const struct args *a, struct err *e)
{
    struct request r = {.method = "GET", .path = "/livez", .accept = "*/*"};
    struct reply reply;
    struct err ignored;
    (void)a;
    int rc = conn_send(app->conn, &r, &reply, e);
    double ms = (double)reply.elapsed_us / 1000.0;
    reply_done(&reply);
    if (rc != 0) {
        return -1;
    }
    // Who may not read the statistics can still see that the daemon lives.
    json_t *stats = app_call(app, "GET", &ignored, "/v1/stats");
    const char *version =
        field_has(stats, "version") ? field_str(stats, "version") : "(version unknown)";
    if (app->out.json) {
        json_t *line = json_pack("{s:s, s:s, s:f}", "server", conn_server(app->conn), "version",
                                 version, "latency_ms", ms);
        output_json(&app->out, line);
        json_decref(line);
    } else {
        char text[32];
        snprintf(text, sizeof text, "%.1f ms", ms);
        output_text(&app->out, TINT_NONE, "gatherd ");
        output_text(&app->out, TINT_STRONG, version);
        output_text(&app->out, TINT_NONE, " at ");
        output_text(&app->out, TINT_NONE, conn_server(app->conn));
        output_text(&app->out, TINT_NONE, ": alive, ");
        output_text(&app->out, TINT_GOOD, text);
        putchar('\n');
    }
    json_decref(stats);
    return 0;
}

// Prints an answer as it is; JSON for a person is indented.
static void print_answer(struct app *app, const struct reply *reply)
{
    struct err ignored;
    json_t *document = app->out.terminal ? reply_json(reply, &ignored) : NULL;
    const char *bytes = reply->body.data ? reply->body.data : "";
    if (document) {
        output_json(&app->out, document);
    } else if (app->out.terminal && reply->body.len > 0) {
        // Line by line, since line ends are all that passes to a terminal unescaped.
        for (const char *line = bytes; *line;) {
            size_t n = strcspn(line, "\n");
            char *copy = strndup(line, n);
            output_line(&app->out, copy ? copy : "");
            free(copy);
            line += n + (line[n] == '\n');
        }
    } else {
        output_raw(bytes, reply->body.len);
    }
    json_decref(document);
}

static int collect_headers(const struct args *a, const char *headers[HEADERS_MAX], bool *ret_typed,
                           struct err *e)
{
    size_t n = 0;
    const char *line;
    while ((line = args_nth(a, "header", n))) {
        if (n + 1 == HEADERS_MAX || !strchr(line, ':') || strpbrk(line, "\r\n")) {
            return err_set(e, ERR_USAGE,
                           "-H needs \"Name: value\" (at most %d of them), not \"%s\"",
                           HEADERS_MAX - 1, line);
        }
        *ret_typed = *ret_typed || strncasecmp(line, "content-type:", 13) == 0;
        headers[n++] = line;
    }
    headers[n] = NULL;
    return 0;
}

static int check_path(const char *path, struct err *e)
{
    if (path[0] != '/') {
        return err_set(e, ERR_USAGE, "PATH begins with a slash, as in /v1/batches");
    }
    for (const char *p = path; *p; p++) {
        if (*p <= ' ' || *p > '~') {
            return err_set(e, ERR_USAGE, "PATH has bytes that must be percent-encoded");
        }
    }
    return 0;
}

int verb_api(struct app *app, const struct args *a, struct err *e)
{
    const char *data = args_text(a, "data"), *method = args_text(a, "method");
    const char *headers[HEADERS_MAX];
    struct buf body = BUF_INIT(DATA_MAX);
    struct reply reply = {0};
    bool typed = false;
    if (check_path(a->positional[0], e) != 0 || collect_headers(a, headers, &typed, e) != 0 ||
        (data && slurp_data(data, &body, e) != 0)) {
        buf_done(&body);
        return -1;
    }
    struct request r = {
        .method = method ? method : (data ? "POST" : "GET"),
        .path = a->positional[0],
        .content_type = data && !typed ? "application/json" : NULL,
        .headers = headers,
        .body = data ? (body.data ? body.data : "") : NULL,
        .body_size = body.len,
        .raw = true,
    };
    int rc = conn_send(app->conn, &r, &reply, e);
    if (rc == 0) {
        print_answer(app, &reply);
    }
    if (rc == 0 && reply.status >= 400) {
        json_decref(
            problem_read(reply.body.data ? reply.body.data : "", reply.body.len, reply.status, e));
        rc = -1;
    }
    reply_done(&reply);
    buf_done(&body);
    return rc;
}
