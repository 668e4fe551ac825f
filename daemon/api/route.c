// SPDX-License-Identifier: MIT
// Matching of paths against patterns. Pure; never looks at anything but the method and the path.
#include "daemon/api/route.h"

#include <string.h>

#include "daemon/task/batch.h"

// The length of the segment at `path`, which stands behind a slash.
static size_t segment_length(const char *path)
{
    return strcspn(path, "/");
}

static bool match_id(const char *s, size_t n, struct route_params *params)
{
    char text[UUID_TEXT_SIZE];
    if (n != sizeof(text) - 1) {
        return false;
    }
    memcpy(text, s, n);
    text[n] = '\0';
    return uuid_parse(text, params->id) == 0;
}

static bool match_index(const char *s, size_t n, struct route_params *params)
{
    if (n == 0 || n > 8 || (n > 1 && s[0] == '0')) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        value = value * 10 + (uint32_t)(s[i] - '0');
    }
    params->index = value;
    return value <= TASK_INDEX_MAX;
}

static bool match_host(const char *s, size_t n, struct route_params *params)
{
    char text[3 * (HOST_MAX + 3)];
    if (n >= sizeof(text)) {
        return false;
    }
    long decoded = url_percent_decode(s, n, text);
    return decoded > 0 && host_parse(text, (size_t)decoded, params->host) == URL_OK;
}

static bool match_name(const char *s, size_t n, struct route_params *params)
{
    if (n == 0 || n >= sizeof(params->name)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((s[i] < 'a' || s[i] > 'z') && s[i] != '_') {
            return false;
        }
    }
    memcpy(params->name, s, n);
    params->name[n] = '\0';
    return true;
}

static bool match_param(const char *name, size_t name_len, const char *s, size_t n,
                        struct route_params *params)
{
    static const struct {
        const char *name;
        bool (*match)(const char *s, size_t n, struct route_params *params);
    } kinds[] = {
        {"{id}", match_id},
        {"{index}", match_index},
        {"{host}", match_host},
        {"{name}", match_name},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i].name) == name_len && memcmp(kinds[i].name, name, name_len) == 0) {
            return kinds[i].match(s, n, params);
        }
    }
    return false;
}

static bool match(const char *pattern, const char *path, struct route_params *params)
{
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t want = segment_length(pattern), have = segment_length(path);
        bool ok = pattern[0] == '{' ? match_param(pattern, want, path, have, params)
                                    : want == have && memcmp(pattern, path, want) == 0;
        if (!ok) {
            return false;
        }
        pattern += want;
        path += have;
    }
    return *pattern == '\0' && *path == '\0';
}

enum route_verdict route_find(const struct route *table, enum http_method method, const char *path,
                              struct route_params *params, const struct route **ret)
{
    enum http_method wanted = method == HTTP_HEAD ? HTTP_GET : method;
    enum route_verdict verdict = ROUTE_UNKNOWN;
    for (const struct route *r = table; r->pattern; r++) {
        struct route_params found = {.index = 0};
        if (!match(r->pattern, path, &found)) {
            continue;
        }
        if (r->method == wanted) {
            *params = found;
            *ret = r;
            return ROUTE_FOUND;
        }
        verdict = ROUTE_OTHER_METHOD;
    }
    return verdict;
}

void route_allow(const struct route *table, const char *path, char ret[ROUTE_ALLOW_SIZE])
{
    char space[ROUTE_ALLOW_SIZE];
    struct buf text = BUF_OVER(space);
    for (const struct route *r = table; r->pattern; r++) {
        struct route_params ignored = {.index = 0};
        if (match(r->pattern, path, &ignored)) {
            buf_append_str(&text,
                           r->method == HTTP_GET ? "GET, HEAD" : http_method_name(r->method));
            buf_append_str(&text, ", ");
        }
    }
    buf_append_str(&text, "OPTIONS");
    memcpy(ret, text.data, text.len + 1);
}
