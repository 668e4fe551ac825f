// SPDX-License-Identifier: MIT
// Verbs on one task: show and cat (its body).
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/batch.h"
#include "client/body.h"
#include "client/report.h"
#include "client/verbs.h"

const struct option_spec cat_options[] = {
    {"output", 'o', OPTION_TEXT, "FILE", "write to FILE", 0, 0},
    {0},
};

static int parse_index(const char *text, int64_t *ret, struct err *e)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0) {
        return err_set(e, ERR_USAGE,
                       "INDEX is a task's position in its batch, 0 or more, not \"%s\"", text);
    }
    *ret = value;
    return 0;
}

int verb_show(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    int64_t index = 0;
    if (parse_index(a->positional[1], &index, e) != 0 ||
        batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    json_t *task = app_call(app, "GET", e, "/v1/batches/%s/tasks/%" PRId64, id, index);
    if (!task || app_check(task, "state", e) != 0) {
        json_decref(task);
        return -1;
    }
    if (app->out.json) {
        output_json(&app->out, task);
    } else {
        report_task(&app->out, id, index, task);
    }
    json_decref(task);
    return 0;
}

int verb_cat(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    int64_t index = 0;
    const char *file = args_text(a, "output");
    file = file && strcmp(file, "-") == 0 ? NULL : file;
    if (parse_index(a->positional[1], &index, e) != 0 ||
        batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    struct saved_file saved = SAVED_FILE_NONE;
    if (file && saved_file_open(&saved, file, e) != 0) {
        return -1;
    }
    struct body_target to = {.fd = saved.fd,
                             .file = file ? &saved : NULL,
                             .terminal = file ? NULL : body_terminal(&app->out)};
    return saved_file_close(&saved, body_copy(app, id, index, &to, e), e);
}
