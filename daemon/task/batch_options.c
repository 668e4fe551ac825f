// SPDX-License-Identifier: MIT
// Options of a batch. A query parameter is first made the JSON value it stands for, so that each
// option has one parser. Pure.
#include "daemon/task/batch_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/task/input_error.h"
#include "daemon/task/submission.h"

#define MAX_NAME_BYTES     200
#define MAX_METADATA_BYTES (64 * 1024)
#define MAX_CONCURRENCY    100000
#define MAX_DEADLINE_MS    (INT64_C(30) * 24 * 3600 * 1000)

typedef int option_fn(struct batch_new *b, const json_t *v, const char *pointer,
                      struct input_error *error);

static int replace_text(char **text, const char *value, const char *pointer,
                        struct input_error *error)
{
    char *copy = strdup(value);
    if (copy == NULL) {
        return input_error_memory(error, pointer);
    }
    free(*text);
    *text = copy;
    return 0;
}

static int apply_name(struct batch_new *b, const json_t *v, const char *pointer,
                      struct input_error *error)
{
    if (json_is_null(v)) {
        return 0;
    }
    const char *text = input_text(v, pointer, MAX_NAME_BYTES, error);
    return text == NULL ? -1 : replace_text(&b->name, text, pointer, error);
}

static int apply_priority(struct batch_new *b, const json_t *v, const char *pointer,
                          struct input_error *error)
{
    int64_t n = 0;
    if (input_integer(v, pointer, 0, 9, &n, error) < 0) {
        return -1;
    }
    b->priority = (int)n;
    return 0;
}

static int apply_concurrency(struct batch_new *b, const json_t *v, const char *pointer,
                             struct input_error *error)
{
    int64_t n = 0;
    if (json_is_null(v)) {
        return 0;
    }
    if (input_integer(v, pointer, 1, MAX_CONCURRENCY, &n, error) < 0) {
        return -1;
    }
    b->concurrency = (int)n;
    return 0;
}

static int apply_not_before(struct batch_new *b, const json_t *v, const char *pointer,
                            struct input_error *error)
{
    if (json_is_null(v)) {
        return 0;
    }
    if (!json_is_string(v)) {
        return input_error_set(error, pointer, "wrong_type", "must be a string");
    }
    if (clock_parse(json_string_value(v), &b->not_before_at) < 0) {
        return input_error_set(error, pointer, "invalid_value",
                               "must be an RFC 3339 time such as 2030-01-31T06:00:00Z");
    }
    return 0;
}

static int apply_deadline(struct batch_new *b, const json_t *v, const char *pointer,
                          struct input_error *error)
{
    return json_is_null(v) ? 0
                           : input_integer(v, pointer, 1, MAX_DEADLINE_MS, &b->deadline_ms, error);
}

static int apply_fail_fast(struct batch_new *b, const json_t *v, const char *pointer,
                           struct input_error *error)
{
    return input_bool(v, pointer, &b->fail_fast, error);
}

static int apply_metadata(struct batch_new *b, const json_t *v, const char *pointer,
                          struct input_error *error)
{
    if (json_is_null(v)) {
        return 0;
    }
    if (!json_is_object(v)) {
        return input_error_set(error, pointer, "wrong_type", "must be an object");
    }
    char *text = json_text(v);
    if (text == NULL) {
        return input_error_memory(error, pointer);
    }
    if (strlen(text) > MAX_METADATA_BYTES) {
        free(text);
        return input_error_set(error, pointer, "too_long", "must have at most %d bytes as JSON",
                               MAX_METADATA_BYTES);
    }
    free(b->metadata);
    b->metadata = text;
    return 0;
}

static int apply_webhook(struct batch_new *b, const json_t *v, const char *pointer,
                         struct input_error *error)
{
    (void)b;
    (void)v;
    return input_error_set(error, pointer, "not_implemented", "webhooks are not available yet");
}

enum query_type { QUERY_NONE, QUERY_TEXT, QUERY_INTEGER, QUERY_BOOL };

static const struct {
    const char *name;
    option_fn *apply;
    enum query_type query; // how the value is written in a query; QUERY_NONE: only in JSON
} options[] = {
    {"name", apply_name, QUERY_TEXT},
    {"priority", apply_priority, QUERY_INTEGER},
    {"concurrency", apply_concurrency, QUERY_INTEGER},
    {"not_before", apply_not_before, QUERY_TEXT},
    {"deadline_ms", apply_deadline, QUERY_INTEGER},
    {"fail_fast", apply_fail_fast, QUERY_BOOL},
    {"metadata", apply_metadata, QUERY_NONE},
    {"webhook", apply_webhook, QUERY_NONE},
};

int batch_option_apply_json(struct batch_new *b, const char *name, const json_t *v,
                            struct input_error *error)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(name, options[i].name) == 0) {
            char pointer[128];
            input_pointer(pointer, "", name);
            return options[i].apply(b, v, pointer, error) < 0 ? -1 : 1;
        }
    }
    return 0;
}

static bool is_one_of(const char *text, const char *a, const char *b)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

// The JSON value that `text` stands for; NULL with *error filled.
static json_t *query_value(enum query_type type, const char *text, const char *pointer,
                           struct input_error *error)
{
    size_t digits = strspn(text, "0123456789");
    json_t *v = NULL;
    if (type == QUERY_TEXT) {
        v = json_string(text);
    } else if (type == QUERY_BOOL) {
        if (!is_one_of(text, "1", "true") && !is_one_of(text, "0", "false")) {
            input_error_set(error, pointer, "invalid_value", "must be 0 or 1");
            return NULL;
        }
        v = json_boolean(is_one_of(text, "1", "true"));
    } else if (digits == 0 || digits > 15 || text[digits] != '\0') {
        input_error_set(error, pointer, "invalid_value", "must be an integer");
        return NULL;
    } else {
        v = json_integer(strtoll(text, NULL, 10));
    }
    if (v == NULL) { // a query is UTF-8 when it comes here
        input_error_memory(error, pointer);
    }
    return v;
}

int batch_option_apply_text(struct batch_new *b, const char *key, const char *value,
                            struct input_error *what)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (strcmp(key, options[i].name) != 0 || options[i].query == QUERY_NONE) {
            continue;
        }
        char pointer[128];
        input_pointer(pointer, "", key);
        json_t *v = query_value(options[i].query, value, pointer, what);
        if (v == NULL) {
            return -1;
        }
        int status = options[i].apply(b, v, pointer, what);
        json_decref(v);
        return status;
    }
    char pointer[128];
    input_pointer(pointer, "", key);
    return input_error_set(what, pointer, "unknown_field", "is not a batch option");
}
