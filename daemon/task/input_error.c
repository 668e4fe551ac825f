// SPDX-License-Identifier: MIT
// What is wrong with a value, said once and in the same words everywhere. Pure.
#include "daemon/task/input_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int input_error_set(struct input_error *e, const char *pointer, const char *code,
                    const char *format, ...)
{
    snprintf(e->pointer, sizeof(e->pointer), "%s", pointer);
    e->code = code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->detail, sizeof(e->detail), format, args);
    va_end(args);
    return -1;
}

int input_error_memory(struct input_error *e, const char *pointer)
{
    return input_error_set(e, pointer, "internal", "out of memory");
}

bool input_error_is_memory(const struct input_error *e)
{
    return strcmp(e->code, "internal") == 0;
}

void input_pointer(char ret[128], const char *parent, const char *member)
{
    size_t n = (size_t)snprintf(ret, 128, "%s/", parent);
    for (const char *p = member; *p != '\0' && n < 120; p++) {
        if (*p == '~' || *p == '/') {
            ret[n++] = '~';
            ret[n++] = *p == '~' ? '0' : '1';
        } else {
            ret[n++] = *p;
        }
    }
    // Never cut a UTF-8 sequence in two: the pointer goes into JSON.
    while (n >= 120 && (ret[n - 1] & 0xC0) == 0x80) {
        n--;
    }
    if (n >= 120 && (ret[n - 1] & 0xC0) == 0xC0) {
        n--;
    }
    ret[n] = '\0';
}

int input_integer(const json_t *v, const char *pointer, int64_t min, int64_t max, int64_t *ret,
                  struct input_error *e)
{
    if (!json_is_integer(v)) {
        return input_error_set(e, pointer, "wrong_type", "must be an integer");
    }
    int64_t n = json_integer_value(v);
    if (n < min || n > max) {
        return input_error_set(e, pointer, "out_of_range", "must be between %lld and %lld",
                               (long long)min, (long long)max);
    }
    *ret = n;
    return 0;
}

int input_bool(const json_t *v, const char *pointer, bool *ret, struct input_error *e)
{
    if (!json_is_boolean(v)) {
        return input_error_set(e, pointer, "wrong_type", "must be true or false");
    }
    *ret = json_is_true(v);
    return 0;
}

const char *input_text(const json_t *v, const char *pointer, size_t max, struct input_error *e)
{
    if (!json_is_string(v)) {
        input_error_set(e, pointer, "wrong_type", "must be a string");
        return NULL;
    }
    const char *text = json_string_value(v);
    if (strlen(text) > max) {
        input_error_set(e, pointer, "too_long", "must have at most %zu bytes", max);
        return NULL;
    }
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7F) {
            input_error_set(e, pointer, "invalid_value", "must not contain control characters");
            return NULL;
        }
    }
    return text;
}
