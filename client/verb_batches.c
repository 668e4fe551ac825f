// SPDX-License-Identifier: MIT
// Verbs on batches that answer at once: ls, status, cancel, pause, resume, retry, rm.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/batch.h"
#include "client/field.h"
#include "client/format.h"
#include "client/last.h"
#include "client/pages.h"
#include "client/report.h"
#include "client/table.h"
#include "client/verbs.h"
#include "common/clock.h"
#include "common/url.h"

#define LS_DEFAULT   50
#define WIDE_COLUMNS 100 // from here on a table has room for whole ids
#define SHORT_ID     13  // the part of an id that is its time in milliseconds: a good prefix

const struct option_spec ls_options[] = {
    {"state", 's', OPTION_CHOICE, "running|paused|finished", "only batches in this state", 0, 0},
    {"name", 0, OPTION_TEXT, "TEXT", "only batches of this name", 0, 0},
    {"limit", 'n', OPTION_NUMBER, "N", "at most so many (default 50)", 1, INT64_C(1000000000)},
    {"all", 'a', OPTION_FLAG, NULL, "all of them", 0, 0},
    {0},
};

const struct option_spec retry_options[] = {
    {"state", 's', OPTION_CHOICE, "failed|cancelled|expired",
     "only these (default: all that did not succeed)", 0, 0},
    {"wait", 'w', OPTION_FLAG, NULL, "wait until the new batch is finished", 0, 0},
    {0},
};

const struct option_spec rm_options[] = {
    {"force", 'f', OPTION_FLAG, NULL, "cancel it first if it is not finished", 0, 0},
    {0},
};

static void add_row(struct table *t, const json_t *batch)
{
    struct counts c = counts_of(batch);
    char text[2 * FORMAT_SIZE + 2], done[FORMAT_SIZE], total[FORMAT_SIZE];
    const char *state = field_str(batch, "state");
    char id[UUID_TEXT_SIZE];
    bool narrow = t->out->terminal && t->out->width < WIDE_COLUMNS;
    snprintf(id, narrow ? SHORT_ID + 1 : sizeof id, "%s", field_str(batch, "id"));
    table_add(t, TINT_NONE, id);
    table_add(t, TINT_NONE, field_str(batch, "name"));
    table_add(t, tint_of_state(state), state);
    if (t->out->terminal) {
        format_count(counts_done(&c), done);
        format_count(c.total, total);
        snprintf(text, sizeof text, "%s/%s", done, total);
    } else {
        snprintf(text, sizeof text, "%" PRId64 "/%" PRId64, counts_done(&c), c.total);
    }
    table_add(t, TINT_NONE, text);
    table_add_int(t, c.succeeded);
    table_add_int(t, c.failed);
    int64_t created_at = 0;
    const char *created = field_str(batch, "created_at");
    if (t->out->terminal && clock_parse(created, &created_at) == 0) {
        format_duration(clock_wall_at() - created_at, text);
        table_add(t, TINT_NONE, text);
    } else {
        table_add(t, TINT_NONE, created);
    }
}

static void ls_path(const struct args *a, int64_t limit, struct buf *path)
{
    buf_printf(path, "/v1/batches?limit=%" PRId64, limit < 0 || limit > 1000 ? 1000 : limit);
    if (args_text(a, "state")) {
        buf_printf(path, "&state=%s", args_text(a, "state"));
    }
    if (args_text(a, "name")) {
        buf_append_str(path, "&name=");
        url_percent_encode(path, args_text(a, "name"), strlen(args_text(a, "name")));
    }
}

int verb_ls(struct app *app, const struct args *a, struct err *e)
{
    static const struct column columns[] = {
        {"id", false, false}, {"name", false, true}, {"state", false, false}, {"done", true, false},
        {"ok", true, false},  {"fail", true, false}, {"age", true, false},    {0}};
    int64_t limit = args_flag(a, "all") ? -1 : args_number(a, "limit", LS_DEFAULT);
    struct buf path = BUF_INIT(8192);
    struct table table;
    struct pages pages;
    json_t *batch;
    bool any = false;
    int rc;
    ls_path(a, limit, &path);
    table_init(&table, &app->out, columns);
    pages_init(&pages, path.data ? path.data : "", "batches");
    pages.limit = limit;
    while ((rc = pages_next(app, &pages, &batch, e)) > 0) {
        any = true;
        if (app->out.json) {
            output_ndjson(batch);
        } else {
            add_row(&table, batch);
        }
        if (pages_drained(&pages)) {
            table_flush(&table);
        }
    }
    bool more = pages.limit == 0 && field_true(pages.page, "more");
    pages_done(&pages);
    table_done(&table);
    buf_done(&path);
    if (rc == 0 && more && app->out.terminal) {
        output_note(&app->out, "there are more: gather ls --all");
    } else if (rc == 0 && !any && app->out.terminal) {
        output_note(&app->out, args_text(a, "state") || args_text(a, "name")
                                   ? "there is no such batch; gather ls --all lists them"
                                   : "there is no batch yet; gather submit makes one");
    }
    return rc < 0 ? -1 : 0;
}

