// SPDX-License-Identifier: MIT
// What the files of the store share: the store itself and one function or two of each concern.
// Nothing outside daemon/store includes it. Everything runs on the store's thread but store_open,
// store_start, store_close.
//
// A turn: sort the mailbox; one group (a transaction with what writes: outcomes first, then
// uploads, then work in the background); after its commit settle the ledger and post the answers;
// then answer claims, which only read. Functions that touch the database return -1 when it failed;
// db.rc then says how, and the group is rolled back.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "daemon/loop/running.h"
#include "daemon/store/disk.h"
#include "daemon/store/ledger.h"
#include "daemon/store/live_batch.h"
#include "daemon/store/sqlite_db.h"
#include "daemon/store/store.h"
#include "daemon/task/ring.h"

// Row operations of one kind of work in one commit, so that recording never waits long behind
// anything.
#define GROUP_OPS      4000
#define BACKGROUND_OPS 1000

// First number that is no task or result of `batch`.
static inline int64_t batch_range_start(uint64_t batch)
{
    return (int64_t)task_key(batch, 0);
}

static inline int64_t batch_range_end(uint64_t batch)
{
    return (int64_t)task_key(batch + 1, 0);
}

static inline int64_t prio_of(int priority)
{
    return 9 - priority;
}

struct upload;
struct host_names;
struct host_deltas;
struct copy_job;

struct settings {
    int64_t retention_ms;
    uint64_t min_free;
    int64_t max_queued;
};

// Where the background work is; plain data, saved before and restored after a group that failed.
struct background {
    uint64_t halting;      // batch whose unfinished tasks are being ended, or 0
    uint32_t halting_next; // next index to look at
    bool have_halting, have_removed;
    bool have_dead;                          // parts of bodies that will have no result
    bool have_free;                          // pages that deleted rows left may be too many
    int64_t next_body;                       // number of the next row of table body
    int64_t next_host;                       // of table host: none is given twice to workers
    int64_t unfinished;                      // tasks without a result, of all batches
    int64_t retries_told_at, starts_told_at; // what was due until then is told
    int64_t set_back_ms; // how far the wall clock was set back since times were last moved with it
};

struct store {
    struct store_ports ports;
    struct mailbox **workers; // copy of ports.workers
    struct mailbox *mailbox;
    struct message stop; // here, since it must be posted without memory, too
    struct settings settings;
    char *path;
    struct disk disk;
    struct running *running; // NULL: there is no room for it
    struct db db;

    pthread_t thread;
    bool started, stopping, dead;
    _Atomic bool full;
    int64_t now_at;     // wall clock of this turn
    int64_t clock_ms;   // how far it was ahead of the monotonic clock
    int64_t stalled_ms; // no group before this: the disk was full
    int64_t disk_seen_ms;
    int checkpoint_at; // pages in the write-ahead log at which to checkpoint
    bool refused_left; // some hosts were told of room in a batch, others of the same batch not yet
    bool squeeze;      // the disk is full: checkpoint now, and give the log's space back
    bool cut;          // pages were freed at the file's end: checkpoint when no more are

    struct list urgent, uploads_in, reads; // taken from the mailbox, not yet handled
    struct list group;                     // handled in the open transaction
    size_t ops;                            // row operations of the kind of work under way
    struct list to_api, *to_workers;       // answers, posted after the commit
    uint64_t *settled;                     // tasks that are no longer out once the commit is made
    size_t n_settled, cap_settled;
    int64_t counted[METRIC__COUNT]; // added to the metrics after the commit

    struct live_table live;
    struct ledger ledger;
    struct host_names *names;
    struct host_deltas *deltas;
    struct upload *uploads;
    struct list copies; // struct copy_job, the first is next
    struct background back, saved;
    int64_t wake_at;  // when a timer is due, 0: none
    int64_t armed_at; // the wake_at that timer_fd is set to, -1: none
    int timer_fd;     // readable at wake_at, and when the wall clock is set

    struct statements upload_sql, claim_sql, record_sql, control_sql, halt_sql, host_sql, timer_sql,
        copy_sql, notify_sql, batch_sql, body_sql;
};

