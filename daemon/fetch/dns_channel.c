// SPDX-License-Identifier: MIT
// c-ares on a worker's loop: its sockets become libevent events, its deadlines one timer. Never
// blocks, but for reading /etc/hosts.
//
// A name is looked up in /etc/hosts for both families at once, so that an entry there stands for
// the whole name. Only then the servers are asked, for A and AAAA as two questions: c-ares makes
// one answer of two only when both have ended, and of one that failed and one that found nothing it
// tells only what came last.
#include "daemon/fetch/dns_channel.h"

#include <ares.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/log.h"
#include "daemon/fetch/dns_merge.h"
#include "daemon/fetch/dns_parse.h"
#include "daemon/fetch/dns_socket.h"

#define RESOLV_CONF     "/etc/resolv.conf"
#define LOOK_AT_CONF_MS 5000
#define MAX_TIMER_MS    10000
#define AAAA_GRACE_MS   50 // behind an A answer: RFC 8305, section 8, "Resolution Delay"

struct watch {
    struct list link;
    struct dns_channel *channel;
    struct event *event;
    ares_socket_t fd;
};

enum family { FOUR, SIX, N_FAMILIES };

// One of the two questions for a name.
struct part {
    struct question *question;
    bool open;
    struct dns_answer *answer; // NULL: open, or no memory
};

struct question {
    struct list link;
    struct dns_channel *channel;
    struct dns_asker asker;
    bool told; // only waits for c-ares to be done with it
    struct part parts[N_FAMILIES];
    struct timer grace;
    char name[];
};

struct dns_channel {
    struct loop *loop;
    ares_channel hosts_file, servers;
    bool open;         // both
    char *server_list; // NULL: the system's
    int timeout_ms, tries;
    struct list watches, questions;
    struct timer timer;
    bool closing; // ares_destroy calls back: those answers are nobody's
    bool short_of_sockets;
    struct stat conf;
    int64_t conf_seen_ms;
};

// ---- events

static void arm_timer(struct dns_channel *c)
{
    struct timeval most = {.tv_sec = MAX_TIMER_MS / 1000}, tv;
    if (!c->open || list_empty(&c->questions)) {
        timer_cancel(&c->timer);
        return;
    }
    const struct timeval *t = ares_timeout(c->servers, &most, &tv);
    timer_set_ms(&c->timer, t->tv_sec * 1000 + t->tv_usec / 1000 + 1);
}

