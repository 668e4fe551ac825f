// SPDX-License-Identifier: MIT
// JSON in: what is refused, and where the fault is said to be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/json.h"

static json_t *parse(const char *text, size_t n, struct err *e)
{
    e->code = ERR_OK;
    e->text[0] = '\0';
    return json_parse(text, n, e);
}

static void accepts_any_value_at_the_top(void **state)
{
    (void)state;
    static const char *const good[] = {"null",
                                       "true",
                                       "0",
                                       "-1.5e3",
                                       "\"x\"",
                                       "[]",
                                       "{}",
                                       " [1, 2]\r\n\t ",
                                       "{\"a\":{\"b\":[null]}}",
                                       "\"\\ud83d\\ude00 \xf0\x9f\x98\x80\"",
                                       "\"[[[[[[[[[[[[[[[[[[[[\"",
                                       "\"\\\"[\\\\\"",
                                       "9223372036854775807"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct err e;
        json_t *value = parse(good[i], strlen(good[i]), &e);
        if (!value) {
            fail_msg("%s: %s", good[i], e.text);
        }
        json_decref(value);
    }
}

#define TEXT(s) s, sizeof(s) - 1

static const struct {
    const char *text;
    size_t n;
} refused[] = {
    {TEXT("")},
    {TEXT("  \n")},
    {TEXT("{")},
    {TEXT("[1")},
    {TEXT("\"abc")},
    {TEXT("\"abc\\")},
    {TEXT("{} x")},
    {TEXT("[][]")},
    {TEXT("{},")},
    {TEXT("{\"a\":1,\"a\":2}")},
    {TEXT("{\"a\":1,\"\\u0061\":2}")},
    {TEXT("NaN")},
    {TEXT("[Infinity]")},
    {TEXT("[-Infinity]")},
    {TEXT("1e999")},
    {TEXT("99999999999999999999")},
    {TEXT("01")},
    {TEXT("+1")},
    {TEXT("[1] // comment")},
    {TEXT("/* x */ 1")},
    {TEXT("{'a': 1}")},
    {TEXT("{a: 1}")},
    {TEXT("[1,]")},
    {TEXT("{\"a\":1,}")},
    {TEXT("\"\\u0000\"")},
    {TEXT("\"a\0b\"")},
    {TEXT("[1]\0")},
    {TEXT("\"a\nb\"")},
    {TEXT("\"a\tb\"")},
    {TEXT("\"\x01\"")},
    {TEXT("\"\\x41\"")},
    {TEXT("\"\\u12\"")},
    {TEXT("\"\\ud800\"")},
    {TEXT("\"\\ud800x\"")},
    {TEXT("\"\\ud800\\u0041\"")},
    {TEXT("\"\\udc00\"")},
    {TEXT("\"\xff\"")},
    {TEXT("\"\xc3\"")},
    {TEXT("\"\xc3")},
    {TEXT("\"\xc0\xaf\"")},
    {TEXT("\"\xe0\x80\xaf\"")},
    {TEXT("\"\xf0\x80\x80\xaf\"")},
    {TEXT("\"\xed\xa0\x80\"")},
    {TEXT("\"\xf4\x90\x80\x80\"")},
    {TEXT("\xef\xbb\xbf{}")},
    {TEXT("\xff\xfe{\0}\0")},
    {TEXT("{\0}\0")},
    {TEXT("\xc3\xa4")},
    {TEXT("tru")},
    {TEXT("]")},
};

static void refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct err e;
        json_t *value = parse(refused[i].text, refused[i].n, &e);
        if (value) {
            fail_msg("row %zu is accepted: %s", i, refused[i].text);
        }
        assert_int_equal(e.code, ERR_BAD_REQUEST);
        assert_non_null(strstr(e.text, " line "));
        assert_non_null(strstr(e.text, " column "));
    }
}

static void bounds_the_depth(void **state)
{
    (void)state;
    char text[2 * 5000];
    static const struct {
        size_t depth;
        bool ok;
    } rows[] = {{1, true},
                {JSON_MAX_DEPTH, true},
                {JSON_MAX_DEPTH + 1, false},
                {2049, false},
                {5000, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e;
        memset(text, '[', rows[i].depth);
        memset(text + rows[i].depth, ']', rows[i].depth);
        json_t *value = parse(text, rows[i].depth * 2, &e);
        assert_int_equal(value != NULL, rows[i].ok);
        json_decref(value);
    }
}

static void gives_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *place;
    } rows[] = {
        {"[1,\n 2,\n \xff]", "line 3 column 2"},
        {"[\"ä\",\xff]", "line 1 column 6"},
        {"[1,\n 2,\n ?]", "line 3 column 2"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err e;
        assert_null(parse(rows[i].text, strlen(rows[i].text), &e));
        if (!strstr(e.text, rows[i].place)) {
            fail_msg("%s is not in: %s", rows[i].place, e.text);
        }
    }
}

// Every prefix of a document is an error of its own, and none reads past its end.
static void a_document_cut_anywhere_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"urls\": [\"http://ex\\u00e4\\\"\xc3\xa4/\", {\"a\": [1.5e3, true]}]}";
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        char *copy = test_malloc(n + 1);
        memcpy(copy + 1, text, n);
        struct err e;
        assert_null(parse(copy + 1, n, &e));
        test_free(copy);
    }
    struct err e;
    json_t *whole = parse(text, sizeof(text) - 1, &e);
    assert_non_null(whole);
    json_decref(whole);
}

static void knows_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        bool valid;
    } rows[] = {
        {TEXT(""), true},
        {TEXT("plain ASCII of some length, more than eight"), true},
        {TEXT("\x7f"), true},
        {TEXT("\xc2\x80"), true},
        {TEXT("\xdf\xbf"), true},
        {TEXT("\xe0\xa0\x80"), true},
        {TEXT("\xed\x9f\xbf"), true},
        {TEXT("\xee\x80\x80"), true},
        {TEXT("\xf0\x90\x80\x80"), true},
        {TEXT("\xf4\x8f\xbf\xbf"), true},
        {TEXT("12345678\xc3\xa4"
              "12345678"),
         true},
        {TEXT("\0"), false},
        {TEXT("1234567\0"), false},
        {TEXT("12345678\0"), false},
        {TEXT("\x80"), false},
        {TEXT("\xc0\x80"), false},
        {TEXT("\xc1\xbf"), false},
        {TEXT("\xc3"), false},
        {TEXT("\xc3("), false},
        {TEXT("\xe0\x9f\xbf"), false},
        {TEXT("\xe2\x82"), false},
        {TEXT("\xe2\x82("), false},
        {TEXT("\xed\xa0\x80"), false},
        {TEXT("\xf0\x8f\xbf\xbf"), false},
        {TEXT("\xf0\x9f\x98("), false},
        {TEXT("\xf4\x90\x80\x80"), false},
        {TEXT("\xf5\x80\x80\x80"), false},
        {TEXT("\xff"), false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (utf8_valid(rows[i].text, rows[i].n) != rows[i].valid) {
            fail_msg("row %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_any_value_at_the_top),
        cmocka_unit_test(refuses),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(gives_the_place),
        cmocka_unit_test(a_document_cut_anywhere_is_refused),
        cmocka_unit_test(knows_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
