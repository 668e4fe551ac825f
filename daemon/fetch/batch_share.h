// SPDX-License-Identifier: MIT
// What a worker holds of one batch: its tasks and flights here (so that a halt finds them), its
// default options parsed once, and how its running count changed since the store was last told.
// Worker's thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/fetch/table.h"
#include "daemon/task/options.h"

struct batch_share {
    UT_hash_handle hh;
    uint64_t batch;
    struct list tasks, flights; // queued_task.in_batch, flight.in_batch
    struct list link;           // in batch_shares.changed or .idle
    int32_t running_delta;
    bool knows_defaults; // false: made for a flight from elsewhere
    bool parsed;         // `options` are the defaults
    char *defaults;      // JSON text; NULL: none
    struct task_options options;
};

struct batch_shares {
    struct batch_share *by_batch;
    struct list changed; // running_delta != 0
    struct list idle; // nothing of the batch is here; kept for their parsed options, oldest first
    unsigned n_idle;
};

void batch_shares_init(struct batch_shares *s);
void batch_shares_done(struct batch_shares *s); // no tasks or flights may be left

struct batch_share *batch_shares_find(struct batch_shares *s, uint64_t batch); // or NULL
// Finds or makes the share for claimed tasks; `defaults` is copied if they are not known. NULL
// without memory.
struct batch_share *batch_shares_get(struct batch_shares *s, uint64_t batch, const char *defaults);

// A share in no table, that a flight takes along to another worker; there it is put in, or freed
// for the one that is there.
struct batch_share *batch_share_new(uint64_t batch);
void batch_share_free(struct batch_share **b);
struct batch_share *batch_shares_adopt(struct batch_shares *s, struct batch_share *b);

void batch_shares_running(struct batch_shares *s, struct batch_share *b, int32_t delta);
// The changes not told yet, and the next of them, which is forgotten. False: none is left.
size_t batch_shares_n_changed(const struct batch_shares *s);
bool batch_shares_pop_changed(struct batch_shares *s, uint64_t *ret_batch, int32_t *ret_delta);

// To be called when a task or flight left: with nothing left the share becomes idle, or is dropped.
// It may be gone then.
void batch_shares_review(struct batch_shares *s, struct batch_share *b);

// The options of one task: the configuration's defaults, the batch's over them, and `spec` (JSON
// text or NULL) over those. 0 with *ret, which the caller ends; -1 without memory; 1: they are no
// options, *ret_error says why.
int batch_share_options(struct batch_share *b, const struct task_limits *limits, const char *spec,
                        struct task_options *ret, struct input_error *ret_error);

// The configuration changed: parse again at next use.
void batch_shares_forget_options(struct batch_shares *s);
