// SPDX-License-Identifier: MIT
// Log lines as they arrive on standard error.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"

struct fixture {
    int saved; // the real standard error
    int pipe[2];
    char text[16384];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f || pipe(f->pipe) < 0) {
        return -1;
    }
    f->saved = dup(STDERR_FILENO);
    dup2(f->pipe[1], STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dup2(f->saved, STDERR_FILENO);
    close(f->saved);
    close(f->pipe[0]);
    close(f->pipe[1]);
    free(f);
    return 0;
}

// What was logged since the last call; a dot marks the end, so that nothing is waited for.
static const char *logged(struct fixture *f)
{
    assert_int_equal(write(f->pipe[1], ".", 1), 1);
    ssize_t n = read(f->pipe[0], f->text, sizeof(f->text) - 1);
    assert_true(n > 0);
    f->text[n - 1] = '\0';
    return f->text;
}

static void writes_time_and_level(void **state)
{
    struct fixture *f = *state;
    log_init(LOG_LEVEL_INFO);
    log_warn("disk is low free=%d", 7);
    const char *text = logged(f);
    assert_string_equal(text + strlen("2026-11-23T06:54:00.123Z"), " warn  disk is low free=7\n");
    assert_int_equal(text[10], 'T');
}

// However a value is made, it stays one quoted value of one line.
static void quotes_values(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *value, *logged;
    } rows[] = {
        {"", "\"\""},
        {"nightly run", "\"nightly run\""},
        {"x\" failed=0 y=\"", "\"x\\\" failed=0 y=\\\"\""},
        {"x\\", "\"x\\\\\""},
        {"a\n<0>forged", "\"a\\x0a<0>forged\""},
        {"\x1b[2J\xc3\xa9", "\"\\x1b[2J\\xc3\\xa9\""},
    };
    log_init(LOG_LEVEL_INFO);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        log_info("done name=%s n=%d", log_value(rows[i].value), 1);
        char expected[200];
        snprintf(expected, sizeof(expected), "done name=%s n=1\n", rows[i].logged);
        assert_non_null(strstr(logged(f), expected));
    }
    char quotes[2 * LOG_VALUE_SIZE];
    memset(quotes, '"', sizeof(quotes) - 1);
    quotes[sizeof(quotes) - 1] = '\0';
    log_info("long name=%s n=1", log_value(quotes));
    assert_non_null(strstr(logged(f), "\\\"...\" n=1\n"));
}

static void writes_the_journal_prefix(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char stream[64];
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init(LOG_LEVEL_INFO);
    log_error("x");
    assert_string_equal(logged(f), "<3>x\n");
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_init(LOG_LEVEL_INFO);
    log_error("x");
    assert_non_null(strstr(logged(f), "Z error x\n"));
}

static void drops_what_is_above_the_level(void **state)
{
    struct fixture *f = *state;
    log_init(LOG_LEVEL_WARN);
    log_info("no");
    log_debug("no");
    assert_string_equal(logged(f), "");
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("yes");
    assert_non_null(strstr(logged(f), "debug yes\n"));
}

static void one_call_is_one_line(void **state)
{
    struct fixture *f = *state;
    log_init(LOG_LEVEL_INFO);
    log_info("a\nb\r\x1b[31m\xff %s", "c\n");
    const char *text = logged(f);
    assert_non_null(strstr(text, "a\\x0ab\\x0d\\x1b[31m\\xff c\\x0a\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void long_lines_are_cut(void **state)
{
    struct fixture *f = *state;
    char long_text[5000];
    memset(long_text, '\n', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    log_init(LOG_LEVEL_INFO);
    log_info("%s", long_text);
    const char *text = logged(f);
    assert_true(strlen(text) > 4000);
    assert_string_equal(text + strlen(text) - 4, "...\n");
}

// A reader that stands still must not hold up whoever logs; what is lost is told when it goes on.
static void a_full_pipe_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    log_init(LOG_LEVEL_INFO);
    alarm(20); // else a line that waits would wait for ever
    for (int i = 0; i < 20000; i++) {
        log_info("line=%d", i);
    }
    char drained[65536];
    assert_true(read(f->pipe[0], drained, sizeof(drained)) > 0);
    log_info("again");
    alarm(0);
    const char *text = logged(f);
    const char *lost = strstr(text, " warn  lines of the log are lost: nobody read them lines=");
    assert_non_null(lost);
    assert_true(strtol(strstr(lost, "lines=") + strlen("lines="), NULL, 10) > 10000);
    assert_non_null(strstr(lost, " info  again\n"));
}

// The journal reads from a socket.
static void a_full_socket_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    dup2(pair[1], STDERR_FILENO);
    log_init(LOG_LEVEL_INFO);
    alarm(20);
    for (int i = 0; i < 20000; i++) {
        log_info("line=%d", i);
    }
    alarm(0);
    while (recv(pair[0], f->text, sizeof(f->text), MSG_DONTWAIT) > 0) {}
    log_info("again");
    ssize_t n = recv(pair[0], f->text, sizeof(f->text) - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    f->text[n] = '\0';
    assert_non_null(strstr(f->text, "lines of the log are lost"));
    close(pair[0]);
    close(pair[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(writes_time_and_level),
        TEST(writes_the_journal_prefix),
        TEST(drops_what_is_above_the_level),
        TEST(one_call_is_one_line),
        TEST(long_lines_are_cut),
        TEST(quotes_values),
        TEST(a_full_pipe_is_not_waited_for),
        TEST(a_full_socket_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
