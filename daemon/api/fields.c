// SPDX-License-Identifier: MIT
// Media types, Accept and Prefer. Pure; never reads anything but its arguments.
#include "daemon/api/fields.h"

#include <string.h>
#include <strings.h>

#include "daemon/api/query.h"

#define BLANK " \t"

// A part of a field without the blanks around it.
struct span {
    const char *p;
    size_t n;
};

static struct span trim(const char *p, size_t n)
{
    while (n && strchr(BLANK, p[0])) {
        p++;
        n--;
    }
    while (n && strchr(BLANK, p[n - 1])) {
        n--;
    }
    return (struct span){p, n};
}

static bool is_text(struct span s, const char *text)
{
    return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

// Cuts the part up to `separator` off the front of *rest; false at the end.
static bool next_part(const char **rest, char separator, struct span *ret)
{
    const char *p = *rest;
    if (!p) {
        return false;
    }
    const char *end = strchr(p, separator);
    *ret = trim(p, end ? (size_t)(end - p) : strlen(p));
    *rest = end ? end + 1 : NULL;
    return true;
}

// Splits "type/subtype; charset=utf-8" into the type and whether its charset is UTF-8 or not given.
static struct span media_type(const char *value, bool *ret_utf8)
{
    const char *rest = value;
    struct span type = {"", 0}, parameter;
    next_part(&rest, ';', &type);
    *ret_utf8 = true;
    while (next_part(&rest, ';', &parameter)) {
        if (parameter.n >= 8 && strncasecmp(parameter.p, "charset=", 8) == 0) {
            struct span charset = {parameter.p + 8, parameter.n - 8};
            *ret_utf8 = is_text(charset, "utf-8") || is_text(charset, "\"utf-8\"") ||
                        is_text(charset, "utf8") || is_text(charset, "us-ascii");
        }
    }
    return type;
}

int content_type_submission(const char *value, enum submission_format *ret, struct err *e)
{
    static const struct {
        const char *type;
        enum submission_format format;
    } known[] = {
        {"application/json", SUBMISSION_JSON},     {"application/x-ndjson", SUBMISSION_NDJSON},
        {"application/ndjson", SUBMISSION_NDJSON}, {"application/jsonl", SUBMISSION_NDJSON},
        {"text/plain", SUBMISSION_TEXT},
    };
    bool utf8 = true;
    struct span type = media_type(value ? value : "", &utf8);
    for (size_t i = 0; utf8 && i < sizeof(known) / sizeof(known[0]); i++) {
        if (is_text(type, known[i].type)) {
            *ret = known[i].format;
            return 0;
        }
    }
    return err_set(e, ERR_UNSUPPORTED_MEDIA_TYPE,
                   "send application/json, application/x-ndjson or text/plain (one URL a line), in "
                   "UTF-8; with curl: --data-binary @file -H 'Content-Type: text/plain' "
                   "(curl -d @file strips newlines)");
}

bool content_type_is_json(const char *value)
{
    bool utf8 = true;
    struct span type = media_type(value ? value : "", &utf8);
    return utf8 &&
           (is_text(type, "application/json") || is_text(type, "application/merge-patch+json"));
}

// The weight of a media range in thousandths (RFC 9110 §12.4.2); 1 where it is none.
static unsigned weight(const char *parameters)
{
    struct span s;
    while (next_part(&parameters, ';', &s)) {
        if (s.n > 2 && strncasecmp(s.p, "q=", 2) == 0) {
            unsigned value = s.p[2] == '1' ? 1000 : 0;
            unsigned unit = 100;
            for (size_t i = 4; i < s.n && unit > 0 && value < 1000; i++, unit /= 10) {
                value += s.p[i] >= '0' && s.p[i] <= '9' ? (unsigned)(s.p[i] - '0') * unit : 0;
            }
            return value;
        }
    }
    return 1000;
}

struct accepted {
    const char *type;
    int format;
};

// The format of the weightiest type of an Accept field that is in `known` (ended by a NULL type),
// the first of several; the last entry holds what anything else gets.
static int accept_best(const char *value, const struct accepted *known)
{
    char range[128];
    struct span part;
    const struct accepted *best = NULL, *k;
    unsigned best_weight = 0;
    while (next_part(&value, ',', &part)) {
        if (part.n >= sizeof(range)) {
            continue;
        }
        memcpy(range, part.p, part.n);
        range[part.n] = '\0';
        const char *parameters = range;
        struct span type = {"", 0};
        next_part(&parameters, ';', &type);
        for (k = known; k->type; k++) {
            if (is_text(type, k->type) && weight(parameters) > best_weight) {
                best = k;
                best_weight = weight(parameters);
            }
        }
    }
    for (k = known; !best && k->type; k++) {}
    return best ? best->format : k->format;
}

enum accept_format accept_parse(const char *value)
{
    static const struct accepted known[] = {
        {"application/json", ACCEPT_JSON},          {"application/x-ndjson", ACCEPT_NDJSON},
        {"application/ndjson", ACCEPT_NDJSON},      {"application/jsonl", ACCEPT_NDJSON},
        {"text/event-stream", ACCEPT_EVENT_STREAM}, {NULL, ACCEPT_JSON},
    };
    return (enum accept_format)accept_best(value, known);
}

enum page_format accept_page(const char *value)
{
    static const struct accepted known[] = {
        {"text/plain", PAGE_TEXT},
        {"text/html", PAGE_HTML},
        {"application/json", PAGE_JSON},
        {"application/problem+json", PAGE_JSON},
        {NULL, PAGE_TEXT},
    };
    return (enum page_format)accept_best(value, known);
}

// The value of "NAME = value" or "NAME = \"value\"" (RFC 7240 §2) in ret; false if it is of another
// name or does not fit.
static bool preference_value(struct span s, const char *name, char *ret, size_t size)
{
    size_t n = strlen(name);
    if (s.n <= n || strncasecmp(s.p, name, n) != 0) {
        return false;
    }
    struct span rest = trim(s.p + n, s.n - n);
    if (rest.n == 0 || rest.p[0] != '=') {
        return false;
    }
    rest = trim(rest.p + 1, rest.n - 1);
    if (rest.n >= 2 && rest.p[0] == '"' && rest.p[rest.n - 1] == '"') {
        rest = (struct span){rest.p + 1, rest.n - 2};
    }
    if (rest.n >= size) {
        return false;
    }
    memcpy(ret, rest.p, rest.n);
    ret[rest.n] = '\0';
    return true;
}

bool prefer_wait(const char *value, uint64_t max, uint64_t *ret)
{
    char text[16];
    struct span part;
    while (next_part(&value, ',', &part)) {
        const char *semicolon = memchr(part.p, ';', part.n);
        size_t n = semicolon ? (size_t)(semicolon - part.p) : part.n;
        if (preference_value(trim(part.p, n), "wait", text, sizeof(text))) {
            return seconds_parse(text, max, ret) == 0;
        }
    }
    return false;
}
