// SPDX-License-Identifier: MIT
// The query of a request: decoded pairs, checked against the keys its route knows, and strict
// readers for their values. Pure. Whatever is unknown, repeated or malformed is an error.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define QUERY_MAX_PAIRS 16

struct query_pair {
    const char *key, *value; // decoded; value "" for "?key"
};

struct query {
    struct query_pair v[QUERY_MAX_PAIRS];
    size_t n;
    char *text; // owned: what the pairs point into
};

// Parses `text` (may be NULL). `keys`: NULL-terminated, or NULL for none. -1: ERR_BAD_REQUEST, or
// ERR_OVERLOADED without memory. On failure there is nothing to free.
int query_parse(const char *text, const char *const *keys, struct query *ret, struct err *e);
void query_done(struct query *q);

// The value of `key`, or NULL if it is not given.
const char *query_get(const struct query *q, const char *key);

struct query_range {
    uint64_t min, max;
};

// Readers: nothing is changed if the key is not given; -1 with ERR_BAD_REQUEST that names the key.
int query_uint(const struct query *q, const char *key, struct query_range range, uint64_t *ret,
               struct err *e);
int query_flag(const struct query *q, const char *key, bool *ret,
               struct err *e); // 1, true, 0, false
int query_seconds(const struct query *q, const char *key, uint64_t max, uint64_t *ret,
                  struct err *e); // more than `max` counts as `max`

// A decimal number without sign, blanks or leading zeros; -1 if it is none or beyond `max`.
int decimal_parse(const char *text, uint64_t max, uint64_t *ret);

// Digits only; what is beyond `max` is clamped to it. -1 if it is no number.
int seconds_parse(const char *text, uint64_t max, uint64_t *ret);
