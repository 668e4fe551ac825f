// SPDX-License-Identifier: MIT
// Task options: what is accepted, what is refused and where the refusal points to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/task_error.h"
#include "daemon/task/options.h"

static const struct task_limits limits = {
    .timeout_ms = 30000,
    .connect_timeout_ms = 10000,
    .max_body_bytes = 10 << 20,
    .max_timeout_ms = 3600000,
    .max_max_body_bytes = 1 << 30,
};

static int apply(struct task_options *o, const char *text, struct input_error *bad)
{
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    int status = task_options_apply(o, object, NULL, &limits, bad);
    json_decref(object);
    return status;
}

static void the_defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct task_options o;
    assert_int_equal(task_options_init(&o, &limits), 0);
    assert_int_equal(o.method, METHOD_GET);
    assert_int_equal(o.timeout_ms, 30000);
    assert_int_equal(o.connect_timeout_ms, 10000);
    assert_int_equal(o.max_body_bytes, 10 << 20);
    assert_int_equal(o.max_redirects, 10);
    assert_int_equal(o.retry.max_attempts, 3);
    assert_int_equal(o.retry.min_backoff_ms, 1000);
    assert_int_equal(o.retry.max_backoff_ms, 300000);
    assert_false(o.retry.unsafe);
    assert_true(o.verify_tls);
    assert_true(task_options_accepts(&o, 200));
    assert_true(task_options_accepts(&o, 399));
    assert_false(task_options_accepts(&o, 199));
    assert_false(task_options_accepts(&o, 400));
    task_options_done(&o);
}

static const struct {
    const char *json, *pointer, *code;
} refused[] = {
    {"{\"nonsense\": 1}", "/nonsense", "unknown_field"},
    {"{\"method\": \"get\"}", "/method", "invalid_value"},
    {"{\"method\": \"CONNECT\"}", "/method", "invalid_value"},
    {"{\"method\": \"TRACE\"}", "/method", "invalid_value"},
    {"{\"method\": \"\"}", "/method", "invalid_value"},
    {"{\"method\": 1}", "/method", "wrong_type"},
    {"{\"timeout_ms\": 0}", "/timeout_ms", "out_of_range"},
    {"{\"timeout_ms\": -1}", "/timeout_ms", "out_of_range"},
    {"{\"timeout_ms\": 3600001}", "/timeout_ms", "out_of_range"},
    {"{\"timeout_ms\": 1.5}", "/timeout_ms", "wrong_type"},
    {"{\"timeout_ms\": \"1\"}", "/timeout_ms", "wrong_type"},
    {"{\"max_body_bytes\": 0}", "/max_body_bytes", "out_of_range"},
    {"{\"max_body_bytes\": -5}", "/max_body_bytes", "out_of_range"},
    {"{\"max_body_bytes\": 99999999999}", "/max_body_bytes", "out_of_range"},
    {"{\"max_redirects\": -1}", "/max_redirects", "out_of_range"},
    {"{\"accept_status\": \"\"}", "/accept_status", "invalid_value"},
    {"{\"accept_status\": \"2xx\"}", "/accept_status", "invalid_value"},
    {"{\"accept_status\": \"300-200\"}", "/accept_status", "invalid_value"},
    {"{\"accept_status\": \"099\"}", "/accept_status", "invalid_value"},
    {"{\"accept_status\": \"200,\"}", "/accept_status", "invalid_value"},
    {"{\"accept_status\": 200}", "/accept_status", "wrong_type"},
    {"{\"headers\": []}", "/headers", "wrong_type"},
    {"{\"headers\": {\"a b\": \"x\"}}", "/headers/a b", "invalid_header"},
    {"{\"headers\": {\"a:\": \"x\"}}", "/headers/a:", "invalid_header"},
    {"{\"headers\": {\"\": \"x\"}}", "/headers/", "invalid_header"},
    {"{\"headers\": {\"X\": \"a\\r\\nY: b\"}}", "/headers/X", "invalid_header"},
    {"{\"headers\": {\"X\": 1}}", "/headers/X", "wrong_type"},
    {"{\"headers\": {\"hOsT\": \"x\"}}", "/headers/hOsT", "forbidden_header"},
    {"{\"headers\": {\"Content-Length\": \"1\"}}", "/headers/Content-Length", "forbidden_header"},
    {"{\"headers\": {\"Transfer-Encoding\": \"x\"}}", "/headers/Transfer-Encoding",
     "forbidden_header"},
    {"{\"headers\": {\"Proxy-Anything\": \"x\"}}", "/headers/Proxy-Anything", "forbidden_header"},
    {"{\"headers\": {\"Metadata-Flavor\": \"Google\"}}", "/headers/Metadata-Flavor",
     "forbidden_header"},
    {"{\"headers\": {\"X-aws-ec2-metadata-token\": \"x\"}}", "/headers/X-aws-ec2-metadata-token",
     "forbidden_header"},
    {"{\"body\": \"x\"}", "/body", "body_not_allowed"},
    {"{\"method\": \"HEAD\", \"body\": \"x\"}", "/body", "body_not_allowed"},
    {"{\"method\": \"POST\", \"body_base64\": \"!\"}", "/body_base64", "invalid_value"},
    {"{\"method\": \"POST\", \"body\": \"\", \"body_base64\": \"\"}", "/body_base64", "conflict"},
    {"{\"retry\": 3}", "/retry", "wrong_type"},
    {"{\"retry\": {\"max_attempts\": 0}}", "/retry/max_attempts", "out_of_range"},
    {"{\"retry\": {\"on\": [\"always\"]}}", "/retry/on", "invalid_value"},
    {"{\"retry\": {\"nope\": 1}}", "/retry/nope", "unknown_field"},
    {"{\"retry\": {\"min_backoff_ms\": 10, \"max_backoff_ms\": 5}}", "/retry", "out_of_range"},
    {"{\"verify_tls\": false}", "/verify_tls", "forbidden"},
    {"{\"verify_tls\": 0}", "/verify_tls", "wrong_type"},
    {"{\"proxy\": \"socks5://h:1\"}", "/proxy", "invalid_value"},
};

