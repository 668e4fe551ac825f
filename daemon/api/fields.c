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
                        is_text(charset, "us-ascii");
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

// "q=0", "q=0.000": the type is refused.
static bool refused(const char *parameters)
{
    struct span s;
    while (next_part(&parameters, ';', &s)) {
        if (s.n > 2 && strncasecmp(s.p, "q=", 2) == 0) {
            return strspn(s.p + 2, "0.") == s.n - 2;
        }
    }
    return false;
}

struct accepted {
    const char *type;
    int format;
};

// The format of the first type of an Accept field that is in `known` (ended by a NULL type), whose
// last entry holds what anything else gets.
static int accept_first(const char *value, const struct accepted *known)
{
    char range[128];
    struct span part;
    const struct accepted *k = known;
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
            if (is_text(type, k->type) && !refused(parameters)) {
                return k->format;
            }
        }
    }
    for (k = known; k->type; k++) {}
    return k->format;
}

enum accept_format accept_parse(const char *value)
{
    static const struct accepted known[] = {
        {"application/json", ACCEPT_JSON},          {"application/x-ndjson", ACCEPT_NDJSON},
        {"application/ndjson", ACCEPT_NDJSON},      {"application/jsonl", ACCEPT_NDJSON},
        {"text/event-stream", ACCEPT_EVENT_STREAM}, {NULL, ACCEPT_JSON},
    };
    return (enum accept_format)accept_first(value, known);
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
    return (enum page_format)accept_first(value, known);
}

bool prefer_wait(const char *value, uint64_t max, uint64_t *ret)
{
    char text[16];
    struct span part;
    while (next_part(&value, ',', &part)) {
        const char *rest = part.p;
        struct span preference = {"", 0};
        next_part(&rest, ';', &preference);
        if (preference.n > part.n) {
            preference.n = part.n;
        }
        if (preference.n <= 5 || strncasecmp(preference.p, "wait=", 5) != 0) {
            continue;
        }
        size_t n = preference.n - 5;
        if (n >= sizeof(text)) {
            continue;
        }
        memcpy(text, preference.p + 5, n);
        text[n] = '\0';
        return seconds_parse(text, max, ret) == 0;
    }
    return false;
}
