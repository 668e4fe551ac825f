// SPDX-License-Identifier: MIT
// libcurl's multi socket interface on libevent. Worker thread only. It must never call back from
// inside a libcurl callback: what has ended is drained after curl_multi_socket_action has returned.
//
// libcurl forgets a socket whenever its connection goes idle and asks for it again with the next
// request. To spare two system calls a request, an event is left registered for as long as its
// socket is open, and corrected only when it fires for something nobody wants: `armed` is what the
// kernel watches, `wanted` is what libcurl asked for. That is done only with sockets whose closing
// libcurl tells us of, which is those it has made a request on: it closes one that was never
// connected in silence, and the descriptor is soon another's.
#include "daemon/fetch/curl_loop.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"

#define PORTS 65536

// Values of tcpi_state behind a received FIN; <netinet/tcp.h> names them, but clashes with the
// header whose struct tcp_info is complete.
enum { STATE_CLOSE_WAIT = 8, STATE_LAST_ACK = 9, STATE_CLOSING = 11 };

struct watched {
    struct event event;
    struct curl_loop *cl;
    short armed, wanted; // EV_READ | EV_WRITE
    bool assigned;       // `event` is initialised
    bool told;           // of its closing, by curl_loop_close_socket
    uint64_t received_at_close;
};

struct curl_loop {
    struct loop *loop;
    CURLM *multi;
    struct event_base *base;
    struct event *timer;
    int64_t timer_due_ms;   // when libcurl wants to be called; -1: not
    int64_t timer_armed_ms; // when `timer` fires; -1: not
    struct watched **by_fd;
    size_t n_by_fd;
    int *fd_by_port; // of connected sockets, by local port; 0: none
    CURL **again;    // to be called once more
    size_t n_again, again_room;
    long n_handles, max_idle;
    curl_loop_done_fn *on_done;
    void *ctx;
};

static struct watched *watched_of(struct curl_loop *cl, int fd)
{
    size_t at = (size_t)fd;
    if (at >= cl->n_by_fd) {
        size_t n = at + 64;
        struct watched **v = realloc(cl->by_fd, n * sizeof(struct watched *));
        if (!v) {
            return NULL;
        }
        memset(v + cl->n_by_fd, 0, (n - cl->n_by_fd) * sizeof(struct watched *));
        cl->by_fd = v;
        cl->n_by_fd = n;
    }
    if (!cl->by_fd[at]) {
        cl->by_fd[at] = calloc(1, sizeof(struct watched));
    }
    if (cl->by_fd[at]) {
        cl->by_fd[at]->cl = cl;
    }
    return cl->by_fd[at];
}

// libcurl's limit counts the connections in use, too: it moves with the handles, so that as many
// stay idle whether few are in use or thousands.
static void limit_connections(struct curl_loop *cl)
{
    curl_multi_setopt(cl->multi, CURLMOPT_MAXCONNECTS, cl->n_handles + cl->max_idle);
}

void curl_loop_call_again(struct curl_loop *cl, CURL *easy)
{
    if (cl->n_again == cl->again_room) {
        size_t room = 2 * cl->again_room + 8;
        CURL **v = realloc(cl->again, room * sizeof(CURL *));
        if (!v) {
            return; // it is called when a timer of libcurl's fires
        }
        cl->again = v;
        cl->again_room = room;
    }
    cl->again[cl->n_again++] = easy;
}

static void forget_again(struct curl_loop *cl, const CURL *easy)
{
    for (size_t i = cl->n_again; i-- > 0;) {
        if (cl->again[i] == easy) {
            cl->again[i] = cl->again[--cl->n_again];
        }
    }
}

// That a handle is not paused any more is what libcurl calls a handle for at once. It is done
// before a connection is made, when there is nothing to pause.
static void call_again(struct curl_loop *cl)
{
    for (size_t n = cl->n_again; n > 0; n--) {
        curl_off_t connected_us = 0;
        CURL *easy = cl->again[--cl->n_again];
        curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected_us);
        if (connected_us == 0 && curl_easy_pause(easy, CURLPAUSE_RECV) == CURLE_OK) {
            curl_easy_pause(easy, CURLPAUSE_CONT);
        }
    }
}

void curl_loop_remove(struct curl_loop *cl, CURL *easy)
{
    curl_multi_remove_handle(cl->multi, easy);
    forget_again(cl, easy);
    cl->n_handles--;
    limit_connections(cl);
}

