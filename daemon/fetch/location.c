// SPDX-License-Identifier: MIT
// Where a redirect leads: RFC 3986 §5.2 reference resolution, then the URL rules of common/url.h.
// Pure. It repairs one thing only, as every client does: spaces behind the authority are sent as
// %20.
#include "daemon/fetch/transfer.h"

#include <string.h>
#include <strings.h>

// The longest text worth looking at: a base and a reference, each within the rules, escapes
// included.
#define REFERENCE_SPACE (5 * URL_MAX)

struct view {
    const char *p;
    size_t n;
};

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_scheme_char(char c)
{
    return is_alpha(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
}

// Length of the scheme of a reference, 0 if it is relative.
static size_t scheme_length(struct view v)
{
    size_t i = 0;
    while (i < v.n && (i == 0 ? is_alpha(v.p[i]) : is_scheme_char(v.p[i]))) {
        i++;
    }
    return i > 0 && i < v.n && v.p[i] == ':' ? i : 0;
}

static struct view trimmed(const char *text)
{
    struct view v = {text, strlen(text)};
    while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t')) {
        v.p++;
        v.n--;
    }
    while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t')) {
        v.n--;
    }
    return v;
}

// Bytes before the first of `set`.
static size_t span_until(struct view v, const char *set)
{
    size_t i = 0;
    while (i < v.n && !strchr(set, v.p[i])) {
        i++;
    }
    return i;
}

static void append_escaped(struct buf *out, struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == ' ') {
            buf_append_str(out, "%20");
        } else {
            buf_append_char(out, v.p[i]);
        }
    }
}

static void drop_last_segment(struct buf *out, size_t floor)
{
    while (out->len > floor && out->data[out->len - 1] != '/') {
        out->len--;
    }
    if (out->len > floor) {
        out->len--;
    }
}

// RFC 3986 §5.2.4 for an absolute path, segment by segment.
static void append_without_dots(struct buf *out, struct view path)
{
    size_t floor = out->len;
    while (path.n > 0) { // path begins with "/"
        struct view segment = {path.p + 1, path.n - 1};
        segment.n = span_until(segment, "/");
        bool last = segment.n + 1 == path.n;
        bool dot = segment.n == 1 && segment.p[0] == '.';
        bool dots = segment.n == 2 && memcmp(segment.p, "..", 2) == 0;
        if (dots) {
            drop_last_segment(out, floor);
        }
        if (!dot && !dots) {
            buf_append_char(out, '/');
            append_escaped(out, segment);
        } else if (last) {
            buf_append_char(out, '/');
        }
        path.p += segment.n + 1;
        path.n -= segment.n + 1;
    }
}

// Path, query and fragment of a reference, behind an authority that is already in `out`.
static int append_target(struct buf *out, struct view base_path, struct view ref)
{
    struct view path = {ref.p, span_until(ref, "?#")};
    struct view rest = {ref.p + path.n, ref.n - path.n};
    struct buf merged = BUF_INIT(REFERENCE_SPACE);
    if (path.n == 0 && base_path.n > 0) {
        append_escaped(out, base_path);
    } else if (path.n > 0 && path.p[0] != '/') {
        size_t keep = base_path.n;
        while (keep > 0 && base_path.p[keep - 1] != '/') {
            keep--;
        }
        buf_append(&merged, base_path.p, keep);
        buf_append(&merged, path.p, path.n);
        append_without_dots(out, (struct view){merged.data, merged.len});
    } else {
        append_without_dots(out, path);
    }
    append_escaped(out, rest);
    int ret = merged.failed ? -1 : 0;
    buf_done(&merged);
    return ret;
}

// Writes the target URL of `ref` against `base` (a normal form) to `out`.
static int resolve(const char *base, struct view ref, size_t scheme, struct buf *out)
{
    const char *authority = strstr(base, "://");
    if (!authority) {
        return -1;
    }
    struct view tail = {authority + 3, strlen(authority + 3)};
    struct view path = {tail.p + span_until(tail, "/?#"), 0};
    path.n = span_until((struct view){path.p, strlen(path.p)}, "?#");
    if (scheme > 0 || (ref.n >= 2 && memcmp(ref.p, "//", 2) == 0)) {
        struct view after = {ref.p + (scheme ? scheme + 1 : 0), ref.n - (scheme ? scheme + 1 : 0)};
        size_t slashes = after.n >= 2 && memcmp(after.p, "//", 2) == 0 ? 2 : 0;
        struct view host = {after.p, after.n};
        host.n = slashes + span_until((struct view){after.p + slashes, after.n - slashes}, "/?#");
        buf_append(out, scheme ? ref.p : base, scheme ? scheme : (size_t)(authority - base));
        buf_append_char(out, ':');
        buf_append(out, host.p, host.n);
        return append_target(out, (struct view){NULL, 0},
                             (struct view){after.p + host.n, after.n - host.n});
    }
    buf_append(out, base, (size_t)(path.p - base));
    if (ref.n == 0 || ref.p[0] == '#') { // the same document: with its query
        return buf_append_str(out, path.p);
    }
    return append_target(out, path, ref);
}

int location_resolve(const char *base, const char *location, struct url *ret, struct buf *normal,
                     enum task_error *ret_error)
{
    struct view ref = trimmed(location);
    size_t scheme = scheme_length(ref);
    bool http = (scheme == 4 && strncasecmp(ref.p, "http", 4) == 0) ||
                (scheme == 5 && strncasecmp(ref.p, "https", 5) == 0);
    if (scheme > 0 && !http) {
        *ret_error = TASK_REDIRECT_SCHEME;
        return -1;
    }
    *ret_error = TASK_REDIRECT_INVALID;
    if (ref.n > URL_MAX) {
        return -1;
    }
    struct buf target = BUF_INIT(REFERENCE_SPACE);
    if (resolve(base, ref, scheme, &target) < 0 || target.failed) {
        buf_done(&target);
        *ret_error = TASK_INTERNAL;
        return -1;
    }
    enum url_verdict verdict = url_parse(target.data, target.len, ret, normal, NULL);
    buf_done(&target);
    if (verdict == URL_UNSUPPORTED_SCHEME) {
        *ret_error = TASK_REDIRECT_SCHEME;
    } else if (verdict == URL_NO_MEMORY) {
        *ret_error = TASK_INTERNAL;
    } else if (verdict == URL_OK) {
        *ret_error = TASK_OK;
    }
    return verdict == URL_OK ? 0 : -1;
}
