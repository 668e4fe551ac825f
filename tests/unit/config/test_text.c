// SPDX-License-Identifier: MIT
// Comments are blanked without moving a line, and what is left open is found where it begins.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "config/text.h"

static int prepare(const char *text, struct buf *out, int *line)
{
    struct err e;
    buf_init(out, 1000);
    assert_int_equal(buf_append_str(out, text), 0);
    return config_text_prepare(out, &e, line);
}

static void blanks_comments_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", ""},
        {"a # b\nc", "a    \nc"},
        {"#", " "},
        {"a // b\nc", "a     \nc"},
        {"a //b//c\nc", "a       \nc"},
        {"a /* b\n\n */ c", "a     \n\n    c"},
        {"a /***/ c /**/", "a       c     "},
        {"a/*b", "a/*b"},
        {"10.0.0.0/8 a//b", "10.0.0.0/8 a//b"},
        {"{10.0.0.0/8}# x", "{10.0.0.0/8}   "},
        {"\"# // /* */\" # x", "\"# // /* */\"    "},
        {"'# // /* */' # x", "'# // /* */'    "},
        {"\"\\\"#\" # x", "\"\\\"#\"    "},
        {"'\\'#' # x", "'\\'#'    "},
        {"\"\\\\\" # x", "\"\\\\\"    "},
        {"\"${A\"#}\" # x", "\"${A\"#}\"    "},
        {"${A#} # x", "${A#}    "},
        {"# \"open\n# {\n", "       \n   \n"},
        {"# a\xc3\xa4\n", "     \n"},
        {"\xef\xbb\xbf# a\n", "      \n"},
        {"# \xe4\nx", "   \nx"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;
        int line = 0;
        if (prepare(rows[i].text, &b, &line) < 0) {
            fail_msg("refused: %s", rows[i].text);
        }
        assert_string_equal(b.data, rows[i].expected);
        buf_done(&b);
    }
}

static void finds_what_is_left_open(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
    } rows[] = {
        {"\"", 1},           {"a\n'b\nc", 2}, {"\"\\", 1},       {"\"\\\"", 1},     {"/*", 1},
        {"\n\n/* a\n*", 3},  {"/*/", 1},      {"{", 1},          {"a\n{\n{\n}", 2}, {"{}\n{", 2},
        {"\n\"${a\n}\"", 2}, {"${", 1},       {"a = '}'\n{", 2}, {"{ # }\n", 1},    {"{\n\"}\"", 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b;
        int line = 0;
        if (prepare(rows[i].text, &b, &line) == 0) {
            fail_msg("accepted: %s", rows[i].text);
        }
        assert_int_equal(line, rows[i].line);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_comments_and_nothing_else),
        cmocka_unit_test(finds_what_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
