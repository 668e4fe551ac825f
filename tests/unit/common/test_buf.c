// SPDX-License-Identifier: MIT
// The growing buffer, its maximum and its sticky failure.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

static void appends_up_to_the_maximum(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10);
    assert_null(b.data);
    assert_int_equal(buf_append(&b, "12345", 5), 0);
    assert_int_equal(buf_append_str(&b, "6789"), 0);
    assert_int_equal(buf_append_char(&b, '0'), 0);
    assert_string_equal(b.data, "1234567890");
    assert_false(b.failed);
    assert_int_equal(buf_append_char(&b, 'x'), -1);
    assert_true(b.failed);
    assert_string_equal(b.data, "1234567890");
    assert_true(b.cap <= 11);
    buf_reset(&b);
    assert_false(b.failed);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.data, "");
    buf_done(&b);
    assert_null(b.data);
    assert_int_equal(b.max, 10);
}

static void a_failed_append_changes_nothing(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(4);
    assert_int_equal(buf_append_str(&b, "abc"), 0);
    assert_int_equal(buf_append_str(&b, "de"), -1);
    assert_int_equal(buf_printf(&b, "%d", 1234), -1);
    assert_int_equal(buf_append(&b, "", SIZE_MAX), -1);
    assert_string_equal(b.data, "abc");
    assert_int_equal(buf_append_str(&b, "d"), 0);
    assert_true(b.failed);
    buf_done(&b);
    struct buf unlimited = BUF_INIT(SIZE_MAX);
    assert_int_equal(buf_append_str(&unlimited, "a"), 0);
    assert_int_equal(buf_reserve(&unlimited, SIZE_MAX - 1), -1);
    buf_done(&unlimited);
}

static void prints_short_and_long(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(10000);
    char expected[4000] = "";
    for (int i = 0; i < 100; i++) {
        assert_int_equal(buf_printf(&b, "%d,", i), 0);
        snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%d,", i);
    }
    assert_string_equal(b.data, expected);
    buf_reset(&b);
    assert_int_equal(buf_printf(&b, "%3000d|", 7), 0);
    assert_int_equal(b.len, 3001);
    assert_string_equal(b.data + 2999, "7|");
    buf_done(&b);
}

static void is_stolen_from(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(100);
    size_t n = 1;
    char *text = buf_steal(&b, &n);
    assert_string_equal(text, "");
    assert_int_equal(n, 0);
    free(text);
    assert_int_equal(buf_append_str(&b, "text"), 0);
    text = buf_steal(&b, NULL);
    assert_string_equal(text, "text");
    free(text);
    assert_null(b.data);
    assert_int_equal(b.max, 100);
    b.failed = true;
    assert_null(buf_steal(&b, &n));
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_up_to_the_maximum),
        cmocka_unit_test(a_failed_append_changes_nothing),
        cmocka_unit_test(prints_short_and_long),
        cmocka_unit_test(is_stolen_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