// --- store_group.c ---
void store_run_group(struct store *s);
bool store_background_wanted(const struct store *s);
void store_fatal(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Posted after the commit. NULL (no memory for the answer) is fatal: somebody would wait for ever.
void store_to_api(struct store *s, void *message);
void store_to_worker(struct store *s, unsigned worker, void *message);
void store_halt_workers(struct store *s, uint64_t batch, bool pause); // RING_BATCH_HALT to all
void store_post_answers(struct store *s);
void store_drop_answers(struct store *s);
void store_free_list(struct list *messages);
int store_settle(struct store *s, uint64_t task); // it is no longer out, once this is committed
void store_no_longer_out(struct store *s, uint64_t task, bool released);
void store_count(struct store *s, enum metric id,
                 int64_t n); // in the metrics, once this is committed

// --- store_open.c ---
int store_repair(struct store *s, struct err *e);
int store_prepare(struct store *s, bool normal_sync, struct err *e);

// --- store_hosts.c: rows of table host ---
int hosts_open(struct store *s, struct err *e);
void hosts_close(struct store *s);
int hosts_id(struct store *s, const char *name, uint64_t *ret); // makes the row if need be
struct host_change {
    int64_t queued, kept, succeeded, failed, bytes;
};
int hosts_count(struct store *s, uint64_t host, const struct host_change *change);
int hosts_flush(struct store *s);
void hosts_rolled_back(struct store *s);
void hosts_forget_name(struct store *s, const char *name); // its row is deleted
int hosts_record(struct store *s, uint64_t host,
                 struct host_record *ret); // 1, 0: none; ret->name is owned
int hosts_lookup(struct store *s, const struct host_lookup *m);
int hosts_state(struct store *s, const struct host_state *m);
int hosts_set(struct store *s, const struct control *m);
int hosts_scan(struct store *s, const struct host_scan *m);

// --- store_notify.c: telling workers of hosts with work ---
int notify_open(struct store *s, struct err *e);
int notify_hosts(struct store *s, uint64_t *hosts, size_t n, bool more); // sorts `hosts`
int notify_batch(struct store *s, const struct live_batch *b);
int notify_refused(struct store *s);
int notify_due(struct store *s); // retries and batches whose time has come

// --- store_upload.c ---
int upload_open(struct store *s, struct err *e);
void upload_close(struct store *s);
int upload_piece(struct store *s, struct upload_piece *p);
void upload_failed(struct store *s, const struct upload_piece *p, const struct err *why);
int upload_discards(struct store *s);   // marks the rows of uploads that failed as removed
void upload_committed(struct store *s); // forgets uploads that are over
void upload_rolled_back(struct store *s, const struct err *why); // before upload_failed
int64_t upload_buffered(const struct store *s);                  // ready rows not yet inserted
bool upload_wanted(const struct store *s);                       // is there anything to be done for
int upload_step(struct store *s);                                // goes on inserting ready rows

// --- store_batch.c: what every way of making a batch uses ---
int batches_open(struct store *s, struct err *e);
bool store_may_add(struct store *s, int64_t n, struct err *why); // space and quota
// Makes the row, as `loading`. The batch is in memory from then on, and forgotten by a rollback.
int batch_insert(struct store *s, const struct batch_info *b, const char *key, uint64_t *ret);
int task_insert(struct store *s, const struct live_batch *b, const struct new_task *t,
                uint64_t host);
int ready_insert(struct store *s, const struct live_batch *b, uint32_t index, uint64_t host);
int batch_accept(struct store *s, struct live_batch *b); // all is there: it becomes visible
int batch_info_load(struct store *s, uint64_t batch, struct batch_info **ret);

// --- store_claim.c ---
int claim_open(struct store *s, struct err *e);
int claim_answer(struct store *s, const struct claim *m);

// --- store_record.c ---
int record_open(struct store *s, struct err *e);
// 1: recorded, 0: stale, or body_goes_on.
int record_outcome(struct store *s, struct outcome *o);
int record_retry(struct store *s, const struct retry_later *m);
int record_sent(struct store *s, struct mark_sent *m);
// Ends an unfinished task without a worker's help.
int record_ended(struct store *s, const struct task_ref *ref, int attempts, enum task_state state,
                 enum task_error error);
int record_interrupted(struct store *s); // what was found marked as sent; at start

// --- store_body.c: parts of bodies ---
#define BODY_DROP_OPS  16 // a part is 64 pages to free, so it counts more than a row
#define BODY_DROP_MOST 64 // parts in one step
int bodies_open(struct store *s, struct err *e);
bool body_is_large(const struct outcome *o);
bool body_goes_on(const struct outcome *o);                 // a part of it waits for the next group
int body_insert(struct store *s, struct outcome *o);        // what one commit takes
int body_end(struct store *s, const struct outcome *o);     // its result is recorded
int body_give_up(struct store *s, const struct outcome *o); // it has none
// How many parts it deleted, or -1: BODY_DROP_MOST if there may be more.
int body_drop(struct store *s, int64_t first, int64_t parts);
int body_dead_step(struct store *s);

// --- store_crash.c ---
void crash_open(struct store *s);
int crash_review(struct store *s);

// --- store_control.c ---
int control_open(struct store *s, struct err *e);
int control_handle(struct store *s, const struct control *m);
void control_refuse(struct store *s, uint64_t token, enum err_code code, const char *text);
int batch_remove(struct store *s, struct live_batch *b);

// --- store_copy.c: retry as a new batch ---
int copy_open(struct store *s, struct err *e);
void copy_close(struct store *s);
int copy_begin(struct store *s, const struct control *m, const struct live_batch *source);
int copy_step(struct store *s);
void copy_committed(struct store *s);
void copy_rolled_back(struct store *s, const struct err *why);
bool copy_reads(const struct store *s, uint64_t batch);

// --- store_halt.c: cancel, expire, delete in pieces ---
int halt_open(struct store *s, struct err *e);
int halt_begin(struct store *s, struct live_batch *b, enum task_state state);
// Also ends its tasks at once, if they are few.
int halt_soon(struct store *s, struct live_batch *b, enum task_state state);
int halt_step(struct store *s);
int purge_step(struct store *s);

// --- store_shrink.c: giving space back ---
int shrink_step(struct store *s);

// --- store_timers.c ---
int timers_open(struct store *s, struct err *e);
int timers_start(struct store *s);   // sees to a clock that was set back since the last run
int timers_step(struct store *s);    // deadlines, retention, idempotency keys; inside a group
bool timers_wanted(struct store *s); // is there anything of that
int timers_next(struct store *s);    // sets wake_at
void timers_arm(struct store *s);    // sets timer_fd to it
void timers_look_at_clock(struct store *s); // every turn: sets now_at
