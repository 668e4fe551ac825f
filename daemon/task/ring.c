// SPDX-License-Identifier: MIT
// Constructors and destructors of the ring's messages. Pure.
#include "daemon/task/ring.h"

#include <stdlib.h>
#include <string.h>

// A zeroed message of `size` bytes, or NULL without memory.
static void *message_new(size_t size, unsigned kind, void (*free_fn)(struct message *m))
{
    struct message *m = calloc(1, size);
    if (m == NULL) {
        return NULL;
    }
    m->kind = kind;
    m->free = free_fn;
    list_init(&m->link);
    return m;
}

// For messages that own nothing. Every message begins with its `struct message`.
static void free_plain(struct message *m)
{
    free(m);
}

static void free_upload_piece(struct message *m)
{
    struct upload_piece *p = (struct upload_piece *)m;
    batch_new_free(&p->batch);
    task_piece_done(&p->tasks);
    free(p);
}

struct upload_piece *upload_piece_new(uint64_t upload)
{
    struct upload_piece *p = message_new(sizeof(*p), RING_UPLOAD, free_upload_piece);
    if (p != NULL) {
        p->upload = upload;
    }
    return p;
}

static void free_upload_reply(struct message *m)
{
    struct upload_reply *r = (struct upload_reply *)m;
    batch_info_free(&r->batch);
    free(r);
}

struct upload_reply *upload_reply_new(uint64_t upload)
{
    struct upload_reply *r = message_new(sizeof(*r), RING_UPLOAD_REPLY, free_upload_reply);
    if (r != NULL) {
        r->upload = upload;
    }
    return r;
}

static void free_control(struct message *m)
{
    struct control *c = (struct control *)m;
    free(c->host);
    free(c);
}

struct control *control_new(enum control_verb verb, uint64_t token)
{
    struct control *c = message_new(sizeof(*c), RING_CONTROL, free_control);
    if (c != NULL) {
        c->verb = verb;
        c->token = token;
    }
    return c;
}

static void free_control_reply(struct message *m)
{
    struct control_reply *r = (struct control_reply *)m;
    batch_info_free(&r->batch);
    free(r);
}

struct control_reply *control_reply_new(uint64_t token)
{
    struct control_reply *r = message_new(sizeof(*r), RING_CONTROL_REPLY, free_control_reply);
    if (r != NULL) {
        r->token = token;
    }
    return r;
}

struct changed *changed_new(size_t n)
{
    struct changed *c = message_new(sizeof(*c) + n * sizeof(c->v[0]), RING_CHANGED, free_plain);
    if (c != NULL) {
        c->n = n;
    }
    return c;
}

static void free_work(struct message *m)
{
    struct work *w = (struct work *)m;
    for (size_t i = 0; i < w->n; i++) {
        free(w->v[i].name);
    }
    free(w->v);
    free(w);
}

struct work *work_new(size_t n)
{
    struct work *w = message_new(sizeof(*w), RING_WORK, free_work);
    if (w == NULL || n == 0) {
        return w;
    }
    w->v = calloc(n, sizeof(w->v[0]));
    if (w->v == NULL) {
        free_work(&w->msg);
        return NULL;
    }
    w->n = n;
    return w;
}

struct host_scan *host_scan_new(unsigned worker, uint64_t after, size_t n)
{
    struct host_scan *s = message_new(sizeof(*s), RING_SCAN, free_plain);
    if (s != NULL) {
        s->worker = worker;
        s->after = after;
        s->n = n;
    }
    return s;
}

static void free_host_lookup(struct message *m)
{
    struct host_lookup *l = (struct host_lookup *)m;
    free(l->name);
    free(l);
}

struct host_lookup *host_lookup_new(unsigned worker, const char *name)
{
    struct host_lookup *l = message_new(sizeof(*l), RING_LOOKUP, free_host_lookup);
    if (l == NULL) {
        return NULL;
    }
    l->worker = worker;
    l->name = strdup(name);
    if (l->name == NULL) {
        free(l);
        return NULL;
    }
    return l;
}

struct claim *claim_new(unsigned worker, uint64_t host)
{
    struct claim *c = message_new(sizeof(*c), RING_CLAIM, free_plain);
    if (c != NULL) {
        c->worker = worker;
        c->host = host;
    }
    return c;
}

static void free_claimed(struct message *m)
{
    struct claimed *c = (struct claimed *)m;
    free(c->tasks);
    free(c->batches);
    task_arena_free(c->arena);
    free(c->back);
    free(c);
}

