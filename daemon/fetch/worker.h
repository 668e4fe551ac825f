// SPDX-License-Identifier: MIT
// A fetch worker: one thread that owns a share of the hosts, with all that waits for them and all
// that is in flight.
//
//   store --RING_WORK--> hosts        (worker_hosts.c)   which hosts are held, when each is looked
//   at again
//         <-RING_CLAIM-- windows      (worker_claims.c)  keeping the windows filled
//         -RING_CLAIMED->
//                        pump         (worker_turn.c)    starting what may start, in turn over the
//                        hosts flights      (flight*.c)        one attempt each: resolve, transfer,
//                        follow, settle
//         <-- outcomes, retries, progress (outbox.c)     one list for each turn
//
// Everything is done in turns: whatever happens (a message, a finished transfer, a timer) marks the
// hosts it concerns as touched and asks for a turn. A turn looks at the touched hosts, starts a
// bounded number of transfers, and posts what came of it. Nothing here is called from another
// thread but through the mailbox.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/heap.h"
#include "common/list.h"
#include "daemon/fetch/batch_share.h"
#include "daemon/fetch/budget.h"
#include "daemon/fetch/fetch.h"
#include "daemon/fetch/host_queue.h"
#include "daemon/fetch/outbox.h"
#include "daemon/fetch/resolver.h"
#include "daemon/fetch/robots_cache.h"
#include "daemon/fetch/settings.h"
#include "daemon/fetch/table.h"
#include "daemon/fetch/transfer.h"
#include "daemon/loop/loop.h"

#define WORKER_MAX_HOSTS 16384
#define WORKER_MAX_WINDOW                                                                          \
    32768 // tasks in all windows of a worker; beyond, a host gets one at a time

// Messages that only workers know, beside those of ring.h.
enum worker_message { WORKER_WAKE = 1000, WORKER_ROBOTS };

// What all workers share. Constant once the threads run, but for the budgets and counters.
struct worker_shared {
    struct fetch_ports ports;
    unsigned n_workers;
    struct mailbox **mailboxes;
    struct budget *slots; // transfers in flight
    struct budget *bytes; // of bodies
    struct metrics *metrics;
    atomic_uint in_flight; // attempts that have begun and not ended, between hops too
};

// What is known of work for a host beyond its window.
//
//   DRY --told--> WORK --claim--> ASKED --answer--> DRY or WORK
//                                   |--told--> ASKED_TOLD --answer--> WORK
enum host_work { HOST_DRY, HOST_WORK, HOST_ASKED, HOST_ASKED_TOLD };

struct host {
    UT_hash_handle by_id, by_name;
    struct worker *worker;
    uint64_t id;
    struct host_limits admin; // as the store keeps them
    struct host_queue queue;
    struct list ready;     // in worker.ready: may start something
    struct list touched;   // in worker.touched: to be looked at in this turn
    struct list by_age;    // in worker.hosts: least recently looked at first
    struct heap_node wake; // in worker.wakes: to be touched by itself
    enum host_work work;
    int64_t claim_after_ms; // an empty answer said "more": do not ask again at once
    int64_t next_due_ms;    // when a waiting retry is due; 0: none
    int64_t keep_until_ms;  // what the store was told of it may not be in what it says before
    uint32_t task_bytes;    // mean size of the tasks last claimed
    bool counted_blocked;   // in METRIC_HOSTS_BLOCKED
    char name[];
};

// Looking for hosts with work that the store could not tell one by one.
enum scan_state { SCAN_NONE, SCAN_WANTED, SCAN_ASKED, SCAN_ASKED_AGAIN };

// A flight is on its way between workers for microseconds; as many halts do not come meanwhile.
#define HALTED_KEPT 256

struct worker {
    unsigned number;
    char name[16]; // of its thread and its loop
    struct worker_shared *shared;
    struct mailbox *mailbox;
    struct loop *loop;
    const struct fetch_settings *settings;
    struct resolver *resolver;
    struct transfer_engine *engine;
    struct timer turn;
    int64_t turn_at_ms; // when `turn` fires; INT64_MAX: not set