static void what_is_wrong_is_named_and_pointed_at(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct task_options o;
        struct input_error bad = {.code = ""};
        assert_int_equal(task_options_init(&o, &limits), 0);
        if (apply(&o, refused[i].json, &bad) == 0) {
            fail_msg("accepted: %s", refused[i].json);
        }
        assert_string_equal(bad.pointer, refused[i].pointer);
        assert_string_equal(bad.code, refused[i].code);
        assert_true(strlen(bad.detail) > 5);
        task_options_done(&o);
    }
}

static void every_member_is_applied(void **state)
{
    (void)state;
    struct task_options o;
    struct input_error bad;
    assert_int_equal(task_options_init(&o, &limits), 0);
    assert_int_equal(
        apply(&o,
              "{\"method\": \"POST\", \"headers\": {\"Accept\": \"a\", \"Cookie\": \"b\"},"
              " \"body_base64\": \"AAEC\", \"timeout_ms\": 5, \"connect_timeout_ms\": 6,"
              " \"max_body_bytes\": 7, \"max_redirects\": 0, \"accept_status\": \"200, 404-410\","
              " \"retry\": {\"max_attempts\": 1, \"on\": [\"5xx\"], \"unsafe\": true},"
              " \"proxy\": \"http://proxy.example:3128\"}",
              &bad),
        0);
    assert_int_equal(o.method, METHOD_POST);
    assert_int_equal(o.n_headers, 2);
    assert_int_equal(o.body_len, 3);
    assert_memory_equal(o.body, "\0\1\2", 3);
    assert_int_equal(o.timeout_ms, 5);
    assert_int_equal(o.connect_timeout_ms, 6);
    assert_int_equal(o.max_body_bytes, 7);
    assert_int_equal(o.max_redirects, 0);
    assert_true(task_options_accepts(&o, 404));
    assert_false(task_options_accepts(&o, 201));
    assert_int_equal(o.retry.on, TASK_CLASS_STATUS_5XX);
    assert_true(o.retry.unsafe);
    assert_string_equal(o.proxy, "http://proxy.example:3128");

    struct task_options copy;
    assert_int_equal(task_options_copy(&copy, &o), 0);
    // A task's headers replace the batch's by name in any case; null takes one away.
    assert_int_equal(apply(&copy, "{\"headers\": {\"ACCEPT\": \"c\", \"cookie\": null}}", &bad), 0);
    assert_int_equal(copy.n_headers, 1);
    assert_string_equal(copy.headers[0].value, "c");
    assert_int_equal(o.n_headers, 2);
    task_options_done(&copy);
    task_options_done(&o);
}

static void the_kept_text_leaves_out_what_is_no_option(void **state)
{
    (void)state;
    static const char *const skip[] = {"url", "id", NULL};
    struct buf out = BUF_INIT(1000);
    json_t *object = json_loads("{\"url\": \"u\", \"id\": \"i\", \"timeout_ms\": 5}", 0, NULL);
    assert_int_equal(task_options_text(object, skip, &out), 0);
    assert_string_equal(out.data, "{\"timeout_ms\":5}");
    json_decref(object);
    buf_done(&out);
    object = json_loads("{\"url\": \"u\"}", 0, NULL);
    assert_int_equal(task_options_text(object, skip, &out), 0);
    assert_int_equal(out.len, 0);
    json_decref(object);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_the_documented_ones),
        cmocka_unit_test(what_is_wrong_is_named_and_pointed_at),
        cmocka_unit_test(every_member_is_applied),
        cmocka_unit_test(the_kept_text_leaves_out_what_is_no_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
