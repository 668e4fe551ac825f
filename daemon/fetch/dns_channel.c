// SPDX-License-Identifier: MIT
// c-ares on a worker's loop: its sockets become libevent events, its deadlines one timer. Never
// blocks, but for reading /etc/hosts.
//
// Sockets are made by functions of this file, because only there a lack of descriptors can be told
// from a server that does not answer: the one is ours and passes, the other is the name's.
#include "daemon/fetch/dns_channel.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "daemon/fetch/dns_parse.h"

#define RESOLV_CONF     "/etc/resolv.conf"
#define LOOK_AT_CONF_MS 5000
#define MAX_TIMER_MS    10000

struct watch {
    struct list link;
    struct dns_channel *channel;
    struct event *event;
    ares_socket_t fd;
};

struct question {
    struct list link;
    struct dns_channel *channel;
    dns_channel_fn *fn;
    void *ctx;
    char name[];
};

struct dns_channel {
    struct loop *loop;
    ares_channel ares;
    bool open;
    char *servers; // NULL: the system's
    int timeout_ms, tries;
    struct list watches, questions;
    struct timer timer;
    bool closing; // ares_destroy calls back: those answers are nobody's
    bool short_of_sockets;
    struct stat conf;
    int64_t conf_seen_ms;
};

// ---- sockets

static ares_socket_t make_socket(int domain, int type, int protocol, void *ctx)
{
    struct dns_channel *c = ctx;
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    c->short_of_sockets =
        fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
    return fd;
}

static int close_socket(ares_socket_t fd, void *ctx)
{
    (void)ctx;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *sa, ares_socklen_t n, void *ctx)
{
    (void)ctx;
    return connect(fd, sa, n);
}

static ares_ssize_t receive(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *from,
                            ares_socklen_t *from_len, void *ctx)
{
    (void)ctx;
    return recvfrom(fd, p, n, flags, from, from_len);
}

static ares_ssize_t send_vector(ares_socket_t fd, const struct iovec *v, int n, void *ctx)
{
    (void)ctx;
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = (size_t)n};
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static const struct ares_socket_functions socket_functions = {
    make_socket, close_socket, connect_socket, receive, send_vector,
};

// ---- events

static void arm_timer(struct dns_channel *c)
{
    struct timeval most = {.tv_sec = MAX_TIMER_MS / 1000}, tv;
    if (!c->open || list_empty(&c->questions)) {
        timer_cancel(&c->timer);
        return;
    }
    const struct timeval *t = ares_timeout(c->ares, &most, &tv);
    timer_set_ms(&c->timer, t->tv_sec * 1000 + t->tv_usec / 1000 + 1);
}

static void on_timer(void *ctx)
{
    struct dns_channel *c = ctx;
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(c);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    struct dns_channel *c = ((struct watch *)ctx)->channel;
    struct loop *loop = c->loop;
    int64_t since = loop_callback_begin();
    // The watch may be gone after this.
    ares_process_fd(c->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    arm_timer(c);
    loop_callback_end(loop, since, "dns");
}

static struct watch *find_watch(struct dns_channel *c, ares_socket_t fd)
{
    list_for_each (it, &c->watches) {
        struct watch *w = list_entry(it, struct watch, link);
        if (w->fd == fd) {
            return w;
        }
    }
    return NULL;
}

static void drop_watch(struct watch *w)
{
    if (w->event) {
        event_free(w->event);
    }
    list_remove(&w->link);
    free(w);
}

// A socket that cannot be watched makes its questions time out; there is nobody to tell.
static void on_socket_state(void *ctx, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *c = ctx;
    struct watch *w = find_watch(c, fd);
    if (w) {
        drop_watch(w);
    }
    if (!readable && !writable) {
        return;
    }
    w = calloc(1, sizeof *w);
    if (!w) {
        return;
    }
    list_init(&w->link);
    list_push_back(&c->watches, &w->link);
    w->channel = c;
    w->fd = fd;
    short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
    w->event = event_new(loop_base(c->loop), fd, what, on_socket, w);
    if (!w->event || event_add(w->event, NULL) < 0) {
        drop_watch(w);
    }
}

// ---- the channel

static int open_ares(struct dns_channel *c, struct err *e)
{
    char lookups[] = "fb"; // the file, then the servers
    struct ares_options o = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH,
        .timeout = c->timeout_ms,
        .tries = c->tries,
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = c,
        .ednspsz = 1232, // passes unfragmented (DNS flag day 2020)
        .ndomains = 0,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ | ARES_OPT_DOMAINS | ARES_OPT_NOROTATE;
    int status = ares_init_options(&c->ares, &o, mask);
    if (status != ARES_SUCCESS) {
        return err_set(e, ERR_SYSTEM, "cannot set up the resolver: %s", ares_strerror(status));
    }
    c->open = true;
    ares_set_socket_functions(c->ares, &socket_functions, c);
    if (c->servers) {
        status = ares_set_servers_ports_csv(c->ares, c->servers);
        if (status != ARES_SUCCESS) {
            return err_set(e, ERR_CONFIG, "bad name servers '%s': %s", c->servers,
                           ares_strerror(status));
        }
    }
    return 0;
}

static void close_ares(struct dns_channel *c)
{
    if (c->open) {
        c->closing = true;
        ares_destroy(c->ares);
        c->closing = false;
        c->open = false;
    }
    while (!list_empty(&c->watches)) {
        drop_watch(list_entry(c->watches.next, struct watch, link));
    }
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *ai)
{
    struct question *q = ctx;
    struct dns_channel *c = q->channel;
    (void)timeouts;
    if (c->closing) {
        ares_freeaddrinfo(ai);
        return; // whoever closes asks again or frees the questions
    }
    struct dns_answer *answer = dns_parse(status, ai);
    ares_freeaddrinfo(ai);
    if (answer && answer->error == TASK_DNS_TEMPORARY) {
        answer->local_shortage = c->short_of_sockets || status == ARES_ENOMEM;
    }
    list_remove(&q->link);
    q->fn(q->ctx, answer);
    free(q);
}

static void send_question(struct dns_channel *c, struct question *q)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(c->ares, q->name, NULL, &hints, on_answer, q);
}

