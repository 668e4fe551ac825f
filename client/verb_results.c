// SPDX-License-Identifier: MIT
// The verb `results`: reads pages, which can be resumed after a cut connection, and prints each as
// it comes.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/batch.h"
#include "client/field.h"
#include "client/format.h"
#include "client/pages.h"
#include "client/table.h"
#include "client/verbs.h"
#include "common/url.h"

#define PAGE_LIMIT        1000
#define PAGE_LIMIT_BODIES 100 // the daemon ends a page early when its bodies are large

const struct option_spec results_options[] = {
    {"follow", 'f', OPTION_FLAG, NULL, "go on as results come, until the batch is finished", 0, 0},
    {"failed", 0, OPTION_FLAG, NULL, "the same as --state failed", 0, 0},
    {"state", 's', OPTION_CHOICE, "succeeded|failed|cancelled|expired",
     "only results in this state", 0, 0},
    {"order", 0, OPTION_CHOICE, "completed|input",
     "as they were finished (default) or as submitted", 0, 0},
    {"include", 0, OPTION_TEXT, "headers,body,attempts", "more about each result", 0, 0},
    {"limit", 'n', OPTION_NUMBER, "N", "at most so many", 1, INT64_C(1000000000)},
    {0},
};

static int build_path(const struct args *a, const char *id, struct buf *path, struct err *e)
{
    const char *include = args_text(a, "include"), *order = args_text(a, "order");
    const char *state = args_flag(a, "failed") ? "failed" : args_text(a, "state");
    if (args_flag(a, "failed") && args_text(a, "state")) {
        return err_set(e, ERR_USAGE, "--failed is --state failed; give one of them");
    }
    int64_t most = include && strstr(include, "body") ? PAGE_LIMIT_BODIES : PAGE_LIMIT;
    int64_t limit = args_number(a, "limit", most);
    if (args_flag(a, "follow") && order && strcmp(order, "input") == 0) {
        return err_set(
            e, ERR_USAGE,
            "--follow gives results as they are finished; --order input needs a finished "
            "batch (gather wait)");
    }
    buf_printf(path, "/v1/batches/%s/results?limit=%" PRId64, id, limit < most ? limit : most);
    if (state) {
        buf_printf(path, "&state=%s", state);
    }
    if (order) {
        buf_printf(path, "&order=%s", order);
    }
    if (include) {
        buf_append_str(path, "&include=");
        url_percent_encode(path, include, strlen(include));
    }
    return path->failed ? err_set(e, ERR_SYSTEM, "out of memory") : 0;
}

static void add_row(struct table *t, const json_t *result)
{
    char text[FORMAT_SIZE];
    const char *state = field_str(result, "state");
    const json_t *error = json_object_get(result, "error");
    table_add_int(t, field_int(result, "index"));
    if (field_has(result, "status")) {
        snprintf(text, sizeof text, "%" PRId64, field_int(result, "status"));
        table_add(t, tint_of_state(state), text);
    } else {
        table_add(t, tint_of_state(state), state);
    }
    format_size((uint64_t)field_int(result, "size"), text);
    table_add(t, TINT_NONE, text);
    table_add_int(t, field_int(json_object_get(result, "timing_ms"), "total"));
    table_add(t, TINT_NONE, field_str(result, "url"));
    table_add(t, TINT_BAD, field_str(error, "code"));
}

static int print_pages(struct app *app, struct pages *pages, struct err *e)
{
    static const struct column columns[] = {{"index", true, false},
                                            {"status", false, false},
                                            {"size", true, false},
                                            {"ms", true, false},
                                            {"url", false, true},
                                            {"error", false, false},
                                            {0}};
    bool lines = app->out.json || !app->out.terminal;
    struct table table;
    json_t *result;
    bool any = false;
    int rc;
    table_init(&table, &app->out, columns);
    while ((rc = pages_next(app, pages, &result, e)) > 0) {
        any = true;
        if (lines) {
            output_ndjson(result);
        } else {
            add_row(&table, result);
        }
        if (pages_drained(pages)) {
            table_flush(&table);
        }
    }
    table_done(&table);
    if (rc == 0 && !any && app->out.terminal) {
        bool finished =
            strcmp(field_str(json_object_get(pages->page, "batch"), "state"), "finished") == 0;
        output_note(&app->out,
                    finished ? "there is no such result" : "there is no such result yet");
    }
    return rc < 0 ? -1 : 0;
}

int verb_results(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    struct buf path = BUF_INIT(4096);
    if (batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    int rc = build_path(a, id, &path, e);
    if (rc == 0) {
        struct pages pages;
        pages_init(&pages, path.data, "results");
        pages.follow = args_flag(a, "follow");
        pages.limit = args_number(a, "limit", -1);
        if (pages.follow) {
            snprintf(app->waiting, sizeof app->waiting, "%s", id);
        }
        rc = print_pages(app, &pages, e);
        if (rc == 0) {
            app->waiting[0] = '\0';
        }
        pages_done(&pages);
    }
    buf_done(&path);
    return rc;
}
