// SPDX-License-Identifier: MIT
// What claims remember, in memory only: which tasks are out (claimed, without an outcome), where
// each flow (the tasks of one batch for one host) is read next, and which flow of each lane (the
// flows of one host and priority level) was served last. Pure: no I/O, no clock.
//
// Only the set of tasks that are out matters for correctness: it keeps a task from being handed out
// twice. Cursors and lanes spare work and keep turns fair; beyond a bound the least recently used
// are forgotten, whatever is queued. A cursor that is forgotten begins again at 0 and meets what is
// left.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/store/hash.h"

// The position of the round robin over a lane's flows: `pos` is the batch served last. A cycle in
// which nothing was found ends where it began, at `stop_at`, after the end of the lane was passed
// (`wrapped`). `turn` is for whoever alternates between lanes.
struct ledger_lane {
    uint64_t key[2]; // host, level
    uint64_t pos, stop_at;
    bool wrapped, turn;
    struct list lru;
    UT_hash_handle hh;
};

struct ledger_task;
struct ledger_flow;

struct ledger {
    struct ledger_task *tasks;
    struct ledger_flow *flows;
    struct ledger_lane *lanes;
    struct list flow_lru, lane_lru; // most recently used last
    size_t n_flows, n_lanes, max_entries;
};

void ledger_init(struct ledger *l, size_t max_entries); // of flows, and of lanes
void ledger_done(struct ledger *l);

int ledger_add(struct ledger *l, uint64_t task, uint64_t host); // -1 without memory
bool ledger_has(const struct ledger *l, uint64_t task);
bool ledger_remove(struct ledger *l,
                   uint64_t task); // the task has ended or waits; false: it was not out
// The task was given back unstarted: it may be claimed again, so its flow's cursor goes back to it.
bool ledger_release(struct ledger *l, uint64_t task);
size_t ledger_length(const struct ledger *l);

// The first index of a flow that may be claimable.
uint32_t ledger_cursor(struct ledger *l, uint64_t host, uint64_t batch);
void ledger_set_cursor(struct ledger *l, uint64_t host, uint64_t batch, uint32_t next);

// The lane's state, valid until the next call; NULL without memory.
struct ledger_lane *ledger_lane(struct ledger *l, uint64_t host, unsigned level);
