// SPDX-License-Identifier: MIT
// Wiring. The ring api -> store -> fetch -> store -> api is closed here, and nowhere else does a
// part learn of another:
//
//   start: loop, fetch (workers exist, no thread runs), store (opened on the workers' mailboxes),
//   reader, fetch threads,
//          store thread (tells the workers what is ready), API (listens), READY=1
//   drain: (SIGTERM) the API takes nothing new, fetch starts nothing new; what is in flight ends
//   and is recorded stop:  API, fetch threads, store thread (commits what is in its mailbox),
//   reader, loop
//
// A second signal while draining stops at once. What was in flight then has no result and is
// fetched again after the next start.
#include "daemon/daemon.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/api/api.h"
#include "daemon/fetch/fetch.h"
#include "daemon/loop/loop.h"
#include "common/memory.h"
#include "daemon/loop/metrics.h"
#include "daemon/notify.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"

#define DRAIN_MS      30000
#define DRAIN_STEP_MS 20

enum phase { PHASE_STARTING, PHASE_RUNNING, PHASE_DRAINING };

enum { N_SIGNALS = 3 };

struct daemon {
    const struct config_sources *sources;
    struct config *config;
    enum phase phase;
    struct metrics metrics;
    struct loop *loop;
    struct mailbox *inbox;
    struct fetch *fetch;
    struct store *store;
    struct reader *reader;
    struct api *api;
    struct event *signals[N_SIGNALS];
    struct timer drain, watchdog;
    int64_t drain_until_ms, watchdog_ms;
};

// ---- ports
// ----------------------------------------------------------------------------------------------------

static void on_message(void *ctx, struct message *m)
{
    struct daemon *d = ctx;
    if (d->api == NULL) {
        m->free(m); // before the API listens nobody has asked anything
        return;
    }
    api_on_message(d->api, m);
}

static void port_host_query(void *ctx, struct host_query *q)
{
    struct daemon *d = ctx;
    fetch_post_host_query(d->fetch, q);
}

static bool port_store_full(void *ctx)
{
    struct daemon *d = ctx;
    return store_is_full(d->store);
}

static int64_t port_oldest_beat_ms(void *ctx)
{
    struct daemon *d = ctx;
    int64_t store = store_last_beat_ms(d->store);
    int64_t fetch = fetch_last_beat_ms(d->fetch);
    return store < fetch ? store : fetch;
}

static void port_refresh_metrics(void *ctx)
{
    struct daemon *d = ctx;
    store_last_beat_ms(d->store); // a turn looks at the disk
}

static int64_t port_take_lag_us(void *ctx)
{
    struct daemon *d = ctx;
    int64_t own = loop_take_lag_us(d->loop);
    int64_t fetch = fetch_take_lag_us(d->fetch);
    return own > fetch ? own : fetch;
}

// Store thread. The disk cannot be trusted any more: nothing that happens from here on could be
// kept, and everything that was promised is in the database. Ending at once is the safe way, and
// the service manager starts us again.
static void on_store_fatal(void *ctx, const char *why)
{
    (void)ctx;
    log_error("the store cannot go on, stopping reason=%s", log_value(why));
    notify_state("STATUS=store failed: %s", why);
    _exit(EXIT_FAILURE);
}

// ---- signals, reload, drain, watchdog
// ---------------------------------------------------------------------------

