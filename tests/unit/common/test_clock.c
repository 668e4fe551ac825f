// SPDX-License-Identifier: MIT
// Dates, durations and sizes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "common/calendar.h"
#include "common/clock.h"

static void writes_rfc3339(void **state)
{
    (void)state;
    static const struct {
        int64_t at;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {784111777000, "1994-11-06T08:49:37.000Z"},
        {951782400123, "2000-02-29T00:00:00.123Z"},
        {1795416840123, "2026-11-23T06:54:00.123Z"},
        {4102444799999, "2099-12-31T23:59:59.999Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0001-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[CLOCK_TEXT_SIZE];
        clock_format(rows[i].at, text);
        assert_string_equal(text, rows[i].text);
    }
}

// Against the C library, on every day of 900 years.
static void the_calendar_agrees_with_gmtime(void **state)
{
    (void)state;
    for (int64_t days = -150000; days < 180000; days++) {
        time_t seconds = (time_t)days * 86400;
        struct tm tm;
        assert_non_null(gmtime_r(&seconds, &tm));
        int year, month, day;
        calendar_date(days, &year, &month, &day);
        assert_int_equal(year, tm.tm_year + 1900);
        assert_int_equal(month, tm.tm_mon + 1);
        assert_int_equal(day, tm.tm_mday);
        assert_int_equal(calendar_days(year, month, day), days);
    }
}

static void reads_rfc3339(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1994-11-06T08:49:37Z", 784111777000},
        {"1994-11-06t08:49:37z", 784111777000},
        {"1994-11-06T08:49:37.1Z", 784111777100},
        {"1994-11-06T08:49:37.123456789Z", 784111777123},
        {"1994-11-06T10:49:37+02:00", 784111777000},
        {"1994-11-06T03:19:37-05:30", 784111777000},
        {"1994-11-05T23:49:37-09:00", 784111777000},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"2000-02-29T00:00:00Z", 951782400000},
        {"0001-01-01T00:00:00Z", -62135596800000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t at = 1;
        assert_int_equal(clock_parse(rows[i].text, &at), 0);
        assert_int_equal(at, rows[i].at);
    }
    static const char *const bad[] = {
        "",
        "now",
        "1994-11-06",
        "1994-11-06T08:49:37",
        "1994-11-06 08:49:37Z",
        "1994-11-06T08:49Z",
        "1994-13-06T08:49:37Z",
        "1994-00-06T08:49:37Z",
        "1994-11-31T08:49:37Z",
        "1900-02-29T08:49:37Z",
        "2001-02-29T00:00:00Z",
        "1994-11-06T24:00:00Z",
        "1994-11-06T08:60:00Z",
        "1994-11-06T08:49:61Z",
        "1994-11-06T08:49:37.Z",
        "1994-11-06T08:49:37.1234567890Z",
        "1994-11-06T08:49:37+0200",
        "1994-11-06T08:49:37+24:00",
        "1994-11-06T08:49:37+02:60",
        "1994-11-06T08:49:37Zx",
        "94-11-06T08:49:37Z",
        "0000-01-01T00:00:00Z",
        " 1994-11-06T08:49:37Z",
        "1994-11-06T",
        "1994-11-06T08:49:37+",
        "-994-11-06T08:49:37Z",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at = 1;
        assert_int_equal(clock_parse(bad[i], &at), -1);
        assert_int_equal(at, 1);
    }
}

static void reads_what_it_writes(void **state)
{
    (void)state;
    for (int64_t at = -62135596800000; at < 253402300800000; at += 86399999 * 37LL) {
        char text[CLOCK_TEXT_SIZE];
        int64_t again = 0;
        clock_format(at, text);
        assert_int_equal(clock_parse(text, &again), 0);
        assert_int_equal(again, at);
    }
}

static void reads_retry_after(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at;
    } rows[] = {
        {"0", 5000},
        {"120", 125000},
        {"0007", 12000},
        {"1000000001", 1000000005000},
        {"99999999999999999999999999", 1000000005000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t at = -1;
        assert_int_equal(clock_parse_retry_after(rows[i].text, 5000, &at), 0);
        assert_int_equal(at, rows[i].at);
    }
    static const char *const bad[] = {"", " ", "-1", "+1", "1.5", "1s", "12 ", "soon"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at;
        assert_int_equal(clock_parse_retry_after(bad[i], 5000, &at), -1);
    }
}

static void reads_http_dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t at;
    } rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777000},
        {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777000},
        {"Sun Nov  6 08:49:37 1994", 784111777000},
        {"Wed Nov 16 08:49:37 1994", 784975777000},
        {"Tuesday, 01-Jan-30 00:00:00 GMT", 1893456000000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t at = 1;
        assert_int_equal(clock_parse_http_date(rows[i].text, &at), 0);
        assert_int_equal(at, rows[i].at);
    }
    static const char *const bad[] = {
        "",
        "0",
        "120",
        "-1",
        "Sun, 06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMTx",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t at = 1;
        assert_int_equal(clock_parse_http_date(bad[i], &at), -1);
    }
}

static void reads_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"500ms", 500},
        {"30s", 30000},
        {"10m", 600000},
        {"2h", 7200000},
        {"30d", 2592000000},
        {"106751991167d", 106751991167LL * 86400000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms = -1;
        assert_int_equal(clock_parse_duration(rows[i].text, &ms), 0);
        assert_int_equal(ms, rows[i].ms);
    }
    static const char *const bad[] = {"",
                                      "1",
                                      "s",
                                      "-1s",
                                      "+1s",
                                      "1.5s",
                                      "1 s",
                                      " 1s",
                                      "1s ",
                                      "1S",
                                      "1w",
                                      "1h30m",
                                      "106751991168d",
                                      "99999999999999999999ms",
                                      "18446744073709551615ms"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = -1;
        assert_int_equal(clock_parse_duration(bad[i], &ms), -1);
    }
}

static void reads_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        {"0", 0},
        {"4096", 4096},
        {"64K", 65536},
        {"10M", 10485760},
        {"2G", 2147483648},
        {"1T", 1ULL << 40},
        {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t bytes = 1;
        assert_int_equal(size_parse(rows[i].text, &bytes), 0);
        assert_int_equal(bytes, rows[i].bytes);
    }
    static const char *const bad[] = {"",
                                      "K",
                                      "-1",
                                      "1k",
                                      "1KB",
                                      "1.5M",
                                      "1 M",
                                      "0x10",
                                      "18446744073709551616",
                                      "18446744073709551615K"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t bytes = 1;
        assert_int_equal(size_parse(bad[i], &bytes), -1);
    }
}

static void the_clocks_move_on(void **state)
{
    (void)state;
    int64_t ms = clock_monotonic_ms();
    int64_t us = clock_monotonic_us();
    assert_true(us / 1000 >= ms);
    assert_true(clock_monotonic_us() >= us);
    assert_true(clock_wall_at() > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_rfc3339),     cmocka_unit_test(the_calendar_agrees_with_gmtime),
        cmocka_unit_test(reads_rfc3339),      cmocka_unit_test(reads_what_it_writes),
        cmocka_unit_test(reads_http_dates),   cmocka_unit_test(reads_retry_after),
        cmocka_unit_test(reads_durations),    cmocka_unit_test(reads_sizes),
        cmocka_unit_test(the_clocks_move_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
