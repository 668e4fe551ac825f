// SPDX-License-Identifier: MIT
// Reading dates: RFC 3339, the three forms of an HTTP-date, Retry-After. Pure but for "now", which
// decides the century of a two-digit year. No locale: strptime would read month names in the user's
// language.
#include "common/clock.h"

#include <stdbool.h>
#include <string.h>

#include "common/calendar.h"

// As good as "for ever", and far from any overflow.
#define MAX_RETRY_AFTER_S INT64_C(1000000000)

struct moment {
    int year, month, day, hour, minute, second, ms;
    int offset_minutes; // east of UTC
};

// A cursor over the text; `failed` is sticky, so that a form reads as a list of its pieces.
struct scan {
    const char *p;
    bool failed;
};

static int scan_digits(struct scan *s, int width)
{
    int value = 0;
    for (int i = 0; i < width && !s->failed; i++) {
        if (*s->p < '0' || *s->p > '9') {
            s->failed = true;
            return 0;
        }
        value = value * 10 + (*s->p++ - '0');
    }
    return value;
}

static void scan_text(struct scan *s, const char *text)
{
    size_t n = strlen(text);
    if (s->failed || strncmp(s->p, text, n) != 0) {
        s->failed = true;
        return;
    }
    s->p += n;
}

// The index of the name at the cursor among `n` names, and moves behind it; the longest name first
// if one begins another.
static int scan_name(struct scan *s, const char *const *names, int n)
{
    for (int i = 0; i < n && !s->failed; i++) {
        size_t len = strlen(names[i]);
        if (strncmp(s->p, names[i], len) == 0) {
            s->p += len;
            return i;
        }
    }
    s->failed = true;
    return 0;
}

static void scan_time(struct scan *s, struct moment *m)
{
    m->hour = scan_digits(s, 2);
    scan_text(s, ":");
    m->minute = scan_digits(s, 2);
    scan_text(s, ":");
    m->second = scan_digits(s, 2);
}

static int finish(const struct scan *s, const struct moment *m, int64_t *ret_at)
{
    // Second 60 is a leap second; it counts as the first of the next minute.
    if (s->failed || *s->p != '\0' || !calendar_valid(m->year, m->month, m->day) || m->hour > 23 ||
        m->minute > 59 || m->second > 60) {
        return -1;
    }
    int64_t minutes = (calendar_days(m->year, m->month, m->day) * 24 + m->hour) * 60 + m->minute;
    *ret_at = ((minutes - m->offset_minutes) * 60 + m->second) * 1000 + m->ms;
    return 0;
}

static void scan_fraction(struct scan *s, struct moment *m)
{
    if (s->failed || *s->p != '.') {
        return;
    }
    s->p++;
    int digits = 0;
    int weight = 100;
    while (*s->p >= '0' && *s->p <= '9' && digits < 9) {
        m->ms += (*s->p++ - '0') * weight;
        weight /= 10;
        digits++;
    }
    if (digits == 0) {
        s->failed = true;
    }
}

static void scan_offset(struct scan *s, struct moment *m)
{
    if (s->failed) {
        return;
    }
    char sign = *s->p;
    if (sign != '\0') {
        s->p++;
    }
    if (sign == 'Z' || sign == 'z') {
        return;
    }
    if (sign != '+' && sign != '-') {
        s->failed = true;
        return;
    }
    int hours = scan_digits(s, 2);
    scan_text(s, ":");
    int minutes = scan_digits(s, 2);
    if (hours > 23 || minutes > 59) {
        s->failed = true;
    }
    m->offset_minutes = (hours * 60 + minutes) * (sign == '-' ? -1 : 1);
}

int clock_parse(const char *text, int64_t *ret_at)
{
    struct scan s = {.p = text};
    struct moment m = {0};
    m.year = scan_digits(&s, 4);
    scan_text(&s, "-");
    m.month = scan_digits(&s, 2);
    scan_text(&s, "-");
    m.day = scan_digits(&s, 2);
    scan_text(&s, *s.p == 't' ? "t" : "T");
    scan_time(&s, &m);
    scan_fraction(&s, &m);
    scan_offset(&s, &m);
    return finish(&s, &m, ret_at);
}

static const char *const day_names[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char *const long_day_names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                             "Thursday", "Friday", "Saturday"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static int scan_month(struct scan *s)
{
    return scan_name(s, month_names, 12) + 1;
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
static int parse_imf_fixdate(const char *text, int64_t *ret_at)
{
    struct scan s = {.p = text};
    struct moment m = {0};
    scan_name(&s, day_names, 7);
    scan_text(&s, ", ");
    m.day = scan_digits(&s, 2);
    scan_text(&s, " ");
    m.month = scan_month(&s);
    scan_text(&s, " ");
    m.year = scan_digits(&s, 4);
    scan_text(&s, " ");
    scan_time(&s, &m);
    scan_text(&s, " GMT");
    return finish(&s, &m, ret_at);
}

// A two-digit year that would be more than 50 years ahead means the past century (RFC 9110 §5.6.7).
static int full_year(int two_digits)
{
    int this_year, month, day;
    calendar_date(clock_wall_at() / 86400000, &this_year, &month, &day);
    int year = this_year - this_year % 100 + two_digits;
    return year > this_year + 50 ? year - 100 : year;
}

// "Sunday, 06-Nov-94 08:49:37 GMT"
static int parse_rfc850(const char *text, int64_t *ret_at)
{
    struct scan s = {.p = text};
    struct moment m = {0};
    scan_name(&s, long_day_names, 7);
    scan_text(&s, ", ");
    m.day = scan_digits(&s, 2);
    scan_text(&s, "-");
    m.month = scan_month(&s);
    scan_text(&s, "-");
    m.year = full_year(scan_digits(&s, 2));
    scan_text(&s, " ");
    scan_time(&s, &m);
    scan_text(&s, " GMT");
    return finish(&s, &m, ret_at);
}

// "Sun Nov  6 08:49:37 1994"
static int parse_asctime(const char *text, int64_t *ret_at)
{
    struct scan s = {.p = text};
    struct moment m = {0};
    scan_name(&s, day_names, 7);
    scan_text(&s, " ");
    m.month = scan_month(&s);
    scan_text(&s, " ");
    if (!s.failed && *s.p == ' ') {
        s.p++;
        m.day = scan_digits(&s, 1);
    } else {
        m.day = scan_digits(&s, 2);
    }
    scan_text(&s, " ");
    scan_time(&s, &m);
    scan_text(&s, " ");
    m.year = scan_digits(&s, 4);
    return finish(&s, &m, ret_at);
}

int clock_parse_http_date(const char *text, int64_t *ret_at)
{
    if (parse_imf_fixdate(text, ret_at) == 0 || parse_rfc850(text, ret_at) == 0) {
        return 0;
    }
    return parse_asctime(text, ret_at);
}

int clock_parse_retry_after(const char *text, int64_t now_at, int64_t *ret_at)
{
    int64_t seconds = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        seconds = seconds * 10 + (*p - '0');
        seconds = seconds > MAX_RETRY_AFTER_S ? MAX_RETRY_AFTER_S : seconds;
    }
    if (*p != '\0') {
        return clock_parse_http_date(text, ret_at);
    }
    if (p == text) {
        return -1;
    }
    *ret_at = now_at + seconds * 1000;
    return 0;
}
