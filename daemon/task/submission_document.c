// SPDX-License-Identifier: MIT
// A submission as one JSON document: an array of URLs, or an object with `urls` or `tasks` and the
// batch's options. Pure.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/task/batch_options.h"
#include "daemon/task/input_error.h"
#include "daemon/task/submission_parser.h"

static void note(struct submission *s, const char *pointer, const char *code, const char *detail)
{
    struct input_error bad;
    input_error_set(&bad, pointer, code, "%s", detail);
    submission_note_error(s, "", &bad);
}

static int read_entries(struct submission *s, const json_t *array, const char *pointer,
                        bool objects, struct err *e)
{
    if (!json_is_array(array)) {
        note(s, pointer, "wrong_type",
             objects ? "must be an array of task objects" : "must be an array of URLs");
        return 0;
    }
    if (json_array_size(array) == 0) {
        note(s, pointer, "empty", "must hold at least one URL");
        return 0;
    }
    size_t i;
    json_t *v;
    json_array_foreach(array, i, v)
    {
        char prefix[64];
        snprintf(prefix, sizeof(prefix), "%s/%zu", pointer, i);
        if (!objects && !json_is_string(v)) {
            s->entries++;
            note(s, prefix, "wrong_type", "must be a URL string; task objects belong in \"tasks\"");
            continue;
        }
        if (submission_entry_json(s, v, prefix, e) < 0) {
            return -1;
        }
    }
    return 0;
}

static int read_defaults(struct submission *s, const json_t *v, struct err *e)
{
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    struct input_error bad;
    if (!json_is_object(v)) {
        note(s, "/defaults", "wrong_type", "must be an object");
        return 0;
    }
    if (task_options_apply(&s->base, v, NULL, &s->rules.limits, &bad) < 0) {
        submission_note_error(s, "/defaults", &bad);
        return 0;
    }
    char *text = json_object_size(v) > 0 ? json_text(v) : NULL;
    if (text == NULL && json_object_size(v) > 0) {
        return err_set(e, ERR_OVERLOADED, "out of memory while reading the submission");
    }
    free(s->batch->defaults);
    s->batch->defaults = text;
    return 0;
}

static void read_batch_options(struct submission *s, json_t *object)
{
    const char *name;
    json_t *v;
    json_object_foreach(object, name, v)
    {
        if (strcmp(name, "urls") == 0 || strcmp(name, "tasks") == 0 ||
            strcmp(name, "defaults") == 0) {
            continue;
        }
        struct input_error bad;
        int known = batch_option_apply_json(s->batch, name, v, &bad);
        if (known == 0) {
            char pointer[128];
            input_pointer(pointer, "", name);
            note(s, pointer, "unknown_field", "is not a known member of a batch");
        } else if (known < 0) {
            submission_note_error(s, "", &bad);
        }
    }
}

// Reads the entries, wherever they stand.
static int read_all_entries(struct submission *s, struct err *e)
{
    if (json_is_array(s->document)) {
        return read_entries(s, s->document, "", false, e);
    }
    const json_t *urls = json_object_get(s->document, "urls");
    return urls != NULL ? read_entries(s, urls, "/urls", false, e)
                        : read_entries(s, json_object_get(s->document, "tasks"), "/tasks", true, e);
}

static int check_object(struct submission *s, struct err *e)
{
    read_batch_options(s, s->document);
    if (read_defaults(s, json_object_get(s->document, "defaults"), e) < 0) {
        return -1;
    }
    const json_t *urls = json_object_get(s->document, "urls");
    const json_t *tasks = json_object_get(s->document, "tasks");
    bool one = (urls == NULL) != (tasks == NULL);
    if (!one) {
        note(s, "", urls == NULL ? "missing" : "conflict",
             "a batch has either \"urls\" or \"tasks\"");
    }
    if (s->errors_total > 0) {
        s->rules.partial = false; // what is wrong with the batch itself cannot be left out
    }
    return one ? read_all_entries(s, e) : 0;
}

int submission_document_check(struct submission *s, struct err *e)
{
    s->document = json_parse(s->input.data == NULL ? "" : s->input.data, s->input.len, e);
    if (s->document == NULL) {
        return -1;
    }
    buf_done(&s->input);
    s->checking = true;
    int status = 0;
    if (json_is_array(s->document)) {
        status = read_all_entries(s, e);
    } else if (json_is_object(s->document)) {
        status = check_object(s, e);
    } else {
        note(s, "", "wrong_type", "must be an array of URLs or an object");
    }
    s->checking = false;
    return status;
}

int submission_document_add(struct submission *s, struct err *e)
{
    s->adding = true;
    s->entries = 0;
    s->accepted = 0;
    int status = read_all_entries(s, e);
    json_decref(s->document);
    s->document = NULL;
    return status;
}
