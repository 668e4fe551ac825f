// SPDX-License-Identifier: MIT
// Queries are read strictly: what is unknown, repeated or malformed is an error that names it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/query.h"

static const char *const keys[] = {"name", "limit", "wait", "force", NULL};

static void good_queries_are_decoded(void **state)
{
    struct query q;
    struct err e;
    (void)state;
    assert_int_equal(query_parse("name=a+b%26c%C3%A4&limit=7&force", keys, &q, &e), 0);
    assert_string_equal(query_get(&q, "name"), "a b&c\xc3\xa4");
    assert_string_equal(query_get(&q, "limit"), "7");
    assert_string_equal(query_get(&q, "force"), "");
    assert_null(query_get(&q, "wait"));
    query_done(&q);
}

static void no_query_is_an_empty_one(void **state)
{
    static const char *const texts[] = {NULL, "", "&", "&&"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct query q;
        struct err e;
        assert_int_equal(query_parse(texts[i], NULL, &q, &e), 0);
        assert_int_equal(q.n, 0);
        query_done(&q);
    }
}

static void bad_queries_are_refused(void **state)
{
    static const char *const texts[] = {
        "colour=1", "limit=1&limit=1", "limit=1&%6cimit=1", "name=%zz", "name=%", "name=%4",
        "name=%00", "name=%ff",        "name=a&=b",         "%ff=1",    "NAME=a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct query q;
        struct err e = {.code = ERR_OK};
        if (query_parse(texts[i], keys, &q, &e) == 0) {
            fail_msg("'%s' was accepted", texts[i]);
        }
        assert_int_equal(e.code, ERR_BAD_REQUEST);
    }
}

static int read_uint(const char *text, uint64_t *ret)
{
    struct query q = {.v = {{"limit", text}}, .n = 1};
    struct query_range range = {1, 1000};
    struct err e;
    return query_uint(&q, "limit", range, ret, &e);
}

static void numbers_are_strict(void **state)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "-1",
                                      "+1",
                                      "1001",
                                      "1e3",
                                      "abc",
                                      "0x5",
                                      "1 ",
                                      " 1",
                                      "01",
                                      "1000000000",
                                      "18446744073709551617"};
    uint64_t n = 42;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (read_uint(bad[i], &n) == 0) {
            fail_msg("'%s' was accepted", bad[i]);
        }
        assert_int_equal(n, 42);
    }
    assert_int_equal(read_uint("1000", &n), 0);
    assert_int_equal(n, 1000);
}

static void seconds_are_clamped(void **state)
{
    uint64_t n = 0;
    (void)state;
    assert_int_equal(seconds_parse("30", 60, &n), 0);
    assert_int_equal(n, 30);
    assert_int_equal(seconds_parse("61", 60, &n), 0);
    assert_int_equal(n, 60);
    assert_int_equal(seconds_parse("99999999999999999999999", 60, &n), 0);
    assert_int_equal(n, 60);
    assert_int_equal(seconds_parse("007", 60, &n), 0);
    assert_int_equal(n, 7);
    assert_int_equal(seconds_parse("-1", 60, &n), -1);
    assert_int_equal(seconds_parse("1.5", 60, &n), -1);
    assert_int_equal(seconds_parse("", 60, &n), -1);
}

static void flags_are_spelled_out(void **state)
{
    static const struct {
        const char *text;
        int status;
        bool value;
    } samples[] = {{"1", 0, true},  {"true", 0, true},  {"0", 0, false}, {"false", 0, false},
                   {"", -1, false}, {"yes", -1, false}, {"2", -1, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct query q = {.v = {{"force", samples[i].text}}, .n = 1};
        struct err e;
        bool value = !samples[i].value;
        assert_int_equal(query_flag(&q, "force", &value, &e), samples[i].status);
        assert_true(samples[i].status < 0 || value == samples[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_queries_are_decoded), cmocka_unit_test(no_query_is_an_empty_one),
        cmocka_unit_test(bad_queries_are_refused),  cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(seconds_are_clamped),      cmocka_unit_test(flags_are_spelled_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
