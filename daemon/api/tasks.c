// SPDX-License-Identifier: MIT
// One task: its request, its result or why it has none yet, its attempts. Main thread. A task
// without result is asked after at the workers first, and read again when they have answered, since
// it may have ended meanwhile.
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/api/attempts.h"
#include "daemon/api/context.h"
#include "daemon/api/pending.h"
#include "daemon/api/waiting_for.h"
#include "daemon/task/input_error.h"

// What is shown of a task, gathered before its row is read.
struct task_view {
    struct api *api;
    const struct batch_info *batch;
    const struct host_query *answer; // NULL: not asked yet
    struct answer a;
    char host[HOST_MAX + 1]; // of a task that has no result
    bool shown;
    struct err e;
};

static int effective_options(const struct task_view *v, const struct task_row *row,
                             struct task_options *o, struct err *e)
{
    static const char *const nothing[] = {NULL};
    const struct task_limits *limits = &v->api->settings->task_limits;
    const char *const texts[] = {v->batch->defaults, row->spec};
    struct input_error what;
    if (task_options_init(o, limits) < 0) {
        return err_set(e, ERR_OVERLOADED, "out of memory");
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        json_t *object = texts[i] ? json_parse(texts[i], strlen(texts[i]), e) : NULL;
        int status = 0;
        if (texts[i]) {
            // What was valid when it was submitted may exceed limits that were lowered since: the
            // rest is shown.
            status = object ? 0 : -1;
            if (object && task_options_apply(o, object, nothing, limits, &what) < 0 &&
                input_error_is_memory(&what)) {
                status = err_set(e, ERR_OVERLOADED, "out of memory");
            }
        }
        json_decref(object);
        if (status < 0) {
            task_options_done(o);
            return -1;
        }
    }
    return 0;
}

static void render_state(struct json_writer *w, const struct task_view *v,
                         const struct task_row *row)
{
    struct host_status unknown = {.known = false};
    struct host_limits unset = {.max_concurrency = -1, .delay_ms = -1, .rate_per_s = -1};
    const struct host_query *answer = v->answer;
    bool running = !row->result && answer && answer->task_running;
    struct host_limits limits = api_settings_host_limits(v->api->settings, row->host, &unset);
    const struct host_status *host = answer && answer->n ? &answer->v[0] : &unknown;
    if (host->known) {
        limits = host->effective;
    }
    struct waiting_facts facts = {
        .batch = v->batch,
        .task = row,
        .host = host,
        .limits = &limits,
        .in_flight = running,
        .now_at = clock_wall_at(),
    };
    struct waiting waiting = waiting_for(&facts);
    enum task_state state = row->result ? row->result->state : row->state;
    jw_key_str(w, "state", task_state_name(running ? TASK_RUNNING : state));
    jw_key(w, "waiting_for");
    waiting_render(w, &waiting, row->host);
}

static int render_task(struct task_view *v, const struct task_row *row)
{
    struct json_writer w = JSON_WRITER(&v->a.body);
    struct task_options options;
    char batch[UUID_TEXT_SIZE];
    uuid_format(v->batch->now.id, batch);
    if (effective_options(v, row, &options, &v->e) < 0) {
        return -1;
    }
    jw_object(&w);
    jw_key_str(&w, "batch", batch);
    jw_key_int(&w, "index", row->index);
    jw_key_str(&w, "id", row->ext_id);
    jw_key_str(&w, "host", row->host);
    render_state(&w, v, row);
    jw_key(&w, "request");
    render_request(&w, row->url, &options);
    task_options_done(&options);
    jw_key_raw(&w, "metadata", row->metadata ? row->metadata : "{}");
    jw_key(&w, "attempts");
    if (attempts_render(&v->api->ports, task_key(row->batch, row->index), row->result, &w, &v->e) <
        0) {
        return -1;
    }
    jw_key(&w, "result");
    if (row->result) {
        jw_object(&w);
        render_result_members(&w, row->result, row->result->headers ? RESULTS_WITH_HEADERS : 0);
        jw_object_end(&w);
    } else {
        jw_null(&w);
    }
    jw_object_end(&w);
    return 0;
}

static int on_row(void *ctx, const struct task_row *row)
{
    struct task_view *v = ctx;
    if (!row->result && !v->answer) {
        snprintf(v->host, sizeof(v->host), "%s", row->host);
        return 0;
    }
    v->shown = render_task(v, row) == 0;
    if (!v->shown && v->e.code == ERR_OK) {
        err_set(&v->e, ERR_INTERNAL, "the task could not be shown");
    }
    return 0;
}

// Reads the task; true when it was answered (with an error or in full).
static bool show(struct task_view *v, struct http_exchange *x, const struct route_params *params)
{
    v->batch = batch_find(v->api, params->id, &v->e);
    if (!v->batch) {
        answer_error(v->api, x, &v->e);
        return true;
    }
    v->a = answer_json(200);
    v->e.code = ERR_OK;
    int n = v->api->ports.task(v->api->ports.reader, v->batch->now.batch, params->index, on_row, v,
                               &v->e);
    if (n == 0) {
        err_set(&v->e, ERR_NOT_FOUND, "the batch has no such task");
    }
    if (n > 0 && v->shown) {
        answer_send(v->api, x, &v->a);
        return true;
    }
    buf_done(&v->a.body);
    if (n <= 0 || v->e.code != ERR_OK) {
        answer_error(v->api, x, &v->e);
        return true;
    }
    return false;
}

static void on_answer(struct pending *p, struct host_query *answer)
{
    struct task_view v = {.api = p->api, .answer = answer};
    show(&v, p->x, &p->params); // with an answer from the workers it is always answered
}

void handle_task(struct request *r)
{
    struct task_view v = {.api = r->api};
    if (show(&v, r->x, &r->params)) {
        return;
    }
    uint64_t task = task_key(v.batch->now.batch, r->params.index);
    struct pending *p = pending_new(r);
    struct host_query *q = p ? host_query_new(p->token, 1) : NULL;
    if (!q) {
        if (p) {
            pending_drop(p);
        }
        answer_out_of_memory(r->api, r->x);
        return;
    }
    p->on_hosts = on_answer;
    q->task = task;
    snprintf(q->v[0].name, sizeof(q->v[0].name), "%s", v.host);
    r->api->ports.host_query(r->api->ports.ctx, q);
}
