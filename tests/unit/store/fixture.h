// SPDX-License-Identifier: MIT
// A store in a temporary directory, driven through its mailbox, with the test in the place of the
// API and of the workers.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/uuid.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "daemon/task/ring.h"

#define WAIT_MS 10000
#define WORKERS 2

struct inbox {
    struct mailbox *mailbox;
    struct list list;
};

struct fixture {
    char dir[64], path[128];
    struct config config;
    struct metrics metrics;
    struct inbox api, worker[WORKERS];
    struct mailbox *workers[WORKERS];
    struct store *store;
    struct reader *reader;
    uint64_t next_upload, next_token;
    _Atomic int fatal;
};

static inline void fixture_on_fatal(void *ctx, const char *why)
{
    struct fixture *f = ctx;
    fprintf(stderr, "fatal: %s\n", why);
    f->fatal = 1;
}

static inline void inbox_init(struct inbox *in)
{
    struct err e;
    assert_int_equal(mailbox_new(&e, &in->mailbox), 0);
    list_init(&in->list);
}

static inline void inbox_done(struct inbox *in)
{
    for (struct list *l = list_pop_front(&in->list); l != NULL; l = list_pop_front(&in->list)) {
        struct message *m = list_entry(l, struct message, link);
        m->free(m);
    }
    mailbox_free(&in->mailbox);
}

// Opens the store, whose thread does not run yet.
static inline void fixture_open(struct fixture *f)
{
    inbox_init(&f->api);
    for (int i = 0; i < WORKERS; i++) {
        inbox_init(&f->worker[i]);
        f->workers[i] = f->worker[i].mailbox;
    }
    struct store_ports ports = {.api = f->api.mailbox,
                                .workers = f->workers,
                                .n_workers = WORKERS,
                                .metrics = &f->metrics,
                                .on_fatal = fixture_on_fatal,
                                .ctx = f};
    struct err e = {0};
    if (store_open(&f->config, &ports, &e, &f->store) < 0) {
        fail_msg("store_open: %s", e.text);
    }
}

static inline void fixture_run(struct fixture *f)
{
    struct err e = {0};
    assert_int_equal(store_start(f->store, &e), 0);
    assert_int_equal(reader_open(f->path, &e, &f->reader), 0);
}

static inline void fixture_start(struct fixture *f)
{
    fixture_open(f);
    fixture_run(f);
}

static inline void fixture_stop(struct fixture *f)
{
    reader_close(&f->reader);
    store_close(&f->store);
    inbox_done(&f->api);
    for (int i = 0; i < WORKERS; i++) {
        inbox_done(&f->worker[i]);
    }
    assert_int_equal(f->fatal, 0);
}

static inline void fixture_restart(struct fixture *f)
{
    fixture_stop(f);
    fixture_start(f);
}

// With the directory and the configuration, not started.
static inline struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/gatherd-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/test.db", f->dir);
    f->config.store.path = f->path;
    f->config.store.synchronous = STORE_SYNCHRONOUS_NORMAL;
    f->config.fetch.max_queued = 10000000;
    return f;
}

static inline void fixture_remove(struct fixture *f)
{
    const char *suffixes[] = {"", "-wal", "-shm", ".lock", ".ballast", ".running"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i]);
        unlink(path);
    }
    rmdir(f->dir);
    free(f);
}

static inline int setup(void **state)
{
    struct fixture *f = fixture_new();
    fixture_start(f);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    fixture_stop(f);
    fixture_remove(f);
    return 0;
}

// The next message of `kind`, which the caller frees; NULL if none comes in time. Others stay, in
// order.
static inline struct message *take_within(struct inbox *in, unsigned kind, int64_t timeout_ms)
{
    int64_t end = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        mailbox_take(in->mailbox, &in->list);
        list_for_each (it, &in->list) {
            struct message *m = list_entry(it, struct message, link);
            if (m->kind == kind) {
                list_remove(it);
                return m;
            }
        }
        int64_t left = end - clock_monotonic_ms();
        if (left <= 0) {
            return NULL;
        }
        struct pollfd p = {.fd = mailbox_fd(in->mailbox), .events = POLLIN};
        poll(&p, 1, (int)left);
    }
}

