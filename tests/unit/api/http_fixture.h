// SPDX-License-Identifier: MIT
// A server on a loopback port in its own thread, with handlers that show every way to answer, and a
// raw client. Included by the tests of the HTTP server alone.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/api/http_server.h"
#include "daemon/loop/loop.h"

struct fixture {
    struct loop *loop;
    struct event_base *base; // of the loop
    struct http_server *server;
    pthread_t thread;
    int stop;
    int drain;
    unsigned port;
    char unix_path[64];
    atomic_int requests, gone, ended, drained;
    atomic_int conns; // looked up every few milliseconds
    atomic_int looks;
    atomic_ulong body_bytes;
};

// What a handler keeps while its exchange is open.
struct work {
    struct fixture *f;
    struct http_exchange *x;
    struct event *timer;
    struct buf body;
    size_t left;
};

static void work_free(struct work *w)
{
    if (w->timer) {
        event_free(w->timer);
    }
    buf_done(&w->body);
    free(w);
}

static void work_on_gone(void *ctx, struct http_exchange *x)
{
    struct work *w = ctx;
    assert_ptr_equal(x, w->x);
    atomic_fetch_add(&w->f->gone, 1);
    work_free(w);
}

static struct work *work_new(struct fixture *f, struct http_exchange *x)
{
    struct work *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->f = f;
    w->x = x;
    buf_init(&w->body, 1U << 24);
    http_on_gone(x, work_on_gone, w);
    return w;
}

static void work_after(struct work *w, long ms, event_callback_fn fn)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (w->timer) {
        event_free(w->timer);
    }
    w->timer = event_new(w->f->base, -1, 0, fn, w);
    event_add(w->timer, &tv);
}

static void respond_text(struct http_exchange *x, int status, const char *text)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_append_str(&b, text);
    http_respond(x, &(struct http_answer){status, "text/plain", NULL, 0}, &b);
    assert_int_equal(b.len, 0);
}

static void work_on_data(void *ctx, struct http_exchange *x, const void *p, size_t n)
{
    struct work *w = ctx;
    (void)x;
    atomic_fetch_add(&w->f->body_bytes, n);
    buf_append(&w->body, p, n);
}

static void work_echo(void *ctx, struct http_exchange *x)
{
    struct work *w = ctx;
    atomic_fetch_add(&w->f->ended, 1);
    http_respond(x, &(struct http_answer){200, "application/octet-stream", NULL, 0}, &w->body);
    work_free(w);
}

static void work_resume(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    http_resume_body(((struct work *)ctx)->x);
}

static void work_on_data_pausing(void *ctx, struct http_exchange *x, const void *p, size_t n)
{
    work_on_data(ctx, x, p, n);
    http_pause_body(x);
    work_after(ctx, 1, work_resume);
}

static void work_on_data_answering(void *ctx, struct http_exchange *x, const void *p, size_t n)
{
    (void)p;
    (void)n;
    respond_text(x, 409, "enough");
    work_free(ctx);
}

static void work_on_data_aborting(void *ctx, struct http_exchange *x, const void *p, size_t n)
{
    (void)p;
    (void)n;
    http_abort(x);
    work_free(ctx);
}

static void work_late_answer(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct work *w = ctx;
    respond_text(w->x, 200, "late");
    work_free(w);
}

static void work_fill(void *ctx, struct http_exchange *x)
{
    static char block[16384];
    struct work *w = ctx;
    atomic_fetch_add(&w->f->drained, 1);
    memset(block, 'x', sizeof(block));
    while (w->left > 0 && http_stream_pending(x) < 65536) {
        size_t n = w->left < sizeof(block) ? w->left : sizeof(block);
        http_stream_write(x, block, n);
        w->left -= n;
    }
    if (w->left == 0) {
        http_stream_end(x);
        work_free(w);
    }
}

static void work_cut(void *ctx, struct http_exchange *x)
{
    http_stream_write(x, "half", 4);
    http_abort(x);
    work_free(ctx);
}

static long query_number(const struct http_exchange *x)
{
    return http_query(x) ? strtol(http_query(x), NULL, 10) : 0;
}

static void on_body_request(struct work *w, const char *path)
{
    struct http_body_ops ops = {work_on_data, work_echo};
    if (strcmp(path, "/pausing") == 0) {
        ops.on_data = work_on_data_pausing;
    } else if (strcmp(path, "/enough") == 0) {
        ops.on_data = work_on_data_answering;
    } else if (strcmp(path, "/abort-body") == 0) {
        ops.on_data = work_on_data_aborting;
    }
    http_read_body(w->x, strcmp(path, "/small") == 0 ? 10 : 1U << 24, &ops, w);
}