static void on_timer(void *ctx)
{
    struct dns_channel *c = ctx;
    ares_process_fd(c->servers, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm_timer(c);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
    struct dns_channel *c = ((struct watch *)ctx)->channel;
    struct loop *loop = c->loop;
    int64_t since = loop_callback_begin();
    // The watch may be gone after this.
    ares_process_fd(c->servers, what & EV_READ ? fd : ARES_SOCKET_BAD,
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

static int open_one(struct dns_channel *c, const char *lookups, struct err *e, ares_channel *ret)
{
    char copy[] = "?";
    copy[0] = *lookups;
    struct ares_options o = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH,
        .timeout = c->timeout_ms,
        .tries = c->tries,
        .lookups = copy,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = c,
        .ednspsz = 1232, // passes unfragmented (DNS flag day 2020)
        .ndomains = 0,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_EDNSPSZ | ARES_OPT_DOMAINS | ARES_OPT_NOROTATE;
    int status = ares_init_options(ret, &o, mask);
    if (status != ARES_SUCCESS) {
        return err_set(e, ERR_SYSTEM, "cannot set up the resolver: %s", ares_strerror(status));
    }
    return 0;
}

static int open_ares(struct dns_channel *c, struct err *e)
{
    if (open_one(c, "f", e, &c->hosts_file) < 0) {
        return -1;
    }
    if (open_one(c, "b", e, &c->servers) < 0) {
        ares_destroy(c->hosts_file);
        return -1;
    }
    c->open = true;
    ares_set_socket_functions(c->servers, &dns_socket_functions, &c->short_of_sockets);
    if (c->server_list) {
        int status = ares_set_servers_ports_csv(c->servers, c->server_list);
        if (status != ARES_SUCCESS) {
            return err_set(e, ERR_CONFIG, "bad name servers '%s': %s", c->server_list,
                           ares_strerror(status));
        }
    }
    return 0;
}

static void close_ares(struct dns_channel *c)
{
    if (c->open) {
        c->closing = true;
        ares_destroy(c->hosts_file);
        ares_destroy(c->servers);
        c->closing = false;
        c->open = false;
    }
    while (!list_empty(&c->watches)) {
        drop_watch(list_entry(c->watches.next, struct watch, link));
    }
}

// ---- questions

static void forget_parts(struct question *q)
{
    for (size_t i = 0; i < N_FAMILIES; i++) {
        free(q->parts[i].answer);
        q->parts[i] = (struct part){.question = q};
    }
    timer_cancel(&q->grace);
}

static void question_free(struct question *q)
{
    forget_parts(q);
    timer_done(&q->grace);
    list_remove(&q->link);
    free(q);
}

// Tells the asker what there is.
static void tell(struct question *q)
{
    const struct part *four = &q->parts[FOUR], *six = &q->parts[SIX];
    bool no_memory = (!four->open && !four->answer) || (!six->open && !six->answer);
    q->told = true;
    timer_cancel(&q->grace);
    q->asker.fn(q->asker.ctx, no_memory ? NULL : dns_merge(four->answer, six->answer));
}

static void on_grace_over(void *ctx)
{
    tell(ctx);
}

static void on_answer(void *ctx, int status, int timeouts, struct ares_addrinfo *ai)
{
    struct part *p = ctx;
    struct question *q = p->question;
    struct dns_channel *c = q->channel;
    (void)timeouts;
    if (c->closing) {
        ares_freeaddrinfo(ai);
        return; // whoever closes asks again or frees the questions
    }
    p->open = false;
    p->answer = dns_parse(status, ai);
    ares_freeaddrinfo(ai);
    if (p->answer && p->answer->error == TASK_DNS_TEMPORARY) {
        p->answer->local_shortage = c->short_of_sockets || status == ARES_ENOMEM;
    }
    const struct part *four = &q->parts[FOUR];
    if (four->open || q->parts[SIX].open) {
        if (p == four && p->answer && q->asker.suffices(q->asker.ctx, p->answer)) {
            timer_set_ms(&q->grace, AAAA_GRACE_MS);
        }
        return;
    }
    if (!q->told) {
        tell(q);
    }
    question_free(q);
}

static void ask_servers(struct dns_channel *c, struct question *q)
{
    static const int families[N_FAMILIES] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < N_FAMILIES; i++) {
        q->parts[i].open = true; // both, before the first may be answered at once
    }
    for (size_t i = 0; i < N_FAMILIES; i++) {
        struct ares_addrinfo_hints hints = {.ai_family = families[i], .ai_socktype = SOCK_STREAM};
        ares_getaddrinfo(c->servers, q->name, NULL, &hints, on_answer, &q->parts[i]);
    }
}

static void on_hosts_file(void *ctx, int status, int timeouts, struct ares_addrinfo *ai)
{
    struct dns_answer **ret = ctx;
    (void)timeouts;
    *ret = status == ARES_SUCCESS ? dns_parse(status, ai) : NULL;
    ares_freeaddrinfo(ai);
}

// From the file, which takes no time, or from the servers.
static void look_up(struct dns_channel *c, struct question *q)
{
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct dns_answer *listed = NULL;
    ares_getaddrinfo(c->hosts_file, q->name, NULL, &hints, on_hosts_file, &listed);
    if (!listed) {
        ask_servers(c, q);
        return;
    }
    q->asker.fn(q->asker.ctx, listed);
    question_free(q);
}

static void ask_again(struct dns_channel *c, struct question *q)
{
    forget_parts(q);
    if (q->told) {
        question_free(q);
    } else if (c->open) {
        look_up(c, q);
    } else {
        q->asker.fn(q->asker.ctx, dns_merge(NULL, NULL));
        question_free(q);
    }
}

// The machine moved to another network: open anew, and ask again what is under way.
static void follow_system(struct dns_channel *c)
{
    int64_t now_ms = clock_monotonic_ms();
    if (c->server_list || now_ms - c->conf_seen_ms < LOOK_AT_CONF_MS) {
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
        ask_again(c, q);
    }
}

int dns_channel_ask(struct dns_channel *c, const char *name, const struct dns_asker *asker)
{
    follow_system(c);
    if (!c->open && open_ares(c, NULL) < 0) {
        return -1;
    }
    size_t size = strlen(name) + 1;
    struct question *q = calloc(1, sizeof *q + size);
    if (!q || timer_init(&q->grace, c->loop, on_grace_over, q, NULL) < 0) {
        free(q);
        return -1;
    }
    memcpy(q->name, name, size);
    q->channel = c;
    q->asker = *asker;
    forget_parts(q);
    list_init(&q->link);
    list_push_back(&c->questions, &q->link);
    look_up(c, q);
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
    if ((given && !(c->server_list = strdup(s->servers))) ||
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
        question_free(list_entry(c->questions.next, struct question, link));
    }
    timer_done(&c->timer);
    free(c->server_list);
    free(c);
    *channel = NULL;
}
