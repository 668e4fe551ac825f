// SPDX-License-Identifier: MIT
// Owns how the client names a batch and waits for it. A wait never cancels anything: a Ctrl-C or a
// time-out leaves the batch to the daemon.
#include "client/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/field.h"
#include "client/format.h"
#include "client/interrupt.h"
#include "client/last.h"
#include "client/pages.h"
#include "client/progress.h"
#include "common/clock.h"

#define PREFIX_MIN     4
#define CANDIDATES_MAX 5
#define POLL_LONG_S    60 // the longest the daemon waits
#define POLL_SHORT_S   1  // while a person watches the progress line
#define POLL_LEAST_MS  200
#define LINE_MAX_LEN   1024

int batch_check(const json_t *answer, struct err *e)
{
    uint8_t id[UUID_SIZE];
    if (app_check(answer, "id", e) != 0 || app_check(answer, "state", e) != 0) {
        return -1;
    }
    return uuid_parse(field_str(answer, "id"), id) == 0
               ? 0
               : err_set(e, ERR_SYSTEM,
                         "the answer has an id that is none of gatherd; is --server right?");
}

static int newest(struct app *app, char ret_id[UUID_TEXT_SIZE], struct err *e)
{
    json_t *page = app_call(app, "GET", e, "/v1/batches?limit=1");
    if (!page) {
        return -1;
    }
    const json_t *batches = json_object_get(page, "batches");
    const json_t *batch = json_array_get(batches, 0);
    int rc = json_is_array(batches) && !batch
                 ? err_set(e, ERR_NOT_FOUND, "there is no batch yet that @last could mean")
                 : batch_check(batch, e);
    if (rc == 0) {
        snprintf(ret_id, UUID_TEXT_SIZE, "%s", field_str(batch, "id"));
    }
    json_decref(page);
    return rc;
}

static int by_prefix(struct app *app, const char *prefix, char ret_id[UUID_TEXT_SIZE],
                     struct err *e)
{
    struct buf candidates = BUF_INIT(LINE_MAX_LEN);
    struct pages pages;
    int found = 0, rc;
    json_t *batch;
    pages_init(&pages, "/v1/batches?limit=1000", "batches");
    while ((rc = pages_next(app, &pages, &batch, e)) > 0) {
        const char *id = field_str(batch, "id");
        if (strncmp(id, prefix, strlen(prefix)) != 0 || batch_check(batch, e) != 0) {
            continue;
        }
        snprintf(ret_id, UUID_TEXT_SIZE, "%s", id);
        if (++found <= CANDIDATES_MAX) {
            buf_printf(&candidates, "%s%s", found > 1 ? ", " : "", id);
        }
    }
    pages_done(&pages);
    if (rc == 0 && found == 0) {
        rc =
            err_set(e, ERR_NOT_FOUND, "no batch's id begins with %s; gather ls lists them", prefix);
    } else if (rc == 0 && found > 1) {
        rc = err_set(e, ERR_USAGE, "%s is the beginning of %d batches: %s%s", prefix, found,
                     candidates.data ? candidates.data : "", found > CANDIDATES_MAX ? ", ..." : "");
    }
    buf_done(&candidates);
    return rc;
}

int batch_resolve(struct app *app, const char *name, char ret_id[UUID_TEXT_SIZE], struct err *e)
{
    uint8_t id[UUID_SIZE];
    if (uuid_parse(name, id) == 0) {
        uuid_format(id, ret_id);
        return 0;
    }
    if (strcmp(name, "@last") == 0) {
        return last_load(conn_server(app->conn), ret_id) == 0 ? 0 : newest(app, ret_id, e);
    }
    size_t n = strlen(name);
    if (n < PREFIX_MIN || n >= UUID_TEXT_SIZE || strspn(name, "0123456789abcdef-") != n) {
        return err_set(
            e, ERR_USAGE,
            "\"%s\" names no batch; give its id, the first %d or more characters of it, or "
            "@last",
            name, PREFIX_MIN);
    }
    return by_prefix(app, name, ret_id, e);
}

