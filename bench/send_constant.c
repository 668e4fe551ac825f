// SPDX-License-Identifier: MIT
// The lower bound of a wave of answers: a server that holds every GET until a POST comes, and then
// sends all of them the bytes of a file, one send() after another and nothing else.
//
//   bench_send_constant FILE     prints its port on 127.0.0.1; runs until standard input ends
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/loopback.h"

enum {
    ANSWER_MAX = 65536,
    REQUEST_MAX = 4096,
    BACKLOG = 1024,
    EVENTS_MAX = 512,
    WAITING_MAX = 65536
};

struct server {
    int epoll, listener;
    int waiting[WAITING_MAX]; // descriptors
    size_t n;
    char answer[ANSWER_MAX];
    size_t length;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_send_constant: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void answer_read(struct server *s, const char *path)
{
    char body[ANSWER_MAX / 2];
    FILE *f = fopen(path, "re");
    if (!f) {
        die(path);
    }
    size_t n = fread(body, 1, sizeof(body), f);
    fclose(f);
    int head = snprintf(
        s->answer, sizeof(s->answer) / 2,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", n);
    memcpy(s->answer + head, body, n);
    s->length = (size_t)head + n;
}

static void watch(struct server *s, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (fd < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        die("cannot watch a descriptor");
    }
}

static void answer_all(struct server *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (send(s->waiting[i], s->answer, s->length, MSG_NOSIGNAL) != (ssize_t)s->length) {
            die("cannot send");
        }
    }
    s->n = 0;
}

// A request is taken to come in one piece, as the client sends it.
static void on_ready(struct server *s, int fd)
{
    char request[REQUEST_MAX];
    if (fd == s->listener) {
        watch(s, accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
    } else if (recv(fd, request, sizeof(request), 0) <= 0) {
        close(fd);
    } else if (s->n < WAITING_MAX) {
        s->waiting[s->n++] = fd;
        if (request[0] == 'P') {
            answer_all(s);
        }
    }
}

int main(int argc, char **argv)
{
    static struct server server;
    if (argc != 2) {
        fprintf(stderr, "usage: bench_send_constant FILE\n");
        return 2;
    }
    answer_read(&server, argv[1]);
    server.epoll = epoll_create1(EPOLL_CLOEXEC);
    unsigned port;
    server.listener = loopback_listen(BACKLOG, &port);
    if (server.listener < 0) {
        die("cannot listen");
    }
    watch(&server, server.listener);
    watch(&server, STDIN_FILENO);
    printf("%u\n", port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int ready = epoll_wait(server.epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.fd == STDIN_FILENO) {
                return 0;
            }
            on_ready(&server, events[i].data.fd);
        }
    }
}