static inline void *take(struct inbox *in, unsigned kind)
{
    struct message *m = take_within(in, kind, WAIT_MS);
    if (m == NULL) {
        fail_msg("no message of kind %u in time", kind);
    }
    return m;
}

static inline void release_message(void *message)
{
    struct message *m = message;
    m->free(m);
}

// ---- submitting ----

struct submit {
    int n;            // tasks
    const char *host; // NULL: h0, h1, ... by index % hosts
    int hosts;
    int priority, concurrency;
    bool fail_fast;
    int64_t not_before_at, deadline_ms;
    const char *key, *name;
    uint8_t hash;
};

static inline void fill_piece(struct task_piece *p, const struct submit *s, int from, int n)
{
    assert_int_equal(task_piece_init(p), 0);
    for (int i = from; i < from + n; i++) {
        char host[64], url[128];
        snprintf(host, sizeof(host), "h%d.test", s->hosts > 0 ? i % s->hosts : 0);
        const char *name = s->host != NULL ? s->host : host;
        snprintf(url, sizeof(url), "http://%s/%d", name, i);
        struct new_task t = {.index = (uint32_t)i,
                             .host = task_piece_copy(p, name, strlen(name)),
                             .url = task_piece_copy(p, url, strlen(url))};
        task_piece_add(p, &t);
    }
}

static inline struct batch_new *new_batch(const struct submit *s)
{
    struct batch_new *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    uuid_v7(clock_wall_at(), b->id);
    b->priority = s->priority;
    b->concurrency = s->concurrency;
    b->fail_fast = s->fail_fast;
    b->not_before_at = s->not_before_at;
    b->deadline_ms = s->deadline_ms;
    b->idempotency_key = s->key != NULL ? strdup(s->key) : NULL;
    b->name = s->name != NULL ? strdup(s->name) : NULL;
    b->defaults = strdup("{\"timeout_ms\":5}");
    return b;
}

static inline void post_piece(struct fixture *f, uint64_t upload, const struct submit *s, int from,
                              int n, bool last)
{
    struct upload_piece *p = upload_piece_new(upload);
    assert_non_null(p);
    if (from == 0) {
        p->batch = new_batch(s);
    }
    fill_piece(&p->tasks, s, from, n);
    p->last = last;
    memset(p->request_hash, s->hash, sizeof(p->request_hash));
    mailbox_post(store_mailbox(f->store), &p->msg);
}

static inline struct upload_reply *try_submit(struct fixture *f, const struct submit *s)
{
    uint64_t upload = ++f->next_upload;
    for (int from = 0;; from += TASK_PIECE_MAX) {
        int n = s->n - from < TASK_PIECE_MAX ? s->n - from : TASK_PIECE_MAX;
        bool last = from + n >= s->n;
        post_piece(f, upload, s, from, n, last);
        struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
        assert_int_equal(r->upload, upload);
        if (last || r->status != 0) {
            return r;
        }
        release_message(r);
    }
}

static inline struct batch_snapshot submit_batch(struct fixture *f, struct submit s)
{
    struct upload_reply *r = try_submit(f, &s);
    if (r->status != 0) {
        fail_msg("submit: %s", r->err.text);
    }
    assert_non_null(r->batch);
    struct batch_snapshot now = r->batch->now;
    release_message(r);
    return now;
}

// ---- working ----

// The worker of a host, and its record as RING_LOOKUP tells it.
static inline uint64_t host_id(struct fixture *f, const char *name, unsigned *ret_worker)
{
    *ret_worker = store_worker_of(name, WORKERS);
    struct host_lookup *l = host_lookup_new(*ret_worker, name);
    assert_non_null(l);
    mailbox_post(store_mailbox(f->store), &l->msg);
    uint64_t id = 0;
    while (id == 0) {
        struct work *w = take(&f->worker[*ret_worker], RING_WORK);
        for (size_t i = 0; i < w->n; i++) {
            id = strcmp(w->v[i].name, name) == 0 ? w->v[i].host : id;
        }
        release_message(w);
    }
    return id;
}