static void show_progress(struct app *app, struct progress *progress, const json_t *batch)
{
    struct counts counts = counts_of(batch);
    progress_update(progress, clock_monotonic_ms(), counts_done(&counts));
    if (!app->out.message_terminal || app->out.quiet) {
        return;
    }
    struct buf line = BUF_INIT(LINE_MAX_LEN);
    output_measure(&app->out);
    const char *remark = strcmp(field_str(batch, "state"), "paused") == 0 ? " (paused)" : "";
    int room = app->out.width - 1 - (int)strlen(remark);
    progress_render(&line, progress, &counts, room, app->out.utf8);
    buf_append_str(&line, remark);
    output_progress(&app->out, line.data ? line.data : "");
    buf_done(&line);
}

// Seconds the next poll may wait at the daemon.
static int64_t poll_seconds(const struct app *app, int64_t left_ms)
{
    bool watched = app->out.message_terminal && !app->out.quiet;
    int64_t longest = watched ? POLL_SHORT_S : POLL_LONG_S;
    int64_t left = (left_ms + 999) / 1000;
    return left_ms >= 0 && left < longest ? left : longest;
}

int batch_await(struct app *app, const char *id, int64_t timeout_ms, json_t **ret, struct err *e)
{
    struct progress progress = PROGRESS_INIT;
    int64_t start = clock_monotonic_ms(), wait_s = 0;
    snprintf(app->waiting, sizeof app->waiting, "%s", id);
    for (;;) {
        char path[128];
        snprintf(path, sizeof path, "/v1/batches/%s?wait=%" PRId64, id, wait_s);
        int64_t asked = clock_monotonic_ms();
        json_t *batch = NULL;
        if (app_get_patiently(app, path, &batch, e) != 0 || batch_check(batch, e) != 0) {
            json_decref(batch);
            output_progress(&app->out, NULL);
            return -1;
        }
        int64_t now = clock_monotonic_ms();
        bool finished = strcmp(field_str(batch, "state"), "finished") == 0;
        show_progress(app, &progress, batch);
        if (finished || (timeout_ms >= 0 && now - start >= timeout_ms)) {
            output_progress(&app->out, NULL);
            *ret = batch;
            app->waiting[0] = finished ? '\0' : app->waiting[0];
            return finished ? 0 : 1;
        }
        json_decref(batch);
        if (wait_s > 0 && now - asked < POLL_LEAST_MS) {
            interrupt_sleep_ms(
                POLL_LEAST_MS); // a daemon that does not wait is not asked in a tight loop
        }
        wait_s = poll_seconds(app, timeout_ms < 0 ? -1 : timeout_ms - (now - start));
    }
}

int batch_exit_status(const json_t *batch)
{
    struct counts counts = counts_of(batch);
    return counts_clean(&counts) ? 0 : EXIT_FAILED_TASKS;
}

// An indented line with a command to go on with.
static void suggest(struct app *app, const char *command, const char *id)
{
    char line[80];
    snprintf(line, sizeof line, "%s %s", command, id);
    if (!app->out.quiet) {
        output_message_part(&app->out, line);
    }
}

// "gather: 9,978 of 10,000 succeeded, 22 failed; see why with" and the command.
static void summarise(struct app *app, const json_t *batch, int rc)
{
    struct counts c = counts_of(batch);
    const char *id = field_str(batch, "id");
    char ok[FORMAT_SIZE], total[FORMAT_SIZE], other[FORMAT_SIZE];
    format_count(c.succeeded, ok);
    format_count(c.total, total);
    format_count(rc == 1 ? c.total - counts_done(&c) : c.failed + c.cancelled + c.expired, other);
    if (rc == 1) {
        output_note(&app->out, "not finished in time: %s of %s tasks are left; go on waiting with",
                    other, total);
        suggest(app, "gather wait", id);
    } else if (counts_clean(&c)) {
        output_note(&app->out, "%s of %s succeeded", ok, total);
    } else if (c.failed + c.expired > 0) {
        output_note(&app->out, "%s of %s succeeded, %s did not; see why with", ok, total, other);
        suggest(app, "gather errors", id);
    } else {
        output_note(&app->out, "%s of %s succeeded, the rest was cancelled", ok, total);
    }
}

int batch_await_status(struct app *app, const char *id, int64_t timeout_ms, struct err *e)
{
    json_t *batch = NULL;
    int rc = batch_await(app, id, timeout_ms, &batch, e);
    if (rc < 0) {
        return -1;
    }
    summarise(app, batch, rc);
    int status = rc == 1 ? EXIT_NOT_FINISHED : batch_exit_status(batch);
    if (app->out.json) {
        output_json(&app->out, batch);
    }
    json_decref(batch);
    return status;
}
