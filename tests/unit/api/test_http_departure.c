// SPDX-License-Identifier: MIT
// Time and departure: absolute deadlines, slow clients, clients that leave in any state, the end of
// the server with open exchanges, no descriptors left.
#include "http_fixture.h"

#include <netinet/tcp.h>
#include <sys/resource.h>
#include <time.h>

#define HOST  "Host: h\r\n"
#define CLOSE "Connection: close\r\n"

static int start(void **state)
{
    struct http_server_config c = quick_config();
    *state = fixture_start(&c);
    return 0;
}

static int stop(void **state)
{
    fixture_stop(*state);
    return 0;
}

// A full close with RST instead of FIN.
static void client_reset(int fd)
{
    struct linger l = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    close(fd);
}

// Sends `text`, then one byte of `drip` every 20 ms until the server ends the connection; the time
// that took.
static int64_t drip_until_closed(struct fixture *f, const char *text, const char *drip,
                                 struct buf *out)
{
    int64_t begin = clock_monotonic_ms();
    int fd = client_open(f);
    client_send(fd, text);
    for (size_t i = 0; clock_monotonic_ms() - begin < 5000; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 20) > 0) {
            break;
        }
        if (*drip) {
            send(fd, drip + i % strlen(drip), 1, MSG_NOSIGNAL);
        }
    }
    int64_t took = clock_monotonic_ms() - begin;
    client_read(fd, NULL, out);
    close(fd);
    return took;
}

static void slow_requests_are_ended_in_time(void **state)
{
    static const struct {
        const char *text, *drip;
        int status; // 0: closed without a byte
        int64_t least, most;
    } rows[] = {
        {"", "", 0, 250, 1000},
        {"GET / HTTP/1.1\r\nX: ", "y", 408, 250, 1000},
        {"GET", "", 408, 250, 1000},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n", "z", 408, 250, 1000},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5;", "z", 408, 250,
         1000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT(1 << 16);
        int64_t took = drip_until_closed(*state, rows[i].text, rows[i].drip, &out);
        assert_int_equal(status_of(&out), rows[i].status);
        assert_true(rows[i].status || out.len == 0);
        assert_in_range(took, rows[i].least, rows[i].most);
        buf_done(&out);
    }
    assert_int_equal(atomic_load(&((struct fixture *)*state)->gone), 2);
}

static void an_idle_connection_is_closed_quietly(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(*state);
    client_send(fd, "GET /a HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_read(fd, "GET /a", &out), CLIENT_FOUND);
    size_t before = out.len;
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_int_equal(out.len, before);
    close(fd);
    buf_done(&out);
}

// A body faster than the least rate is taken, though it lasts longer than the grace.
static void a_steady_body_is_taken(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    char block[100];
    memset(block, 'x', sizeof(block));
    int fd = client_open(*state);
    client_send(fd, "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 6000\r\n\r\n");
    for (int i = 0; i < 60; i++) {
        client_send_n(fd, block, sizeof(block));
        usleep(10000);
    }
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_int_equal(status_of(&out), 200);
    close(fd);
    buf_done(&out);
}

static void a_client_that_leaves_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct buf flood = BUF_INIT(1 << 20);
    buf_append_str(&flood, "GET /wait?30000 HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 20000; i++) { // more than the server reads ahead: reading rests
        buf_append_str(&flood, "GET / HTTP/1.1\r\n");
    }
    int left = 0;
    for (int pipelined = 0; pipelined < 2; pipelined++) {
        for (int reset = 0; reset < 2; reset++) {
            int fd = client_open(f);
            int requests = atomic_load(&f->requests);
            send(fd, flood.data, pipelined ? flood.len : 38, MSG_DONTWAIT | MSG_NOSIGNAL);
            assert_true(reaches(&f->requests, requests + 1, 2000));
            if (reset) {
                client_reset(fd);
            } else if (!pipelined) { // behind unread bytes a FIN is not seen; the reset that
                                     // follows it is
                close(fd);
            } else {
                client_reset(fd);
            }
            // A reset is seen at once or by the next look; a FIN counts after its grace.
            assert_true(reaches(&f->gone, ++left, reset ? 1000 : 2000));
        }
    }
    buf_done(&flood);
}

static void on_a_unix_socket_a_close_is_seen_and_a_half_close_waits(void **state)
{
    struct fixture *f = *state;
    int fd = client_open_unix(f);
    client_send(fd, "GET /wait?30000 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(reaches(&f->requests, 1, 2000));
    close(fd);
    assert_true(reaches(&f->gone, 1, 1000));
    struct buf out = BUF_INIT(1 << 16);
    fd = client_open_unix(f);
    client_send(fd, "GET /wait?1500 HTTP/1.1\r\n" HOST "\r\n");
    shutdown(fd, SHUT_WR);
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "late"));
    close(fd);
    buf_done(&out);
}

// A POST is answered after a FIN however long it takes: what it changed may be done already.
static void a_half_closed_post_is_answered_late(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(f);
    client_send(fd, "POST /wait?1300 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    shutdown(fd, SHUT_WR);
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "late"));
    assert_int_equal(atomic_load(&f->gone), 0);
    close(fd);
    buf_done(&out);
}

