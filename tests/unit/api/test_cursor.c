// SPDX-License-Identifier: MIT
// Cursors come back as they were given, and any other text, list or batch is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/cursor.h"

static const struct cursor_scope scope = {.kind = CURSOR_BY_SEQ, .batch = {1, 2, 3}};

static void numbers_come_back(void **state)
{
    static const uint64_t values[] = {0, 1, 421, UINT32_MAX, INT64_MAX, UINT64_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[CURSOR_TEXT_SIZE];
        uint64_t value = 99;
        struct err e;
        cursor_encode_number(&scope, values[i], text);
        assert_int_equal(cursor_decode_number(&scope, text, &value, &e), 0);
        assert_true(value == values[i]);
    }
}

static void texts_of_any_length_come_back(void **state)
{
    char data[CURSOR_DATA_MAX];
    (void)state;
    memset(data, 'h', sizeof(data));
    for (size_t n = 0; n <= sizeof(data); n++) {
        char text[CURSOR_TEXT_SIZE];
        uint8_t back[CURSOR_DATA_MAX + 1];
        size_t len = 0;
        struct err e;
        cursor_encode(&scope, data, n, text);
        assert_true(strlen(text) < sizeof(text));
        assert_int_equal(cursor_decode(&scope, text, back, &len, &e), 0);
        assert_int_equal(len, n);
        assert_memory_equal(back, data, n);
    }
}

static void refused(const struct cursor_scope *s, const char *text)
{
    uint64_t value;
    struct err e = {.code = ERR_OK};
    if (cursor_decode_number(s, text, &value, &e) == 0) {
        fail_msg("'%s' was accepted", text);
    }
    assert_int_equal(e.code, ERR_BAD_REQUEST);
}

static void foreign_cursors_are_refused(void **state)
{
    char text[CURSOR_TEXT_SIZE];
    struct cursor_scope other_kind = scope, other_batch = scope;
    (void)state;
    other_kind.kind = CURSOR_BY_INDEX;
    other_batch.batch[15] = 1;
    cursor_encode_number(&scope, 7, text);
    refused(&other_kind, text);
    refused(&other_batch, text);
    cursor_encode(&scope, "short", 5, text);
    refused(&scope, text);
}

static void tampered_cursors_are_refused(void **state)
{
    char text[CURSOR_TEXT_SIZE], bad[CURSOR_TEXT_SIZE + 1];
    (void)state;
    cursor_encode_number(&scope, 7, text);
    for (size_t i = 0; text[i]; i++) {
        for (int c = 1; c < 256; c++) {
            memcpy(bad, text, sizeof(text));
            bad[i] = (char)c;
            if (bad[i] != text[i]) {
                refused(&scope, bad);
            }
        }
        memcpy(bad, text, sizeof(text));
        bad[i] = '\0';
        refused(&scope, bad);
    }
    memcpy(bad, text, sizeof(text));
    memcpy(bad + strlen(text), "A", 2);
    refused(&scope, bad);
    refused(&scope, "");
    refused(&scope, "0");
    memset(bad, 'A', sizeof(bad) - 1);
    bad[sizeof(bad) - 1] = '\0';
    refused(&scope, bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(texts_of_any_length_come_back),
        cmocka_unit_test(foreign_cursors_are_refused),
        cmocka_unit_test(tampered_cursors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
