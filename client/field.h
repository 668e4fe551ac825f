// SPDX-License-Identifier: MIT
// Reading fields of answers. The client ignores what it does not know and takes what is missing,
// null or of another type as empty or zero, so that an older client works with a newer daemon.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline const char *field_str(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

// The whole part of a number, or the nearest one there is.
static inline int64_t whole_of(double number)
{
    return number >= 0x1p63 ? INT64_MAX : number < -0x1p63 ? INT64_MIN : (int64_t)number;
}

static inline int64_t field_int(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_real(value) ? whole_of(json_real_value(value)) : json_integer_value(value);
}

static inline bool field_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static inline bool field_has(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value);
}
