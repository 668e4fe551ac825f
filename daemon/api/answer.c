// SPDX-License-Identifier: MIT
// Giving answers: every one of the API but streams leaves through answer_send. Main thread.
#include <assert.h>

#include "daemon/api/context.h"
#include "daemon/api/problem.h"

// Pages can be large, and a client that reads slowly holds one on each of its connections.
#define UNSENT_MAX ((size_t)64 * 1024 * 1024)

int api_check_unsent(const struct api *api, struct err *e)
{
    return http_server_unsent(api->server) <= UNSENT_MAX
               ? 0
               : err_set(e, ERR_OVERLOADED,
                         "too many answers wait for their clients to read them; try again");
}

struct answer answer_json(int status)
{
    return (struct answer){
        .status = status,
        .content_type = "application/json",
        .body = BUF_INIT(ANSWER_MAX_BODY),
    };
}

void answer_field(struct answer *a, const char *name, const char *value)
{
    assert(a->n_fields < ANSWER_MAX_FIELDS);
    a->fields[a->n_fields++] = (struct http_field){name, value};
}

void answer_send(struct api *api, struct http_exchange *x, struct answer *a)
{
    if (a->body.failed) {
        buf_done(&a->body);
        answer_out_of_memory(api, x);
        return;
    }
    if (a->status >= 500) {
        metrics_add(api->ports.metrics, METRIC_HTTP_ERRORS_5XX, 1);
    } else if (a->status >= 400) {
        metrics_add(api->ports.metrics, METRIC_HTTP_ERRORS_4XX, 1);
    }
    http_on_gone(x, NULL, NULL);
    struct http_answer head = {a->status, a->content_type, a->fields, a->n_fields};
    http_respond(x, &head, &a->body);
    buf_done(&a->body);
}

// Fields that belong to an error whatever its cause.
static void add_error_fields(struct answer *a, enum err_code code)
{
    switch (err_info(code)->http_status) {
    case 401: answer_field(a, "WWW-Authenticate", "Bearer"); break;
    case 429:
    case 507: answer_field(a, "Retry-After", "30"); break;
    case 503: answer_field(a, "Retry-After", code == ERR_DRAINING ? "10" : "1"); break;
    default: break;
    }
}

void answer_error_more(struct api *api, struct http_exchange *x, const struct err *e,
                       struct answer *fields, const char *extra)
{
    struct answer a = answer_json(err_info(e->code)->http_status);
    if (a.status == 0) { // a local error: its text is for the log alone
        log_error("request failed error=%s", log_value(e->text));
        a.status = err_info(ERR_INTERNAL)->http_status;
    }
    a.content_type = PROBLEM_CONTENT_TYPE;
    for (size_t i = 0; fields && i < fields->n_fields; i++) {
        answer_field(&a, fields->fields[i].name, fields->fields[i].value);
    }
    add_error_fields(&a, e->code);
    problem_render(e, extra, &a.body);
    answer_send(api, x, &a);
}

void answer_error(struct api *api, struct http_exchange *x, const struct err *e)
{
    answer_error_more(api, x, e, NULL, NULL);
}

void answer_out_of_memory(struct api *api, struct http_exchange *x)
{
    // Should there be no memory even for the document, the status alone is sent.
    struct answer a = {.status = 503, .content_type = NULL, .body = BUF_INIT(0)};
    struct err e;
    err_set(&e, ERR_OVERLOADED, "out of memory");
    struct buf body = BUF_INIT(4096);
    problem_render(&e, NULL, &body);
    if (!body.failed) {
        a.content_type = PROBLEM_CONTENT_TYPE;
        a.body = body;
    } else {
        buf_done(&body);
    }
    answer_field(&a, "Retry-After", "1");
    answer_send(api, x, &a);
}
