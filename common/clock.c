// SPDX-License-Identifier: MIT
// Reading the clocks and writing a time as text. Callable from any thread; no locale, no time zone
// files, no lock (gmtime_r takes one).
#include "common/clock.h"

#include <stdio.h>
#include <time.h>

#include "common/calendar.h"

#define MS_PER_DAY 86400000

static struct timespec now(clockid_t id)
{
    struct timespec ts = {0};
    clock_gettime(id, &ts);
    return ts;
}

int64_t clock_monotonic_ms(void)
{
    struct timespec ts = now(CLOCK_MONOTONIC);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_monotonic_us(void)
{
    struct timespec ts = now(CLOCK_MONOTONIC);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_at(void)
{
    struct timespec ts = now(CLOCK_REALTIME);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static char *put_digits(char *p, int value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        p[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return p + width;
}

static char *put_two(char *p, int value, char after)
{
    p = put_digits(p, value, 2);
    *p++ = after;
    return p;
}

void clock_format(int64_t at, char ret[CLOCK_TEXT_SIZE])
{
    // RFC 3339 knows four digits of year; what lies outside is shown as the nearest time it can
    // write.
    const int64_t least = calendar_days(1, 1, 1) * MS_PER_DAY;
    const int64_t most = calendar_days(10000, 1, 1) * MS_PER_DAY - 1;
    at = at < least ? least : at > most ? most : at;

    int64_t days = at / MS_PER_DAY;
    int ms = (int)(at % MS_PER_DAY);
    if (ms < 0) {
        ms += MS_PER_DAY;
        days--;
    }
    int year, month, day;
    calendar_date(days, &year, &month, &day);
    char *p = put_digits(ret, year, 4);
    *p++ = '-';
    p = put_two(p, month, '-');
    p = put_two(p, day, 'T');
    p = put_two(p, ms / 3600000, ':');
    p = put_two(p, ms / 60000 % 60, ':');
    p = put_two(p, ms / 1000 % 60, '.');
    p = put_digits(p, ms % 1000, 3);
    *p++ = 'Z';
    *p = '\0';
}