    struct host *hosts_by_id, *hosts_by_name;
    struct list ready, touched, hosts;
    struct heap wakes; // of struct host
    uint32_t n_window; // tasks in all windows
    enum scan_state scan;
    uint64_t scan_after;
    int64_t scan_next_ms; // not before, when many hosts are held

    struct flight *flights;        // by task
    struct flight_lookup *lookups; // hops whose host the store was asked for
    struct heap deadlines;         // of flights waiting for a name
    struct batch_shares batches;
    struct robots_cache robots;
    uint64_t n_errands; // flights for a robots.txt so far
    struct outbox outbox;

    const struct flight *overdrawn; // the one that may exceed the byte budget, so that it ends
    int64_t shortage_told_ms;       // when it was last logged; 0: never
    enum wait_reason held_up; // why the last turn started nothing more though hosts were ready
    bool draining;
    uint64_t
        halted[HALTED_KEPT]; // batches that were cancelled last, for flights that were on their way
    unsigned n_halted;       // so far; the next goes to n_halted % HALTED_KEPT
    uint64_t random;         // state of worker_random
    struct message wake_message; // posted by another thread at most once at a time
    atomic_bool wake_posted;
};

// worker.c: Sets up in the calling thread; runs in its own.
int worker_init(struct worker *w, unsigned number, struct worker_shared *shared,
                const struct fetch_settings *settings, struct err *e);
// Aborts what is in flight, without a word to the store. The mailbox stays, since others may still
// post to it: whoever knows that nobody does frees it.
void worker_done(struct worker *w);
void worker_wake(struct worker *w); // any thread
uint32_t worker_random(struct worker *w);
struct host_clock worker_clock(void);

// RING_CONFIG: a reloaded configuration.
struct worker_config {
    struct message msg;
    const struct fetch_settings *settings; // a reference of its own
};
struct worker_config *worker_config_new(const struct fetch_settings *settings);

// worker_hosts.c
struct host *worker_find_host(struct worker *w, uint64_t id);
struct host *worker_find_host_by_name(struct worker *w, const char *name);
// Takes note of a host; NULL without memory, or when there is no room. `needed`: room is made.
struct host *worker_add_host(struct worker *w, const struct host_record *r, bool needed);
void worker_apply_limits(struct worker *w, struct host *h);
void worker_touch(struct worker *w, struct host *h);
void worker_touch_due(struct worker *w, int64_t now_ms);
void worker_review_touched(struct worker *w);
void worker_drop_hosts(struct worker *w);                  // at the end
void worker_report_host(struct worker *w, struct host *h); // its block changed: tell the store

// worker_claims.c
void worker_on_work(struct worker *w, const struct work *m);
void worker_on_claimed(struct worker *w, struct claimed *m);            // takes `back` out of it
void worker_expect_retry(struct worker *w, struct host *h, int64_t at); // wall clock
void worker_note_work(struct host *h); // there is something to claim
void worker_claim(struct worker *w, struct host *h, const struct host_clock *now);
void worker_scan(struct worker *w);
void worker_scan_later(struct worker *w);
int worker_release_window(struct worker *w, struct host *h); // -1 without memory: nothing happened
void worker_count_window(struct worker *w, int32_t n);       // tasks that came into windows or left

// worker_turn.c
void worker_turn(void *ctx);
void worker_want_turn(struct worker *w); // soon: when the present callbacks are done

// worker_control.c
void worker_on_halt(struct worker *w, const struct batch_halt *m);
bool worker_was_halted(const struct worker *w, uint64_t batch); // lately, and not just paused
void worker_on_limits(struct worker *w, const struct host_limits_changed *m);
void worker_on_query(struct worker *w, struct host_query *q); // takes it
void worker_on_config(struct worker *w, struct worker_config *m);
void worker_drain(struct worker *w);
