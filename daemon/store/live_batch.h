// SPDX-License-Identifier: MIT
// The batches that the store has to do with now: a copy of the changing part of their rows, and
// what is kept in memory only (running counts, claims outstanding, hosts refused for the batch's
// own concurrency). On the store's thread. Least recently used entries that hold nothing of their
// own are forgotten and read again on demand.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/list.h"
#include "daemon/store/hash.h"
#include "daemon/store/sqlite_db.h"
#include "daemon/task/batch.h"
#include "daemon/task/ring.h"

// One more state than others know: the batch is gone, its rows are being deleted.
#define BATCH_REMOVED 4

#define LIVE_REFUSED_MAX 1024

struct live_batch {
    uint64_t batch;
    uint8_t id[UUID_SIZE];
    int state; // enum batch_state or BATCH_REMOVED
    int halt;  // the task state that the unfinished ones are to end with, or 0
    uint64_t version;
    struct batch_counts counts; // `running` is not used
    int64_t bytes_received;
    int priority, concurrency;
    bool fail_fast;
    int64_t created_at, not_before_at, deadline_at;
    int64_t started_at, finished_at, cancel_requested_at;

    int64_t running;     // as the workers say
    int64_t outstanding; // claimed, in the ledger
    uint64_t *refused;   // hosts that were refused for `concurrency`, oldest first
    size_t n_refused, cap_refused;
    bool refused_more; // and others, that did not fit
    bool finishing;    // finished in the transaction under way

    struct list lru, changed, waking;
    struct list dirty; // in `dirty` or `written`
    UT_hash_handle hh;
};

struct live_table {
    struct live_batch *all;
    struct list lru;     // most recently used last
    struct list dirty;   // to be written with the next commit
    struct list written; // in the open transaction
    struct list changed; // to be told to the API
    struct list waking;  // with refused hosts
    size_t n, max;
    struct statements st;
};

int live_open(struct live_table *t, struct db *db, size_t max, struct err *e);
void live_close(struct live_table *t);

// Valid until live_trim. NULL: there is no such batch, or the database or memory failed (then
// db->rc is set).
struct live_batch *live_get(struct live_table *t, struct db *db, uint64_t batch);
// As live_get, where the batch must exist: a missing one is a corrupt database.
struct live_batch *live_require(struct live_table *t, struct db *db, uint64_t batch);
struct live_batch *live_find(struct live_table *t, uint64_t batch); // only what is in memory

// Moves the batch along an edge of the diagram in live_batch.c, notes when it finished, and touches
// it durably. The only function that changes a batch's state.
void live_move(struct live_table *t, struct live_batch *b, int to, int64_t now_at);

// Says that the batch changed: its version grows. `durable`: with the next commit its row is
// written.
void live_touch(struct live_table *t, struct live_batch *b, int64_t now_at, bool durable);
// A task of it began then, or 0. Workers tell late and in any order, so the earliest counts, unless
// the clock was set back to before the batch.
void live_started(struct live_batch *b, int64_t at);
// So many more of it run (or fewer), as a worker says.
void live_progress(struct live_table *t, struct live_batch *b, int32_t delta, int64_t now_at);
// Writes the dirty rows, inside the transaction; as often as somebody wants to read them there.
int live_flush(struct live_table *t, struct db *db);
// They are safe: those that finished are told to the journal.
void live_committed(struct live_table *t, struct db *db);
void live_rolled_back(struct live_table *t, struct db *db); // reads them again

// The news for the API since the last call; *ret is NULL if there are none. -1 without memory.
int live_take_changed(struct live_table *t, struct changed **ret);
void live_trim(struct live_table *t);

struct batch_snapshot live_snapshot(const struct live_batch *b);
int64_t live_unfinished(const struct live_batch *b);
// May tasks of it be claimed now (but for its own concurrency)?
bool live_may_run(const struct live_batch *b, int64_t now_at);
// How many more of it may be out: INT64_MAX without own concurrency.
int64_t live_room(const struct live_batch *b);
// Remembers that `host` was refused; -1 without memory.
int live_refuse(struct live_table *t, struct live_batch *b, uint64_t host);