static inline struct claimed *claim_tasks(struct fixture *f, const char *host, uint32_t n,
                                          uint32_t slots)
{
    unsigned worker;
    struct claim *c = claim_new(0, host_id(f, host, &worker));
    assert_non_null(c);
    c->worker = worker;
    c->n = n;
    c->slots = slots;
    mailbox_post(store_mailbox(f->store), &c->msg);
    return take(&f->worker[worker], RING_CLAIMED);
}

static inline void post_outcome(struct fixture *f, const struct claimed_task *t,
                                enum task_state state)
{
    struct outcome *o = outcome_new(&t->ref);
    assert_non_null(o);
    o->state = state;
    o->last.number = t->attempts + 1;
    o->last.started_at = 1000;
    o->last.finished_at = 2000;
    o->last.status = state == TASK_SUCCEEDED ? 200 : 0;
    o->last.error = state == TASK_SUCCEEDED ? TASK_OK : TASK_CONNECT_REFUSED;
    o->complete = true;
    o->bytes_received = 10;
    mailbox_post(store_mailbox(f->store), &o->msg);
}

static inline void post_retry(struct fixture *f, const struct claimed_task *t,
                              int64_t not_before_at)
{
    struct retry_later *r = retry_later_new(&t->ref);
    assert_non_null(r);
    r->attempt.number = t->attempts + 1;
    r->attempt.error = TASK_TIMEOUT_TOTAL;
    r->attempt.message = strdup("too slow");
    r->not_before_at = not_before_at;
    r->counts = true;
    mailbox_post(store_mailbox(f->store), &r->msg);
}

static inline void post_progress(struct fixture *f, uint64_t batch, int delta)
{
    struct progress *p = progress_new(1);
    assert_non_null(p);
    p->v[0].batch = batch;
    p->v[0].delta = delta;
    mailbox_post(store_mailbox(f->store), &p->msg);
}

// The newest news of `batch` once `enough` says so.
typedef bool enough_fn(const struct batch_snapshot *b);

static inline struct batch_snapshot wait_changed(struct fixture *f, uint64_t batch,
                                                 enough_fn *enough)
{
    for (;;) {
        struct changed *c = take(&f->api, RING_CHANGED);
        for (size_t i = 0; i < c->n; i++) {
            struct batch_snapshot s = c->v[i];
            const struct batch_counts *k = &s.counts;
            assert_true(s.deleted || batch_counts_queued(k) >= 0);
            if (s.batch == batch && enough(&s)) {
                release_message(c);
                return s;
            }
        }
        release_message(c);
    }
}

static inline bool is_finished(const struct batch_snapshot *b)
{
    return b->state == BATCH_FINISHED && !b->deleted;
}

static inline bool is_deleted(const struct batch_snapshot *b)
{
    return b->deleted;
}

static inline bool is_running_one(const struct batch_snapshot *b)
{
    return b->counts.running == 1;
}

// Waits until everything posted before is committed.
static inline void flush_store(struct fixture *f)
{
    unsigned worker;
    host_id(f, "flush.test", &worker);
}

static inline struct control_reply *control_batch(struct fixture *f, enum control_verb verb,
                                                  const uint8_t id[UUID_SIZE], bool force)
{
    struct control *c = control_new(verb, ++f->next_token);
    assert_non_null(c);
    memcpy(c->id, id, UUID_SIZE);
    uuid_v7(clock_wall_at(), c->new_id);
    c->force = force;
    c->retry_states = 1U << TASK_FAILED;
    uint64_t token = c->token;
    mailbox_post(store_mailbox(f->store), &c->msg);
    struct control_reply *r = take(&f->api, RING_CONTROL_REPLY);
    assert_int_equal(r->token, token);
    return r;
}

// Claims and ends everything of a host with `state`; the number of tasks.
static inline int work_off(struct fixture *f, const char *host, enum task_state state)
{
    int sum = 0;
    for (;;) {
        struct claimed *c = claim_tasks(f, host, 500, 500);
        size_t n = c->n;
        for (size_t i = 0; i < n; i++) {
            post_outcome(f, &c->tasks[i], state);
        }
        sum += (int)n;
        release_message(c);
        if (n == 0) {
            return sum;
        }
        flush_store(f);
    }
}
