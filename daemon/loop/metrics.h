// SPDX-License-Identifier: MIT
// Counters and gauges of the whole daemon: one table of names, relaxed atomics, added to by any
// thread, read by the API. They inform; nothing decides by them.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum metric {
    METRIC_BATCHES_ACCEPTED,    // counter
    METRIC_BATCHES_FINISHED,    // counter
    METRIC_TASKS_ACCEPTED,      // counter
    METRIC_TASKS_SUCCEEDED,     // counter
    METRIC_TASKS_FAILED,        // counter
    METRIC_TASKS_CANCELLED,     // counter
    METRIC_TASKS_EXPIRED,       // counter
    METRIC_TASKS_UNFINISHED,    // gauge: accepted and without result
    METRIC_OUTCOMES_STALE,      // counter: dropped, the task had ended meanwhile
    METRIC_ATTEMPTS,            // counter: transfers begun, redirect hops not counted
    METRIC_ATTEMPTS_RETRIED,    // counter
    METRIC_REDIRECT_HOPS,       // counter
    METRIC_TRANSFERS_IN_FLIGHT, // gauge
    METRIC_TASKS_IN_WINDOWS,    // gauge: claimed, waiting for a slot in a worker
    METRIC_HOSTS_ACTIVE,        // gauge: hosts a worker holds
    METRIC_HOSTS_BLOCKED,       // gauge
    METRIC_BYTES_RECEIVED,      // counter: body bytes on the wire
    METRIC_BODY_BYTES_HELD,     // gauge: of the byte budget
    METRIC_DNS_LOOKUPS,         // counter
    METRIC_DNS_CACHE_HITS,      // counter
    METRIC_DNS_FAILURES,        // counter
    METRIC_ADDRESSES_BLOCKED,   // counter
    METRIC_STORE_COMMITS,       // counter
    METRIC_STORE_COMMIT_US,     // counter: microseconds in commits; shown in seconds
    METRIC_STORE_ROWS_WRITTEN,  // counter: results recorded and tasks inserted
    METRIC_STORE_MAILBOX,       // gauge
    METRIC_STORE_BYTES,         // gauge: database and WAL files
    METRIC_STORE_FREE_BYTES,    // gauge: free on its file system
    METRIC_HTTP_REQUESTS,       // counter
    METRIC_HTTP_ERRORS_4XX,     // counter
    METRIC_HTTP_ERRORS_5XX,     // counter
    METRIC_HTTP_CONNECTIONS,    // gauge
    METRIC_HTTP_WAITERS,        // gauge: long polls and streams waiting
    METRIC_UPLOAD_BYTES,        // gauge: of the upload budget
    METRIC__COUNT
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_info {
    const char *name; // Prometheus name, with unit and _total as its conventions say
    enum metric_kind kind;
    const char *help;
};

struct metrics {
    _Atomic int64_t v[METRIC__COUNT];
};

const struct metric_info *metric_info(enum metric id);

// The value in the unit that the metric's name says.
double metrics_value(struct metrics *m, enum metric id);

static inline void metrics_add(struct metrics *m, enum metric id, int64_t n)
{
    atomic_fetch_add_explicit(&m->v[id], n, memory_order_relaxed);
}

static inline void metrics_set(struct metrics *m, enum metric id, int64_t n)
{
    atomic_store_explicit(&m->v[id], n, memory_order_relaxed);
}

static inline int64_t metrics_get(struct metrics *m, enum metric id)
{
    return atomic_load_explicit(&m->v[id], memory_order_relaxed);
}
