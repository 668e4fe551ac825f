// SPDX-License-Identifier: MIT
// What surrounds fetch, played by a test: a store that answers claims from a list of tasks, an
// API's mailbox, and origin servers on 127.0.0.1 to 127.0.0.4 that count what they see. All of it
// runs on the test's own loop, in rig_run; only the workers have threads. Host 127.0.0.N belongs to
// worker N modulo their number.
#pragma once

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/url.h"
#include "config/file.h"
#include "daemon/fetch/fetch.h"
#include "daemon/task/ring.h"

#define RIG_HOSTS       4
#define RIG_MAX_TASKS   2000
#define RIG_DEADLINE_MS 20000
#define RIG_BATCH       7 // of a task that names none

enum rig_task_state { RIG_READY, RIG_CLAIMED, RIG_ENDED };

struct rig_task {
    uint64_t batch, host;
    uint32_t index;
    enum rig_task_state state;
    int attempts;
    int64_t not_before_at;
    char *url, *spec;
    struct outcome *outcome;
    unsigned retries, marks, releases;
    struct retry_later *last_retry;
};

struct rig_origin {
    struct rig *rig;
    struct evhttp *http;
    uint16_t port;
    unsigned open, most_open, requests; // requests being answered now, at most, and in all
    int64_t at_us[RIG_MAX_TASKS];       // when each came
    char last_method[16], last_authorization[64];
    bool hold_robots; // a request for robots.txt gets no answer, but stands in `held`
    struct evhttp_request *held;
};

struct rig {
    struct event_base *base;
    struct fetch *fetch;
    struct metrics metrics;
    struct mailbox *store, *api;
    struct event *store_event;
    struct rig_origin origins[RIG_HOSTS + 1]; // by N; 0 unused
    struct host_limits limits[RIG_HOSTS + 1];
    const char *defaults; // of every batch
    struct rig_task tasks[RIG_MAX_TASKS];
    size_t n_tasks, n_ended;
    int64_t running, most_claimed;
    unsigned open, most_open; // requests being answered now by all origins, and at most
    unsigned claims, lookups, states;
    struct host_state last_state; // without its name
    uint64_t last_state_host;
    bool hold_marks, refuse_marks;
};

static inline unsigned rig_worker_of(const char *host, unsigned n)
{
    return (unsigned)(host[strlen(host) - 1] - '0') % n;
}

// ---- origins

static void rig_reply_late(evutil_socket_t fd, short what, void *arg)
{
    struct evhttp_request *req = arg;
    (void)fd;
    (void)what;
    struct rig_origin *o = NULL;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    const char *text = evhttp_find_header(headers, "X-Origin");
    sscanf(text, "%p", (void **)&o);
    evhttp_remove_header(headers, "X-Origin");
    o->open--;
    o->rig->open--;
    evhttp_send_reply(req, evhttp_find_header(headers, "Location") ? 302 : 200, "Late", NULL);
}

static void rig_delay_reply(struct rig_origin *o, struct evhttp_request *req, int ms)
{
    char text[32];
    snprintf(text, sizeof text, "%p", (void *)o);
    evhttp_add_header(evhttp_request_get_output_headers(req), "X-Origin", text);
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_base_once(o->rig->base, -1, EV_TIMEOUT, rig_reply_late, req, &tv);
}

// The status, or for /late the time to wait.
static int rig_redirect(struct rig_origin *o, struct evhttp_request *req, const char *path)
{
    int number = 0, to = 0, n = 0;
    char location[256];
    sscanf(strchr(path + 1, '/'), "/%d/%d%n", &number, &to, &n);
    path = strchr(path + 1, '/');
    snprintf(location, sizeof location, "http://127.0.0.%d:%u%s", to, o->rig->origins[to].port,
             path + n);
    evhttp_add_header(evhttp_request_get_output_headers(req), "Location", location);
    return number;
}

