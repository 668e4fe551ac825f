// SPDX-License-Identifier: MIT
// The error table, the functions that fill an error, and the table of task errors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/err.h"
#include "common/task_error.h"

static void check_name(const char *name)
{
    assert_non_null(name);
    assert_true(strlen(name) > 1);
    for (const char *p = name; *p; p++) {
        assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '_');
    }
}

static void every_code_has_a_row(void **state)
{
    (void)state;
    for (int code = ERR_OK + 1; code < ERR__COUNT; code++) {
        const struct err_info *info = err_info((enum err_code)code);
        check_name(info->name);
        assert_true(strlen(info->title) > 0);
        assert_true(info->http_status == 0 ||
                    (info->http_status >= 400 && info->http_status < 600));
        assert_true(info->exit_status >= 1 && info->exit_status <= 6);
        assert_int_equal(err_code_by_name(info->name), code); // so names are distinct
    }
    assert_int_equal(err_code_by_name("no_such"), ERR_OK);
    assert_int_equal(err_code_by_name(""), ERR_OK);
    assert_ptr_equal(err_info((enum err_code)9999), err_info(ERR_INTERNAL));
}

static void statuses_are_the_contract(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int http_status, exit_status;
    } rows[] = {
        {"bad_request", 400, 6},
        {"unauthorized", 401, 4},
        {"forbidden", 403, 4},
        {"not_found", 404, 5},
        {"method_not_allowed", 405, 1},
        {"conflict", 409, 1},
        {"length_required", 411, 6},
        {"payload_too_large", 413, 6},
        {"uri_too_long", 414, 6},
        {"unsupported_media_type", 415, 6},
        {"misdirected", 421, 1},
        {"invalid_batch", 422, 6},
        {"invalid_request", 422, 6},
        {"idempotency_key_reused", 422, 6},
        {"quota_exceeded", 429, 1},
        {"headers_too_large", 431, 6},
        {"internal", 500, 1},
        {"not_implemented", 501, 1},
        {"overloaded", 503, 1},
        {"draining", 503, 1},
        {"storage_full", 507, 1},
        {"unreachable", 0, 3},
        {"usage", 0, 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        enum err_code code = err_code_by_name(rows[i].name);
        assert_int_not_equal(code, ERR_OK);
        assert_int_equal(err_info(code)->http_status, rows[i].http_status);
        assert_int_equal(err_info(code)->exit_status, rows[i].exit_status);
    }
}

static void is_filled_and_prefixed(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(&e, ERR_NOT_FOUND, "no batch %d", 7), -1);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.text, "no batch 7");
    assert_int_equal(err_prefix(&e, "task %d", 3), -1);
    assert_string_equal(e.text, "task 3: no batch 7");
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_int_equal(err_set(&e, ERR_INTERNAL, "was: %s", e.text), -1);
    assert_string_equal(e.text, "was: task 3: no batch 7");
    assert_int_equal(err_set_errno(&e, ENOENT, "cannot open %s", "x"), -1);
    assert_int_equal(e.code, ERR_SYSTEM);
    assert_string_equal(e.text, "cannot open x: No such file or directory");
    assert_int_equal(err_set(NULL, ERR_INTERNAL, "x"), -1);
    assert_int_equal(err_set_errno(NULL, ENOENT, "x"), -1);
    assert_int_equal(err_prefix(NULL, "x"), -1);
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    struct err e;
    char text[2000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&e, ERR_INTERNAL, "%s", text);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    err_set_errno(&e, ENOENT, "%s", text);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    err_prefix(&e, "%s", text);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
}

static void every_task_error_has_a_row(void **state)
{
    (void)state;
    assert_null(task_error_info(TASK_OK)->name);
    for (int code = TASK_OK + 1; code < TASK_ERROR__COUNT; code++) {
        const struct task_error_info *info = task_error_info((enum task_error)code);
        check_name(info->name);
        assert_int_equal(task_error_by_name(info->name), code);
        assert_true(strlen(info->message) > 10);
        assert_true(strlen(info->hint) > 20);
        assert_int_equal(info->hint[strlen(info->hint) - 1], '.');
        assert_true(info->class <= TASK_CLASS_TIMEOUT);
    }
    assert_int_equal(task_error_by_name("no_such"), TASK_OK);
    assert_ptr_equal(task_error_info((enum task_error)999), task_error_info(TASK_INTERNAL));
}

// Final facts are not retried; what may pass is.
static void classes_decide_about_retries(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum task_error_class class;
    } rows[] = {
        {"dns_not_found", TASK_CLASS_NONE},
        {"dns_temporary", TASK_CLASS_NETWORK},
        {"connect_refused", TASK_CLASS_NETWORK},
        {"connect_timeout", TASK_CLASS_TIMEOUT},
        {"timeout_first_byte", TASK_CLASS_TIMEOUT},
        {"timeout_stall", TASK_CLASS_TIMEOUT},
        {"timeout_total", TASK_CLASS_TIMEOUT},
        {"truncated_body", TASK_CLASS_NETWORK},
        {"tls_verify", TASK_CLASS_NONE},
        {"http_status", TASK_CLASS_NONE},
        {"body_too_large", TASK_CLASS_NONE},
        {"blocked_address", TASK_CLASS_NONE},
        {"blocked_robots", TASK_CLASS_NONE},
        {"cancelled", TASK_CLASS_NONE},
        {"interrupted", TASK_CLASS_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(task_error_info(task_error_by_name(rows[i].name))->class, rows[i].class);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_row),
        cmocka_unit_test(statuses_are_the_contract),
        cmocka_unit_test(is_filled_and_prefixed),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(every_task_error_has_a_row),
        cmocka_unit_test(classes_decide_about_retries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