static void reload(struct daemon *d)
{
    notify_state("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_monotonic_us());
    struct config *fresh = NULL;
    struct err e = {.code = ERR_OK};
    if (config_load(d->sources, &e, &fresh) < 0 || api_reload(d->api, fresh, &e) < 0) {
        log_error("reload failed, keeping the old configuration error=%s", log_value(e.text));
        config_free(&fresh);
        notify_state("READY=1\nSTATUS=running; the last reload failed");
        return;
    }
    struct buf names = BUF_INIT(4096);
    if (config_changed(d->config, fresh, &names) > 0) {
        log_warn("some changed settings need a restart settings=%s",
                 log_value(names.data == NULL ? "" : names.data));
    }
    buf_done(&names);
    log_set_level(fresh->log.level);
    fetch_post_config(d->fetch, fresh);
    store_post_config(d->store, fresh);
    config_free(&d->config);
    d->config = fresh;
    log_info("configuration reloaded");
    notify_state("READY=1\nSTATUS=running");
}

static void begin_drain(struct daemon *d)
{
    d->phase = PHASE_DRAINING;
    d->drain_until_ms = clock_monotonic_ms() + DRAIN_MS;
    log_info("stopping, waiting for transfers in flight in_flight=%u", fetch_in_flight(d->fetch));
    notify_state("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=%lld",
                 (long long)(DRAIN_MS + 10000) * 1000);
    api_set_ready(d->api, false, "stopping");
    api_drain(d->api);
    fetch_drain(d->fetch);
    timer_set_ms(&d->drain, 0);
}

static void on_drain_step(void *ctx)
{
    struct daemon *d = ctx;
    unsigned in_flight = fetch_in_flight(d->fetch);
    if (in_flight == 0) {
        loop_stop(d->loop);
    } else if (clock_monotonic_ms() >= d->drain_until_ms) {
        log_warn("transfers still in flight are given up and will be fetched again in_flight=%u",
                 in_flight);
        loop_stop(d->loop);
    } else {
        timer_set_ms(&d->drain, DRAIN_STEP_MS);
    }
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct daemon *d = arg;
    if (number == SIGHUP) {
        if (d->phase == PHASE_RUNNING) {
            reload(d);
        }
    } else if (d->phase == PHASE_RUNNING) {
        begin_drain(d);
    } else {
        log_info("stopping at once");
        loop_stop(d->loop);
    }
}

// Three times in the watchdog's period every other thread is asked to turn; fed is whoever did
// since the last time. So a thread that stands still for a period and a third, or this one for a
// period, ends the daemon.
static void on_watchdog(void *ctx)
{
    struct daemon *d = ctx;
    int64_t silent_ms = clock_monotonic_ms() - port_oldest_beat_ms(d);
    if (silent_ms < d->watchdog_ms / 4) {
        notify_alive();
    } else {
        log_error("a thread does not turn, the watchdog is not fed silent_ms=%lld",
                  (long long)silent_ms);
    }
    timer_set_ms(&d->watchdog, d->watchdog_ms / 3);
}

// ---- start and stop
// ---------------------------------------------------------------------------------------------

static const int signal_numbers[N_SIGNALS] = {SIGTERM, SIGINT, SIGHUP};

// Held back while it starts, so that a reload or a stop asked for early is done as soon as it runs,
// and when it stops, so that one signal more does not cut the last commit short. Threads inherit
// the mask: the signals are the main thread's.
static void mask_signals(int how)
{
    sigset_t ours;
    sigemptyset(&ours);
    for (int i = 0; i < N_SIGNALS; i++) {
        sigaddset(&ours, signal_numbers[i]);
    }
    pthread_sigmask(how, &ours, NULL);
}

static int watch_signals(struct daemon *d, struct err *e)
{
    for (int i = 0; i < N_SIGNALS; i++) {
        d->signals[i] = evsignal_new(loop_base(d->loop), signal_numbers[i], on_signal, d);
        if (d->signals[i] == NULL || evsignal_add(d->signals[i], NULL) < 0) {
            return err_set(e, ERR_SYSTEM, "cannot watch signals");
        }
    }
    return 0;
}

// Every connection and transfer is a descriptor: take what the system allows.
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int start_ring(struct daemon *d, struct err *e)
{
    if (fetch_new(d->config, &d->metrics, e, &d->fetch) < 0) {
        return -1;
    }
    struct store_ports store_ports = {
        .api = d->inbox,
        .workers = fetch_mailboxes(d->fetch),
        .n_workers = fetch_n_workers(d->fetch),
        .metrics = &d->metrics,
        .on_fatal = on_store_fatal,
    };
    if (store_open(d->config, &store_ports, e, &d->store) < 0 ||
        reader_open(d->config->store.path, e, &d->reader) < 0) {
        return -1;
    }
    struct fetch_ports fetch_ports = {
        .store = store_mailbox(d->store),
        .api = d->inbox,
        .metrics = &d->metrics,
        .running = store_running(d->store),
        .worker_of = store_worker_of,
    };
    if (fetch_start(d->fetch, &fetch_ports, e) < 0) {
        return -1;
    }
    return store_start(d->store, e);
}

static int start_api(struct daemon *d, struct err *e)
{
    struct api_ports ports = {
        .store = store_mailbox(d->store),
        .inbox = d->inbox,
        .host_query = port_host_query,
        .store_full = port_store_full,
        .oldest_beat_ms = port_oldest_beat_ms,
        .refresh_metrics = port_refresh_metrics,
        .take_lag_us = port_take_lag_us,
        .ctx = d,
        .metrics = &d->metrics,
        .reader = d->reader,
        .batch = reader_batch,
        .batches = reader_batches,
        .results = reader_results,
        .task = reader_task,
        .attempts = reader_attempts,
        .body = reader_body,
        .hosts = reader_hosts,
        .host = reader_host,
        .idempotency = reader_idempotency,
    };
    int passed[64];
    int first = 0;
    size_t n = notify_passed_sockets(&first);
    n = n > 64 ? 64 : n;
    for (size_t i = 0; i < n; i++) {
        passed[i] = first + (int)i;
    }
    if (api_new(d->loop, d->config, &ports, passed, n, e, &d->api) < 0) {
        return -1;
    }
    api_set_ready(d->api, true, NULL);
    return 0;
}

static int start(struct daemon *d, struct err *e)
{
    mask_signals(SIG_BLOCK);
    raise_descriptor_limit();
    umask(0077); // the database holds bodies, and the tokens that tasks send to origin servers
    event_set_mem_functions(memory_demand, memory_demand_again, free);
    if (loop_new("main", e, &d->loop) < 0 || mailbox_new(e, &d->inbox) < 0 ||
        loop_serve_mailbox(d->loop, d->inbox, on_message, NULL, d, e) < 0 ||
        timer_init(&d->drain, d->loop, on_drain_step, d, e) < 0 ||
        timer_init(&d->watchdog, d->loop, on_watchdog, d, e) < 0 || watch_signals(d, e) < 0 ||
        start_ring(d, e) < 0 || start_api(d, e) < 0) {
        return -1;
    }
    mask_signals(SIG_UNBLOCK);
    d->watchdog_ms = notify_watchdog_ms();
    if (d->watchdog_ms > 0) {
        timer_set_ms(&d->watchdog, 0);
    }
    return 0;
}

static void stop(struct daemon *d)
{
    mask_signals(SIG_BLOCK);
    api_free(&d->api);
    fetch_stop(d->fetch);
    reader_close(&d->reader); // before the store, which then writes the whole log back
    store_close(&d->store);   // takes what the workers said last, and may still answer them
    fetch_free(&d->fetch);
    for (int i = 0; i < N_SIGNALS; i++) {
        if (d->signals[i] != NULL) {
            event_free(d->signals[i]);
        }
    }
    timer_done(&d->drain);
    timer_done(&d->watchdog);
    loop_free(&d->loop);
    mailbox_free(&d->inbox);
    config_free(&d->config);
}

int daemon_run(const struct config_sources *sources, struct config *config)
{
    struct daemon *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        config_free(&config);
        return EXIT_FAILURE;
    }
    d->sources = sources;
    d->config = config;
    struct err e = {.code = ERR_OK};
    int status = EXIT_SUCCESS;
    if (start(d, &e) < 0) {
        log_error("cannot start error=%s", log_value(e.text));
        notify_state("STATUS=cannot start: %s", e.text);
        status = e.code == ERR_CONFIG ? 78 : EXIT_FAILURE;
    } else {
        d->phase = PHASE_RUNNING;
        log_info("gatherd is ready version=%s workers=%u store=%s", GATHERD_VERSION,
                 fetch_n_workers(d->fetch), log_value(d->config->store.path));
        notify_state("READY=1\nSTATUS=running");
        loop_run(d->loop);
        log_info("stopped");
    }
    stop(d);
    free(d);
    return status;
}
