// SPDX-License-Identifier: MIT
// A flight: one attempt at one task, over all its redirect hops. It holds a slot of a host (and one
// of the daemon's) while it resolves, marks and transfers, and none between hops. It ends in
// exactly one of: an outcome, a retry, or silence (its batch was halted).
//
//   NEW -> RESOLVING -> [MARKING] -> TRANSFERRING -> settled
//    |         ^                          |
//    |         |                       redirect
//    v         |                          v
//  [PARKED]    +-- slot -- HOPPING <- [LOOKUP] <- [AWAY]
//    |                     |     ^
//    |                     v     |
//    +------------------> [PARKED]
//
// PARKED: the host's robots.txt is being fetched.
// MARKING: only for a request that must not be sent twice. AWAY: on its way to the worker of the
// new host. LOOKUP: the store is asked for that host.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/heap.h"
#include "common/list.h"
#include "common/url.h"
#include "daemon/fetch/resolver.h"
#include "daemon/fetch/table.h"
#include "daemon/fetch/transfer.h"
#include "daemon/fetch/worker.h"

// A claimed task in a host's window, later in a flight.
struct queued_task {
    struct list link;     // in host_queue.tasks
    struct list in_batch; // in batch_share.tasks
    struct batch_share *batch;
    struct host *host; // while it is in its window
    struct task_ref ref;
    int32_t attempts; // made so far
    int64_t queued_at;
    size_t size;      // bytes this takes
    const char *spec; // JSON text or NULL, in `url`'s memory
    char url[];
};

struct queued_task *queued_task_new(const struct claimed_task *t, struct batch_share *batch);
void queued_task_free(struct queued_task **t); // unlinks it from its batch

enum flight_state {
    FLIGHT_NEW,
    FLIGHT_PARKED,
    FLIGHT_RESOLVING,
    FLIGHT_MARKING,
    FLIGHT_TRANSFERRING,
    FLIGHT_LOOKUP,
    FLIGHT_HOPPING,
    FLIGHT_AWAY,
};

struct errand; // a flight of no task, for a robots.txt: `queued`, `outcome` and `retry` are NULL

struct flight {
    struct message msg; // RING_HOP, when AWAY
    UT_hash_handle hh;
    uint64_t task;         // key in worker.flights
    struct errand *errand; // or NULL
    struct worker *worker; // NULL when AWAY
    enum flight_state state;
    struct host *host; // whose slot it holds, or in whose queue it hops; else NULL
    struct list link;  // HOPPING: in host_queue.hops; LOOKUP: in flight_lookup.waiting;
                       // PARKED: in robots_entry.waiting
    struct robots_entry *parked;
    struct list in_batch; // in batch_share.flights
    struct batch_share *batch;
    struct queued_task *queued;
    const struct fetch_settings *settings; // in force when it began

    // The request of the present hop.
    struct task_options options;
    struct url url;
    struct buf url_text; // normal form
    enum fetch_method method;
    bool send_body, drop_credentials;
    int hops;
    struct buf chain; // JSON array of the hops left behind, without its end

    // What is under way.
    struct resolver_lookup *lookup;
    struct heap_node deadline; // of the lookup
    struct transfer *transfer;
    struct resolved resolved;

    // What it has cost and done so far.
    int64_t started_at;
    int64_t since_ms;  // when the lookup or transfer under way began
    int64_t active_ms; // in lookups and transfers before
    int32_t dns_ms;
    bool unsent; // it holds a slot, and its request has not left yet
    bool sent;   // a request of it may have reached an origin
    bool marked; // the store knows that it may be sent
    struct running_mark *running;

    // Made at the start, so that an end never lacks the memory to be told.
    struct outcome *outcome;
    struct retry_later *retry;
};

#define FLIGHT_SHORTAGE_MS 1000 // how long a task waits when memory or descriptors lacked

// flight.c
// A flight that has begun nothing; NULL without memory.
struct flight *flight_new(struct worker *w, const struct queued_task *t);
// The same for an errand, which it takes, with a key that no task has.
struct flight *flight_new_errand(struct worker *w, uint64_t key, struct errand *e);
// Takes the task; a slot of `h` and of the daemon is held for it.
void flight_begin(struct flight *f, struct host *h, struct queued_task *t);
// Moves it along an edge of the diagram.
void flight_move(struct flight *f, enum flight_state to);
// Gives its slots back; nothing if it holds none.
void flight_release_slot(struct flight *f);
void flight_leave(struct flight *f); // out of its worker's tables
void flight_end(struct flight *f);   // the last thing: slots, counts and memory are given back
void flight_abort(struct flight *f); // the same in the middle of anything: in silence
void flight_free(struct flight *f);  // of one that is in no table or list

// flight_send.c
void flight_go(struct flight *f,
               struct host *h); // a slot of `h` and of the daemon is held for its next hop
void flight_on_deadline(struct flight *f); // the name was not resolved in time
void flight_on_marked(struct worker *w, const struct mark_sent *m);

// flight_hop.c
// The request of the next hop is set and no slot is held: waits for the new host, here or at
// another worker.
void flight_hop(struct flight *f);
void flight_wait_for_host(struct flight *f, struct host *h); // of this worker
void flight_arrive(struct worker *w, struct flight *f);      // RING_HOP
// After a lookup the host's hops go on; without room for the host (NULL) they are given back.
void flight_host_known(struct worker *w, const char *name, struct host *h);
void flight_return_hops(
    struct worker *w,
    struct host *h); // the host is blocked for long: gives back what may be repeated
bool flight_host_wanted(const struct worker *w, const char *name); // hops wait for its record
void flight_leave_lookup(struct flight *f);
void flight_drop_lookups(struct worker *w); // at the end

// flight_robots.c
// True if robots.txt is in the way of the flight's next hop, for which it holds a slot: it has
// ended, or is parked.
bool flight_stopped_by_robots(struct flight *f);
void flight_unpark(struct flight *f);                             // out of the list it waits in
void flight_on_robots(struct worker *w, const struct message *m); // WORKER_ROBOTS
// The end of an errand: `r`, or nothing for now. The flight is then still to be ended.
void flight_end_errand(struct flight *f, struct transfer_result *r);
void flight_postpone_errand(struct flight *f, int64_t delay_ms);
void flight_free_errand(struct errand **e);

// flight_redirect.c
// True if the response was a redirect that is followed, or that fails the flight; `r` is done then.
bool flight_redirected(struct flight *f, struct transfer_result *r);

// flight_outcome.c: all of them end the flight.
void flight_settle(struct flight *f, struct transfer_result *r); // takes what `r` holds
void flight_fail(struct flight *f, enum task_error error,
                 const char *message); // message may be NULL
// For want of something here: the task is claimed again after `delay_ms`, and no attempt is
// counted. Where that would repeat a request that must not be, it fails instead.
void flight_give_back(struct flight *f, int64_t delay_ms);
bool flight_may_repeat(const struct flight *f);
