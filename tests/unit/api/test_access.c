// SPDX-License-Identifier: MIT
// The token file is read strictly, and nobody gets in without right.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/api/access.h"

// SHA-256 of the texts behind them.
#define ABC_HASH   "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // "abc"
#define EMPTY_HASH "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // ""
#define HELLO_HASH                                                                                 \
    "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // "hello"

static int load(const char *text, struct err *e, struct token_set **ret)
{
    char path[] = "/tmp/gatherd-tokens-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int status = token_set_load(path, e, ret);
    unlink(path);
    return status;
}

static void a_token_file_is_read(void **state)
{
    struct token_set *t;
    struct err e;
    (void)state;
    assert_int_equal(
        load("# tokens\n\n  ci  submit\t" ABC_HASH "\r\nops admin " HELLO_HASH, &e, &t), 0);
    assert_int_equal(token_set_size(t), 2);
    token_set_free(&t);
    assert_int_equal(token_set_load("", &e, &t), 0);
    assert_int_equal(token_set_size(t), 0);
    assert_int_equal(token_set_load("/nonexistent/tokens", &e, &t), -1);
    assert_int_equal(e.code, ERR_CONFIG);
    char pipe_path[] = "/tmp/gatherd-tokens-XXXXXX";
    assert_true(mkdtemp(pipe_path) && rmdir(pipe_path) == 0 && mkfifo(pipe_path, 0600) == 0);
    assert_int_equal(token_set_load(pipe_path, &e, &t), -1);
    unlink(pipe_path);
    assert_int_equal(e.code, ERR_CONFIG);
    assert_non_null(strstr(e.text, "is a pipe"));
}

static void a_bad_line_is_named(void **state)
{
    static const char *const lines[] = {
        "ci submit",
        "ci submit " ABC_HASH " more",
        "ci root " ABC_HASH,
        "ci none " ABC_HASH,
        "ci submit ba7816bf",
        "ci submit sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "ci submit sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015",
        "ci submit sha256:zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct token_set *t;
        struct err e = {.code = ERR_OK};
        char text[256];
        snprintf(text, sizeof(text), "# first\n%s\n", lines[i]);
        assert_int_equal(load(text, &e, &t), -1);
        assert_int_equal(e.code, ERR_CONFIG);
        assert_non_null(strstr(e.text, ":2: "));
        assert_null(t);
    }
}

struct sample {
    struct access_request request;
    bool tokens;
    enum scope scope;
    enum err_code code;
};

static const struct sample samples[] = {
    // Without tokens: the socket's permissions, or loopback if that is allowed.
    {{.unix_peer = true, .loopback_peer = true}, false, SCOPE_ADMIN, ERR_OK},
    {{.loopback_peer = true, .allow_anonymous = true}, false, SCOPE_ADMIN, ERR_OK},
    {{.loopback_peer = true}, false, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.allow_anonymous = true}, false, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.authorization = "Bearer abc", .n_authorization = 1}, false, SCOPE_NONE, ERR_UNAUTHORIZED},
    // With tokens.
    {{.authorization = "Bearer abc", .n_authorization = 1}, true, SCOPE_SUBMIT, ERR_OK},
    {{.authorization = "bEARER   hello", .n_authorization = 1}, true, SCOPE_ADMIN, ERR_OK},
    {{.authorization = "Bearer wrong", .n_authorization = 1}, true, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.authorization = "Bearer ", .n_authorization = 1}, true, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.authorization = "Bearer", .n_authorization = 1}, true, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.authorization = "Bearerabc", .n_authorization = 1}, true, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.authorization = "Basic abc", .n_authorization = 1}, true, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.authorization = "Bearer abc", .n_authorization = 2}, true, SCOPE_NONE, ERR_BAD_REQUEST},
    {{.n_authorization = 0}, true, SCOPE_NONE, ERR_UNAUTHORIZED},
    {{.unix_peer = true, .loopback_peer = true}, true, SCOPE_ADMIN, ERR_OK},
    {{.authorization = "Bearer wrong", .n_authorization = 1, .unix_peer = true},
     true,
     SCOPE_NONE,
     ERR_UNAUTHORIZED},
    {{.authorization = "Bearer abc", .n_authorization = 1, .unix_peer = true},
     true,
     SCOPE_SUBMIT,
     ERR_OK},
};

static void only_those_with_a_right_get_in(void **state)
{
    struct token_set *t;
    struct err e;
    (void)state;
    // A hash of the empty token must let nobody in who sends none.
    assert_int_equal(
        load("a submit " ABC_HASH "\nb admin " HELLO_HASH "\nc admin " EMPTY_HASH "\n", &e, &t), 0);
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *s = &samples[i];
        enum scope scope = SCOPE_NONE;
        e.code = ERR_OK;
        int status = access_check(s->tokens ? t : NULL, &s->request, &scope, &e);
        if (e.code != s->code || scope != s->scope || (status == 0) != (s->code == ERR_OK)) {
            fail_msg("row %zu: status %d, scope %s, %s", i, status, scope_name(scope), e.text);
        }
    }
    token_set_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_file_is_read),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(only_those_with_a_right_get_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