// /slow/MS  /status/N  /to/STATUS/HOST/PATH  /late/MS/HOST/PATH  /big/KB  /after/SECONDS (429 with
// Retry-After); all else: 200
static void rig_on_request(struct evhttp_request *req, void *arg)
{
    struct rig_origin *o = arg;
    const char *path = evhttp_request_get_uri(req);
    const char *slash = strrchr(path, '/');
    int n = (int)strtol(slash + 1, NULL, 10);
    static const char *const methods[] = {
        [EVHTTP_REQ_GET] = "GET", [EVHTTP_REQ_POST] = "POST", [EVHTTP_REQ_HEAD] = "HEAD"};
    const char *authorization =
        evhttp_find_header(evhttp_request_get_input_headers(req), "Authorization");
    if (o->requests < RIG_MAX_TASKS) {
        o->at_us[o->requests] = clock_monotonic_us();
    }
    o->requests++;
    snprintf(o->last_method, sizeof o->last_method, "%s", methods[evhttp_request_get_command(req)]);
    snprintf(o->last_authorization, sizeof o->last_authorization, "%s",
             authorization ? authorization : "");
    if (o->hold_robots && strcmp(path, "/robots.txt") == 0) {
        o->held = req;
    } else if (strncmp(path, "/slow/", 6) == 0) {
        o->open++;
        o->most_open = o->open > o->most_open ? o->open : o->most_open;
        struct rig *r = o->rig;
        r->open++;
        r->most_open = r->open > r->most_open ? r->open : r->most_open;
        rig_delay_reply(o, req, n);
    } else if (strncmp(path, "/to/", 4) == 0) {
        evhttp_send_reply(req, rig_redirect(o, req, path), "Moved", NULL);
    } else if (strncmp(path, "/late/", 6) == 0) {
        o->open++;
        o->rig->open++;
        rig_delay_reply(o, req, rig_redirect(o, req, path));
    } else if (strncmp(path, "/big/", 5) == 0) {
        struct evbuffer *body = evhttp_request_get_output_buffer(req);
        for (int i = 0; i < n; i++) {
            char kilobyte[1024] = {(char)i};
            evbuffer_add(body, kilobyte, sizeof kilobyte);
        }
        evhttp_send_reply(req, 200, "OK", NULL);
    } else if (strncmp(path, "/after/", 7) == 0) {
        evhttp_add_header(evhttp_request_get_output_headers(req), "Retry-After", slash + 1);
        evhttp_send_reply(req, 429, "Slow down", NULL);
    } else {
        evhttp_send_reply(req, strncmp(path, "/status/", 8) == 0 ? n : 200, "Reply", NULL);
    }
}

static void rig_open_origin(struct rig *r, int number)
{
    struct rig_origin *o = &r->origins[number];
    char address[16];
    snprintf(address, sizeof address, "127.0.0.%d", number);
    o->rig = r;
    o->http = evhttp_new(r->base);
    evhttp_set_gencb(o->http, rig_on_request, o);
    struct evhttp_bound_socket *b = evhttp_bind_socket_with_handle(o->http, address, 0);
    assert_non_null(b);
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    getsockname(evhttp_bound_socket_get_fd(b), (struct sockaddr *)&sa, &len);
    o->port = ntohs(sa.sin_port);
}

// ---- the store

static struct rig_task *rig_find(struct rig *r, const struct task_ref *ref)
{
    for (size_t i = 0; i < r->n_tasks; i++) {
        if (task_key(r->tasks[i].batch, r->tasks[i].index) == ref->task) {
            return &r->tasks[i];
        }
    }
    fail_msg("a task that nobody submitted");
    return NULL;
}

static void rig_tell_host(struct rig *r, uint64_t host)
{
    struct work *m = work_new(1);
    char name[16];
    snprintf(name, sizeof name, "127.0.0.%d", (int)host);
    m->v[0] = (struct host_record){.host = host, .name = strdup(name), .limits = r->limits[host]};
    unsigned n = fetch_n_workers(r->fetch);
    mailbox_post(fetch_mailboxes(r->fetch)[rig_worker_of(name, n)], &m->msg);
}

static bool rig_has_work(const struct rig *r, uint64_t host)
{
    for (size_t i = 0; i < r->n_tasks; i++) {
        if (r->tasks[i].host == host && r->tasks[i].state == RIG_READY) {
            return true;
        }
    }
    return false;
}

static void rig_on_scan(struct rig *r, const struct host_scan *m)
{
    struct work *w = work_new(RIG_HOSTS);
    w->scan_answer = true;
    w->n = 0;
    unsigned n = fetch_n_workers(r->fetch);
    for (uint64_t host = m->after + 1; host <= RIG_HOSTS; host++) {
        char name[16];
        snprintf(name, sizeof name, "127.0.0.%d", (int)host);
        if (rig_worker_of(name, n) == m->worker && rig_has_work(r, host)) {
            w->v[w->n++] =
                (struct host_record){.host = host, .name = strdup(name), .limits = r->limits[host]};
        }
    }
    mailbox_post(fetch_mailboxes(r->fetch)[m->worker], &w->msg);
}

