// SPDX-License-Identifier: MIT
// Verbs that stay with a batch until it is finished: wait and watch.
#include <stdio.h>
#include <string.h>

#include "client/batch.h"
#include "client/field.h"
#include "client/interrupt.h"
#include "client/report.h"
#include "client/verbs.h"
#include "common/clock.h"

#define WATCH_WAIT_S   1
#define WATCH_LEAST_MS 200
#define YEAR_MS        (INT64_C(365) * 24 * 3600 * 1000)

const struct option_spec wait_options[] = {
    {"timeout", 't', OPTION_DURATION, "DURATION", "give up waiting after this (the batch goes on)",
     0, YEAR_MS},
    {0},
};

int verb_wait(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    if (batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    return batch_await_status(app, id, args_number(a, "timeout", -1), e);
}

// Draws the batch over what was drawn before (`lines` lines up; 0: below whatever is there) and
// returns how many lines it took.
static int draw(struct app *app, const json_t *batch, int lines)
{
    if (lines > 0) {
        printf("\x1b[%dA\x1b[J", lines);
    }
    output_measure(&app->out);
    app->out.one_line = true;
    lines = report_batch(&app->out, batch);
    app->out.one_line = false;
    return lines;
}

int verb_watch(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE], path[128];
    if (batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    snprintf(app->waiting, sizeof app->waiting, "%s", id);
    json_t *shown = NULL;
    bool finished = false, live = app->out.redraws && !app->out.json;
    for (int lines = 0, wait_s = 0; !finished; wait_s = WATCH_WAIT_S) {
        json_t *batch = NULL;
        int64_t asked = clock_monotonic_ms();
        unsigned messages = app->out.messages;
        snprintf(path, sizeof path, "/v1/batches/%s?wait=%d", id, wait_s);
        if (app_get_patiently(app, path, &batch, e) != 0 || batch_check(batch, e) != 0) {
            json_decref(batch);
            json_decref(shown);
            return -1;
        }
        finished = strcmp(field_str(batch, "state"), "finished") == 0;
        if (live) {
            bool undisturbed = !interrupt_continued() && messages == app->out.messages;
            lines = draw(app, batch, undisturbed ? lines : 0);
        } else if (!json_equal(batch, shown)) {
            output_ndjson(batch);
        }
        json_decref(shown);
        shown = batch;
        if (output_flush(e) != 0) {
            json_decref(shown);
            return -1;
        }
        if (!finished && wait_s > 0 && clock_monotonic_ms() - asked < WATCH_LEAST_MS) {
            interrupt_sleep_ms(WATCH_LEAST_MS);
        }
    }
    app->waiting[0] = '\0';
    int status = batch_exit_status(shown);
    json_decref(shown);
    return status;
}
