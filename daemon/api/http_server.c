// SPDX-License-Identifier: MIT
// The server as a whole: configuration, listeners, draining, the end. Main thread. Knows nothing of
// bytes: see http_server_private.h for who does.
#include "daemon/api/http_server_private.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/api/http_listen.h"

#define BACKLOG 511
// Of an answer's head, and of a body that is copied behind it.
#define SCRATCH_MAX (256U << 10)

struct http_server_config http_server_config_default(unsigned max_connections, uint64_t max_body)
{
    return (struct http_server_config){
        .max_connections = max_connections,
        .max_body = max_body,
        .max_head = 16384,
        .max_fields = HEAD_FIELDS_MAX,
        .head_timeout_ms = 10000,
        .idle_timeout_ms = 60000,
        .body_min_rate = 1024,
        .body_grace_ms = 10000,
        .write_timeout_ms = 30000,
        .max_keepalive = 10000,
    };
}

// Descriptors may be free again.
static void on_accept_again(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct http_server *s = ctx;
    list_for_each (it, &s->listeners) {
        engine_pause_accepting(list_entry(it, struct http_listener, link), false);
    }
}

// A write to a client that left must be an error of that write, not the end of the program.
static void ignore_sigpipe(void)
{
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL) {
        struct sigaction ignore = {.sa_handler = SIG_IGN};
        (void)sigaction(SIGPIPE, &ignore, NULL);
    }
}

void http_server_set_max_body(struct http_server *s, uint64_t max_body)
{
    s->config.max_body = max_body;
    s->limits.max_body = max_body;
}

int http_server_new(struct loop *loop, const struct http_server_config *config,
                    http_on_request_fn *on_request, void *ctx, struct err *e,
                    struct http_server **ret)
{
    if (config->max_fields > HEAD_FIELDS_MAX || config->max_head >= HTTP_INPUT_HIGH) {
        return err_set(e, ERR_CONFIG, "a request head may have at most %d fields and %d bytes",
                       HEAD_FIELDS_MAX, HTTP_INPUT_HIGH - 1);
    }
    struct http_server *s = calloc(1, sizeof(*s));
    struct http_unsent *unsent = s ? calloc(1, sizeof(*unsent)) : NULL;
    struct event *again = unsent ? event_new(loop_base(loop), -1, 0, on_accept_again, s) : NULL;
    if (!again) {
        free(unsent);
        free(s);
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    unsent->users = 1;
    s->unsent = unsent;
    s->loop = loop;
    s->config = *config;
    s->limits = (struct head_limits){
        .max_head = config->max_head,
        .max_fields = config->max_fields,
    };
    http_server_set_max_body(s, config->max_body);
    s->on_request = on_request;
    s->ctx = ctx;
    s->accept_warned_ms = INT64_MIN / 2;
    s->accept_again = again;
    list_init(&s->listeners);
    list_init(&s->conns);
    buf_init(&s->scratch, SCRATCH_MAX);
    ignore_sigpipe();
    *ret = s;
    return 0;
}

static int add_listener(struct http_server *s, int fd, int backlog, struct err *e,
                        struct http_listener **ret)
{
    if (engine_listen(s, fd, backlog, e, ret) != 0) {
        close(fd);
        return -1;
    }
    return 0;
}

int http_server_listen_tcp(struct http_server *s, const char *address, struct err *e,
                           unsigned *ret_port)
{
    unsigned port = 0;
    struct http_listener *l;
    int fd = http_listen_tcp(address, e, &port);
    if (fd < 0 || add_listener(s, fd, BACKLOG, e, &l) != 0) {
        return -1;
    }
    if (ret_port) {
        *ret_port = port;
    }
    return 0;
}

int http_server_listen_unix(struct http_server *s, const char *path, struct err *e)
{
    struct http_listener *l;
    struct stat st;
    int fd = http_listen_unix(path, e);
    if (fd < 0 || add_listener(s, fd, BACKLOG, e, &l) != 0) {
        return -1;
    }
    l->path = strdup(path);
    if (l->path && lstat(path, &st) == 0) {
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    return 0;
}

int http_server_listen_fd(struct http_server *s, int fd, struct err *e)
{
    struct http_listener *l;
    if (http_listen_adopt(fd, e) != 0) {
        close(fd);
        return -1;
    }
    return add_listener(s, fd, 0, e, &l);
}

static void stop_listening(struct http_server *s)
{
    event_del(s->accept_again);
    list_for_each_safe (it, tmp, &s->listeners) {
        struct http_listener *l = list_entry(it, struct http_listener, link);
        struct stat st;
        if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->device &&
            st.st_ino == l->inode) {
            (void)unlink(l->path);
        }
        engine_stop_listening(l);
    }
}

void http_server_drain(struct http_server *s)
{
    s->draining = true;
    stop_listening(s);
    list_for_each (it, &s->conns) { // those that rest between requests find out that they may go
        conn_kick(list_entry(it, struct http_conn, link));
    }
}

unsigned http_server_connections(const struct http_server *s)
{
    return s->n_conns;
}

size_t http_server_unsent(const struct http_server *s)
{
    return s->unsent->bytes;
}

void http_unsent_release(struct http_unsent *u)
{
    if (--u->users == 0) {
        free(u);
    }
}

void http_server_free(struct http_server **s_ptr)
{
    struct http_server *s = *s_ptr;
    *s_ptr = NULL;
    if (!s) {
        return;
    }
    stop_listening(s);
    while (!list_empty(&s->conns)) { // one end may bring about another's, by on_gone
        struct http_conn *c = list_entry(s->conns.next, struct http_conn, link);
        assert(c->busy == 0); // a handler must not free the server that calls it
        conn_close(c);
    }
    event_free(s->accept_again);
    buf_done(&s->scratch);
    http_unsent_release(s->unsent);
    free(s);
}