static void rig_give(struct claimed *c, const struct rig_task *t)
{
    struct claimed_task *to = &c->tasks[c->n];
    to->ref = (struct task_ref){.task = task_key(t->batch, t->index), .host = t->host};
    to->batch_at = (uint32_t)c->n_batches;
    to->attempts = t->attempts;
    to->queued_at = clock_wall_at();
    to->url = task_arena_copy(c->arena, t->url, strlen(t->url));
    to->spec = t->spec ? task_arena_copy(c->arena, t->spec, strlen(t->spec)) : NULL;
    c->batches[c->n_batches++].batch = t->batch;
    c->n++;
}

static void rig_on_claim(struct rig *r, const struct claim *m)
{
    struct claimed *c = claimed_new(m->host, m->n);
    int64_t claimed = 0, now_at = clock_wall_at();
    for (size_t i = 0; i < r->n_tasks; i++) {
        struct rig_task *t = &r->tasks[i];
        claimed += t->host == m->host && t->state == RIG_CLAIMED ? 1 : 0;
        if (t->host != m->host || t->state != RIG_READY) {
            continue;
        }
        if (t->not_before_at > now_at) {
            c->next_due_at = t->not_before_at;
        } else if (c->n == m->n) {
            c->more = true;
        } else {
            rig_give(c, t);
            c->batches[c->n_batches - 1].defaults =
                r->defaults ? task_arena_copy(c->arena, r->defaults, strlen(r->defaults)) : NULL;
            t->state = RIG_CLAIMED;
            claimed++;
        }
    }
    r->claims++;
    r->most_claimed = claimed > r->most_claimed ? claimed : r->most_claimed;
    mailbox_post(fetch_mailboxes(r->fetch)[m->worker], &c->msg);
}

static void rig_on_outcome(struct rig *r, struct outcome *o)
{
    struct rig_task *t = rig_find(r, &o->ref);
    assert_int_equal(RIG_CLAIMED, t->state); // exactly one end
    t->state = RIG_ENDED;
    t->outcome = o;
    r->n_ended++;
}

static void rig_on_retry(struct rig *r, struct retry_later *m)
{
    struct rig_task *t = rig_find(r, &m->ref);
    assert_int_equal(RIG_CLAIMED, t->state);
    t->state = RIG_READY;
    t->attempts += m->counts ? 1 : 0;
    t->not_before_at = m->not_before_at;
    t->retries++;
    if (t->last_retry) {
        t->last_retry->msg.free(&t->last_retry->msg);
    }
    t->last_retry = m;
}

static void rig_on_release(struct rig *r, const struct release *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct rig_task *t = rig_find(r, &m->v[i]);
        assert_int_equal(RIG_CLAIMED, t->state);
        t->state = RIG_READY;
        t->releases++;
    }
}

static void rig_on_mark(struct rig *r, struct mark_sent *m)
{
    rig_find(r, &m->ref)->marks++;
    if (r->hold_marks) {
        m->msg.free(&m->msg);
        return;
    }
    m->msg.kind = RING_SENT_MARKED;
    m->status = r->refuse_marks ? 1 : 0;
    mailbox_post(fetch_mailboxes(r->fetch)[m->worker], &m->msg);
}

static void rig_on_progress(struct rig *r, const struct progress *m)
{
    for (size_t i = 0; i < m->n; i++) {
        r->running += m->v[i].delta;
    }
}

// True if the message was kept or passed on.
static bool rig_handle(struct rig *r, struct message *m)
{
    switch (m->kind) {
    case RING_CLAIM: rig_on_claim(r, (struct claim *)m); return false;
    case RING_SCAN: rig_on_scan(r, (struct host_scan *)m); return false;
    case RING_OUTCOME: rig_on_outcome(r, (struct outcome *)m); return true;
    case RING_RETRY: rig_on_retry(r, (struct retry_later *)m); return true;
    case RING_RELEASE: rig_on_release(r, (struct release *)m); return false;
    case RING_PROGRESS: rig_on_progress(r, (struct progress *)m); return false;
    case RING_MARK_SENT: rig_on_mark(r, (struct mark_sent *)m); return true;
    case RING_LOOKUP: {
        const char *name = ((struct host_lookup *)m)->name;
        r->lookups++;
        rig_tell_host(r, (uint64_t)(name[strlen(name) - 1] - '0'));
        return false;
    }
    case RING_HOST_STATE:
        r->states++;
        r->last_state = *(struct host_state *)m;
        r->last_state_host = rig_worker_of(r->last_state.name, RIG_HOSTS + 1);
        r->last_state.name = NULL;
        return false;
    default: return false;
    }
}