// The machine moved to another network: open anew, and ask again what is under way.
static void follow_system(struct dns_channel *c)
{
    int64_t now_ms = clock_monotonic_ms();
    if (c->servers || now_ms - c->conf_seen_ms < LOOK_AT_CONF_MS) {
        return;
    }
    c->conf_seen_ms = now_ms;
    struct stat st;
    if (stat(RESOLV_CONF, &st) < 0 ||
        (st.st_ino == c->conf.st_ino && st.st_size == c->conf.st_size &&
         st.st_mtim.tv_sec == c->conf.st_mtim.tv_sec &&
         st.st_mtim.tv_nsec == c->conf.st_mtim.tv_nsec)) {
        return;
    }
    c->conf = st;
    struct list again;
    list_init(&again);
    close_ares(c);
    list_splice(&again, &c->questions);
    struct err e;
    if (open_ares(c, &e) < 0) {
        log_warn("%s", e.text);
    }
    while (!list_empty(&again)) {
        struct question *q = list_entry(list_pop_front(&again), struct question, link);
        list_push_back(&c->questions, &q->link);
        if (c->open) {
            send_question(c, q);
        } else {
            on_answer(q, ARES_ENOTINITIALIZED, 0, NULL);
        }
    }
}

int dns_channel_ask(struct dns_channel *c, const char *name, dns_channel_fn *fn, void *ctx)
{
    follow_system(c);
    size_t size = strlen(name) + 1;
    struct question *q = calloc(1, sizeof *q + size);
    if (!q || (!c->open && open_ares(c, NULL) < 0)) {
        free(q);
        return -1;
    }
    memcpy(q->name, name, size);
    q->channel = c;
    q->fn = fn;
    q->ctx = ctx;
    list_init(&q->link);
    list_push_back(&c->questions, &q->link);
    send_question(c, q);
    arm_timer(c);
    return 0;
}

int dns_channel_new(struct loop *loop, const struct dns_channel_settings *s, struct err *e,
                    struct dns_channel **ret)
{
    struct dns_channel *c = calloc(1, sizeof *c);
    if (!c) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    c->loop = loop;
    c->timeout_ms = (int)s->timeout_ms;
    c->tries = s->tries;
    c->conf_seen_ms = clock_monotonic_ms();
    list_init(&c->watches);
    list_init(&c->questions);
    if (stat(RESOLV_CONF, &c->conf) < 0) {
        memset(&c->conf, 0, sizeof c->conf);
    }
    bool given = s->servers && *s->servers;
    if ((given && !(c->servers = strdup(s->servers))) ||
        timer_init(&c->timer, loop, on_timer, c, e) < 0) {
        err_set(e, ERR_SYSTEM, "out of memory");
        dns_channel_free(&c);
        return -1;
    }
    if (open_ares(c, e) < 0) {
        dns_channel_free(&c);
        return -1;
    }
    *ret = c;
    return 0;
}

void dns_channel_free(struct dns_channel **channel)
{
    struct dns_channel *c = *channel;
    if (!c) {
        return;
    }
    close_ares(c);
    while (!list_empty(&c->questions)) {
        free(list_entry(list_pop_front(&c->questions), struct question, link));
    }
    timer_done(&c->timer);
    free(c->servers);
    free(c);
    *channel = NULL;
}