static void drain(struct curl_loop *cl)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(cl->multi, &left))) {
        if (m->msg == CURLMSG_DONE) {
            CURL *easy = m->easy_handle;
            CURLcode code = m->data.result; // `m` is gone once the handle is removed
            curl_loop_remove(cl, easy);
            cl->on_done(cl->ctx, easy, code);
        }
    }
}

static void act(struct curl_loop *cl, curl_socket_t fd, int what)
{
    int running;
    int64_t since = loop_callback_begin();
    curl_multi_socket_action(cl->multi, fd, what, &running);
    call_again(cl);
    drain(cl);
    loop_callback_end(cl->loop, since, "transfer");
}

static void on_socket(evutil_socket_t fd, short what, void *arg);

static void unwatch(struct watched *w)
{
    if (w->armed) {
        event_del(&w->event);
        w->armed = 0;
    }
}

static int watch(struct watched *w, int fd, short events)
{
    unwatch(w);
    if (!events) {
        return 0;
    }
    if (!w->assigned &&
        event_assign(&w->event, w->cl->base, fd, events | EV_PERSIST, on_socket, w) < 0) {
        return -1;
    }
    w->assigned = true;
    if (event_get_events(&w->event) != (events | EV_PERSIST) &&
        event_assign(&w->event, w->cl->base, fd, events | EV_PERSIST, on_socket, w) < 0) {
        return -1;
    }
    if (event_add(&w->event, NULL) < 0) {
        return -1;
    }
    w->armed = events;
    return 0;
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct watched *w = arg;
    struct curl_loop *cl = w->cl;
    short wanted = what & w->wanted;
    if (what & ~w->wanted & (EV_READ | EV_WRITE)) {
        watch(w, fd, w->wanted);
    }
    int bits =
        (wanted & EV_READ ? CURL_CSELECT_IN : 0) | (wanted & EV_WRITE ? CURL_CSELECT_OUT : 0);
    if (bits) {
        act(cl, fd, bits);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct curl_loop *cl = arg;
    (void)fd;
    (void)what;
    cl->timer_armed_ms = -1;
    if (cl->timer_due_ms < 0) {
        return;
    }
    int64_t left = cl->timer_due_ms - clock_monotonic_ms();
    if (left > 0) {
        struct timeval tv = {left / 1000, left % 1000 * 1000};
        cl->timer_armed_ms = cl->timer_due_ms;
        evtimer_add(cl->timer, &tv);
        return;
    }
    cl->timer_due_ms = -1; // one request of libcurl is answered once
    act(cl, CURL_SOCKET_TIMEOUT, 0);
}

// CURLMOPT_SOCKETFUNCTION
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct curl_loop *cl = arg;
    struct watched *w = watched_of(cl, fd);
    (void)unused;
    if (!w) {
        return -1; // libcurl ends all transfers with CURLM_ABORTED_BY_CALLBACK
    }
    w->wanted = 0;
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) {
        w->wanted |= EV_READ;
    }
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) {
        w->wanted |= EV_WRITE;
    }
    if (what == CURL_POLL_REMOVE && !w->told) {
        unwatch(w);
        curl_loop_call_again(cl, easy);
        return 0;
    }
    return w->wanted & ~w->armed ? watch(w, fd, w->wanted) : 0;
}

// CURLMOPT_TIMERFUNCTION. A timer that would fire too early is left, and set anew when it does.
static int timer_wanted(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *cl = arg;
    (void)multi;
    if (timeout_ms < 0) {
        cl->timer_due_ms = -1;
        return 0;
    }
    cl->timer_due_ms = clock_monotonic_ms() + timeout_ms;
    if (timeout_ms == 0) {
        event_active(cl->timer, EV_TIMEOUT, 0);
    } else if (cl->timer_armed_ms < 0 || cl->timer_due_ms < cl->timer_armed_ms) {
        struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
        cl->timer_armed_ms = cl->timer_due_ms;
        return evtimer_add(cl->timer, &tv);
    }
    return 0;
}

// Of some 400 pointers that libcurl frees a request, most are NULL: an unused option each.
// jemalloc looks at its thread's cache before it sees that.
static void free_if_any(void *p)
{
    if (p) {
        free(p);
    }
}