static void rig_on_store(evutil_socket_t fd, short what, void *arg)
{
    struct rig *r = arg;
    struct list messages, *link;
    (void)fd;
    (void)what;
    list_init(&messages);
    mailbox_take(r->store, &messages);
    while ((link = list_pop_front(&messages))) {
        struct message *m = list_entry(link, struct message, link);
        if (!rig_handle(r, m)) {
            m->free(m);
        }
    }
}

// ---- for tests

static struct config *rig_config(const char *const *set, size_t n)
{
    const char *all[16] = {"fetch.allow_addresses=127.0.0.0/8", "fetch.allow_ports=1024-65535",
                           "store.path=/tmp/none.db"};
    struct err e;
    struct config *c = NULL;
    for (size_t i = 0; i < n; i++) {
        all[3 + i] = set[i];
    }
    struct config_sources src = {.set = all, .n_set = 3 + n};
    if (config_load(&src, &e, &c) < 0) {
        fail_msg("%s", e.text);
    }
    return c;
}

static struct rig *rig_new(const char *const *set, size_t n)
{
    struct rig *r = calloc(1, sizeof *r);
    struct err e;
    assert_non_null(r);
    r->base = event_base_new();
    assert_int_equal(0, mailbox_new(&e, &r->store));
    assert_int_equal(0, mailbox_new(&e, &r->api));
    r->store_event =
        event_new(r->base, mailbox_fd(r->store), EV_READ | EV_PERSIST, rig_on_store, r);
    event_add(r->store_event, NULL);
    for (int i = 1; i <= RIG_HOSTS; i++) {
        rig_open_origin(r, i);
        r->limits[i] =
            (struct host_limits){.max_concurrency = -1, .delay_ms = -1, .rate_per_s = -1};
    }
    struct config *c = rig_config(set, n);
    if (fetch_new(c, &r->metrics, &e, &r->fetch) < 0) {
        fail_msg("%s", e.text);
    }
    config_free(&c);
    struct fetch_ports ports = {
        .store = r->store, .api = r->api, .metrics = &r->metrics, .worker_of = rig_worker_of};
    assert_int_equal(0, fetch_start(r->fetch, &ports, &e));
    return r;
}

static void rig_free(struct rig *r)
{
    fetch_free(&r->fetch);
    for (size_t i = 0; i < r->n_tasks; i++) {
        struct rig_task *t = &r->tasks[i];
        outcome_free(&t->outcome);
        if (t->last_retry) {
            t->last_retry->msg.free(&t->last_retry->msg);
        }
        free(t->url);
        free(t->spec);
    }
    for (int i = 1; i <= RIG_HOSTS; i++) {
        evhttp_free(r->origins[i].http);
    }
    event_free(r->store_event);
    mailbox_free(&r->store);
    mailbox_free(&r->api);
    event_base_free(r->base);
    free(r);
}

static struct rig_task *rig_add(struct rig *r, int host, const char *path, const char *spec)
{
    struct rig_task *t = &r->tasks[r->n_tasks];
    char url[300];
    snprintf(url, sizeof url, "http://127.0.0.%d:%u%s", host, r->origins[host].port, path);
    *t = (struct rig_task){.batch = RIG_BATCH,
                           .host = (uint64_t)host,
                           .index = (uint32_t)r->n_tasks,
                           .url = strdup(url),
                           .spec = spec ? strdup(spec) : NULL};
    r->n_tasks++;
    return t;
}

static inline void rig_set_url(struct rig_task *t, const char *url)
{
    free(t->url);
    t->url = strdup(url);
}

static void rig_tell(struct rig *r)
{
    for (uint64_t host = 1; host <= RIG_HOSTS; host++) {
        if (rig_has_work(r, host)) {
            rig_tell_host(r, host);
        }
    }
}

static void rig_run(struct rig *r, int64_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_base_loopexit(r->base, &tv);
    event_base_loop(r->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

// Runs until the condition holds; fails the test after RIG_DEADLINE_MS.
#define rig_until(r, condition)                                                                    \
    do {                                                                                           \
        int64_t rig_end = clock_monotonic_ms() + RIG_DEADLINE_MS;                                  \
        while (!(condition) && clock_monotonic_ms() < rig_end) {                                   \
            rig_run(r, 2);                                                                         \
        }                                                                                          \
        assert_true(condition);                                                                    \
    } while (0)

static inline void rig_finish(struct rig *r)
{
    rig_until(r, r->n_ended == r->n_tasks);
    rig_until(r, r->running == 0);
}
