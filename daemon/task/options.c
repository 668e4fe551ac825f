// SPDX-License-Identifier: MIT
// Task options from JSON: one table of members, each with its own small parser. Pure.
#include "daemon/task/options.h"

#include <stdlib.h>
#include <string.h>

#include "common/task_error.h"
#include "common/url.h"
#include "daemon/task/input_error.h"
#include "daemon/task/options_headers.h"

#define MAX_REDIRECTS  50
#define MAX_ATTEMPTS   20
#define MAX_BACKOFF_MS (INT64_C(24) * 3600 * 1000)

static const char *const method_names[] = {
    [METHOD_GET] = "GET",         [METHOD_HEAD] = "HEAD",   [METHOD_POST] = "POST",
    [METHOD_PUT] = "PUT",         [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE",
    [METHOD_OPTIONS] = "OPTIONS",
};

const char *fetch_method_name(enum fetch_method m)
{
    return method_names[m];
}

// Exact upper case.
static int parse_method(const char *name, enum fetch_method *ret)
{
    for (size_t i = 0; i < sizeof(method_names) / sizeof(method_names[0]); i++) {
        if (strcmp(name, method_names[i]) == 0) {
            *ret = (enum fetch_method)i;
            return 0;
        }
    }
    return -1;
}

bool fetch_method_is_idempotent(enum fetch_method m)
{
    return m != METHOD_POST && m != METHOD_PATCH;
}

int task_options_init(struct task_options *o, const struct task_limits *limits)
{
    *o = (struct task_options){
        .method = METHOD_GET,
        .timeout_ms = limits->timeout_ms,
        .connect_timeout_ms = limits->connect_timeout_ms,
        .max_body_bytes = limits->max_body_bytes,
        .max_redirects = 10,
        .accept = {{200, 399}},
        .n_accept = 1,
        .retry = {.max_attempts = 3,
                  .min_backoff_ms = 1000,
                  .max_backoff_ms = 300000,
                  .on = TASK_CLASS_NETWORK | TASK_CLASS_TIMEOUT | TASK_CLASS_STATUS_429 |
                        TASK_CLASS_STATUS_5XX},
        .verify_tls = true,
    };
    return 0;
}

void task_options_done(struct task_options *o)
{
    headers_free(o->headers, o->n_headers);
    free(o->body);
    free(o->proxy);
    *o = (struct task_options){0};
}

int task_options_copy(struct task_options *ret, const struct task_options *from)
{
    *ret = *from;
    ret->headers = NULL;
    ret->n_headers = 0;
    ret->body = NULL;
    ret->proxy = NULL;
    if (headers_copy(&ret->headers, from->headers, from->n_headers) < 0) {
        return -1;
    }
    ret->n_headers = from->n_headers;
    if (from->proxy != NULL && (ret->proxy = strdup(from->proxy)) == NULL) {
        task_options_done(ret);
        return -1;
    }
    if (from->body != NULL) {
        ret->body = malloc(from->body_len + 1);
        if (ret->body == NULL) {
            task_options_done(ret);
            return -1;
        }
        memcpy(ret->body, from->body, from->body_len + 1);
    }
    return 0;
}

bool task_options_accepts(const struct task_options *o, int status)
{
    for (size_t i = 0; i < o->n_accept; i++) {
        if (status >= o->accept[i].first && status <= o->accept[i].last) {
            return true;
        }
    }
    return false;
}

// ---- the members
// ----------------------------------------------------------------------------------------------

struct member_input {
    const json_t *v;
    const char *pointer;
    const struct task_limits *limits;
    struct input_error *error;
};

typedef int member_fn(struct task_options *o, const struct member_input *in);

static int apply_method(struct task_options *o, const struct member_input *in)
{
    if (!json_is_string(in->v)) {
        return input_error_set(in->error, in->pointer, "wrong_type", "must be a string");
    }
    if (parse_method(json_string_value(in->v), &o->method) < 0) {
        return input_error_set(in->error, in->pointer, "invalid_value",
                               "must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    }
    return 0;
}

static int apply_headers(struct task_options *o, const struct member_input *in)
{
    return headers_apply(o, in->v, in->pointer, in->error);
}

static int set_body(struct task_options *o, const void *p, size_t n, const struct member_input *in)
{
    if (n > OPTIONS_MAX_BODY) {
        return input_error_set(in->error, in->pointer, "too_long",
                               "a request body must have at most %d bytes", OPTIONS_MAX_BODY);
    }
    char *copy = malloc(n + 1);
    if (copy == NULL) {
        return input_error_memory(in->error, in->pointer);
    }
    memcpy(copy, p, n);
    copy[n] = '\0';
    free(o->body);
    o->body = copy;
    o->body_len = n;
    return 0;
}

static int apply_body(struct task_options *o, const struct member_input *in)
{
    if (!json_is_string(in->v)) {
        return input_error_set(in->error, in->pointer, "wrong_type", "must be a string");
    }
    return set_body(o, json_string_value(in->v), json_string_length(in->v), in);
}

static int apply_body_base64(struct task_options *o, const struct member_input *in)
{
    if (!json_is_string(in->v)) {
        return input_error_set(in->error, in->pointer, "wrong_type", "must be a string");
    }
    size_t n = json_string_length(in->v);
    struct buf decoded = BUF_INIT(OPTIONS_MAX_BODY + 16);
    int status;
    if (n / 4 * 3 <= OPTIONS_MAX_BODY && buf_reserve(&decoded, n / 4 * 3) < 0) {
        status = input_error_memory(in->error, in->pointer);
    } else if (base64_decode(json_string_value(in->v), n, &decoded) < 0) {
        status = input_error_set(in->error, in->pointer, "invalid_value",
                                 "must be padded base64 of at most %d bytes", OPTIONS_MAX_BODY);
    } else {
        status = set_body(o, decoded.data == NULL ? "" : decoded.data, decoded.len, in);
    }
    buf_done(&decoded);
    return status;
}

static int apply_timeout(struct task_options *o, const struct member_input *in)
{
    return input_integer(in->v, in->pointer, 1, in->limits->max_timeout_ms, &o->timeout_ms,
                         in->error);
}

static int apply_connect_timeout(struct task_options *o, const struct member_input *in)
{
    return input_integer(in->v, in->pointer, 1, in->limits->max_timeout_ms, &o->connect_timeout_ms,
                         in->error);
}

static int apply_max_body(struct task_options *o, const struct member_input *in)
{
    return input_integer(in->v, in->pointer, 1, in->limits->max_max_body_bytes, &o->max_body_bytes,
                         in->error);
}

static int apply_max_redirects(struct task_options *o, const struct member_input *in)
{
    int64_t n = 0;
    if (input_integer(in->v, in->pointer, 0, MAX_REDIRECTS, &n, in->error) < 0) {
        return -1;
    }
    o->max_redirects = (int)n;
    return 0;
}

// One "200" or "200-399"; advances *text past it. -1: not one.
static int parse_status_range(const char **text, struct status_range *ret)
{
    unsigned v[2] = {0, 0};
    const char *p = *text;
    for (int i = 0; i < 2; i++) {
        int digits = 0;
        for (; *p >= '0' && *p <= '9' && digits < 4; p++, digits++) {
            v[i] = v[i] * 10 + (unsigned)(*p - '0');
        }
        if (digits != 3) {
            return -1;
        }
        if (i == 0 && *p != '-') {
            v[1] = v[0];
            break;
        }
        p += i == 0;
    }
    if (v[0] < 100 || v[1] < v[0]) {
        return -1;
    }
    *ret = (struct status_range){(uint16_t)v[0], (uint16_t)v[1]};
    *text = p;
    return 0;
}

static int apply_accept_status(struct task_options *o, const struct member_input *in)
{
    const char *text = input_text(in->v, in->pointer, 200, in->error);
    if (text == NULL) {
        return -1;
    }
    struct status_range ranges[OPTIONS_MAX_RANGES];
    size_t n = 0;
    for (;;) {
        text += strspn(text, " ");
        if (n == OPTIONS_MAX_RANGES || parse_status_range(&text, &ranges[n]) < 0) {
            return input_error_set(in->error, in->pointer, "invalid_value",
                                   "must be statuses such as \"200\" or \"200-299,404\"");
        }
        n++;
        text += strspn(text, " ");
        if (*text == '\0') {
            break;
        }
        if (*text++ != ',') {
            return input_error_set(in->error, in->pointer, "invalid_value",
                                   "must be statuses such as \"200\" or \"200-299,404\"");
        }
    }
    memcpy(o->accept, ranges, n * sizeof(ranges[0]));
    o->n_accept = n;
    return 0;
}

static int apply_retry_on(struct task_options *o, const json_t *v, const char *pointer,
                          struct input_error *error)
{
    static const struct {
        const char *name;
        unsigned bit;
    } classes[] = {{"network", TASK_CLASS_NETWORK},
                   {"timeout", TASK_CLASS_TIMEOUT},
                   {"429", TASK_CLASS_STATUS_429},
                   {"5xx", TASK_CLASS_STATUS_5XX}};
    if (!json_is_array(v)) {
        return input_error_set(error, pointer, "wrong_type", "must be an array");
    }
    unsigned on = 0;
    size_t i;
    json_t *item;
    json_array_foreach(v, i, item)
    {
        unsigned bit = 0;
        for (size_t k = 0; json_is_string(item) && k < sizeof(classes) / sizeof(classes[0]); k++) {
            bit |= strcmp(json_string_value(item), classes[k].name) == 0 ? classes[k].bit : 0;
        }
        if (bit == 0) {
            return input_error_set(error, pointer, "invalid_value",
                                   "may hold \"network\", \"timeout\", \"429\" and \"5xx\"");
        }
        on |= bit;
    }
    o->retry.on = on;
    return 0;
}

static int apply_retry_member(struct task_options *o, const char *name, const json_t *v,
                              const struct member_input *in)
{
    char pointer[128];
    input_pointer(pointer, in->pointer, name);
    if (strcmp(name, "max_attempts") == 0) {
        int64_t n = 0;
        if (input_integer(v, pointer, 1, MAX_ATTEMPTS, &n, in->error) < 0) {
            return -1;
        }
        o->retry.max_attempts = (int)n;
        return 0;
    }
    if (strcmp(name, "min_backoff_ms") == 0) {
        return input_integer(v, pointer, 1, MAX_BACKOFF_MS, &o->retry.min_backoff_ms, in->error);
    }
    if (strcmp(name, "max_backoff_ms") == 0) {
        return input_integer(v, pointer, 1, MAX_BACKOFF_MS, &o->retry.max_backoff_ms, in->error);
    }
    if (strcmp(name, "on") == 0) {
        return apply_retry_on(o, v, pointer, in->error);
    }
    if (strcmp(name, "unsafe") == 0) {
        return input_bool(v, pointer, &o->retry.unsafe, in->error);
    }
    return input_error_set(in->error, pointer, "unknown_field", "is not a known member of retry");
}

static int apply_retry(struct task_options *o, const struct member_input *in)
{
    if (!json_is_object(in->v)) {
        return input_error_set(in->error, in->pointer, "wrong_type", "must be an object");
    }
    json_t *object = (json_t *)(uintptr_t)in->v; // jansson's iterator takes no const
    const char *name;
    json_t *v;
    int status = 0;
    json_object_foreach(object, name, v)
    {
        status = apply_retry_member(o, name, v, in);
        if (status < 0) {
            break;
        }
    }
    if (status == 0 && o->retry.max_backoff_ms < o->retry.min_backoff_ms) {
        status = input_error_set(in->error, in->pointer, "out_of_range",
                                 "max_backoff_ms must not be less than min_backoff_ms");
    }
    return status;
}

static int apply_verify_tls(struct task_options *o, const struct member_input *in)
{
    if (input_bool(in->v, in->pointer, &o->verify_tls, in->error) < 0) {
        return -1;
    }
    if (!o->verify_tls && !in->limits->allow_insecure_tls) {
        return input_error_set(in->error, in->pointer, "forbidden",
                               "this server does not allow fetching without verifying TLS");
    }
    return 0;
}

static int apply_proxy(struct task_options *o, const struct member_input *in)
{
    free(o->proxy);
    o->proxy = NULL;
    if (json_is_null(in->v)) {
        return 0;
    }
    const char *text = input_text(in->v, in->pointer, URL_MAX, in->error);
    struct url u;
    const char *detail = "";
    if (text == NULL) {
        return -1;
    }
    enum url_verdict verdict = url_parse(text, strlen(text), &u, NULL, &detail);
    if (verdict == URL_NO_MEMORY) {
        return input_error_memory(in->error, in->pointer);
    }
    if (verdict != URL_OK) {
        return input_error_set(in->error, in->pointer, "invalid_value",
                               "must be http://HOST:PORT or https://HOST:PORT: %s", detail);
    }
    o->proxy = strdup(text);
    return o->proxy == NULL ? input_error_memory(in->error, in->pointer) : 0;
}

static const struct {
    const char *name;
    member_fn *apply;
} members[] = {
    {"method", apply_method},
    {"headers", apply_headers},
    {"body", apply_body},
    {"body_base64", apply_body_base64},
    {"timeout_ms", apply_timeout},
    {"connect_timeout_ms", apply_connect_timeout},
    {"max_body_bytes", apply_max_body},
    {"max_redirects", apply_max_redirects},
    {"accept_status", apply_accept_status},
    {"retry", apply_retry},
    {"verify_tls", apply_verify_tls},
    {"proxy", apply_proxy},
};

static bool skipped(const char *name, const char *const *skip)
{
    for (; skip != NULL && *skip != NULL; skip++) {
        if (strcmp(name, *skip) == 0) {
            return true;
        }
    }
    return false;
}

static int apply_member(struct task_options *o, const char *name, struct member_input *in)
{
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (strcmp(name, members[i].name) == 0) {
            return members[i].apply(o, in);
        }
    }
    return input_error_set(in->error, in->pointer, "unknown_field", "is not a known task option");
}

int task_options_apply(struct task_options *o, const json_t *object, const char *const *skip,
                       const struct task_limits *limits, struct input_error *ret_error)
{
    json_t *mutable_object = (json_t *)(uintptr_t)object; // jansson's iterator takes no const
    const char *name;
    json_t *v;
    json_object_foreach(mutable_object, name, v)
    {
        if (skipped(name, skip)) {
            continue;
        }
        char pointer[128];
        input_pointer(pointer, "", name);
        struct member_input in = {.v = v, .pointer = pointer, .limits = limits, .error = ret_error};
        if (apply_member(o, name, &in) < 0) {
            return -1;
        }
    }
    if (json_object_get(mutable_object, "body") != NULL &&
        json_object_get(mutable_object, "body_base64") != NULL) {
        return input_error_set(ret_error, "/body_base64", "conflict",
                               "body and body_base64 exclude each other");
    }
    if (o->body != NULL && (o->method == METHOD_GET || o->method == METHOD_HEAD)) {
        return input_error_set(ret_error, "/body", "body_not_allowed",
                               "a %s request has no body; set \"method\"",
                               fetch_method_name(o->method));
    }
    return 0;
}

int task_options_text(const json_t *object, const char *const *skip, struct buf *out)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object);
    if (json_object_size(copy) <
        json_object_size(object)) { // jansson leaves out what finds no memory
        json_decref(copy);
        return -1;
    }
    for (; skip != NULL && *skip != NULL; skip++) {
        json_object_del(copy, *skip);
    }
    int status = 0;
    if (json_object_size(copy) > 0) {
        char *text = json_text(copy);
        status = text == NULL ? -1 : buf_append_str(out, text);
        free(text);
    }
    json_decref(copy);
    return status;
}
