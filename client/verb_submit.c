// SPDX-License-Identifier: MIT
// The verb `submit`: URLs or a file of them in, the id of an accepted batch out.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/batch.h"
#include "client/dry_run.h"
#include "client/field.h"
#include "client/input.h"
#include "client/submission.h"
#include "client/verbs.h"

#define QUERY_MAX_LEN 8192

const struct option_spec submit_options[] = {
    {"wait", 'w', OPTION_FLAG, NULL, "wait until it is finished", 0, 0},
    {"dry-run", 'n', OPTION_FLAG, NULL, "check the URLs here and send nothing", 0, 0},
    {0},
};

// Is the command line's only argument a file? 1 or 0; -1 with ERR_USAGE if the arguments are
// neither one file nor URLs.
static int is_file(const struct args *a, struct err *e)
{
    for (size_t i = 0; i < a->positional_count; i++) {
        const char *text = a->positional[i];
        struct stat st;
        bool file = strcmp(text, "-") == 0 || stat(text, &st) == 0;
        if (file && a->positional_count > 1) {
            return err_set(
                e, ERR_USAGE,
                "%s is a file: give one file alone, or URLs (cat FILES | gather submit -)", text);
        }
        if (file) {
            return 1;
        }
        if (!strstr(text, "://")) {
            return err_set(
                e, ERR_USAGE,
                "%s is neither a file that exists nor a URL, which begins with http:// or "
                "https://",
                text);
        }
    }
    return 0;
}

// A JSON document says its options itself.
static int refuse_options_of_document(const struct args *a, const char *query, struct err *e)
{
    bool only_partial = strcmp(query, "?partial=1") == 0;
    if (*query && !only_partial) {
        return err_set(
            e, ERR_USAGE,
            "the options of a JSON document stand in it (\"name\", \"priority\", ...), not on "
            "the command line: %s",
            a->positional[0]);
    }
    return 0;
}

static int send_file(struct app *app, const struct args *a, json_t **ret, struct err *e)
{
    struct input in;
    struct buf query = BUF_INIT(QUERY_MAX_LEN);
    if (input_open(a->positional[0], &in, e) != 0) {
        return -1;
    }
    int rc = submission_query(a, &query, e);
    const char *text = query.data ? query.data : "";
    if (rc == 0 && in.form == INPUT_JSON) {
        rc = refuse_options_of_document(a, text, e);
    }
    if (rc == 0) {
        struct submission_body body = {
            .query = text, .content_type = input_content_type(in.form), .source = &in.source};
        rc = submission_send(app, a, &body, ret, e);
    }
    if (rc != 0 && e->code == ERR_REQUEST_TIMEOUT && in.source.size < 0) {
        err_set(e, e->code,
                "%s came too slowly: the daemon keeps no request open for it. Write it into a file "
                "and submit that",
                in.name);
    }
    buf_done(&query);
    input_close(&in);
    return rc;
}

static int dry_run(struct app *app, const struct args *a, bool file, struct err *e)
{
    if (!file) {
        return dry_run_urls(&app->out, a->positional, a->positional_count, e);
    }
    struct input in;
    if (input_open(a->positional[0], &in, e) != 0) {
        return -1;
    }
    int rc = dry_run_input(&app->out, &in, e);
    input_close(&in);
    return rc;
}

int verb_submit(struct app *app, const struct args *a, struct err *e)
{
    int file = is_file(a, e);
    if (file < 0) {
        return -1;
    }
    if (args_flag(a, "dry-run")) {
        return dry_run(app, a, file, e);
    }
    json_t *batch = NULL;
    int rc = file ? send_file(app, a, &batch, e) : submission_send_urls(app, a, &batch, e);
    if (rc != 0) {
        return -1;
    }
    char id[UUID_TEXT_SIZE];
    snprintf(id, sizeof id, "%s", field_str(batch, "id"));
    bool wait = args_flag(a, "wait");
    if (!app->out.json) {
        output_line(&app->out, id);
    } else if (!wait) {
        output_json(&app->out, batch);
    }
    fflush(stdout); // the id is of use while waiting
    json_decref(batch);
    return wait ? batch_await_status(app, id, -1, e) : 0;
}
