// SPDX-License-Identifier: MIT
// Many clients that wait for one batch, on raw sockets.
//
//   bench_waiters N PORT BATCH
//
// Each of N connections sends GET /v1/batches/BATCH?wait=60. Once all wait, the batch is cancelled;
// printed is the time from sending that to having each client's answer, as JSON in seconds. It is
// C so that it takes as little as it can of what it measures.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ANSWER_MAX = 4096,
    REQUEST_MAX = 256,
    EVENTS_MAX = 512,
    SETTLE_MS = 1000,
    PATIENCE_MS = 50000
};

struct client {
    int fd;
    size_t length;
    char answer[ANSWER_MAX]; // its beginning is enough: an answer is smaller
};

struct waiters {
    struct client *clients;
    double *spans; // of those answered, seconds, rising
    size_t n, answered;
    int epoll;
};

static _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    fputs("bench_waiters: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int dial(unsigned port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
        die("cannot connect: %s", strerror(errno));
    }
    return fd;
}

static void send_whole(int fd, const char *request)
{
    size_t length = strlen(request);
    if (send(fd, request, length, MSG_NOSIGNAL) != (ssize_t)length) {
        die("cannot send: %s", strerror(errno));
    }
}

// Whether the answer is whole; one that is not a 200 with a length ends the program.
static bool is_whole(struct client *c)
{
    c->answer[c->length] = '\0';
    const char *body = strstr(c->answer, "\r\n\r\n");
    if (!body) {
        return false;
    }
    const char *field = strcasestr(c->answer, "\r\ncontent-length:");
    if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 || !field || field > body) {
        die("answered %.200s", c->answer);
    }
    return strlen(body + 4) >= strtoul(field + strlen("\r\ncontent-length:"), NULL, 10);
}

// Reads until the socket has no more, as edge-triggered events ask. True: the answer is whole.
static bool client_read(struct client *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, c->answer + c->length, ANSWER_MAX - 1 - c->length, 0);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return false;
        }
        if (n <= 0) {
            die("a connection ended (%s) after %zu bytes", n < 0 ? strerror(errno) : "closed",
                c->length);
        }
        c->length += (size_t)n;
        if (is_whole(c)) {
            return true;
        }
    }
}

static void connect_all(struct waiters *ws, unsigned port, const char *batch)
{
    char request[REQUEST_MAX];
    snprintf(request, sizeof(request),
             "GET /v1/batches/%s?wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", batch);
    for (size_t i = 0; i < ws->n; i++) {
        struct client *c = &ws->clients[i];
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = c};
        c->fd = dial(port);
        send_whole(c->fd, request);
        if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 ||
            epoll_ctl(ws->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) {
            die("cannot wait for a connection: %s", strerror(errno));
        }
    }
}

// Takes answers until all have theirs or nothing came for `patience_ms`.
static void collect(struct waiters *ws, double start, int patience_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int ready;
    while (ws->answered < ws->n &&
           (ready = epoll_wait(ws->epoll, events, EVENTS_MAX, patience_ms)) > 0) {
        for (int i = 0; i < ready; i++) {
            if (client_read(events[i].data.ptr)) {
                ws->spans[ws->answered++] = now_s() - start;
            }
        }
    }
}

static void cancel_and_measure(struct waiters *ws, unsigned port, const char *batch)
{
    char request[REQUEST_MAX];
    snprintf(request, sizeof(request),
             "POST /v1/batches/%s/cancel HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
             batch);
    int fd = dial(port);
    double start = now_s();
    send_whole(fd, request);
    collect(ws, start, PATIENCE_MS);
    close(fd);
    if (ws->answered < ws->n) {
        die("%zu clients have had no answer", ws->n - ws->answered);
    }
}

int main(int argc, char **argv)
{
    struct waiters ws = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
    ws.n = argc == 4 ? strtoul(argv[1], NULL, 10) : 0;
    unsigned port = argc == 4 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (ws.n == 0 || port == 0) {
        fprintf(stderr, "usage: bench_waiters N PORT BATCH\n");
        return 2;
    }
    ws.clients = calloc(ws.n, sizeof(*ws.clients));
    ws.spans = calloc(ws.n, sizeof(*ws.spans));
    if (!ws.clients || !ws.spans || ws.epoll < 0) {
        die("no memory or no epoll");
    }
    connect_all(&ws, port, argv[3]);
    collect(&ws, 0, SETTLE_MS);
    if (ws.answered > 0) {
        die("%zu clients were answered before the batch was finished", ws.answered);
    }
    cancel_and_measure(&ws, port, argv[3]);
    printf("{\"p50\": %.6f, \"p99\": %.6f, \"max\": %.6f}\n", ws.spans[ws.n / 2],
           ws.spans[ws.n * 99 / 100], ws.spans[ws.n - 1]);
    free(ws.clients);
    free(ws.spans);
    return 0;
}
