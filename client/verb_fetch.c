// SPDX-License-Identifier: MIT
// The verb `fetch`: submit, wait, and print the bodies in the order of the URLs, as curl would, but
// all at once.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/batch.h"
#include "client/body.h"
#include "client/field.h"
#include "client/format.h"
#include "client/pages.h"
#include "client/submission.h"
#include "client/verbs.h"

const struct option_spec fetch_options[] = {
    {"include-headers", 'i', OPTION_FLAG, NULL, "print status and headers before each body", 0, 0},
    {"output", 'o', OPTION_TEXT, "FILE|DIR", "write there; in a folder one file a URL", 0, 0},
    {0},
};

// Where bodies go: one file for all, or a new one in `folder` for each; else standard output.
struct destination {
    struct saved_file file;
    int folder;   // -1: none
    int digits;   // of the index in file names
    bool headers; // -i
};

static int open_destination(const struct args *a, struct destination *d, struct err *e)
{
    const char *path = args_text(a, "output");
    char last[32];
    *d = (struct destination){
        .file = SAVED_FILE_NONE, .folder = -1, .headers = args_flag(a, "include-headers")};
    d->digits = snprintf(last, sizeof last, "%zu", a->positional_count - 1);
    if (!path || strcmp(path, "-") == 0) {
        return 0;
    }
    struct stat st;
    size_t n = strlen(path);
    bool slash = n > 0 && path[n - 1] == '/';
    if (slash && mkdir(path, 0777) != 0 && errno != EEXIST) {
        return err_set_errno(e, errno, "cannot make the folder %s", path);
    }
    if (!slash && (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))) {
        return saved_file_open(&d->file, path, e);
    }
    d->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return d->folder >= 0 ? 0 : err_set_errno(e, errno, "cannot write to %s", path);
}

static int close_destination(struct destination *d, int rc, struct err *e)
{
    if (d->folder >= 0) {
        close(d->folder);
    }
    return saved_file_close(&d->file, rc, e);
}

// The status line and headers of a result, as they stand before a body.
static int print_headers(struct body_target *to, const json_t *result, struct err *e)
{
    struct buf text = BUF_INIT((size_t)1 << 20);
    const json_t *headers = json_object_get(result, "headers");
    size_t i;
    const json_t *pair;
    buf_printf(&text, "HTTP/%s %" PRId64 "\r\n", field_str(result, "http_version"),
               field_int(result, "status"));
    json_array_foreach(headers, i, pair)
    {
        const char *name = json_string_value(json_array_get(pair, 0));
        const char *value = json_string_value(json_array_get(pair, 1));
        buf_printf(&text, "%s: %s\r\n", name ? name : "", value ? value : "");
    }
    buf_append_str(&text, "\r\n");
    int rc = text.failed ? err_set(e, ERR_SYSTEM, "out of memory")
                         : body_target_write(to, text.data, text.len, e);
    buf_done(&text);
    return rc;
}

// 0, 1 if the body was not printed because it is binary, or -1.
static int save_result(struct app *app, const char *id, const struct destination *d,
                       const json_t *result, struct err *e)
{
    int64_t index = field_int(result, "index");
    struct body_target to = {.fd = d->file.fd};
    if (d->file.fd < 0 && d->folder < 0) {
        to.terminal = body_terminal(&app->out);
    }
    char name[FILE_NAME_SIZE];
    if (d->folder >= 0) {
        file_name_for((size_t)index, d->digits, field_str(result, "url"), name);
        to.fd =
            openat(d->folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (to.fd < 0) {
            return err_set_errno(e, errno, "cannot write the file %s", name);
        }
    }
    int rc = d->headers ? print_headers(&to, result, e) : 0;
    if (rc == 0 && field_int(result, "size") > 0) {
        to.started = false; // headers are text, whatever follows them
        rc = body_copy(app, id, index, &to, e);
        if (rc != 0 && to.refused) {
            output_error(&app->out, "%s: %s", field_str(result, "url"), e->text);
            rc = 1;
        }
    }
    if (d->folder >= 0 && close(to.fd) != 0 && rc == 0) {
        rc = err_set_errno(e, errno, "cannot write the file %s", name);
    }
    return rc;
}

static void tell_failure(struct app *app, const json_t *result)
{
    const json_t *error = json_object_get(result, "error");
    const char *code = field_str(error, "code");
    output_error(&app->out, "%s: %s: %s", field_str(result, "url"),
                 *code ? code : field_str(result, "state"), field_str(error, "message"));
}

// A body too large for JSON is left out by the daemon: where it is.
static void tell_omitted(struct app *app, const char *id, const json_t *result)
{
    if (field_true(result, "body_omitted")) {
        output_note(&app->out,
                    "%s: the body is too large for JSON; gather cat %s %" PRId64 " prints it",
                    field_str(result, "url"), id, field_int(result, "index"));
    }
}

static int print_results(struct app *app, const char *id, const struct destination *d,
                         struct err *e)
{
    const char *query = app->out.json ? "limit=100&order=input&include=headers,body"
                        : d->headers  ? "limit=100&order=input&include=headers"
                                      : "limit=1000&order=input";
    char path[160];
    struct pages pages;
    json_t *result;
    int rc, status = 0;
    snprintf(path, sizeof path, "/v1/batches/%s/results?%s", id, query);
    pages_init(&pages, path, "results");
    while ((rc = pages_next(app, &pages, &result, e)) > 0) {
        bool ok = strcmp(field_str(result, "state"), "succeeded") == 0;
        if (app->out.json) {
            output_ndjson(result);
            tell_omitted(app, id, result);
        } else if (ok) {
            int saved = save_result(app, id, d, result, e);
            if (saved < 0) {
                rc = -1;
                break;
            }
            status = saved > 0 && status == 0 ? EXIT_FAILURE : status;
        }
        if (!ok) {
            tell_failure(app, result);
            status = EXIT_FAILED_TASKS;
        }
    }
    pages_done(&pages);
    return rc < 0 ? -1 : status;
}

int verb_fetch(struct app *app, const struct args *a, struct err *e)
{
    struct destination d;
    if (app->out.json && (args_flag(a, "output") || args_flag(a, "include-headers"))) {
        return err_set(
            e, ERR_USAGE,
            "--json prints results with headers and bodies; -i and -o do not go with it");
    }
    if (open_destination(a, &d, e) != 0) {
        return -1;
    }
    json_t *batch = NULL;
    char id[UUID_TEXT_SIZE] = "";
    int rc = submission_send_urls(app, a, &batch, e);
    if (rc == 0) {
        snprintf(id, sizeof id, "%s", field_str(batch, "id"));
        json_decref(batch);
        rc = batch_await(app, id, -1, &batch, e);
    }
    if (rc == 0) {
        json_decref(batch);
        snprintf(app->printing, sizeof app->printing, "%s", id);
        rc = d.file.fd >= 0 ? saved_file_begin(&d.file, e) : 0;
        rc = rc == 0 ? print_results(app, id, &d, e) : rc;
    }
    rc = close_destination(&d, rc, e);
    if (rc >= 0) {
        app->printing[0] = '\0';
    }
    return rc;
}
