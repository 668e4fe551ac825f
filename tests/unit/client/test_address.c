// SPDX-License-Identifier: MIT
// Where the daemon is, what an input is, and what an answer of the wrong server means.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/address.h"
#include "client/input.h"
#include "client/problem.h"

static void servers_are_urls_or_sockets(void **state)
{
    (void)state;
    static const struct {
        const char *option, *base, *socket, *shown;
    } cases[] = {
        {"http://h:7070", "http://h:7070", "", "http://h:7070"},
        {"https://h/gatherd//", "https://h/gatherd", "", "https://h/gatherd"},
        {"unix:/run/x.sock", "http://localhost", "/run/x.sock", "unix:/run/x.sock"},
        {"/run/x.sock", "http://localhost", "/run/x.sock", "unix:/run/x.sock"},
        {"unix:rel.sock", "http://localhost", "rel.sock", "unix:rel.sock"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a = {0};
        struct err e;
        assert_int_equal(address_find(cases[i].option, &a, &e), 0);
        assert_string_equal(a.base, cases[i].base);
        assert_string_equal(a.socket, cases[i].socket);
        assert_string_equal(a.shown, cases[i].shown);
    }
}

static void what_is_no_server_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "h:7070", "ftp://h", "http://", "unix:", "http://user@h", "http://h?x", "http://a b"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a = {0};
        struct err e = {0};
        assert_int_equal(address_find(cases[i], &a, &e), -1);
        assert_int_equal(e.code, ERR_USAGE);
    }
    char path[300] = "unix:/";
    memset(path + 6, 'x', sizeof path - 7);
    struct address a = {0};
    struct err e = {0};
    path[sizeof path - 1] = '\0';
    assert_int_equal(address_find(path, &a, &e), -1);
}

static void the_environment_stands_behind_the_option(void **state)
{
    (void)state;
    struct address a = {0};
    struct err e = {0};
    setenv("GATHER_SERVER", "http://env:1", 1);
    assert_int_equal(address_find(NULL, &a, &e), 0);
    assert_string_equal(a.base, "http://env:1");
    assert_int_equal(address_find("http://option:1", &a, &e), 0);
    assert_string_equal(a.base, "http://option:1");
    setenv("GATHER_SERVER", "nonsense", 1);
    assert_int_equal(address_find(NULL, &a, &e), -1);
    assert_non_null(strstr(e.text, "GATHER_SERVER"));
    unsetenv("GATHER_SERVER");
}

static void a_token_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    char path[] = "/tmp/gather-token-XXXXXX", text[1100], *token = NULL;
    struct err e = {0};
    for (size_t n = 1024; n <= 1025; n++) { // the daemon takes no longer ones
        int fd = mkostemp(path, O_CLOEXEC);
        assert_true(fd >= 0);
        memset(text, 't', n);
        text[n] = '\n';
        assert_int_equal(write(fd, text, n + 1), n + 1);
        close(fd);
        int rc = token_find(path, &token, &e);
        unlink(path);
        memcpy(path + sizeof path - 7, "XXXXXX", 6);
        assert_int_equal(rc, n == 1024 ? 0 : -1);
        assert_int_equal(token ? strlen(token) : 0, n == 1024 ? 1024 : 0);
        free(token);
    }
    assert_int_equal(e.code, ERR_USAGE);
}

static void the_form_of_an_input_is_seen_from_name_and_first_byte(void **state)
{
    (void)state;
    static const struct {
        const char *name, *first;
        enum input_form form;
    } cases[] = {
        {"a.ndjson", "http://x", INPUT_NDJSON},
        {"a.jsonl", "", INPUT_NDJSON},
        {"a.json", "{", INPUT_JSON},
        {"a.txt", "http://x", INPUT_TEXT},
        {"a", "{\"url\"", INPUT_NDJSON},
        {"", " \n\"http", INPUT_NDJSON},
        {"", "[\"http", INPUT_JSON},
        {"", "", INPUT_TEXT},
        {"", "# {", INPUT_TEXT},
        {".json", "", INPUT_JSON},
        {"json", "x", INPUT_TEXT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(input_form_of(cases[i].name, cases[i].first, strlen(cases[i].first)),
                         cases[i].form);
    }
}

static void problems_become_errors_with_the_daemons_code(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        long status;
        enum err_code code;
        const char *text;
    } cases[] = {
        {"{\"code\":\"storage_full\",\"detail\":\"no room\"}", 507, ERR_STORAGE_FULL, "no room"},
        {"{\"code\":\"draining\"}", 503, ERR_DRAINING, "Shutting down"},
        {"{\"code\":7}", 404, ERR_NOT_FOUND, "no answer of gatherd"},
        {"<html>", 403, ERR_FORBIDDEN, "no answer of gatherd"},
        {"", 502, ERR_SYSTEM, "502"},
        {"", 302, ERR_SYSTEM, "302"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {0};
        json_decref(problem_read(cases[i].body, strlen(cases[i].body), cases[i].status, &e));
        assert_int_equal(e.code, cases[i].code);
        assert_non_null(strstr(e.text, cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_are_urls_or_sockets),
        cmocka_unit_test(what_is_no_server_is_refused),
        cmocka_unit_test(the_environment_stands_behind_the_option),
        cmocka_unit_test(a_token_is_read_whole_or_not_at_all),
        cmocka_unit_test(the_form_of_an_input_is_seen_from_name_and_first_byte),
        cmocka_unit_test(problems_become_errors_with_the_daemons_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
