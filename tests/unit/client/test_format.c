// SPDX-License-Identifier: MIT
// Numbers, times and texts in the client's output.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <string.h>

#include "client/format.h"

static void counts_are_grouped(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {4812, "4,812"},
                 {1234567, "1,234,567"},
                 {-1234, "-1,234"},
                 {INT64_MIN, "-9,223,372,036,854,775,808"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[FORMAT_SIZE];
        format_count(cases[i].n, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void durations_have_two_units_at_most(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{-5, "0ms"},         {0, "0ms"},
                 {999, "999ms"},      {1000, "1.0s"},
                 {9999, "9.9s"},      {10000, "10s"},
                 {59999, "59s"},      {60000, "1m 00s"},
                 {125000, "2m 05s"},  {3599999, "59m 59s"},
                 {3600000, "1h 00m"}, {86399999, "23h 59m"},
                 {86400000, "1d 0h"}, {INT64_MAX, "106751991167d 7h"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[FORMAT_SIZE];
        format_duration(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void sizes_are_binary(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},           {1023, "1023 B"},     {1024, "1.0 KiB"},
                 {10188, "9.9 KiB"},   {10240, "10 KiB"},    {1048063, "1023 KiB"},
                 {1048575, "1.0 MiB"}, {10485760, "10 MiB"}, {UINT64_MAX, "16 EiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[FORMAT_SIZE];
        format_size(cases[i].bytes, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void rates(void **state)
{
    (void)state;
    char text[FORMAT_SIZE];
    format_rate(0.01, text);
    assert_string_equal(text, "0/s");
    format_rate(0.44, text);
    assert_string_equal(text, "0.4/s");
    format_rate(311.4, text);
    assert_string_equal(text, "311/s");
    format_rate(57012, text);
    assert_string_equal(text, "57,012/s");
}

static void control_characters_never_reach_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"\x1b[31mred\x07", "\\x1b[31mred\\x07"},
        {"a\tb\r\nc\x7f", "a\\x09b\\x0d\\x0ac\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\u{009b}31m"}, // C1 control sequence introducer
        {"\xe2\x80\xae"
         "x",
         "\\u{202e}x"},                               // right-to-left override
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"}, // UTF-8 stays
        {"\xff\xfe", "\\xff\\xfe"},                   // no UTF-8
        {"\xc0\x9b", "\\xc0\\x9b"},                   // overlong escape character
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          // surrogate
        {"\xe2\x82", "\\xe2\\x82"},                   // cut off
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = BUF_INIT(1000);
        assert_int_equal(text_safe(&out, cases[i].in, true), 0);
        assert_string_equal(out.data, cases[i].out);
        buf_done(&out);
    }
    struct buf out = BUF_INIT(1000);
    assert_int_equal(text_safe(&out, "\xc3\xbc", false), 0);
    assert_string_equal(out.data, "\\xc3\\xbc");
    buf_done(&out);
}

static void tsv_fields_stay_one_field(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    assert_int_equal(text_tsv(&out, "a\tb\nc\rd\\e f"), 0);
    assert_string_equal(out.data, "a\\tb\\nc\\rd\\\\e f");
    buf_done(&out);
}

static void texts_are_cut_by_columns(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t width;
        const char *out;
    } cases[] = {{"abc", 3, "abc"},
                 {"abcd", 3, "ab\xe2\x80\xa6"},
                 {"abcd", 1, "\xe2\x80\xa6"},
                 {"gr\xc3\xbc\xc3\x9f", 4, "gr\xc3\xbc\xc3\x9f"},
                 {"\xe6\x97\xa5\xe6\x9c\xac", 4, "\xe6\x97\xa5\xe6\x9c\xac"},
                 {"\xe6\x97\xa5\xe6\x9c\xac", 3, "\xe6\x97\xa5\xe2\x80\xa6"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = BUF_INIT(1000);
        assert_int_equal(text_cut(&out, cases[i].in, cases[i].width, true), 0);
        assert_string_equal(out.data, cases[i].out);
        assert_true(text_width(out.data) <= cases[i].width);
        buf_done(&out);
    }
}

static void file_names_cannot_leave_their_folder(void **state)
{
    (void)state;
    static const struct {
        size_t index;
        int digits;
        const char *url, *name;
    } cases[] = {
        {3, 1, "http://h/a/picture.png", "3-picture.png"},
        {3, 4, "http://h/a/b.txt?x=/y#/z", "0003-b.txt"},
        {0, 1, "http://h/", "0-index"},
        {0, 1, "http://h", "0-index"},
        {0, 1, "http://h/..", "0-.."},
        {0, 1, "http://h/%2e%2e%2fetc", "0-_2e_2e_2fetc"},
        {0, 1, "http://h/a b;rm\\$x", "0-a_b_rm__x"},
        {0, 1, "/only/path", "0-path"},
        {0, 1, "", "0-index"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[FILE_NAME_SIZE];
        file_name_for(cases[i].index, cases[i].digits, cases[i].url, name);
        assert_string_equal(name, cases[i].name);
    }
    char url[4096] = "http://h/", name[FILE_NAME_SIZE];
    memset(url + 9, 'x', sizeof url - 10);
    file_name_for(1, 1, url, name);
    assert_int_equal(strlen(name), FILE_NAME_SIZE - 1);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_grouped),
        cmocka_unit_test(durations_have_two_units_at_most),
        cmocka_unit_test(sizes_are_binary),
        cmocka_unit_test(rates),
        cmocka_unit_test(control_characters_never_reach_a_terminal),
        cmocka_unit_test(tsv_fields_stay_one_field),
        cmocka_unit_test(texts_are_cut_by_columns),
        cmocka_unit_test(file_names_cannot_leave_their_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
