// SPDX-License-Identifier: MIT
// The server as a client sees it: framing, pipelining, limits, bodies, streams, answers of its own.
#include "http_fixture.h"

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

struct row {
    const char *request;
    int status;
    const char *holds; // in the answer, or NULL
    const char *lacks; // not in the answer, or NULL
};

static void check_row(struct fixture *f, const struct row *r)
{
    struct buf out = exchange_raw(f, r->request, strlen(r->request));
    if (status_of(&out) != r->status || (r->holds && !strstr(out.data, r->holds)) ||
        (r->lacks && strstr(out.data, r->lacks))) {
        fail_msg("for %s\nwanted %d, got %s", r->request, r->status,
                 out.data ? out.data : "nothing");
    }
    buf_done(&out);
}

static const struct row rows[] = {
    {"GET /a?b=1 HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "GET /a?b=1", NULL},
    {"\r\n\r\n\r\n\r\nGET /a HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "GET /a?-", NULL},
    {"\r\n\r\n\r\n\r\n\r\nGET /a HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request", NULL},
    {"GET http://x:80/a?b HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "GET /a?b", NULL},
    {"GET http://x HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "GET /?-", NULL},
    {"OPTIONS * HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "OPTIONS *?-", NULL},
    {"GET //v1/../%2e HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "GET //v1/../%2e?-", NULL},
    {"GET / HTTP/1.1\r\n" HOST "Connection: CLOSE\r\n\r\n", 200, "Connection: close", NULL},
    {"GET / HTTP/1.1\r\n" HOST "Connection: TE, close\r\n\r\n", 200, "Connection: close", NULL},
    {"GET / HTTP/1.0\r\n\r\n", 200, "Connection: close", NULL},
    {"GET / HTTP/1.1\r\n" HOST CLOSE "Upgrade: h2c\r\n\r\n", 200, "GET /", NULL},
    {"HEAD /big?1000 HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "Content-Length: 1000\r\n", "bbb"},
    {"HEAD /stream?10 HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "chunked", "xxx"},
    {"HEAD /fixed?10 HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "Content-Length: 10\r\n", "xxx"},
    {"GET /empty HTTP/1.1\r\n" HOST CLOSE "\r\n", 204, "No Content", "Content-Length"},
    {"GET /not-modified HTTP/1.1\r\n" HOST CLOSE "\r\n", 304, "ETag: \"a\"", "Content-Length"},
    {"GET /split HTTP/1.1\r\n" HOST CLOSE "\r\n", 200, "X-Origin: a  Evil: 1\r\n", "\nEvil"},
    {"BREW / HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented", NULL},
    {"HEAD / HTTP/1.1\r\n\r\n", 400, "Content-Length: ", "\r\n\r\n{"},
    {"GET /a HTTP/2.0\r\n" HOST "\r\n", 505, "version_not_supported", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "\r\n", 411, "length_required", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n", 413, "too_large", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413,
     "payload_too_large", "100 Continue"},
    {"POST /echo HTTP/1.1\r\n" HOST "Expect: fish\r\nContent-Length: 1\r\n\r\nx", 417, NULL, NULL},
    {"POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 3\r\n\r\nabc", 200, "\r\n\r\nabc", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 0\r\n\r\n", 200, "Content-Length: 0",
     NULL},
    {"POST /pausing HTTP/1.1\r\n" HOST CLOSE "Content-Length: 3\r\n\r\nabc", 200, "\r\n\r\nabc",
     NULL},
    {"POST /late-body HTTP/1.1\r\n" HOST CLOSE "Content-Length: 3\r\n\r\nabc", 200, "abc", NULL},
    {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n01234567890", 413, NULL, NULL},
    {"POST /small HTTP/1.1\r\n" HOST CLOSE "Content-Length: 10\r\n\r\n0123456789", 200, NULL, NULL},
    {"POST /enough HTTP/1.1\r\n" HOST "Content-Length: 30\r\n\r\nabc", 409, "enough", NULL},
    {"POST /other HTTP/1.1\r\n" HOST "Content-Length: 30\r\n\r\nabc", 200, "Connection: close",
     NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
     "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n",
     200, "Connection: close\r\n\r\nabcde", NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NULL, NULL},
    {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400, NULL,
     NULL},
    {"POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n8\r\n",
     413, "payload_too_large", NULL},
};

static void answers_each_request_by_the_rules(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(*state, &rows[i]);
    }
}

// "Date: …" differs from second to second.
static void blank_dates(struct buf *b)
{
    for (char *p = b->data; p && (p = strstr(p, "Date: ")); p++) {
        memset(p + 6, '-', strcspn(p + 6, "\r"));
    }
}

static void send_in_two(struct fixture *f, const char *request, size_t cut, struct buf *out)
{
    int fd = client_open(f);
    client_send_n(fd, request, cut);
    usleep(300); // the server usually reads the first part alone
    client_send_n(fd, request + cut, strlen(request) - cut);
    assert_int_equal(client_read(fd, NULL, out), CLIENT_EOF);
    close(fd);
}

static void the_cut_of_packets_changes_no_answer(void **state)
{
    static const char *const requests[] = {
        "\r\nGET /one/two%20three?four=five HTTP/1.1\r\n" HOST "A: b\r\n" CLOSE "\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: 5\r\n\r\nhello",
        "GET /one HTTP/1.1\r\n" HOST "\r\nGET /two HTTP/1.1\r\n" HOST CLOSE "\r\n",
        "GET /one HTTP/1.1\r\n" HOST "Bad header: x\r\n\r\n",
    };
    for (size_t r = 0; r < sizeof(requests) / sizeof(requests[0]); r++) {
        struct buf whole = exchange_raw(*state, requests[r], strlen(requests[r]));
        blank_dates(&whole);
        for (size_t cut = 1; cut < strlen(requests[r]); cut++) {
            struct buf out = BUF_INIT(1 << 16);
            send_in_two(*state, requests[r], cut, &out);
            blank_dates(&out);
            assert_string_equal(out.data, whole.data);
            buf_done(&out);
        }
        buf_done(&whole);
    }
}

static void a_request_byte_by_byte_is_answered(void **state)
{
    const char *request = "GET /slowly?but=surely HTTP/1.1\r\n" HOST CLOSE "\r\n";
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(*state);
    for (const char *p = request; *p; p++) {
        client_send_n(fd, p, 1);
        usleep(200);
    }
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "GET /slowly?but=surely"));
    close(fd);
    buf_done(&out);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    for (int i = 0; i < 100; i++) {
        if (i % 10 == 9) {
            buf_printf(&in, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 8\r\n\r\n<item%02d>",
                       i);
        } else if (i % 10 == 5) {
            buf_printf(&in, "GET /stream?100 HTTP/1.1\r\n" HOST "\r\n");
        } else {
            buf_printf(&in, "GET /item%02d HTTP/1.1\r\n" HOST "%s\r\n", i,
                       i == 98 ? "" : "X: y\r\n");
        }
    }
    buf_append_str(&in, "GET /last HTTP/1.1\r\n" HOST CLOSE "\r\n");
    int fd = client_open(*state);
    client_send_n(fd, in.data, in.len);
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_int_equal(count_of(&out, "HTTP/1.1 200 OK"), 101);
    const char *at = out.data;
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "item%02d", i);
        at = i % 10 == 5 ? at : strstr(at, name);
        assert_non_null(at);
    }
    close(fd);
    buf_done(&in);
    buf_done(&out);
}

static void a_pipelining_client_lets_others_in(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(1 << 16), out = BUF_INIT(1 << 20), other_out = BUF_INIT(1 << 16);
    buf_append_str(&in, "GET /nap?100 HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 100; i++) {
        buf_append_str(&in, "GET /item HTTP/1.1\r\n" HOST "\r\n");
    }
    buf_append_str(&in, "GET /last HTTP/1.1\r\n" HOST CLOSE "\r\n");
    int other = client_open(f);
    client_send(other, "GET /first HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_read(other, "/first", &other_out), CLIENT_FOUND);
    int before = atomic_load(&f->requests);
    int fd = client_open(f);
    client_send_n(fd, in.data, in.len);
    assert_true(reaches(&f->requests, before + 1, 5000));
    client_send(other, "GET /count HTTP/1.1\r\n" HOST "\r\n"); // while the loop stands still
    assert_int_equal(client_read(other, "count=", &other_out), CLIENT_FOUND);
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    long seen = strtol(strstr(other_out.data, "count=") + 6, NULL, 10);
    assert_in_range(seen - before, 2, 50);
    assert_int_equal(count_of(&out, "HTTP/1.1 200 OK"), 102);
    close(fd);
    close(other);
    buf_done(&in);
    buf_done(&out);
    buf_done(&other_out);
}

static void the_hundredth_request_may_be_the_last(void **state)
{
    (void)state;
    struct http_server_config c = quick_config();
    c.max_keepalive = 3;
    struct fixture *f = fixture_start(&c);
    struct buf in = BUF_INIT(1 << 16);
    for (int i = 0; i < 10; i++) {
        buf_append_str(&in, "GET / HTTP/1.1\r\n" HOST "\r\n");
    }
    struct buf out = exchange_raw(f, in.data, in.len);
    assert_int_equal(count_of(&out, "200 OK"), 3);
    assert_int_equal(count_of(&out, "Connection: close"), 1);
    buf_done(&in);
    buf_done(&out);
    fixture_stop(f);
}

static void http_1_0_keeps_alive_only_if_asked(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(*state);
    client_send(fd, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(client_read(fd, "GET /a", &out), CLIENT_FOUND);
    assert_non_null(strstr(out.data, "Connection: keep-alive\r\n"));
    client_send(fd, "GET /stream?5 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "Connection: close\r\n\r\nxxxxx"));
    assert_null(strstr(out.data, "chunked"));
    close(fd);
    buf_done(&out);
}

static void a_half_closed_client_is_answered(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(*state);
    client_send(fd, "GET /a HTTP/1.1\r\n" HOST "\r\nGET /wait?100 HTTP/1.1\r\n" HOST "\r\n");
    shutdown(fd, SHUT_WR);
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_int_equal(count_of(&out, "200 OK"), 2);
    assert_non_null(strstr(out.data, "late"));
    close(fd);
    buf_done(&out);
}

static void a_request_cut_short_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const cut[] = {
        "GET /a HTTP/1.1\r\nHos",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n0123456789",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    };
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
        struct buf out = BUF_INIT(1 << 16);
        int fd = client_open(f);
        client_send(fd, cut[i]);
        shutdown(fd, SHUT_WR);
        assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
        assert_int_equal(status_of(&out), 400);
        close(fd);
        buf_done(&out);
    }
    assert_int_equal(atomic_load(&f->gone), 2);
    assert_int_equal(atomic_load(&f->ended), 0);
}

static void continue_is_sent_when_the_body_is_wanted(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(*state);
    client_send(fd, "POST /echo HTTP/1.1\r\n" HOST CLOSE
                    "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
    assert_int_equal(client_read(fd, "100 Continue\r\n\r\n", &out), CLIENT_FOUND);
    client_send(fd, "abc");
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "200 OK"));
    close(fd);
    buf_done(&out);
}

// A client that sends everything before it reads: 40 MB of head, 200,000 fields, a body nobody
// wants.
static void a_client_still_sending_hears_the_error(void **state)
{
    static const struct {
        const char *start, *piece;
        size_t times;
        int status;
    } floods[] = {
        {"GET / HTTP/1.1\r\n" HOST, "X-Long: 0123456789012345678901234567890123456789\r\n", 800000,
         431},
        {"GET / HTTP/1.1\r\n" HOST, "a:b\r\n", 200000, 431},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10485760\r\n\r\n", "0123456789", 1048576,
         413},
        {"POST /other HTTP/1.1\r\n" HOST "Content-Length: 1048576\r\n\r\n", "01234567", 131072,
         200},
        {"GET /", "aaaaaaaaaa", 900, 414},
    };
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        struct buf in = BUF_INIT(1U << 27);
        buf_append_str(&in, floods[i].start);
        for (size_t n = 0; n < floods[i].times; n++) {
            buf_append_str(&in, floods[i].piece);
        }
        struct buf out = BUF_INIT(1 << 16);
        int fd = client_open(*state);
        client_send_n(fd, in.data, in.len);
        shutdown(fd, SHUT_WR);
        assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
        assert_int_equal(status_of(&out), floods[i].status);
        close(fd);
        buf_done(&in);
        buf_done(&out);
    }
}

static void a_body_at_the_limit_is_taken(void **state)
{
    struct fixture *f = *state;
    struct buf in = BUF_INIT(1U << 22);
    buf_printf(&in, "POST /echo HTTP/1.1\r\n" HOST CLOSE "Content-Length: %u\r\n\r\n", 1U << 20);
    size_t head = in.len;
    for (unsigned i = 0; i < 1U << 20; i++) {
        buf_append_char(&in, (char)('a' + i % 26));
    }
    struct buf out = exchange_raw(f, in.data, in.len);
    const char *body = strstr(out.data, "\r\n\r\n") + 4;
    assert_int_equal(out.len - (size_t)(body - out.data), 1U << 20);
    assert_memory_equal(body, in.data + head, 1U << 20);
    buf_done(&in);
    buf_done(&out);
}

// libevhtp reads the path too, and must not choke on any that the guard lets through.
static void every_valid_path_arrives_as_it_was(void **state)
{
    struct buf in = BUF_INIT(1 << 15);
    buf_append_str(&in, "GET /-._~!$&'()*+,;=:@//..//%41/0a?-._~!$&'()*+,;=:@/?%41&&==#");
    in.len--; // without the "#"
    size_t n = in.len - 4;
    while (n++ < 8192) {
        buf_append_char(&in, 'z');
    }
    buf_append_str(&in, " HTTP/1.1\r\n" HOST CLOSE "\r\n");
    struct buf out = exchange_raw(*state, in.data, in.len);
    assert_int_equal(status_of(&out), 200);
    assert_memory_equal(strstr(out.data, "\r\n\r\n") + 4, in.data, 8196);
    buf_done(&out);
    buf_reset(&in);
    buf_append_str(&in, "GET /");
    for (int i = 0; i < 8191; i++) {
        buf_append_char(&in, "a/"[i % 2]);
    }
    buf_append_str(&in, " HTTP/1.1\r\n" HOST CLOSE "\r\n");
    out = exchange_raw(*state, in.data, in.len);
    assert_int_equal(status_of(&out), 200);
    buf_done(&in);
    buf_done(&out);
}

static void streams_arrive_whole(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1U << 25);
    int fd = client_open(f);
    client_send(fd, "GET /fixed?5000000 HTTP/1.1\r\n" HOST "\r\n");
    client_send(fd, "GET /big?3000000 HTTP/1.1\r\n" HOST "\r\n");
    client_send(fd, "GET /stream?5000000 HTTP/1.1\r\n" HOST CLOSE "\r\n");
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_int_equal(count_of(&out, "200 OK"), 3);
    size_t x = 0, b = 0;
    for (size_t i = 0; i < out.len; i++) {
        x += out.data[i] == 'x';
        b += out.data[i] == 'b';
    }
    assert_true(x >= 10000000 && b >= 3000000);
    assert_memory_equal(out.data + out.len - 7, "\r\n0\r\n\r\n", 7);
    assert_true(atomic_load(&f->drained) > 100); // piece by piece, as the client drained
    close(fd);
    buf_done(&out);
}

static void an_aborted_stream_is_visibly_cut(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(*state);
    client_send(fd, "GET /cut HTTP/1.1\r\n" HOST "\r\n");
    client_read(fd, NULL, &out);
    assert_null(out.data ? strstr(out.data, "0\r\n\r\n") : NULL);
    close(fd);
    fd = client_open(*state);
    client_send(fd, "POST /abort-body HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab");
    buf_reset(&out);
    client_read(fd, NULL, &out);
    assert_int_equal(out.len, 0);
    close(fd);
    buf_done(&out);
}

static void one_connection_too_many_hears_503(void **state)
{
    (void)state;
    struct http_server_config c = quick_config();
    c.max_connections = 2;
    c.idle_timeout_ms = 5000;
    struct fixture *f = fixture_start(&c);
    struct buf out = BUF_INIT(1 << 16);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = client_open(f);
        client_send(fds[i], "GET / HTTP/1.1\r\n" HOST "\r\n");
        buf_reset(&out);
        assert_int_equal(client_read(fds[i], "GET /?-", &out), CLIENT_FOUND);
    }
    struct buf refused = exchange_raw(f, "GET / HTTP/1.1\r\n" HOST "\r\n", 28);
    assert_int_equal(status_of(&refused), 503);
    assert_non_null(strstr(refused.data, "Retry-After: "));
    close(fds[0]);
    int64_t end = clock_monotonic_ms() + 2000;
    do { // the server notices the closed one soon
        buf_done(&refused);
        refused = exchange_raw(f, "GET / HTTP/1.1\r\n" HOST CLOSE "\r\n", 47);
    } while (status_of(&refused) != 200 && clock_monotonic_ms() < end);
    assert_int_equal(status_of(&refused), 200);
    close(fds[1]);
    buf_done(&refused);
    buf_done(&out);
    fixture_stop(f);
}

static void a_unix_socket_is_served(void **state)
{
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open_unix(*state);
    client_send(fd, "GET /u HTTP/1.1\r\n" HOST CLOSE "\r\n");
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_int_equal(status_of(&out), 200);
    close(fd);
    buf_done(&out);
}

static void draining_ends_connections_with_their_exchange(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1 << 16), idle_out = BUF_INIT(1 << 16);
    int fd = client_open(f), idle = client_open(f);
    client_send(fd, "GET /wait?150 HTTP/1.1\r\n" HOST "\r\n");
    client_send(idle, "GET /x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_read(idle, "GET /x", &idle_out), CLIENT_FOUND);
    assert_true(reaches(&f->requests, 2, 2000));
    fixture_raise(f->drain);
    assert_int_equal(client_read(idle, NULL, &idle_out), CLIENT_EOF);
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    assert_non_null(strstr(out.data, "Connection: close"));
    assert_non_null(strstr(out.data, "late"));
    close(fd);
    close(idle);
    buf_done(&out);
    buf_done(&idle_out);
}

static void a_handler_that_takes_long_is_measured(void **state)
{
    struct fixture *f = *state;
    struct buf out = BUF_INIT(1 << 16);
    int fd = client_open(f);
    client_send(fd, "GET /x HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(client_read(fd, "GET /x", &out), CLIENT_FOUND);
    client_send(fd, "GET /nap?50 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    int64_t lag_us = 0, end = clock_monotonic_ms() + 2000;
    while (lag_us < 50000 && clock_monotonic_ms() < end) { // the callback ends behind its answer
        lag_us = loop_take_lag_us(f->loop);
    }
    assert_true(lag_us >= 50000);
    close(fd);
    buf_done(&out);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_each_request_by_the_rules),
        CASE(a_handler_that_takes_long_is_measured),
        CASE(the_cut_of_packets_changes_no_answer),
        CASE(a_request_byte_by_byte_is_answered),
        CASE(pipelined_requests_are_answered_in_order),
        CASE(a_pipelining_client_lets_others_in),
        cmocka_unit_test(the_hundredth_request_may_be_the_last),
        CASE(http_1_0_keeps_alive_only_if_asked),
        CASE(a_half_closed_client_is_answered),
        CASE(a_request_cut_short_is_refused),
        CASE(continue_is_sent_when_the_body_is_wanted),
        CASE(a_client_still_sending_hears_the_error),
        CASE(a_body_at_the_limit_is_taken),
        CASE(every_valid_path_arrives_as_it_was),
        CASE(streams_arrive_whole),
        CASE(an_aborted_stream_is_visibly_cut),
        cmocka_unit_test(one_connection_too_many_hears_503),
        CASE(a_unix_socket_is_served),
        CASE(draining_ends_connections_with_their_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