static void work_late_body(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    on_body_request(ctx, "/echo");
}

static void on_stream_request(struct work *w, bool fixed)
{
    w->left = (size_t)query_number(w->x);
    http_stream_start(w->x, &(struct http_answer){200, "text/plain", NULL, 0},
                      fixed ? (int64_t)w->left : -1, work_fill, w);
}

static void on_plain_request(struct fixture *f, struct http_exchange *x, const char *path)
{
    if (strcmp(path, "/empty") == 0) {
        http_respond(x, &(struct http_answer){.status = 204}, NULL);
    } else if (strcmp(path, "/not-modified") == 0) {
        struct http_field tag = {"ETag", "\"a\""};
        http_respond(x, &(struct http_answer){304, NULL, &tag, 1}, NULL);
    } else if (strcmp(path, "/split") == 0) {
        struct http_field evil = {"X-Origin", "a\r\nEvil: 1"};
        http_respond(x, &(struct http_answer){200, NULL, &evil, 1}, NULL);
    } else if (strcmp(path, "/nap") == 0) { // the whole loop stands still
        usleep((useconds_t)query_number(x) * 1000);
        respond_text(x, 200, "awake");
    } else if (strcmp(path, "/count") == 0) {
        char text[16];
        snprintf(text, sizeof(text), "count=%d", atomic_load(&f->requests));
        respond_text(x, 200, text);
    } else if (strcmp(path, "/big") == 0) {
        struct buf b = BUF_INIT(1U << 24);
        size_t n = (size_t)query_number(x);
        assert_int_equal(buf_reserve(&b, n), 0);
        memset(b.data, 'b', n);
        b.len = n;
        http_respond(x, &(struct http_answer){200, "text/plain", NULL, 0}, &b);
    } else {
        char text[9000];
        snprintf(text, sizeof(text), "%s %s?%s", http_method_name(http_method(x)), path,
                 http_query(x) ? http_query(x) : "-");
        respond_text(x, 200, text);
    }
}

static void on_request(void *ctx, struct http_exchange *x)
{
    struct fixture *f = ctx;
    const char *path = http_path(x);
    atomic_fetch_add(&f->requests, 1);
    assert_true(http_peer_is_local(x));
    static const char *const reading[] = {"/echo", "/pausing", "/enough", "/abort-body", "/small"};
    for (size_t i = 0; i < sizeof(reading) / sizeof(reading[0]); i++) {
        if (strcmp(path, reading[i]) == 0) {
            on_body_request(work_new(f, x), path);
            return;
        }
    }
    if (strcmp(path, "/wait") == 0) {
        work_after(work_new(f, x), query_number(x), work_late_answer);
    } else if (strcmp(path, "/late-body") == 0) {
        work_after(work_new(f, x), 20, work_late_body);
    } else if (strcmp(path, "/stream") == 0 || strcmp(path, "/fixed") == 0) {
        on_stream_request(work_new(f, x), path[1] == 'f');
    } else if (strcmp(path, "/cut") == 0) {
        struct work *w = work_new(f, x);
        http_stream_start(x, &(struct http_answer){200, "text/plain", NULL, 0}, -1, work_cut, w);
    } else {
        on_plain_request(f, x, path);
    }
}

static void on_stop(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(((struct fixture *)ctx)->base);
}

static void on_drain(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    uint64_t n;
    assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
    http_server_drain(((struct fixture *)ctx)->server);
}

static void on_look(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct fixture *f = ctx;
    atomic_store(&f->conns, (int)http_server_connections(f->server));
    atomic_fetch_add(&f->looks, 1);
}

static void *run_loop(void *ctx)
{
    struct fixture *f = ctx;
    struct timeval often = {.tv_usec = 5000};
    struct event *look = event_new(f->base, -1, EV_PERSIST, on_look, f);
    event_add(look, &often);
    struct event *stop = event_new(f->base, f->stop, EV_READ, on_stop, f);
    struct event *drain = event_new(f->base, f->drain, EV_READ | EV_PERSIST, on_drain, f);
    event_add(stop, NULL);
    event_add(drain, NULL);
    event_base_dispatch(f->base);
    event_free(stop);
    event_free(drain);
    event_free(look);
    http_server_free(&f->server); // with whatever is open
    return NULL;
}

