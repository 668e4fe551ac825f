// SPDX-License-Identifier: MIT
// All that touches libevhtp 1.2.18: the only file that includes evhtp.h. Main thread. Never lets
// libevhtp see a byte that the head guard has not accepted, and never runs a handler inside
// libevhtp's own callbacks.
#include "daemon/api/http_server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <evhtp/evhtp.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"

// How long accepting rests when there is no descriptor left.
#define ACCEPT_REST_MS 250
#define ACCEPT_WARN_MS 10000

static void on_accept_failed(struct evconnlistener *listener, void *ctx)
{
    (void)listener;
    int errnum = errno;
    struct http_listener *l = ((evhtp_t *)ctx)->arg;
    struct http_server *s = l->server;
    if (!event_pending(s->accept_again, EV_TIMEOUT, NULL)) {
        if (clock_monotonic_ms() - s->accept_warned_ms >= ACCEPT_WARN_MS) {
            struct err e;
            err_set_errno(&e, errnum, "cannot accept connections for now");
            log_warn("%s connections=%u", e.text, s->n_conns);
            s->accept_warned_ms = clock_monotonic_ms();
        }
        struct timeval rest = {.tv_usec = ACCEPT_REST_MS * 1000};
        event_add(s->accept_again, &rest);
    }
    list_for_each (it, &s->listeners) {
        engine_pause_accepting(list_entry(it, struct http_listener, link), true);
    }
}

// libevhtp frees a connection by itself only when its parser refuses a head, which the guard rules
// out; should it do so all the same, nobody may touch its objects afterwards.
static evhtp_res on_connection_freed(evhtp_connection_t *connection, void *ctx)
{
    (void)connection;
    struct http_conn *c = ctx;
    c->evhtp = NULL;
    c->bev = NULL;
    return EVHTP_RES_OK;
}

// A new connection, its bufferevent set up by libevhtp: the guard takes the callbacks.
static evhtp_res on_accepted(evhtp_connection_t *connection, void *ctx)
{
    struct http_listener *l = ctx;
    (void)fcntl(connection->sock, F_SETFD, FD_CLOEXEC);
    struct http_conn *c = conn_new(l->server, connection, connection->bev, connection->saddr);
    if (!c) {
        return EVHTP_RES_ERROR;
    }
    if (evhtp_connection_set_hook(connection, evhtp_hook_on_connection_fini,
                                  (evhtp_hook)on_connection_freed, c) != 0) {
        c->evhtp = NULL; // libevhtp frees its part
        c->bev = NULL;
        conn_destroy(c);
        return EVHTP_RES_ERROR;
    }
    return EVHTP_RES_OK;
}

// The request is complete for libevhtp. The handler is called later, when libevhtp's frames are off
// the stack.
static void on_request_ready(evhtp_request_t *request, void *ctx)
{
    (void)request;
    (void)ctx;
}

int engine_listen(struct http_server *s, int fd, int backlog, struct err *e,
                  struct http_listener **ret)
{
    evhtp_set_mem_functions(memory_demand, memory_demand_again, free); // libevent's, too
    struct http_listener *l = calloc(1, sizeof(*l));
    evhtp_t *evhtp = l ? evhtp_new(loop_base(s->loop), l) : NULL;
    if (!evhtp) {
        free(l);
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    l->server = s;
    l->evhtp = evhtp;
    evhtp_disable_flag(evhtp, EVHTP_FLAG_ENABLE_100_CONT);
    // Not deferred: a deferred callback would mix the end of reading with errors of writing.
    evhtp_set_bev_flags(evhtp, BEV_OPT_CLOSE_ON_FREE);
    evhtp_set_gencb(evhtp, on_request_ready, NULL);
    evhtp_set_post_accept_cb(evhtp, on_accepted, l);
    if (evhtp_accept_socket(evhtp, fd, backlog) != 0) {
        err_set_errno(e, errno, "cannot listen");
        evhtp_free(evhtp);
        free(l);
        return -1;
    }
    evconnlistener_set_error_cb(evhtp->server, on_accept_failed);
    list_push_back(&s->listeners, &l->link);
    *ret = l;
    return 0;
}

void engine_stop_listening(struct http_listener *l)
{
    list_remove(&l->link);
    evhtp_unbind_socket(l->evhtp);
    evhtp_free(l->evhtp);
    free(l->path);
    free(l);
}

void engine_pause_accepting(struct http_listener *l, bool pause)
{
    if (pause) {
        evconnlistener_disable(l->evhtp->server);
    } else {
        evconnlistener_enable(l->evhtp->server);
    }
}

// Opens libevhtp's request object. Only the method is told: whoever wants target or fields asks the
// guard, and libevhtp's parser drops targets of 8 KiB.
int engine_begin_request(struct http_conn *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    if (evbuffer_get_length(input) > 0) {
        if (!c->surplus) {
            c->surplus = evbuffer_new();
        }
        if (!c->surplus || evbuffer_add_buffer(c->surplus, input) != 0) {
            return -1;
        }
    }
    char line[32];
    int n = snprintf(line, sizeof(line), "%s / HTTP/1.1\r\n\r\n", http_method_name(c->head.method));
    if (n < 0 || evbuffer_prepend(input, line, (size_t)n) != 0) {
        return -1;
    }
    c->evhtp_read(c->bev, c->evhtp);
    if (!c->evhtp || !c->evhtp->request || evbuffer_get_length(input) > 0) {
        return -1;
    }
    return c->surplus ? evbuffer_prepend_buffer(input, c->surplus) : 0;
}

void engine_end_request(struct http_conn *c)
{
    evhtp_request_set_keepalive(c->evhtp->request, 1);
    evhtp_send_reply_end(c->evhtp->request);
    c->evhtp_write(c->bev, c->evhtp);
}

void engine_close(struct http_conn *c)
{
    struct evhtp_connection *connection = c->evhtp;
    if (connection) {
        c->evhtp = NULL;
        c->bev = NULL;
        evhtp_connection_free(connection);
    }
}
