// SPDX-License-Identifier: MIT
// What a batch is, on its way in (batch_new, task_piece) and as others see it (batch_info,
// batch_snapshot). Plain data; each object has one owner at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/uuid.h"

// A task is named inside the daemon by one number: its batch's row number and its index.
#define TASK_INDEX_BITS 24
#define TASK_INDEX_MAX  ((UINT32_C(1) << TASK_INDEX_BITS) - 1)

static inline uint64_t task_key(uint64_t batch, uint32_t index)
{
    return batch << TASK_INDEX_BITS | index;
}

static inline uint64_t task_key_batch(uint64_t task)
{
    return task >> TASK_INDEX_BITS;
}

static inline uint32_t task_key_index(uint64_t task)
{
    return (uint32_t)(task & TASK_INDEX_MAX);
}

//   loading --> running <--> paused
//                  |            |
//                  +--> finished <  (cancelled or expired while paused)
// `loading` batches are invisible to everyone but the store and are removed at start.
enum batch_state { BATCH_LOADING, BATCH_RUNNING, BATCH_PAUSED, BATCH_FINISHED };

enum task_state {
    TASK_QUEUED,
    TASK_RUNNING,
    TASK_SUCCEEDED, // this and the following are terminal
    TASK_FAILED,
    TASK_STATE_CANCELLED,
    TASK_STATE_EXPIRED,
};

const char *batch_state_name(enum batch_state state);
const char *task_state_name(enum task_state state);
int batch_state_parse(const char *name, enum batch_state *ret); // "running", "paused", "finished"
int task_state_parse(const char *name, enum task_state *ret);

struct batch_counts {
    int64_t total, running, succeeded, failed, cancelled, expired;
};

static inline int64_t batch_counts_done(const struct batch_counts *c)
{
    return c->succeeded + c->failed + c->cancelled + c->expired;
}

static inline int64_t batch_counts_queued(const struct batch_counts *c)
{
    return c->total - batch_counts_done(c) - c->running;
}

// The part of a batch that changes. Small; sent by value.
struct batch_snapshot {
    uint64_t batch; // row number
    uint8_t id[UUID_SIZE];
    uint64_t version; // grows with every change; the ETag
    enum batch_state state;
    bool deleted; // the batch is gone; nothing else is meaningful
    struct batch_counts counts;
    int64_t bytes_received;
    int64_t started_at, finished_at, cancel_requested_at;
};

// A batch as a whole. Heap object; strings are owned.
struct batch_info {
    struct batch_snapshot now;
    char *name;      // or NULL
    char *metadata;  // JSON text or NULL
    char *defaults;  // JSON text of the task options all its tasks share, or NULL
    int priority;    // 0..9
    int concurrency; // 0: no own limit
    bool fail_fast;
    int64_t created_at, not_before_at, deadline_at; // 0: none
    bool has_retry_of;
    uint8_t retry_of[UUID_SIZE];
};

void batch_info_free(struct batch_info **b);

// A batch being submitted. Heap object; strings are owned.
struct batch_new {
    uint8_t id[UUID_SIZE];
    char *name;
    char *metadata;
    char *defaults;
    int priority;
    int concurrency;
    bool fail_fast;
    int64_t not_before_at; // 0: none
    int64_t deadline_ms;   // 0: none; counted from acceptance
    char *idempotency_key; // or NULL
};

void batch_new_free(struct batch_new **b);

// One validated task on its way in. Strings belong to the piece.
struct new_task {
    uint32_t index; // position in the submitted list; gaps where a partial submission was rejected
    const char *host;     // canonical (url.h), the key of politeness
    const char *url;      // as submitted
    const char *ext_id;   // the user's "id", or NULL
    const char *metadata; // JSON text or NULL
    const char *spec;     // JSON text of the options given on the task itself, or NULL
};

// Strings that are made together and freed together.
struct task_arena;
struct task_arena *task_arena_new(void); // NULL without memory
void task_arena_free(struct task_arena *a);
const char *task_arena_copy(struct task_arena *a, const char *s,
                            size_t n); // and a NUL; NULL without memory

// Up to TASK_PIECE_MAX tasks with one arena for their strings.
#define TASK_PIECE_MAX 1000
#define TASK_PIECE_BYTES                                                                           \
    (512 * 1024) // of strings, after which a piece counts as full (one task may exceed it)

struct task_piece {
    size_t n;
    struct new_task *v; // TASK_PIECE_MAX entries
    struct task_arena *arena;
    size_t arena_bytes;
};

int task_piece_init(struct task_piece *p);
void task_piece_done(struct task_piece *p);
bool task_piece_full(const struct task_piece *p);
// Copies `n` bytes and a NUL into the arena; NULL without memory (and for s == NULL).
const char *task_piece_copy(struct task_piece *p, const char *s, size_t n);
// Appends a task whose strings are already in the arena. The piece must not be full.
void task_piece_add(struct task_piece *p, const struct new_task *t);