struct claimed *claimed_new(uint64_t host, size_t max_tasks)
{
    struct claimed *c = message_new(sizeof(*c), RING_CLAIMED, free_claimed);
    if (c == NULL) {
        return NULL;
    }
    c->host = host;
    if (max_tasks > 0) {
        c->tasks = calloc(max_tasks, sizeof(c->tasks[0]));
        c->batches = calloc(max_tasks, sizeof(c->batches[0]));
        c->arena = task_arena_new();
        c->back = release_new(max_tasks);
        if (c->tasks == NULL || c->batches == NULL || c->arena == NULL || c->back == NULL) {
            free_claimed(&c->msg);
            return NULL;
        }
        c->back->n = 0;
    }
    return c;
}

static void free_retry_later(struct message *m)
{
    struct retry_later *r = (struct retry_later *)m;
    attempt_done(&r->attempt);
    free(r);
}

struct retry_later *retry_later_new(const struct task_ref *ref)
{
    struct retry_later *r = message_new(sizeof(*r), RING_RETRY, free_retry_later);
    if (r != NULL) {
        r->ref = *ref;
    }
    return r;
}

struct release *release_new(size_t n)
{
    struct release *r = message_new(sizeof(*r) + n * sizeof(r->v[0]), RING_RELEASE, free_plain);
    if (r != NULL) {
        r->n = n;
    }
    return r;
}

struct progress *progress_new(size_t n)
{
    struct progress *p = message_new(sizeof(*p) + n * sizeof(p->v[0]), RING_PROGRESS, free_plain);
    if (p != NULL) {
        p->n = n;
    }
    return p;
}

struct mark_sent *mark_sent_new(unsigned worker, const struct task_ref *ref)
{
    struct mark_sent *s = message_new(sizeof(*s), RING_MARK_SENT, free_plain);
    if (s != NULL) {
        s->worker = worker;
        s->ref = *ref;
    }
    return s;
}

static void free_host_state(struct message *m)
{
    struct host_state *s = (struct host_state *)m;
    free(s->name);
    free(s);
}

struct host_state *host_state_new(const char *name)
{
    struct host_state *s = message_new(sizeof(*s), RING_HOST_STATE, free_host_state);
    if (s == NULL) {
        return NULL;
    }
    s->name = strdup(name);
    if (s->name == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

struct batch_halt *batch_halt_new(uint64_t batch, bool pause)
{
    struct batch_halt *h = message_new(sizeof(*h), RING_BATCH_HALT, free_plain);
    if (h != NULL) {
        h->batch = batch;
        h->pause = pause;
    }
    return h;
}

static void free_host_limits(struct message *m)
{
    struct host_limits_changed *c = (struct host_limits_changed *)m;
    free(c->name);
    free(c);
}

struct host_limits_changed *host_limits_changed_new(const char *name)
{
    struct host_limits_changed *c = message_new(sizeof(*c), RING_HOST_LIMITS, free_host_limits);
    if (c == NULL) {
        return NULL;
    }
    c->name = strdup(name);
    if (c->name == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

static void free_host_query(struct message *m)
{
    struct host_query *q = (struct host_query *)m;
    free(q->v);
    free(q);
}

struct host_query *host_query_new(uint64_t token, size_t n)
{
    struct host_query *q = message_new(sizeof(*q), RING_HOST_QUERY, free_host_query);
    if (q == NULL) {
        return NULL;
    }
    q->token = token;
    if (n > 0) {
        q->v = calloc(n, sizeof(q->v[0]));
        if (q->v == NULL) {
            free(q);
            return NULL;
        }
    }
    q->n = n;
    return q;
}

static const char *const reason_names[] = {
    [WAIT_NONE] = "none",
    [WAIT_HOST_CONCURRENCY] = "host_concurrency",
    [WAIT_HOST_RATE] = "host_rate",
    [WAIT_HOST_BLOCKED] = "host_blocked",
    [WAIT_HOST_PAUSED] = "host_paused",
    [WAIT_GLOBAL_CONCURRENCY] = "global_concurrency",
    [WAIT_BYTE_BUDGET] = "byte_budget",
    [WAIT_RETRY] = "retry",
    [WAIT_PAUSED] = "paused",
    [WAIT_NOT_BEFORE] = "not_before",
    [WAIT_BATCH_CONCURRENCY] = "batch_concurrency",
    [WAIT_QUEUE] = "queue",
};

const char *wait_reason_name(enum wait_reason reason)
{
    return reason_names[reason];
}