// Short times, so that tests of time-outs are quick.
static struct http_server_config quick_config(void)
{
    struct http_server_config c = http_server_config_default(64, 1U << 20);
    c.head_timeout_ms = 300;
    c.idle_timeout_ms = 500;
    c.body_grace_ms = 300;
    c.write_timeout_ms = 400;
    return c;
}

static struct fixture *fixture_start(const struct http_server_config *config)
{
    struct err e = {0};
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    assert_int_equal(loop_new("test", &e, &f->loop), 0);
    f->base = loop_base(f->loop);
    f->stop = eventfd(0, EFD_CLOEXEC);
    f->drain = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(http_server_new(f->loop, config, on_request, f, &e, &f->server), 0);
    if (http_server_listen_tcp(f->server, "127.0.0.1:0", &e, &f->port) != 0) {
        fail_msg("%s", e.text);
    }
    snprintf(f->unix_path, sizeof(f->unix_path), "/tmp/gatherd-test-%d.sock", getpid());
    if (http_server_listen_unix(f->server, f->unix_path, &e) != 0) {
        fail_msg("%s", e.text);
    }
    assert_int_equal(pthread_create(&f->thread, NULL, run_loop, f), 0);
    return f;
}

static void fixture_raise(int fd)
{
    uint64_t one = 1;
    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void fixture_stop(struct fixture *f)
{
    fixture_raise(f->stop);
    pthread_join(f->thread, NULL);
    assert_int_equal(access(f->unix_path, F_OK), -1);
    loop_free(&f->loop);
    close(f->stop);
    close(f->drain);
    free(f);
}

// True once *value is at least `wanted`; false after `ms`.
static bool reaches(atomic_int *value, int wanted, int64_t ms)
{
    int64_t end = clock_monotonic_ms() + ms;
    while (atomic_load(value) < wanted) {
        if (clock_monotonic_ms() > end) {
            return false;
        }
        usleep(1000);
    }
    return true;
}

// True once no connection is open; false after `ms`.
static inline bool empties(struct fixture *f, int64_t ms)
{
    int looks = atomic_load(&f->looks);
    while (atomic_load(&f->looks) - looks < 2) { // what was seen before says nothing
        usleep(1000);
    }
    int64_t end = clock_monotonic_ms() + ms;
    while (atomic_load(&f->conns) > 0 && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    return atomic_load(&f->conns) == 0;
}

// The client.

static int client_open(struct fixture *f)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static int client_open_unix(struct fixture *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, f->unix_path, strlen(f->unix_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void client_send_n(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0) {
            return; // the server has closed: the answer tells
        }
        p += sent;
        n -= (size_t)sent;
    }
}

static void client_send(int fd, const char *text)
{
    client_send_n(fd, text, strlen(text));
}

// Reads until the end of the connection, or `until` has come, or 5 s passed. Returns how it ended.
enum client_end { CLIENT_EOF, CLIENT_RESET, CLIENT_FOUND, CLIENT_TIMEOUT };

static enum client_end client_read(int fd, const char *until, struct buf *out)
{
    char block[65536];
    int64_t end = clock_monotonic_ms() + 5000;
    for (;;) {
        if (until && out->data && strstr(out->data, until)) {
            return CLIENT_FOUND;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = end - clock_monotonic_ms();
        if (left <= 0 || poll(&p, 1, (int)left) <= 0) {
            return CLIENT_TIMEOUT;
        }
        ssize_t n = recv(fd, block, sizeof(block), 0);
        if (n <= 0) {
            return n == 0 ? CLIENT_EOF : CLIENT_RESET;
        }
        assert_int_equal(buf_append(out, block, (size_t)n), 0);
    }
}

static int status_of(const struct buf *b)
{
    return b->len > 12 && strncmp(b->data, "HTTP/1.1 ", 9) == 0 ? (int)strtol(b->data + 9, NULL, 10)
                                                                : 0;
}

static inline unsigned count_of(const struct buf *b, const char *text)
{
    unsigned n = 0;
    for (const char *p = b->data; p && (p = strstr(p, text)); p++) {
        n++;
    }
    return n;
}

// Sends `request`, reads to the end of the connection.
static inline struct buf exchange_raw(struct fixture *f, const char *request, size_t n)
{
    struct buf out = BUF_INIT(1U << 26);
    int fd = client_open(f);
    client_send_n(fd, request, n);
    assert_int_equal(client_read(fd, NULL, &out), CLIENT_EOF);
    close(fd);
    return out;
}