static void clients_may_leave_in_any_state(void **state)
{
    struct fixture *f = *state;
    static const char *const starts[] = {
        "",
        "GET",
        "GET / HTTP/1.1\r\n" HOST "\r\n",
        "GET /stream?9000000 HTTP/1.1\r\n" HOST "\r\n",
        "GET /fixed?9000000 HTTP/1.1\r\n" HOST "\r\n",
        "GET /big?9000000 HTTP/1.1\r\n" HOST "\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
        "POST /pausing HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
        "POST /late-body HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
        "POST /other HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
        "\x16\x03\x01",
        "GET /wait?40 HTTP/1.1\r\n" HOST "\r\nGET /wait?40 HTTP/1.1\r\n" HOST "\r\n",
    };
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        for (unsigned how = 0; how < 4; how++) {
            int fd = client_open(f);
            client_send(fd, starts[i]);
            usleep(how & 1 ? 5000 : 0);
            if (how & 2) {
                client_reset(fd);
            } else {
                close(fd);
            }
        }
    }
    assert_true(empties(f, 4000)); // none is forgotten
}

static void a_reader_that_takes_nothing_is_dropped(void **state)
{
    struct fixture *f = *state;
    int fd = client_open(f);
    client_send(fd, "GET /fixed?100000000 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(reaches(&f->gone, 1, 3000));
    assert_true(atomic_load(&f->drained) < 1000); // not all of it was made
    close(fd);
}

static void the_server_may_end_with_open_exchanges(void **state)
{
    (void)state;
    static const char *const open[] = {
        "GET /wait?30000 HTTP/1.1\r\n" HOST "\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
        "GET /fixed?100000000 HTTP/1.1\r\n" HOST "\r\n",
        "POST /other HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
        "GET",
    };
    struct http_server_config c = quick_config();
    struct fixture *f = fixture_start(&c);
    int fds[5];
    for (int i = 0; i < 5; i++) {
        fds[i] = client_open(f);
        client_send(fds[i], open[i]);
    }
    assert_true(reaches(&f->requests, 4, 2000));
    assert_int_equal(atomic_load(&f->gone), 0);
    fixture_stop(f);
    for (int i = 0; i < 5; i++) {
        close(fds[i]);
    }
}

static int64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// Bytes that cannot be used yet are left alone: behind a waiting request, in a body that is paused.
static void a_full_input_costs_no_cpu(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 22);
    buf_append_str(&in, "GET /wait?600 HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 9999; i++) {
        buf_append_str(&in, i < 9998 ? "GET /x HTTP/1.1\r\n" HOST "\r\n"
                                     : "GET /last HTTP/1.1\r\n" HOST CLOSE "\r\n");
    }
    int fd = client_open(f);
    client_send_n(fd, in.data, in.len);
    usleep(50000);
    int64_t cpu = cpu_ms();
    usleep(400000);
    assert_true(cpu_ms() - cpu < 100);
    assert_int_equal(atomic_load(&f->requests), 1);
    assert_int_equal(client_read(fd, "GET /last", &out),
                     CLIENT_FOUND); // and are used when they can be
    close(fd);
    buf_done(&in);
    buf_done(&out);
}

static void without_descriptors_the_server_rests_and_recovers(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1 << 16);
    int old = client_open(f), waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    client_send(old, "GET /before HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_read(old, "GET /before", &out), CLIENT_FOUND);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(waiting, (struct sockaddr *)&a, sizeof(a)), 0);
    client_send(waiting, "GET /after HTTP/1.1\r\n" HOST CLOSE "\r\n");
    int64_t cpu = cpu_ms();
    usleep(400000);
    assert_true(cpu_ms() - cpu < 50);
    client_send(old, "GET /still HTTP/1.1\r\n" HOST CLOSE "\r\n");
    assert_int_equal(client_read(old, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "GET /still"));
    setrlimit(RLIMIT_NOFILE, &limit);
    buf_reset(&out);
    assert_int_equal(client_read(waiting, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "GET /after"));
    close(old);
    close(waiting);
    buf_done(&out);
}

// Reading has stopped, so the client's bytes wait in the kernel; the answer must reach it all the
// same.
static void lingering_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(f);
    client_send(fd, "BREW / HTTP/1.1\r\n");
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_int_equal(status_of(&out), 501);
    int64_t begin = clock_monotonic_ms();
    while (!empties(f, 0) && clock_monotonic_ms() - begin < 6000) {
        send(fd, "x", 1, MSG_NOSIGNAL);
    }
    assert_in_range(clock_monotonic_ms() - begin, 2000, 4500);
    close(fd);
    buf_done(&out);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(slow_requests_are_ended_in_time),
        CASE(an_idle_connection_is_closed_quietly),
        CASE(a_steady_body_is_taken),
        CASE(a_client_that_leaves_is_noticed),
        CASE(on_a_unix_socket_a_close_is_seen_and_a_half_close_waits),
        CASE(a_half_closed_post_is_answered_late),
        CASE(clients_may_leave_in_any_state),
        CASE(a_reader_that_takes_nothing_is_dropped),
        cmocka_unit_test(the_server_may_end_with_open_exchanges),
        CASE(a_full_input_costs_no_cpu),
        CASE(without_descriptors_the_server_rests_and_recovers),
        CASE(lingering_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
