// SPDX-License-Identifier: MIT
// Fetch: n worker threads, each with its loop, its share of the hosts, one libcurl multi and one
// c-ares channel. It sees no SQL and no API: tasks come as claims, outcomes go to the store's
// mailbox (daemon/task/ring.h).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "config/options.h"
#include "daemon/loop/mailbox.h"
#include "daemon/loop/metrics.h"
#include "daemon/loop/running.h"
#include "daemon/task/address_policy.h"

struct fetch;

struct fetch_ports {
    struct mailbox *store;
    struct mailbox *api; // answers to RING_HOST_QUERY
    struct metrics *metrics;
    struct running *running; // tasks in flight are marked there; may be NULL
    unsigned (*worker_of)(const char *host_name, unsigned n_workers); // store_worker_of
};

// What a start would refuse of a configuration that reads well: a fetch.ca_file without
// certificates. Each connection reads that file itself, and could only fail.
int fetch_check_config(const struct config *config, struct err *e);

// Makes the workers (config fetch.workers, 0 = cores, at most 4) but starts no thread, so that the
// store can be given their mailboxes. The policy is copied.
int fetch_new(const struct config *config, struct metrics *metrics, struct err *e,
              struct fetch **ret);
unsigned fetch_n_workers(const struct fetch *f);
struct mailbox *const *fetch_mailboxes(const struct fetch *f);
int fetch_start(struct fetch *f, const struct fetch_ports *ports, struct err *e);

// Takes it; it comes back to ports.api.
struct host_query;
void fetch_post_host_query(struct fetch *f, struct host_query *q);

// Applies what is reloadable: concurrency, host limits, time-outs, address policy, user agent. Main
// thread; values are copied.
void fetch_post_config(struct fetch *f, const struct config *config);

// Draining: nothing new is started; `fetch_in_flight` falls to 0 as transfers end. Then fetch_stop
// joins the threads (what is still in flight is aborted and, without outcome, will be fetched again
// after the next start); the store may still post to the mailboxes until fetch_free.
void fetch_drain(struct fetch *f);
unsigned fetch_in_flight(const struct fetch *f);
void fetch_stop(struct fetch *f); // once; NULL is fine
void fetch_free(struct fetch **f);

// For readiness and the watchdog: monotonic ms of the longest-ago last beat among the workers; and
// the worst loop lag since the last call.
int64_t fetch_last_beat_ms(const struct fetch *f);
int64_t fetch_take_lag_us(const struct fetch *f);
