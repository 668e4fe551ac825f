// SPDX-License-Identifier: MIT
// The rules of the command line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "client/args.h"
#include "client/verbs.h"

static const struct option_spec table[] = {
    {"flag", 'f', OPTION_FLAG, NULL, "", 0, 0},
    {"text", 't', OPTION_TEXT, "TEXT", "", 0, 0},
    {"list", 'l', OPTION_LIST, "ITEM", "", 0, 0},
    {"number", 'n', OPTION_NUMBER, "N", "", 1, 9},
    {"duration", 0, OPTION_DURATION, "DURATION", "", 1, 60000},
    {"choice", 'c', OPTION_CHOICE, "one|two|three", "", 0, 0},
    {0},
};

// Parses "gather ARG..."; arguments end with NULL.
static int parse(struct args *a, struct err *e, char **argv)
{
    int argc = 0;
    while (argv[argc]) {
        argc++;
    }
    assert_int_equal(args_init(a, argc, argv), 0);
    args_add_table(a, table);
    return args_parse(a, 1, false, e);
}

#define PARSE(a, e, ...) parse(a, e, (char *[]){(char[]){"gather"}, __VA_ARGS__, NULL})
#define W(text)          ((char[]){text})

static void options_take_values_in_all_spellings(void **state)
{
    (void)state;
    struct args a;
    struct err e;
    assert_true(PARSE(&a, &e, W("--text=a"), W("-fl"), W("x"), W("-ly"), W("pos"), W("--number"),
                      W("7"), W("--duration=2s"), W("-c"), W("two"), W("--"), W("-f")) > 0);
    assert_string_equal(args_text(&a, "text"), "a");
    assert_true(args_flag(&a, "flag"));
    assert_string_equal(args_nth(&a, "list", 0), "x");
    assert_string_equal(args_nth(&a, "list", 1), "y");
    assert_null(args_nth(&a, "list", 2));
    assert_int_equal(args_number(&a, "number", 0), 7);
    assert_int_equal(args_number(&a, "duration", 0), 2000);
    assert_string_equal(args_text(&a, "choice"), "two");
    assert_int_equal(a.positional_count, 2);
    assert_string_equal(a.positional[1], "-f");
    args_done(&a);
}

static void the_last_value_counts_and_absent_ones_fall_back(void **state)
{
    (void)state;
    struct args a;
    struct err e;
    assert_true(PARSE(&a, &e, W("-n1"), W("-n2"), W("-"), W("--text=")) > 0);
    assert_int_equal(args_number(&a, "number", 5), 2);
    assert_int_equal(args_number(&a, "duration", 5), 5);
    assert_string_equal(args_text(&a, "text"), "");
    assert_false(args_flag(&a, "flag"));
    assert_null(args_text(&a, "choice"));
    assert_string_equal(a.positional[0], "-");
    args_done(&a);
}

static void many_flags_in_one_argument_are_fine(void **state)
{
    (void)state;
    struct args a;
    struct err e;
    assert_true(PARSE(&a, &e, W("-ffffffffffffffffffffffffffffffffffff")) > 0);
    assert_true(args_flag(&a, "flag"));
    args_done(&a);
}

static void wrong_arguments_are_usage_errors_that_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *text;
    } cases[] = {
        {"--txet", "did you mean --text?"},
        {"--nothinglikeit", "unknown option --nothinglikeit"},
        {"-Z", "unknown option -Z"},
        {"--flag=x", "takes no value"},
        {"--text", "needs a value"},
        {"-n", "needs a value"},
        {"-n0", "between 1 and 9"},
        {"-n10", "between 1 and 9"},
        {"-n1x", "whole number"},
        {"-n99999999999999999999", "whole number"},
        {"--number=", "whole number"},
        {"--duration=x", "duration"},
        {"--duration=2m", "between"},
        {"--choice=four", "one of one|two|three"},
        {"--choice=", "one of"},
        {"--choice=on", "one of"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct args a;
        struct err e = {0};
        char argument[64];
        snprintf(argument, sizeof argument, "%s", cases[i].argument);
        assert_int_equal(PARSE(&a, &e, argument), -1);
        assert_int_equal(e.code, ERR_USAGE);
        if (!strstr(e.text, cases[i].text)) {
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].argument, e.text, cases[i].text);
        }
        args_done(&a);
    }
}

static void a_synopsis_tells_how_many_arguments(void **state)
{
    (void)state;
    static const struct {
        const char *synopsis;
        size_t min, max;
    } cases[] = {
        {"", 0, 0},
        {"BATCH", 1, 1},
        {"BATCH INDEX", 2, 2},
        {"[BATCH]", 0, 1},
        {"URL...", 1, SIZE_MAX},
        {"FILE|-|URL...", 1, SIZE_MAX},
        {"[VERB...]", 0, SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t min = 99, max = 99;
        synopsis_bounds(cases[i].synopsis, &min, &max);
        assert_int_equal(min, cases[i].min);
        assert_int_equal(max, cases[i].max);
    }
}

static void distance_counts_edits_and_swaps(void **state)
{
    (void)state;
    assert_int_equal(text_distance("submit", "submit"), 0);
    assert_int_equal(text_distance("sumbit", "submit"), 1);
    assert_int_equal(text_distance("wat", "wait"), 1);
    assert_int_equal(text_distance("", "ls"), 2);
    assert_int_equal(text_distance("0123456789012345678901234567890123456789", "x"), 40);
}

static void the_verb_table_is_sound(void **state)
{
    (void)state;
    for (const struct verb *v = verbs; v->name; v++) {
        assert_non_null(v->run);
        assert_non_null(v->synopsis);
        assert_non_null(v->summary);
        for (size_t t = 0; t < VERB_TABLES_MAX && v->options[t]; t++) {
            for (const struct option_spec *s = v->options[t]; s->name; s++) {
                assert_true((s->kind == OPTION_FLAG) == (s->value == NULL));
                for (const struct option_spec *g = global_options; g->name; g++) {
                    assert_string_not_equal(s->name, g->name);
                    assert_true(s->letter == 0 || s->letter != g->letter);
                }
            }
        }
    }
}

static void verbs_are_found_by_one_or_two_words(void **state)
{
    (void)state;
    char *argv[] = {W("hosts"), W("set"), W("x"), W("wait"), NULL};
    int words = 0;
    assert_string_equal(verb_find(4, argv, 0, &words)->name, "hosts set");
    assert_int_equal(words, 2);
    assert_null(verb_find(4, argv, 1, &words));
    assert_string_equal(verb_find(4, argv, 3, &words)->name, "wait");
    assert_int_equal(words, 1);
    assert_string_equal(verb_nearest("cancle")->name, "cancel");
    assert_string_equal(verb_nearest("res")->name, "results");
    assert_null(verb_nearest("frobnicate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_take_values_in_all_spellings),
        cmocka_unit_test(the_last_value_counts_and_absent_ones_fall_back),
        cmocka_unit_test(many_flags_in_one_argument_are_fine),
        cmocka_unit_test(wrong_arguments_are_usage_errors_that_say_why),
        cmocka_unit_test(a_synopsis_tells_how_many_arguments),
        cmocka_unit_test(distance_counts_edits_and_swaps),
        cmocka_unit_test(the_verb_table_is_sound),
        cmocka_unit_test(verbs_are_found_by_one_or_two_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
