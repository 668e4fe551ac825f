// SPDX-License-Identifier: MIT
// Listening sockets: addresses, dead and live unix sockets, passed descriptors.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/api/http_listen.h"

static void addresses_are_numbers_with_a_port(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",        ":0",          "127.0.0.1",    "127.0.0.1:",  "localhost:0",
        "::1:0",   "[::1]",       "[::1]0",       "127.0.0.1:x", "127.0.0.1:-1",
        "1.2.3:0", "[::1]:65536", "127.0.0.1: 1", "[]:0"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err e = {0};
        unsigned port;
        assert_int_equal(http_listen_tcp(bad[i], &e, &port), -1);
        assert_int_equal(e.code, ERR_CONFIG);
    }
    struct err e;
    unsigned port = 0, again = 0;
    int fd = http_listen_tcp("127.0.0.1:0", &e, &port);
    assert_true(fd >= 0 && port > 0);
    assert_int_equal(listen(fd, 1), 0);
    char taken[32];
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", port);
    assert_int_equal(http_listen_tcp(taken, &e, &again), -1);
    assert_int_equal(e.code, ERR_SYSTEM);
    close(fd);
}

static void a_dead_socket_is_replaced_and_a_live_one_refused(void **state)
{
    (void)state;
    char path[64];
    struct err e;
    struct stat st;
    snprintf(path, sizeof(path), "/tmp/gatherd-listen-%d.sock", getpid());
    int dead = http_listen_unix(path, &e);
    assert_true(dead >= 0);
    close(dead); // the file stays
    int live = http_listen_unix(path, &e);
    assert_true(live >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(listen(live, 5), 0);
    assert_int_equal(http_listen_unix(path, &e), -1);
    assert_non_null(strstr(e.text, "another program"));
    close(live);
    unlink(path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    int datagrams = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(datagrams, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(http_listen_unix(path, &e), -1);
    assert_non_null(strstr(e.text, "another program"));
    assert_int_equal(stat(path, &st), 0); // nor a socket of another type
    close(datagrams);
    unlink(path);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(file);
    assert_int_equal(http_listen_unix(path, &e), -1);
    assert_int_equal(stat(path, &st), 0); // no file of somebody else's is removed
    unlink(path);
    assert_int_equal(http_listen_unix("/nonexistent/api.sock", &e), -1);
    assert_non_null(strstr(e.text, "cannot find the folder of the socket /nonexistent/api.sock"));
    char longer[200];
    memset(longer, 'a', sizeof(longer));
    longer[199] = '\0';
    assert_int_equal(http_listen_unix(longer, &e), -1);
}

static void only_listening_sockets_are_adopted(void **state)
{
    (void)state;
    struct err e;
    unsigned port;
    int fd = http_listen_tcp("127.0.0.1:0", &e, &port);
    assert_int_equal(http_listen_adopt(fd, &e), -1);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(http_listen_adopt(fd, &e), 0);
    close(fd);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(http_listen_adopt(file, &e), -1);
    close(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_numbers_with_a_port),
        cmocka_unit_test(a_dead_socket_is_replaced_and_a_live_one_refused),
        cmocka_unit_test(only_listening_sockets_are_adopted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
