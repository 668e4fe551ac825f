// SPDX-License-Identifier: MIT
// The calendar. Pure; callable from any thread.
#include "common/calendar.h"

// Days before the months of a common year; the last entry is the length of the year.
static const int days_before_month[13] = {0,   31,  59,  90,  120, 151, 181,
                                          212, 243, 273, 304, 334, 365};

static bool is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

// Days before the first of `month`; month 13 gives the length of the year.
static int month_start(int year, int month)
{
    return days_before_month[month - 1] + (month > 2 && is_leap(year) ? 1 : 0);
}

// Days from 0001-01-01 to the first day of `year`.
static int64_t year_start(int64_t year)
{
    int64_t past = year - 1;
    return past * 365 + past / 4 - past / 100 + past / 400;
}

bool calendar_valid(int year, int month, int day)
{
    if (year < 1 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    return day <= month_start(year, month + 1) - month_start(year, month);
}

int64_t calendar_days(int year, int month, int day)
{
    return year_start(year) - year_start(1970) + month_start(year, month) + day - 1;
}

void calendar_date(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t since_one = days + year_start(1970);
    int64_t year = since_one * 400 / 146097 + 1; // 400 years have 146097 days: right, or one off
    while (year_start(year) > since_one) {
        year--;
    }
    while (year_start(year + 1) <= since_one) {
        year++;
    }
    int rest = (int)(since_one - year_start(year));
    int month = rest / 31 + 1; // right, or one too few
    if (month_start((int)year, month + 1) <= rest) {
        month++;
    }
    *ret_year = (int)year;
    *ret_month = month;
    *ret_day = rest - month_start((int)year, month) + 1;
}
