// SPDX-License-Identifier: MIT
// The service manager's protocols and the command line.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/command_line.h"
#include "daemon/notify.h"

static void states_reach_an_abstract_socket(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "gatherd-test-%d",
                          (int)getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    char path[64];
    snprintf(path, sizeof(path), "@gatherd-test-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", path, 1);
    notify_state("READY=1\nSTATUS=%s", "running");
    char text[100] = "";
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    assert_int_equal(n, (ssize_t)strlen("READY=1\nSTATUS=running"));
    assert_string_equal(text, "READY=1\nSTATUS=running");
    unsetenv("NOTIFY_SOCKET");
    notify_state("READY=1"); // nobody listens: nothing happens
    close(fd);
}

static void the_watchdog_is_this_process_only(void **state)
{
    (void)state;
    char pid[32];
    assert_true(notify_watchdog_ms() == 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    assert_true(notify_watchdog_ms() == 30000);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_true(notify_watchdog_ms() == 30000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_true(notify_watchdog_ms() == 0);
    unsetenv("WATCHDOG_PID");
    setenv("WATCHDOG_USEC", "nonsense", 1);
    assert_true(notify_watchdog_ms() == 0);
    unsetenv("WATCHDOG_USEC");
}

static void sockets_for_another_process_are_not_taken(void **state)
{
    (void)state;
    int first = -1;
    char pid[32];
    assert_int_equal(notify_passed_sockets(&first), 0);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_PID", "1", 1);
    assert_int_equal(notify_passed_sockets(&first), 0);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    assert_int_equal(notify_passed_sockets(&first), 2);
    assert_int_equal(first, 3);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
}

static void options_of_the_command_line_are_read(void **state)
{
    (void)state;
    struct command_line line;
    char *argv[] = {
        (char[]){"gatherd"}, (char[]){"--config"},    (char[]){"/tmp/x"},         (char[]){"--set"},
        (char[]){"a.b=c"},   (char[]){"--set=d.e=f"}, (char[]){"--check-config"}, NULL};
    assert_int_equal(command_line_parse(7, argv, &line), 0);
    assert_int_equal(line.mode, RUN_CHECK_CONFIG);
    assert_string_equal(line.config_file, "/tmp/x");
    assert_int_equal(line.n_set, 2);
    assert_string_equal(line.set[0], "a.b=c");
    assert_string_equal(line.set[1], "d.e=f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_reach_an_abstract_socket),
        cmocka_unit_test(the_watchdog_is_this_process_only),
        cmocka_unit_test(sockets_for_another_process_are_not_taken),
        cmocka_unit_test(options_of_the_command_line_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
