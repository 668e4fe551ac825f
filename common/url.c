// SPDX-License-Identifier: MIT
// URLs: scheme, authority, path and query, and the normal form; the host itself is url_host.c's.
// Pure; callable from any thread. Stricter than RFC 3986 and the WHATWG rules wherever the two
// differ.
#include "common/url.h"

#include <string.h>
#include <strings.h>

#include "common/url_host.h"

// The pieces of a URL, as views into the text.
struct piece {
    const char *p;
    size_t n;
};

struct pieces {
    struct piece scheme, host, port, target; // target: path and query without the fragment
};

static enum url_verdict refuse(const char **detail, const char *why)
{
    *detail = why;
    return URL_INVALID;
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_scheme_char(char c)
{
    return is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
}

static enum url_verdict check_bytes(const char *text, size_t n, const char **detail)
{
    if (n == 0) {
        return refuse(detail, "the URL is empty");
    }
    if (n > URL_MAX) {
        return refuse(detail, "the URL is longer than 8192 bytes");
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= 0x20 || c == 0x7f) {
            return refuse(detail, "the URL contains white space or a control character");
        }
        if (c == '\\') {
            return refuse(detail, "the URL contains a backslash");
        }
    }
    return URL_OK;
}

// Length of the scheme, or 0 if the text does not begin with one and a colon.
static size_t scheme_length(const char *text, size_t n)
{
    if (!is_alpha(text[0])) {
        return 0;
    }
    size_t i = 1;
    while (i < n && is_scheme_char(text[i])) {
        i++;
    }
    return i < n && text[i] == ':' ? i : 0;
}

static bool scheme_is(const struct piece *scheme, const char *name)
{
    return scheme->n == strlen(name) && strncasecmp(scheme->p, name, scheme->n) == 0;
}

// Cuts the authority into host and port; a bracketed literal may contain colons.
static enum url_verdict split_authority(struct piece authority, struct pieces *ret,
                                        const char **detail)
{
    if (memchr(authority.p, '@', authority.n)) {
        return refuse(detail,
                      "a URL may carry no user name or password; use the Authorization header");
    }
    size_t host_n = authority.n;
    size_t from = 0;
    if (authority.n > 0 && authority.p[0] == '[') {
        const char *bracket = memchr(authority.p, ']', authority.n);
        from = bracket ? (size_t)(bracket - authority.p) + 1 : authority.n;
    }
    const char *colon = memchr(authority.p + from, ':', authority.n - from);
    if (colon) {
        host_n = (size_t)(colon - authority.p);
    }
    ret->host = (struct piece){authority.p, host_n};
    ret->port = (struct piece){NULL, 0};
    if (colon) {
        ret->port = (struct piece){colon + 1, authority.n - host_n - 1};
    }
    return host_n == 0 ? refuse(detail, "the URL has no host") : URL_OK;
}

static enum url_verdict split(const char *text, size_t n, struct pieces *ret, const char **detail)
{
    const char *end = text + n;
    ret->scheme = (struct piece){text, scheme_length(text, n)};
    if (ret->scheme.n == 0) {
        return refuse(detail, "the URL does not begin with http:// or https://");
    }
    if (!scheme_is(&ret->scheme, "http") && !scheme_is(&ret->scheme, "https")) {
        *detail = "only http and https URLs can be fetched";
        return URL_UNSUPPORTED_SCHEME;
    }
    const char *p = text + ret->scheme.n + 1;
    if (end - p < 2 || p[0] != '/' || p[1] != '/') {
        return refuse(detail, "two slashes must follow the scheme");
    }
    p += 2;
    const char *authority = p;
    while (p < end && *p != '/' && *p != '?' && *p != '#') {
        p++;
    }
    const char *fragment = memchr(p, '#', (size_t)(end - p));
    if (fragment == p && memchr(p, '@', (size_t)(end - p))) {
        // Some parsers take what follows the "@" for the host.
        return refuse(detail, "a fragment directly behind the host contains an @");
    }
    ret->target = (struct piece){p, (size_t)((fragment ? fragment : end) - p)};
    return split_authority((struct piece){authority, (size_t)(ret->target.p - authority)}, ret,
                           detail);
}

static enum url_verdict parse_port(const struct piece *port, bool https, uint16_t *ret,
                                   const char **detail)
{
    if (port->n == 0) {
        *ret = https ? 443 : 80;
        return URL_OK;
    }
    unsigned value = 0;
    for (size_t i = 0; i < port->n; i++) {
        if (!is_digit(port->p[i])) {
            return refuse(detail, "the port is not a number");
        }
        value = value * 10 + (unsigned)(port->p[i] - '0');
        if (value > UINT16_MAX) {
            return refuse(detail, "the port is greater than 65535");
        }
    }
    if (value == 0) {
        return refuse(detail, "the port is 0");
    }
    *ret = (uint16_t)value;
    return URL_OK;
}

