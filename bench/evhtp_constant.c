// SPDX-License-Identifier: MIT
// The upper bound of the API: libevhtp as it is, answering every request with the bytes of a file.
//
//   bench_evhtp_constant FILE     prints its port on 127.0.0.1; runs until standard input ends
#include <errno.h>
#include <evhtp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/loopback.h"

enum { ANSWER_MAX = 65536, BACKLOG = 1024 };

struct answer {
    char bytes[ANSWER_MAX];
    size_t length;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_evhtp_constant: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void answer_read(struct answer *a, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        die(path);
    }
    a->length = fread(a->bytes, 1, sizeof(a->bytes), f);
    fclose(f);
}

static void on_request(evhtp_request_t *request, void *arg)
{
    const struct answer *a = arg;
    evhtp_headers_add_header(request->headers_out,
                             evhtp_header_new("Content-Type", "application/json", 0, 0));
    evbuffer_add(request->buffer_out, a->bytes, a->length);
    evhtp_send_reply(request, EVHTP_RES_OK);
}

static void on_stdin(evutil_socket_t fd, short what, void *arg)
{
    char scratch[64];
    (void)what;
    if (read((int)fd, scratch, sizeof(scratch)) <= 0) {
        event_base_loopbreak(arg);
    }
}

int main(int argc, char **argv)
{
    static struct answer answer;
    if (argc != 2) {
        fprintf(stderr, "usage: bench_evhtp_constant FILE\n");
        return 2;
    }
    answer_read(&answer, argv[1]);
    unsigned port;
    int fd = loopback_listen(BACKLOG, &port);
    if (fd < 0) {
        die("cannot listen");
    }
    struct event_base *base = event_base_new();
    evhtp_t *htp = base ? evhtp_new(base, NULL) : NULL;
    struct event *end =
        base ? event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, base) : NULL;
    if (!htp || !end || event_add(end, NULL) < 0) {
        die("cannot initialise");
    }
    evhtp_set_gencb(htp, on_request, &answer);
    if (evhtp_accept_socket(htp, fd, BACKLOG) < 0) {
        die("cannot accept");
    }
    printf("%u\n", port);
    fflush(stdout);
    event_base_dispatch(base);
    evhtp_unbind_socket(htp);
    evhtp_free(htp);
    event_free(end);
    event_base_free(base);
    return 0;
}
