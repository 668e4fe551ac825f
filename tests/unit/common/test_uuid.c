// SPDX-License-Identifier: MIT
// UUID version 7.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/uuid.h"

static void holds_time_version_and_variant(void **state)
{
    (void)state;
    uint8_t id[UUID_SIZE];
    uint8_t other[UUID_SIZE];
    char text[UUID_TEXT_SIZE];
    uuid_v7(0x0123456789ab, id);
    uuid_v7(0x0123456789ab, other);
    assert_memory_not_equal(id, other, UUID_SIZE);
    uuid_format(id, text);
    assert_memory_equal(text, "01234567-89ab-7", 15);
    assert_non_null(strchr("89ab", text[19]));
    assert_int_equal(strlen(text), UUID_TEXT_SIZE - 1);
}

static void sorts_by_time(void **state)
{
    (void)state;
    char earlier[UUID_TEXT_SIZE];
    char later[UUID_TEXT_SIZE];
    for (int64_t at = 1700000000000; at < 1700000000100; at++) {
        uint8_t id[UUID_SIZE];
        uuid_v7(at, id);
        uuid_format(id, earlier);
        uuid_v7(at + 1, id);
        uuid_format(id, later);
        assert_true(strcmp(earlier, later) < 0);
    }
}

static void round_trips(void **state)
{
    (void)state;
    uint8_t id[UUID_SIZE];
    uint8_t back[UUID_SIZE];
    char text[UUID_TEXT_SIZE];
    for (int i = 0; i < 100; i++) {
        uuid_v7(1795416840123 + i, id);
        uuid_format(id, text);
        assert_int_equal(uuid_parse(text, back), 0);
        assert_memory_equal(id, back, UUID_SIZE);
    }
}

static void only_the_canonical_form_is_read(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "019a9b1e-27cd-7a3b-9f00-0123456789a",
        "019a9b1e-27cd-7a3b-9f00-0123456789abc",
        "019A9B1E-27CD-7A3B-9F00-0123456789AB",
        "019a9b1e27cd7a3b9f000123456789ab",
        "019a9b1e-27cd-7a3b-9f00_0123456789ab",
        "019a9b1e-27cd-7a3b-9f00-0123456789ag",
        "{19a9b1e-27cd-7a3b-9f00-0123456789a}",
        "019a9b1e-27cd-7a3b-9f00-0123456789a ",
        "-19a9b1e-27cd-7a3b-9f00-0123456789ab",
        "../../../../../../../../etc/passwd..",
        "019a9b1e-27cd-7a3b-9f00-",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t id[UUID_SIZE] = {0};
        assert_int_equal(uuid_parse(bad[i], id), -1);
        assert_int_equal(id[0], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_time_version_and_variant),
        cmocka_unit_test(sorts_by_time),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(only_the_canonical_form_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