// Bytes that the normal form writes percent-encoded: those that HTTP does not allow in a request
// target and that browsers therefore encode as well. Brackets, "|" and "^" pass, as they do in
// browsers.
static bool needs_escape(unsigned char c, bool in_query)
{
    if (c >= 0x80 || c == '"' || c == '<' || c == '>') {
        return true;
    }
    return !in_query && (c == '`' || c == '{' || c == '}');
}

// Checks the escapes in the target and gives its length in the normal form.
static enum url_verdict measure_target(const struct piece *target, size_t *ret, const char **detail)
{
    size_t len = target->n > 0 && target->p[0] == '/' ? 0 : 1; // the slash of an empty path
    bool in_query = false;
    for (size_t i = 0; i < target->n; i++) {
        char c = target->p[i];
        if (c == '%' &&
            (target->n - i < 3 || !is_hex(target->p[i + 1]) || !is_hex(target->p[i + 2]))) {
            return refuse(detail, "a % in the URL is not followed by two hexadecimal digits");
        }
        in_query = in_query || c == '?';
        len += needs_escape((unsigned char)c, in_query) ? 3 : 1;
    }
    *ret = len;
    return URL_OK;
}

// Writes what measure_target has measured.
static char *write_target(char *out, const struct piece *target)
{
    static const char hex[] = "0123456789ABCDEF";
    if (target->n == 0 || target->p[0] != '/') {
        *out++ = '/';
    }
    bool in_query = false;
    for (size_t i = 0; i < target->n; i++) {
        unsigned char c = (unsigned char)target->p[i];
        in_query = in_query || c == '?';
        if (needs_escape(c, in_query)) {
            *out++ = '%';
            *out++ = hex[c >> 4];
            *out++ = hex[c & 15];
        } else {
            *out++ = (char)c;
        }
    }
    *out = '\0';
    return out;
}

// Scheme and authority of the normal form.
static void write_origin(const struct url *u, struct buf *out)
{
    bool brackets = u->host_kind == URL_HOST_IPV6;
    buf_append_str(out, u->https ? "https://" : "http://");
    if (brackets) {
        buf_append_char(out, '[');
    }
    buf_append_str(out, u->host);
    if (brackets) {
        buf_append_char(out, ']');
    }
    if (u->port != (u->https ? 443 : 80)) {
        buf_printf(out, ":%u", u->port);
    }
}

enum url_verdict url_parse(const char *text, size_t n, struct url *ret, struct buf *normal,
                           const char **detail)
{
    const char *unused;
    const char **why = detail ? detail : &unused;
    struct pieces parts;
    struct url u = {0};
    size_t target_n = 0;
    enum url_verdict verdict = check_bytes(text, n, why);
    verdict = verdict != URL_OK ? verdict : split(text, n, &parts, why);
    if (verdict != URL_OK) {
        return verdict;
    }
    u.https = parts.scheme.n == strlen("https");
    verdict = parse_port(&parts.port, u.https, &u.port, why);
    verdict = verdict != URL_OK ? verdict : measure_target(&parts.target, &target_n, why);
    verdict = verdict != URL_OK ? verdict : url_host_parse(parts.host.p, parts.host.n, &u, why);
    if (verdict != URL_OK) {
        return verdict;
    }
    char origin_space[HOST_MAX + 32];
    struct buf origin = BUF_OVER(origin_space);
    write_origin(&u, &origin);
    u.path_offset = origin.len;
    if (origin.len + target_n > URL_MAX) {
        return refuse(why, "the URL in its normal form is longer than 8192 bytes");
    }
    if (normal) {
        if (buf_reserve(normal, origin.len + target_n) < 0) {
            *why = "out of memory";
            return URL_NO_MEMORY;
        }
        buf_append(normal, origin.data, origin.len);
        char *end = write_target(normal->data + normal->len, &parts.target);
        normal->len = (size_t)(end - normal->data);
    }
    *ret = u;
    return URL_OK;
}

const char *url_verdict_name(enum url_verdict verdict)
{
    switch (verdict) {
    case URL_OK: return NULL;
    case URL_INVALID: return "invalid_url";
    case URL_UNSUPPORTED_SCHEME: return "unsupported_scheme";
    case URL_INVALID_HOST: return "invalid_host";
    case URL_NO_MEMORY: return "internal";
    }
    return NULL;
}

bool url_same_origin(const struct url *a, const struct url *b)
{
    return a->https == b->https && a->port == b->port && strcmp(a->host, b->host) == 0;
}
