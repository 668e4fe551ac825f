// SPDX-License-Identifier: MIT
// Where redirects lead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch/transfer.h"

static void expect(const char *base, const char *location, const char *target,
                   enum task_error error)
{
    struct url u;
    struct buf normal = BUF_INIT(URL_MAX);
    enum task_error got = TASK_OK;
    int r = location_resolve(base, location, &u, &normal, &got);
    if ((r == 0) != (target != NULL) || got != error) {
        fail_msg("%s + %.60s: %d, %s", base, location, r, got ? task_error_info(got)->name : "ok");
    }
    if (target) {
        assert_string_equal(normal.data, target);
    } else {
        assert_int_equal(normal.len, 0);
    }
    buf_done(&normal);
}

static void examples_of_rfc_3986_resolve(void **state)
{
    (void)state;
    static const char base[] = "http://a/b/c/d;p?q";
    static const struct {
        const char *reference, *target;
    } rows[] = {
        {"http://g/h", "http://g/h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q"},
        {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"},
        {";x", "http://a/b/c/;x"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/../x", "http://a/b/c/g"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(base, rows[i].reference, rows[i].target, TASK_OK);
    }
}

static void what_servers_send_resolves(void **state)
{
    (void)state;
    expect("https://h/x", "//other/y", "https://other/y", TASK_OK);
    expect("https://h:8443/x", "/y", "https://h:8443/y", TASK_OK);
    expect("https://[2001:db8::1]:8443/x", "/y", "https://[2001:db8::1]:8443/y", TASK_OK);
    expect("http://h/", "HTTPS://OTHER.Example:443/A/../b", "https://other.example/b", TASK_OK);
    expect("http://h/a/b", "  c d?e f \t", "http://h/a/c%20d?e%20f", TASK_OK);
    expect("http://h/", "/caf\xc3\xa9", "http://h/caf%C3%A9", TASK_OK);
    expect("http://h/", "/latin-\xe9", "http://h/latin-%E9", TASK_OK);
    expect("http://h/?a", "?b", "http://h/?b", TASK_OK);
    expect("http://h/a//b", "..//c", "http://h/a//c", TASK_OK);
    expect("http://h/", "http://2852039166/", "http://169.254.169.254/",
           TASK_OK); // the policy's to refuse
}

static void what_is_no_web_address_is_refused(void **state)
{
    (void)state;
    expect("http://h/", "file:///etc/passwd", NULL, TASK_REDIRECT_SCHEME);
    expect("http://h/", "gopher://127.0.0.1/", NULL, TASK_REDIRECT_SCHEME);
    expect("http://h/", "javascript:alert(1)", NULL, TASK_REDIRECT_SCHEME);
    expect("http://h/", "httpx://h/", NULL, TASK_REDIRECT_SCHEME);
    expect("http://h/", "http://[::zz/", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "http://", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "http:/g", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "http:g", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "http:///g", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "//", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "///g", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "http://user@h/", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "http://a b/", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "http://h:0/", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "\\\\evil\\x", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "/a\x01", NULL, TASK_REDIRECT_INVALID);
    expect("http://h/", "/%zz", NULL, TASK_REDIRECT_INVALID);
}

static void references_longer_than_a_url_are_refused(void **state)
{
    (void)state;
    char *text = malloc(90002);
    assert_non_null(text);
    memset(text, 'l', 90001);
    text[0] = '/';
    text[90001] = '\0';
    expect("http://h/", text, NULL, TASK_REDIRECT_INVALID);
    text[8192 - 8] = '\0'; // with "http://h" in front exactly URL_MAX
    struct url u;
    struct buf normal = BUF_INIT(URL_MAX);
    enum task_error error;
    assert_int_equal(location_resolve("http://h/", text, &u, &normal, &error), 0);
    assert_int_equal(normal.len, URL_MAX);
    buf_reset(&normal);
    assert_int_equal(location_resolve("http://hh/", text, &u, &normal, &error), -1);
    assert_int_equal(error, TASK_REDIRECT_INVALID);
    buf_done(&normal);
    memset(text, ' ', 3000); // grows threefold by escaping
    text[0] = '/';
    expect("http://h/", text, NULL, TASK_REDIRECT_INVALID);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_rfc_3986_resolve),
        cmocka_unit_test(what_servers_send_resolves),
        cmocka_unit_test(what_is_no_web_address_is_refused),
        cmocka_unit_test(references_longer_than_a_url_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
