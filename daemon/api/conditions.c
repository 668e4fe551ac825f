// SPDX-License-Identifier: MIT
// Conditions, ranges, keys, and the fields that say who asks whom; the other half of fields.h.
// Pure.
#include "daemon/api/fields.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "daemon/api/query.h"

#define BLANK " \t"

bool if_none_match(const char *value, const char *etag)
{
    size_t n = strlen(etag);
    while (value && *value) {
        value += strspn(value, BLANK ",");
        if (strncmp(value, "W/", 2) == 0) {
            value += 2;
        }
        if (value[0] == '*') {
            return true;
        }
        if (strncmp(value, etag, n) == 0) {
            return true;
        }
        // To the end of this entity tag: behind its closing quote, or the next comma if it has
        // none.
        const char *close = value[0] == '"' ? strchr(value + 1, '"') : NULL;
        value = close ? close + 1 : strchr(value, ',');
    }
    return false;
}

// A number of bytes[0..n); numbers beyond 2^63 count as that.
static bool byte_position(const char *p, size_t n, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return false;
        }
        if (value < UINT64_MAX / 20) {
            value = value * 10 + (uint64_t)(p[i] - '0');
        }
    }
    *ret = value;
    return n > 0;
}

enum range_verdict range_parse(const char *value, uint64_t size, uint64_t *ret_first,
                               uint64_t *ret_last)
{
    uint64_t first, last = UINT64_MAX;
    if (!value || strncasecmp(value, "bytes=", 6) != 0) {
        return RANGE_IGNORED;
    }
    const char *p = value + 6 + strspn(value + 6, BLANK);
    size_t n = strcspn(p, BLANK);
    const char *dash = memchr(p, '-', n);
    if (!dash || p[n + strspn(p + n, BLANK)] != '\0') {
        return RANGE_IGNORED; // several ranges among others: the whole is sent
    }
    size_t before = (size_t)(dash - p), after = n - before - 1;
    bool has_last = after > 0;
    if ((before == 0 && !has_last) || (before > 0 && !byte_position(p, before, &first)) ||
        (has_last && !byte_position(dash + 1, after, &last))) {
        return RANGE_IGNORED;
    }
    if (before == 0) { // the last N bytes
        if (last == 0 || size == 0) {
            return RANGE_UNSATISFIABLE;
        }
        first = last < size ? size - last : 0;
        last = size - 1;
    } else if (has_last && last < first) {
        return RANGE_IGNORED;
    }
    if (first >= size) {
        return RANGE_UNSATISFIABLE;
    }
    *ret_first = first;
    *ret_last = last < size ? last : size - 1;
    return RANGE_OK;
}

int idempotency_key_parse(const char *value, char ret[IDEMPOTENCY_KEY_MAX + 1], struct err *e)
{
    size_t n = strlen(value);
    if (n >= 2 && value[0] == '"' && value[n - 1] == '"') {
        value++;
        n -= 2;
    }
    if (n == 0 || n > IDEMPOTENCY_KEY_MAX) {
        return err_set(e, ERR_BAD_REQUEST, "Idempotency-Key must have 1 to %d characters",
                       IDEMPOTENCY_KEY_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (value[i] < 0x21 || value[i] > 0x7e || value[i] == '"') {
            return err_set(e, ERR_BAD_REQUEST,
                           "Idempotency-Key must consist of visible ASCII characters");
        }
    }
    memcpy(ret, value, n);
    ret[n] = '\0';
    return 0;
}

// Copies the host of "host", "host:port" or "[v6]:port"; false if it is none of these.
static bool host_without_port(const char *value, char *out, size_t size)
{
    const char *end;
    if (value[0] == '[') {
        end = strchr(value, ']');
        value++;
    } else {
        end = value + strcspn(value, ":");
    }
    if (!end || (size_t)(end - value) >= size) {
        return false;
    }
    const char *port = *end == ']' ? end + 1 : end;
    if (*port != '\0' && (*port != ':' || port[1 + strspn(port + 1, "0123456789")] != '\0')) {
        return false;
    }
    memcpy(out, value, (size_t)(end - value));
    out[end - value] = '\0';
    return out[0] != '\0';
}

bool host_field_allowed(const char *value, char *const *allowed, size_t n_allowed)
{
    char host[256];
    unsigned char address[sizeof(struct in6_addr)];
    if (!value || !host_without_port(value, host, sizeof(host))) {
        return false;
    }
    if (value[0] == '[') {
        return inet_pton(AF_INET6, host, address) == 1;
    }
    if (inet_pton(AF_INET, host, address) == 1 || strcasecmp(host, "localhost") == 0) {
        return true;
    }
    for (size_t i = 0; i < n_allowed; i++) {
        if (strcasecmp(host, allowed[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool is_cross_site(const char *site, const char *origin, const char *host)
{
    if (site) {
        return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    }
    if (!origin) {
        return false;
    }
    const char *authority = strstr(origin, "://");
    return !authority || !authority[3] || !host || strcasecmp(authority + 3, host) != 0;
}
