// SPDX-License-Identifier: MIT
// Header fields of a request. What belongs to the connection, to the framing, or unlocks cloud
// metadata services cannot be set. Pure.
#include "daemon/task/options_headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/task/input_error.h"

static const char *const forbidden[] = {
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "keep-alive",
    "metadata-flavor",
    "metadata",
    "x-metadata-token",
    "http2-settings",
    "x-google-metadata-request",
};
static const char *const forbidden_prefixes[] = {"proxy-", "x-aws-ec2-"};

void headers_free(struct header_field *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].name);
        free(v[i].value);
    }
    free(v);
}

int headers_copy(struct header_field **ret, const struct header_field *v, size_t n)
{
    *ret = NULL;
    if (n == 0) {
        return 0;
    }
    struct header_field *copy = calloc(n, sizeof(*copy));
    if (copy == NULL) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        copy[i].name = strdup(v[i].name);
        copy[i].value = strdup(v[i].value);
        if (copy[i].name == NULL || copy[i].value == NULL) {
            headers_free(copy, n);
            return -1;
        }
    }
    *ret = copy;
    return 0;
}

// RFC 9110 §5.6.2 token.
static bool is_token(const char *s)
{
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        bool alnum =
            (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9');
        if (!alnum && strchr("!#$%&'*+-.^_`|~", *s) == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_forbidden(const char *name)
{
    for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
        if (strcasecmp(name, forbidden[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(forbidden_prefixes) / sizeof(forbidden_prefixes[0]); i++) {
        if (strncasecmp(name, forbidden_prefixes[i], strlen(forbidden_prefixes[i])) == 0) {
            return true;
        }
    }
    return false;
}

static int check_name(const char *name, const char *pointer, struct input_error *error)
{
    if (!is_token(name)) {
        return input_error_set(error, pointer, "invalid_header",
                               "the name is not an HTTP field name (RFC 9110 section 5.6.2)");
    }
    if (is_forbidden(name)) {
        return input_error_set(error, pointer, "forbidden_header", "this field cannot be set");
    }
    return 0;
}

static int check_value(const json_t *v, const char *pointer, struct input_error *error)
{
    if (!json_is_string(v)) {
        return input_error_set(error, pointer, "wrong_type", "the value must be a string");
    }
    for (const unsigned char *p = (const unsigned char *)json_string_value(v); *p != '\0'; p++) {
        if ((*p < 0x20 && *p != '\t') || *p == 0x7F) {
            return input_error_set(error, pointer, "invalid_header",
                                   "the value must not contain control characters");
        }
    }
    return 0;
}

static void remove_field(struct task_options *o, const char *name)
{
    for (size_t i = 0; i < o->n_headers; i++) {
        if (strcasecmp(o->headers[i].name, name) == 0) {
            free(o->headers[i].name);
            free(o->headers[i].value);
            o->headers[i] = o->headers[--o->n_headers];
            return;
        }
    }
}

static int add_field(struct task_options *o, const char *name, const char *value)
{
    struct header_field *grown = realloc(o->headers, (o->n_headers + 1) * sizeof(*grown));
    if (grown == NULL) {
        return -1;
    }
    o->headers = grown;
    struct header_field field = {strdup(name), strdup(value)};
    if (field.name == NULL || field.value == NULL) {
        free(field.name);
        free(field.value);
        return -1;
    }
    grown[o->n_headers++] = field;
    return 0;
}

static int check_sum(const struct task_options *o, const char *pointer, struct input_error *error)
{
    size_t bytes = 0;
    for (size_t i = 0; i < o->n_headers; i++) {
        bytes += strlen(o->headers[i].name) + strlen(o->headers[i].value) + 4;
    }
    if (o->n_headers > OPTIONS_MAX_HEADERS || bytes > OPTIONS_MAX_HEADER_BYTES) {
        return input_error_set(error, pointer, "too_long",
                               "at most %d fields of %d bytes together may be set",
                               OPTIONS_MAX_HEADERS, OPTIONS_MAX_HEADER_BYTES);
    }
    return 0;
}

int headers_apply(struct task_options *o, const json_t *v, const char *pointer,
                  struct input_error *error)
{
    if (!json_is_object(v)) {
        return input_error_set(error, pointer, "wrong_type", "must be an object");
    }
    if (json_object_size(v) > OPTIONS_MAX_HEADERS) {
        return input_error_set(error, pointer, "too_long", "at most %d fields may be set",
                               OPTIONS_MAX_HEADERS);
    }
    json_t *object = (json_t *)(uintptr_t)v; // jansson's iterator takes no const
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        char at[128];
        input_pointer(at, pointer, name);
        if (check_name(name, at, error) < 0) {
            return -1;
        }
        if (!json_is_null(value) && check_value(value, at, error) < 0) {
            return -1;
        }
        remove_field(o, name);
        if (!json_is_null(value) && add_field(o, name, json_string_value(value)) < 0) {
            return input_error_memory(error, at);
        }
    }
    return check_sum(o, pointer, error);
}
