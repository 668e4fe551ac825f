// SPDX-License-Identifier: MIT
// The face of fetch towards the daemon: makes the workers and what they share, starts and joins
// their threads, and passes on what others tell them. Main thread, but for the workers' own main
// function.
#include "daemon/fetch/fetch.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/fetch/worker.h"

struct fetch {
    struct worker_shared shared;
    struct worker *workers;
    pthread_t *threads;
    unsigned n_started;
    bool ended; // all threads are gone: nobody is left to be woken
};

static void wake_worker(void *ctx, unsigned worker)
{
    struct fetch *f = ctx;
    if (!f->ended) {
        worker_wake(&f->workers[worker]);
    }
}

static int make_shared(struct fetch *f, const struct fetch_settings *s, unsigned n, struct err *e)
{
    f->workers = calloc(n, sizeof *f->workers);
    f->threads = calloc(n, sizeof *f->threads);
    f->shared.mailboxes = calloc(n, sizeof *f->shared.mailboxes);
    f->shared.n_workers = n;
    if (!f->workers || !f->threads || !f->shared.mailboxes ||
        budget_new(s->concurrency, n, wake_worker, f, &f->shared.slots) < 0 ||
        budget_new(s->byte_budget, n, wake_worker, f, &f->shared.bytes) < 0) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    return 0;
}

static int make_workers(struct fetch *f, const struct fetch_settings *s, unsigned n, struct err *e)
{
    for (unsigned i = 0; i < n; i++) {
        if (worker_init(&f->workers[i], i, &f->shared, s, e) < 0) {
            return -1;
        }
        f->shared.mailboxes[i] = f->workers[i].mailbox;
    }
    return 0;
}

int fetch_check_config(const struct config *config, struct err *e)
{
    const char *path = config->fetch.ca_file;
    if (!path || !path[0]) {
        return 0;
    }
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    int loaded = SSL_CTX_load_verify_file(context, path);
    SSL_CTX_free(context);
    ERR_clear_error();
    return loaded == 1
               ? 0
               : err_set(e, ERR_CONFIG, "fetch.ca_file: no certificates can be read from %s", path);
}

int fetch_new(const struct config *config, struct metrics *metrics, struct err *e,
              struct fetch **ret)
{
    const struct fetch_settings *s = NULL;
    if (fetch_check_config(config, e) < 0) {
        return -1;
    }
    struct fetch *f = calloc(1, sizeof *f);
    if (!f) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    if (fetch_settings_new(config, e, &s) < 0) {
        free(f);
        return -1;
    }
    f->shared.metrics = metrics;
    unsigned n = config_workers(config);
    int r = make_shared(f, s, n, e) < 0 || make_workers(f, s, n, e) < 0 ? -1 : 0;
    fetch_settings_unref(&s);
    if (r < 0) {
        fetch_free(&f);
        return -1;
    }
    *ret = f;
    return 0;
}

unsigned fetch_n_workers(const struct fetch *f)
{
    return f->shared.n_workers;
}

struct mailbox *const *fetch_mailboxes(const struct fetch *f)
{
    return f->shared.mailboxes;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    loop_run(w->loop);
    return NULL;
}

int fetch_start(struct fetch *f, const struct fetch_ports *ports, struct err *e)
{
    f->shared.ports = *ports;
    for (unsigned i = 0; i < f->shared.n_workers; i++) {
        int r = pthread_create(&f->threads[i], NULL, run_worker, &f->workers[i]);
        if (r != 0) {
            return err_set_errno(e, r,
                                 "cannot start a fetch thread"); // fetch_free joins the others
        }
        pthread_setname_np(f->threads[i], f->workers[i].name);
        f->n_started++;
    }
    return 0;
}

void fetch_post_host_query(struct fetch *f, struct host_query *q)
{
    mailbox_post(f->shared.mailboxes[0], &q->msg);
}

void fetch_post_config(struct fetch *f, const struct config *config)
{
    const struct fetch_settings *s = NULL;
    struct err e;
    if (fetch_settings_new(config, &e, &s) < 0) {
        log_warn("fetch keeps its old configuration: %s", e.text);
        return;
    }
    budget_set_limit(f->shared.slots, s->concurrency);
    budget_set_limit(f->shared.bytes, s->byte_budget);
    for (unsigned i = 0; i < f->shared.n_workers; i++) {
        struct worker_config *m = worker_config_new(s);
        if (m) {
            mailbox_post(f->shared.mailboxes[i], &m->msg);
        }
    }
    fetch_settings_unref(&s);
}

static void free_plain(struct message *m)
{
    free(m);
}

void fetch_drain(struct fetch *f)
{
    for (unsigned i = 0; i < f->shared.n_workers; i++) {
        struct message *m = calloc(1, sizeof *m);
        if (m) {
            m->kind = RING_STOP;
            m->free = free_plain;
            mailbox_post(f->shared.mailboxes[i], m);
        }
    }
}

unsigned fetch_in_flight(const struct fetch *f)
{
    return atomic_load(&f->shared.in_flight);
}

void fetch_stop(struct fetch *f)
{
    if (!f || f->ended) {
        return;
    }
    for (unsigned i = 0; i < f->n_started; i++) {
        loop_stop(f->workers[i].loop);
    }
    for (unsigned i = 0; i < f->n_started; i++) {
        pthread_join(f->threads[i], NULL);
    }
    f->ended = true;
    for (unsigned i = 0; f->workers && i < f->shared.n_workers; i++) {
        worker_done(&f->workers[i]);
    }
}

void fetch_free(struct fetch **fetch)
{
    struct fetch *f = *fetch;
    if (!f) {
        return;
    }
    fetch_stop(f);
    for (unsigned i = 0; f->workers && i < f->shared.n_workers; i++) {
        mailbox_free(&f->workers[i].mailbox);
    }
    budget_free(&f->shared.slots);
    budget_free(&f->shared.bytes);
    free(f->shared.mailboxes);
    free(f->threads);
    free(f->workers);
    free(f);
    *fetch = NULL;
}

int64_t fetch_last_beat_ms(const struct fetch *f)
{
    int64_t oldest = clock_monotonic_ms();
    for (unsigned i = 0; i < f->n_started; i++) {
        int64_t beat = loop_last_beat_ms(f->workers[i].loop);
        oldest = beat < oldest ? beat : oldest;
    }
    return oldest;
}

int64_t fetch_take_lag_us(const struct fetch *f)
{
    int64_t worst = 0;
    for (unsigned i = 0; i < f->n_started; i++) {
        int64_t lag = loop_take_lag_us(f->workers[i].loop);
        worst = lag > worst ? lag : worst;
    }
    return worst;
}