int verb_status(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    bool overview = a->positional_count == 0;
    if (!overview && batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    json_t *answer = overview ? app_call(app, "GET", e, "/v1/stats")
                              : app_call(app, "GET", e, "/v1/batches/%s", id);
    int rc = !answer ? -1 : overview ? app_check(answer, "version", e) : batch_check(answer, e);
    if (rc != 0) {
        json_decref(answer);
        return -1;
    }
    if (app->out.json) {
        output_json(&app->out, answer);
    } else if (overview) {
        output_field(&app->out, "server", conn_server(app->conn));
        if (app->out.terminal) {
            report_stats(&app->out, answer);
        } else {
            report_object(&app->out, "", answer);
        }
    } else {
        report_batch(&app->out, answer);
    }
    json_decref(answer);
    return 0;
}

// POSTs one of a batch's actions and tells how the batch is afterwards.
static int act(struct app *app, const char *name, const char *action, const char *done,
               struct err *e)
{
    char id[UUID_TEXT_SIZE];
    if (batch_resolve(app, name, id, e) != 0) {
        return -1;
    }
    json_t *batch = app_call(app, "POST", e, "/v1/batches/%s/%s", id, action);
    if (!batch || batch_check(batch, e) != 0) {
        json_decref(batch);
        return -1;
    }
    if (app->out.json) {
        output_json(&app->out, batch);
    } else {
        struct counts c = counts_of(batch);
        char count[FORMAT_SIZE], total[FORMAT_SIZE];
        format_count(counts_done(&c), count);
        format_count(c.total, total);
        output_note(&app->out, "%s %s; it is %s, %s of %s tasks are done", done, id,
                    field_str(batch, "state"), count, total);
    }
    json_decref(batch);
    return 0;
}

int verb_cancel(struct app *app, const struct args *a, struct err *e)
{
    return act(app, a->positional[0], "cancel", "cancelled", e);
}

int verb_pause(struct app *app, const struct args *a, struct err *e)
{
    return act(app, a->positional[0], "pause", "paused", e);
}

int verb_resume(struct app *app, const struct args *a, struct err *e)
{
    return act(app, a->positional[0], "resume", "resumed", e);
}

int verb_retry(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    const char *state = args_text(a, "state");
    if (batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    json_t *batch = app_call(app, "POST", e, "/v1/batches/%s/retry%s%s", id, state ? "?state=" : "",
                             state ? state : "");
    if (!batch || batch_check(batch, e) != 0) {
        json_decref(batch);
        return -1;
    }
    snprintf(id, sizeof id, "%s", field_str(batch, "id"));
    last_store(conn_server(app->conn), id);
    bool wait = args_flag(a, "wait");
    if (!app->out.json) {
        output_line(&app->out, id);
    } else if (!wait) {
        output_json(&app->out, batch);
    }
    fflush(stdout);
    json_decref(batch);
    return wait ? batch_await_status(app, id, -1, e) : 0;
}

int verb_rm(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE], path[96];
    if (batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    snprintf(path, sizeof path, "/v1/batches/%s%s", id, args_flag(a, "force") ? "?force=1" : "");
    struct request r = {.method = "DELETE", .path = path};
    struct reply reply;
    int rc = conn_send(app->conn, &r, &reply, e);
    if (rc == 0 && reply.status != 204) {
        rc = err_set(e, ERR_SYSTEM, "the answer %ld is none of gatherd; is --server right?",
                     reply.status);
    }
    reply_done(&reply);
    if (rc != 0) {
        return e->code == ERR_CONFLICT ? err_prefix(e, "gather rm --force cancels it first") : -1;
    }
    output_note(&app->out, "%s is gone", id);
    return 0;
}
