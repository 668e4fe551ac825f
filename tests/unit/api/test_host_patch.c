// SPDX-License-Identifier: MIT
// What a PATCH of a host may say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/json.h"
#include "daemon/api/hosts.h"

static int parse(const char *text, unsigned *fields, struct host_limits *limits)
{
    struct err e;
    json_t *document = json_parse(text, strlen(text), &e);
    assert_non_null(document);
    int status = host_patch_parse(document, fields, limits, &e);
    json_decref(document);
    return status;
}

static void members_are_read_and_null_takes_back(void **state)
{
    unsigned fields;
    struct host_limits l;
    (void)state;
    assert_int_equal(
        parse("{\"max_concurrency\":2,\"delay_ms\":0,\"rate_per_s\":0.5,\"paused\":true}", &fields,
              &l),
        0);
    assert_int_equal(fields, 15);
    assert_int_equal(l.max_concurrency, 2);
    assert_int_equal(l.delay_ms, 0);
    assert_true(l.rate_per_s > 0.49 && l.rate_per_s < 0.51);
    assert_true(l.paused);
    assert_int_equal(parse("{\"max_concurrency\":null,\"paused\":null}", &fields, &l), 0);
    assert_int_equal(fields, HOST_FIELD_CONCURRENCY | HOST_FIELD_PAUSED);
    assert_int_equal(l.max_concurrency, -1);
    assert_false(l.paused);
    assert_int_equal(parse("{}", &fields, &l), 0);
    assert_int_equal(fields, 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const texts[] = {
        "[]",
        "5",
        "{\"colour\":1}",
        "{\"max_concurrency\":0}",
        "{\"max_concurrency\":-1}",
        "{\"max_concurrency\":1.5}",
        "{\"max_concurrency\":\"2\"}",
        "{\"max_concurrency\":10001}",
        "{\"delay_ms\":-1}",
        "{\"delay_ms\":1e3}",
        "{\"delay_ms\":86400001}",
        "{\"rate_per_s\":-1}",
        "{\"rate_per_s\":true}",
        "{\"paused\":1}",
        "{\"paused\":\"yes\"}",
        "{\"paused\":true,\"x\":1}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        unsigned fields;
        struct host_limits l;
        if (parse(texts[i], &fields, &l) == 0) {
            fail_msg("%s was accepted", texts[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read_and_null_takes_back),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
