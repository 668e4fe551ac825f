// SPDX-License-Identifier: MIT
// Parsing of queries (application/x-www-form-urlencoded, as curl and browsers write it). Pure.
#include "daemon/api/query.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/url.h"

// Decodes one key or value in place; "+" is a blank.
static int decode(char *s, struct err *e)
{
    for (char *p = s; *p; p++) {
        if (*p == '+') {
            *p = ' ';
        }
    }
    // The decoded form is never longer, and is written behind what is read.
    long n = url_percent_decode(s, strlen(s), s);
    if (n < 0 || !utf8_valid(s, (size_t)n)) {
        return err_set(e, ERR_BAD_REQUEST, "the query has a bad percent escape or is not UTF-8");
    }
    s[n] = '\0';
    return 0;
}

static bool known(const char *key, const char *const *keys)
{
    for (; keys && *keys; keys++) {
        if (strcmp(key, *keys) == 0) {
            return true;
        }
    }
    return false;
}

static int add_pair(struct query *q, char *pair, const char *const *keys, struct err *e)
{
    char *equals = strchr(pair, '=');
    char *value = equals ? equals + 1 : pair + strlen(pair);
    if (equals) {
        *equals = '\0';
    }
    if (decode(pair, e) < 0 || decode(value, e) < 0) {
        return -1;
    }
    if (!known(pair, keys)) {
        return err_set(e, ERR_BAD_REQUEST, "unknown query parameter '%.64s'", pair);
    }
    if (query_get(q, pair)) {
        return err_set(e, ERR_BAD_REQUEST, "query parameter '%s' is given twice", pair);
    }
    if (q->n == QUERY_MAX_PAIRS) {
        return err_set(e, ERR_BAD_REQUEST, "too many query parameters");
    }
    q->v[q->n++] = (struct query_pair){pair, value};
    return 0;
}

int query_parse(const char *text, const char *const *keys, struct query *ret, struct err *e)
{
    *ret = (struct query){.n = 0};
    if (!text || !*text) {
        return 0;
    }
    ret->text = strdup(text);
    if (!ret->text) {
        return err_set(e, ERR_OVERLOADED, "out of memory");
    }
    char *rest = ret->text;
    while (rest) {
        char *pair = strsep(&rest, "&");
        if (*pair && add_pair(ret, pair, keys, e) < 0) {
            query_done(ret);
            return -1;
        }
    }
    return 0;
}

void query_done(struct query *q)
{
    free(q->text);
    *q = (struct query){.n = 0};
}

const char *query_get(const struct query *q, const char *key)
{
    for (size_t i = 0; i < q->n; i++) {
        if (strcmp(q->v[i].key, key) == 0) {
            return q->v[i].value;
        }
    }
    return NULL;
}

int decimal_parse(const char *text, uint64_t max, uint64_t *ret)
{
    if (!*text || (text[0] == '0' && text[1])) {
        return -1;
    }
    uint64_t value = 0;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || value > (max - (uint64_t)(*p - '0')) / 10) {
            return -1;
        }
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (value > max) {
        return -1;
    }
    *ret = value;
    return 0;
}

int query_uint(const struct query *q, const char *key, struct query_range range, uint64_t *ret,
               struct err *e)
{
    const char *text = query_get(q, key);
    uint64_t value;
    if (!text) {
        return 0;
    }
    if (decimal_parse(text, UINT64_MAX / 2, &value) < 0 || value < range.min || value > range.max) {
        return err_set(e, ERR_BAD_REQUEST,
                       "query parameter '%s' must be a number from %llu to %llu", key,
                       (unsigned long long)range.min, (unsigned long long)range.max);
    }
    *ret = value;
    return 0;
}

int query_flag(const struct query *q, const char *key, bool *ret, struct err *e)
{
    const char *text = query_get(q, key);
    if (!text) {
        return 0;
    }
    if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0) {
        *ret = true;
    } else if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0) {
        *ret = false;
    } else {
        return err_set(e, ERR_BAD_REQUEST, "query parameter '%s' must be 0 or 1", key);
    }
    return 0;
}

int seconds_parse(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t value;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || text[n] != '\0') {
        return -1;
    }
    while (text[0] == '0' && text[1]) {
        text++;
    }
    *ret = decimal_parse(text, max, &value) == 0 ? value : max;
    return 0;
}

int query_seconds(const struct query *q, const char *key, uint64_t max, uint64_t *ret,
                  struct err *e)
{
    const char *text = query_get(q, key);
    if (!text) {
        return 0;
    }
    if (seconds_parse(text, max, ret) < 0) {
        return err_set(e, ERR_BAD_REQUEST, "query parameter '%s' must be a whole number of seconds",
                       key);
    }
    return 0;
}