int curl_loop_new(struct loop *loop, curl_loop_done_fn *on_done, void *ctx, struct err *e,
                  struct curl_loop **ret)
{
    struct curl_loop *cl = calloc(1, sizeof(*cl));
    if (!cl || curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free_if_any, realloc, strdup,
                                    calloc) != CURLE_OK) {
        free(cl);
        return err_set(e, ERR_SYSTEM, "cannot initialise libcurl");
    }
    *cl = (struct curl_loop){.loop = loop,
                             .base = loop_base(loop),
                             .timer_due_ms = -1,
                             .timer_armed_ms = -1,
                             .on_done = on_done,
                             .ctx = ctx};
    cl->multi = curl_multi_init();
    cl->timer = evtimer_new(cl->base, on_timer, cl);
    cl->fd_by_port = calloc(PORTS, sizeof(int));
    if (!cl->multi || !cl->timer || !cl->fd_by_port) {
        curl_loop_free(&cl);
        return err_set(e, ERR_SYSTEM, "cannot initialise libcurl on the event loop");
    }
    curl_multi_setopt(cl->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl_multi_setopt(cl->multi, CURLMOPT_SOCKETDATA, cl);
    curl_multi_setopt(cl->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl_multi_setopt(cl->multi, CURLMOPT_TIMERDATA, cl);
    curl_multi_setopt(cl->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    *ret = cl;
    return 0;
}

void curl_loop_free(struct curl_loop **cl_ptr)
{
    struct curl_loop *cl = *cl_ptr;
    if (!cl) {
        return;
    }
    curl_multi_cleanup(cl->multi); // closes the idle connections through curl_loop_close_socket
    if (cl->timer) {
        event_free(cl->timer);
    }
    for (size_t i = 0; i < cl->n_by_fd; i++) {
        if (cl->by_fd[i]) {
            unwatch(cl->by_fd[i]);
            free(cl->by_fd[i]);
        }
    }
    free(cl->by_fd);
    free(cl->fd_by_port);
    free(cl->again);
    free(cl);
    curl_global_cleanup();
    *cl_ptr = NULL;
}

void curl_loop_set_max_idle(struct curl_loop *cl, unsigned n)
{
    cl->max_idle = (long)n;
    limit_connections(cl);
}

int curl_loop_add(struct curl_loop *cl, CURL *easy)
{
    if (curl_multi_add_handle(cl->multi, easy) != CURLM_OK) {
        return -1;
    }
    cl->n_handles++;
    limit_connections(cl);
    return 0;
}

int curl_loop_open_socket(struct curl_loop *cl, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (fd < 0) {
        return -1;
    }
    struct watched *w = watched_of(cl, fd);
    if (!w) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    w->told = false;
    // Closed in silence and opened again in one turn, it is the same socket to libcurl, whose wish
    // still holds; the kernel has forgotten it.
    if (w->wanted && watch(w, fd, w->wanted) < 0) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    return fd;
}

int curl_loop_close_socket(void *arg, curl_socket_t fd)
{
    struct curl_loop *cl = arg;
    struct watched *w = (size_t)fd < cl->n_by_fd ? cl->by_fd[fd] : NULL;
    if (w) {
        struct tcp_info info = {0};
        socklen_t n = sizeof(info);
        unwatch(w);
        w->told = false;
        w->wanted = 0;
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n);
        // A FIN counts as a byte there, since it takes a sequence number.
        bool fin = info.tcpi_state == STATE_CLOSE_WAIT || info.tcpi_state == STATE_LAST_ACK ||
                   info.tcpi_state == STATE_CLOSING;
        w->received_at_close = info.tcpi_bytes_received - (fin && info.tcpi_bytes_received > 0);
    }
    return close(fd);
}

bool curl_loop_learn_port(struct curl_loop *cl, int fd, unsigned port)
{
    struct sockaddr_in6 a = {0}; // of IPv4, too: the port stands in the same place
    socklen_t n = sizeof(a);
    bool known = (size_t)fd < cl->n_by_fd && cl->by_fd[fd];
    if (!known || port >= PORTS || getsockname(fd, (struct sockaddr *)&a, &n) < 0 ||
        ntohs(a.sin6_port) != port) {
        return false;
    }
    cl->by_fd[fd]->told = true;
    cl->fd_by_port[port] = fd;
    return true;
}

// Two connections to different servers may have one port; then the older is not known. A descriptor
// that was closed since is that of another socket or of none.
bool curl_loop_has_input(const struct curl_loop *cl, unsigned port)
{
    char byte;
    int fd = port < PORTS ? cl->fd_by_port[port] : 0;
    return fd > 0 && cl->by_fd[fd]->told && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

uint64_t curl_loop_received_at_close(const struct curl_loop *cl, int fd)
{
    return fd >= 0 && (size_t)fd < cl->n_by_fd && cl->by_fd[fd] ? cl->by_fd[fd]->received_at_close
                                                                : 0;
}
