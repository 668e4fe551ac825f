// SPDX-License-Identifier: MIT
// Heads of answers and problem documents.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "daemon/api/http_reply.h"
#include "daemon/api/problem.h"

static void a_head_has_its_fields_in_order(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(1000);
    struct http_field fields[] = {{"ETag", "\"x\""}, {"Evil", "a\r\nB: c\x7f"}};
    struct http_reply r = {.status = 422,
                           .content_type = "text/plain",
                           .fields = fields,
                           .n_fields = 2,
                           .content_length = 1234567890123,
                           .connection = "close"};
    http_reply_head(&r, "D", &out);
    assert_string_equal(out.data, "HTTP/1.1 422 Unprocessable Content\r\nDate: D\r\nContent-Type: "
                                  "text/plain\r\nETag: \"x\"\r\nEvil: a  B: c \r\nContent-Length: "
                                  "1234567890123\r\nConnection: close\r\n\r\n");
    buf_done(&out);
    r = (struct http_reply){.status = 200, .content_length = -1, .chunked = true};
    http_reply_head(&r, "D", &out);
    assert_string_equal(out.data,
                        "HTTP/1.1 200 OK\r\nDate: D\r\nTransfer-Encoding: chunked\r\n\r\n");
    buf_done(&out);
}

static void every_error_has_a_reason_phrase(void **state)
{
    (void)state;
    for (int code = 1; code < ERR__COUNT; code++) {
        int status = err_info((enum err_code)code)->http_status;
        if (status) {
            assert_string_not_equal(http_reply_reason(status), http_reply_reason(999));
        }
    }
}

static void the_date_is_an_http_date(void **state)
{
    (void)state;
    struct http_date d = {0};
    assert_string_equal(http_date_text(&d, 0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_string_equal(http_date_text(&d, 784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_string_equal(http_date_text(&d, 784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

static void a_problem_names_its_error(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(2000);
    struct err e;
    err_set(&e, ERR_INVALID_BATCH, "\"quoted\" text");
    problem_render(&e, "\"errors_total\": 3", &out);
    json_t *j = json_loadb(out.data, out.len, 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "type")), "/problems/invalid_batch");
    assert_string_equal(json_string_value(json_object_get(j, "title")), "Invalid batch");
    assert_string_equal(json_string_value(json_object_get(j, "detail")), "\"quoted\" text");
    assert_string_equal(json_string_value(json_object_get(j, "code")), "invalid_batch");
    assert_int_equal(json_integer_value(json_object_get(j, "status")), 422);
    assert_int_equal(json_integer_value(json_object_get(j, "errors_total")), 3);
    json_decref(j);
    buf_done(&out);
}

static void a_local_error_tells_a_client_nothing_of_its_text(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(2000);
    struct err e;
    err_set(&e, ERR_SYSTEM, "cannot open /var/lib/secret");
    problem_render(&e, NULL, &out);
    assert_null(strstr(out.data, "secret"));
    assert_non_null(strstr(out.data, "\"status\":500"));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_has_its_fields_in_order),
        cmocka_unit_test(every_error_has_a_reason_phrase),
        cmocka_unit_test(the_date_is_an_http_date),
        cmocka_unit_test(a_problem_names_its_error),
        cmocka_unit_test(a_local_error_tells_a_client_nothing_of_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
