// SPDX-License-Identifier: MIT
// What one host is waiting for and what it may start: a window of claimed tasks and the redirect
// hops that came from elsewhere, both in order of arrival, behind the host's concurrency, pace and
// back-off. Pure: the caller gives the clock and owns the elements; this links them, counts, and
// answers "start one", or when and why not.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/fetch/host_backoff.h"
#include "daemon/fetch/host_pace.h"
#include "daemon/task/ring.h"

#define HOST_WINDOW_MAX 4096 // most tasks a window holds: a fifth of a second at 20,000 starts/s

struct host_queue {
    struct host_limits limits; // effective: no -1 here
    struct host_pace pace;
    struct host_backoff backoff;
    struct list tasks, hops;
    uint32_t n_tasks, n_hops;
    uint32_t in_flight;    // slots taken
    uint32_t n_unsent;     // of them, those whose request has not left yet
    uint32_t n_parked;     // started, and waiting without a slot for the host's robots.txt; counted
                           // by who parks
    int64_t line_since_us; // when the present line of hops formed
    uint64_t line_started; // hops started since
    int64_t line_promised_us;           // when the last that was turned away may come back
    int64_t span;                       // number of the present tenth of a second
    uint32_t starts_now, starts_before; // in it and in the one before
};

void host_queue_init(struct host_queue *q, const struct host_clock *now);
void host_queue_set_limits(struct host_queue *q, const struct host_limits *effective,
                           int64_t now_us);

// `link` must be in no list. A hop goes before every task, since it is part of an attempt that has
// begun.
void host_queue_add_task(struct host_queue *q, struct list *link);
void host_queue_add_hop(struct host_queue *q, struct list *link, int64_t now_us);
void host_queue_remove_task(struct host_queue *q, struct list *link);
void host_queue_remove_hop(struct host_queue *q, struct list *link);

// How many stand in line: the hops, and what is parked, which goes on as a hop.
uint32_t host_queue_line(const struct host_queue *q);

// In how many microseconds one more hop, for which the line is too long, is to come back: such are
// called back at the rate at which the line has gone on so far, and the first when half of it
// should be gone, so that they find a place, and the line does not run dry. That rate is not
// trusted for more than a minute beyond what the line has lasted, nor for more than an hour.
int64_t host_queue_turn_away(struct host_queue *q, int64_t now_us);

enum host_verdict { HOST_START, HOST_WAIT, HOST_IDLE };

struct host_wait {
    enum wait_reason reason;
    int64_t until_us; // monotonic; INT64_MAX: until something changes
};

// HOST_START: one may start now. HOST_WAIT: *ret says why not. HOST_IDLE: nothing waits.
enum host_verdict host_queue_next(const struct host_queue *q, int64_t now_us,
                                  struct host_wait *ret);

// What host_queue_next would answer if something waited: what stands against a start.
enum host_verdict host_queue_gate(const struct host_queue *q, int64_t now_us,
                                  struct host_wait *ret);

// Takes the next element and a slot; only after HOST_START.
struct list *host_queue_start(struct host_queue *q, int64_t now_us, bool *ret_is_hop);
// The request of one that was started left at `at_us`, or will not: once for each.
void host_queue_left(struct host_queue *q, int64_t at_us);
void host_queue_end(struct host_queue *q); // gives the slot back

// How many more tasks the window wants; 0 while it is at least half full. It is sized in time:
// twice the slots, or twice what was started in the last tenth of a second, but no more than the
// pace lets start in the next fifth (and two). So whoever submits next to a slow host stands behind
// two rounds, and a quick host never runs dry during a round trip to the store.
uint32_t host_queue_wants(const struct host_queue *q, int64_t now_us);

// Slots that nothing in the window will use.
uint32_t host_queue_free_slots(const struct host_queue *q);

// Nothing waits, flies or is remembered here that the store does not keep.
bool host_queue_forgettable(const struct host_queue *q, int64_t now_us);
