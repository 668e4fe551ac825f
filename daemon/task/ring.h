// SPDX-License-Identifier: MIT
// The messages of the ring api -> store -> fetch -> store -> api. Each is a heap object that owns
// what it carries and begins with `struct message`; `kind` is one of enum ring_kind. Everything is
// named by number, nothing by pointer.
//
// Claims. The store keeps the list of what is to be done, the worker decides when. A worker asks
// for up to n tasks of one host; the store answers with tasks of that host's flows (a flow = the
// tasks of one batch for one host), highest priority first, flows of equal priority in turn. What
// was claimed and has no outcome yet is remembered in the store's ledger (memory only), so that
// nothing is handed out twice and a batch's own `concurrency` holds over all workers. After a crash
// the ledger is empty and everything without a result is claimed anew.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "daemon/loop/mailbox.h"
#include "daemon/task/batch.h"
#include "daemon/task/outcome.h"

enum ring_kind {
    // api -> store
    RING_UPLOAD = 1, // struct upload_piece; answered by RING_UPLOAD_REPLY
    RING_CONTROL,    // struct control; answered by RING_CONTROL_REPLY
    // store -> api
    RING_UPLOAD_REPLY,  // struct upload_reply
    RING_CONTROL_REPLY, // struct control_reply
    RING_CHANGED,       // struct changed
    // fetch -> store
    RING_CLAIM,      // struct claim; answered by RING_CLAIMED
    RING_SCAN,       // struct host_scan; answered by RING_WORK
    RING_LOOKUP,     // struct host_lookup; answered by RING_WORK
    RING_OUTCOME,    // struct outcome (outcome.h)
    RING_RETRY,      // struct retry_later
    RING_RELEASE,    // struct release
    RING_PROGRESS,   // struct progress
    RING_MARK_SENT,  // struct mark_sent; answered by RING_SENT_MARKED
    RING_HOST_STATE, // struct host_state
    // store -> fetch
    RING_WORK,        // struct work
    RING_CLAIMED,     // struct claimed
    RING_SENT_MARKED, // struct mark_sent, handed back after the commit
    RING_BATCH_HALT,  // struct batch_halt
    RING_HOST_LIMITS, // struct host_limits_changed
    // fetch worker -> fetch worker
    RING_HOP, // private to fetch
    // api -> fetch -> api
    RING_HOST_QUERY, // struct host_query, filled in and handed back
    // daemon -> any
    RING_CONFIG, // private to the receiving part
    RING_STOP,   // private to the receiving part
};

// ---- submission
// ------------------------------------------------------------------------------------------------

// One piece of an upload. Pieces of one upload come in order; the sender has at most a few
// unanswered. The first carries `batch`; the last has `last`. A small batch is one piece with both.
// `abort` ends an upload without a batch.
struct upload_piece {
    struct message msg;
    uint64_t upload;         // chosen by the sender, unique while the daemon runs
    struct batch_new *batch; // owned; first piece only
    struct task_piece tasks;
    bool last, abort;
    uint8_t request_hash[32]; // with `last`: SHA-256 of the request, compared on idempotent replay
};
// This and the other constructors give NULL without memory, and a zeroed message otherwise.
struct upload_piece *upload_piece_new(uint64_t upload); // its `tasks` are not initialised

// The answer to each piece. After an error the upload is over: later pieces of it are answered with
// the same error.
struct upload_reply {
    struct message msg;
    uint64_t upload;
    bool last;
    int status; // 0, or -1 with `err`: storage_full, quota_exceeded, idempotency_key_reused,
                // internal, ...
    struct err err;
    bool replayed; // the key was used before with the same request: `batch` is that batch
    struct batch_info *batch; // owned; with `last` and status 0, after the commit
};
struct upload_reply *upload_reply_new(uint64_t upload);

// ---- control
// ---------------------------------------------------------------------------------------------------

enum control_verb {
    CONTROL_CANCEL,
    CONTROL_PAUSE,
    CONTROL_RESUME,
    CONTROL_RETRY,
    CONTROL_DELETE,
    CONTROL_HOST_SET
};

// Limits of a host as an admin set them; -1 = not set (the configuration's value holds).
struct host_limits {
    int32_t max_concurrency;
    int64_t delay_ms;
    double rate_per_s;
    bool paused;
};

struct control {
    struct message msg;
    uint64_t token; // echoed
    enum control_verb verb;
    uint8_t id[UUID_SIZE]; // of the batch
    unsigned retry_states; // CONTROL_RETRY: bits 1 << enum task_state; also CANCELLED and EXPIRED
    uint8_t new_id[UUID_SIZE]; // CONTROL_RETRY: of the batch to be made
    bool force;                // CONTROL_DELETE: cancel first
    char *host;                // CONTROL_HOST_SET: canonical name, owned
    unsigned host_fields; // CONTROL_HOST_SET: which of `limits` to set: bit 0 concurrency, 1 delay,
                          // 2 rate, 3 paused
    struct host_limits limits;
};
struct control *control_new(enum control_verb verb, uint64_t token);

struct control_reply {
    struct message msg;
    uint64_t token;
    int status; // 0, or -1 with `err`: not_found, conflict, ...
    struct err err;
    struct batch_info
        *batch; // owned; of cancel, pause, resume, retry (the new batch); NULL for the others
};
struct control_reply *control_reply_new(uint64_t token);

// Batches that changed in a commit (or whose running count changed), newest state each. At most one
// per batch and message.
struct changed {
    struct message msg;
    size_t n;
    struct batch_snapshot v[];
};
struct changed *changed_new(size_t n);

// ---- work
// ------------------------------------------------------------------------------------------------------

// A host as the store keeps it. The store deletes the row of a host that nothing stored refers to,
// whoever holds the host; met again, it has another number, which no host had before.
struct host_record {
    uint64_t host; // row number
    char *name;    // owned
    struct host_limits limits;
    int64_t blocked_until; // wall; 0: not blocked
    int32_t backoff_level; // how many times in a row the host asked to slow down
};

// Hosts of a worker's share that have (or may have) tasks to claim.
struct work {
    struct message msg;
    bool scan_answer; // answers RING_SCAN: in order of host number, all after the one asked for
    bool more;        // there are more such hosts than told here: scan for them when there is room
    size_t n;
    struct host_record *v; // owned
};
struct work *work_new(size_t n); // `v` has n rows

// Asks for the next hosts of `worker` after `after` (0: from the start) that have ready tasks.
struct host_scan {
    struct message msg;
    unsigned worker;
    uint64_t after;
    size_t n;
};
struct host_scan *host_scan_new(unsigned worker, uint64_t after, size_t n);

// Asks for the record of a host by name (a redirect's target); it is created if need be.
struct host_lookup {
    struct message msg;
    unsigned worker;
    char *name; // owned
};
struct host_lookup *host_lookup_new(unsigned worker, const char *name);

struct claim {
    struct message msg;
    unsigned worker;
    uint64_t host;
    uint32_t n; // most tasks wanted
    uint32_t
        slots; // of them can start at once; most that batches with an own `concurrency` may give
};
struct claim *claim_new(unsigned worker, uint64_t host);

struct claimed_task {
    struct task_ref ref;
    uint32_t batch_at; // its batch in claimed.batches
    int32_t attempts;  // made so far
    int64_t queued_at; // wall: since when it could have started
    const char *url;   // in the message's arena
    const char *spec;  // or NULL
};

struct claimed_batch {
    uint64_t batch;
    const char *defaults; // JSON text or NULL
};

struct claimed {
    struct message msg;
    uint64_t host;
    bool more; // there may be more to claim now; false: wait for RING_WORK or `next_due_at`
    int64_t next_due_at; // wall: when the next waiting retry of this host is due; 0: none
    size_t n, n_batches;
    struct claimed_task *tasks;
    struct claimed_batch *batches;
    struct task_arena *arena; // owns the strings
    // For the tasks that the worker cannot take: made here, because lacking memory is why it
    // cannot.
    struct release *back; // owned; has room for all, n is 0
};
struct claimed *claimed_new(uint64_t host, size_t max_tasks); // room for so many; n is 0

// ---- what became of it
// -----------------------------------------------------------------------------------------

// An attempt failed and is to be repeated; the task is forgotten by the worker until it is claimed
// again.
struct retry_later {
    struct message msg;
    struct task_ref ref;
    struct attempt attempt;
    int64_t not_before_at;
    bool counts;    // false: a local shortage (file descriptors, memory): no attempt is recorded or
                    // counted
    bool elsewhere; // it ended at a worker that does not hold its host: the host's is to be told
};
struct retry_later *retry_later_new(const struct task_ref *ref);

// Claimed tasks that the worker gives back unstarted (its batch was paused, the host was evicted).
struct release {
    struct message msg;
    size_t n;
    struct task_ref v[];
};
struct release *release_new(size_t n);

// Running counts that changed in a loop turn: +1 started, -1 ended (also when an outcome or a retry
// follows).
struct progress {
    struct message msg;
    size_t n;
    struct {
        uint64_t batch;
        int32_t delta;
    } v[];
};
struct progress *progress_new(size_t n);

// A request that must not be sent twice is about to be sent: "started" is committed first. Found so
// after a crash, the task ends as failed: interrupted.
struct mark_sent {
    struct message msg;
    unsigned worker;
    struct task_ref ref;
    int status; // in the answer: 0, or 1 if the task has ended meanwhile and must not be sent
};
struct mark_sent *mark_sent_new(unsigned worker, const struct task_ref *ref);

// What the store is to keep of a host's back-off. By name, since its row may be gone.
struct host_state {
    struct message msg;
    char *name; // owned
    int64_t blocked_until;
    int32_t backoff_level;
    int64_t needed_until; // wall: until then the level counts
};
struct host_state *host_state_new(const char *name);

// Drop a batch's tasks: waiting ones are forgotten (released, when `pause`), in-flight ones aborted
// (not when `pause`). No outcome is owed for them: the store has written, or will write, their
// results itself.
struct batch_halt {
    struct message msg;
    uint64_t batch;
    bool pause;
};
struct batch_halt *batch_halt_new(uint64_t batch, bool pause);

struct host_limits_changed {
    struct message msg;
    char *name; // owned
    struct host_limits limits;
};
struct host_limits_changed *host_limits_changed_new(const char *name);

// ---- questions to fetch
// ----------------------------------------------------------------------------------------

// Why a task is not running, or a host starts nothing now.
enum wait_reason {
    WAIT_NONE = 0,
    WAIT_HOST_CONCURRENCY,
    WAIT_HOST_RATE,    // rate or delay
    WAIT_HOST_BLOCKED, // back-off or Retry-After
    WAIT_HOST_PAUSED,
    WAIT_GLOBAL_CONCURRENCY,
    WAIT_BYTE_BUDGET,
    WAIT_RETRY,
    WAIT_PAUSED,
    WAIT_NOT_BEFORE,
    WAIT_BATCH_CONCURRENCY,
    WAIT_QUEUE, // behind others of its host
};
const char *wait_reason_name(enum wait_reason reason); // "host_concurrency", ...

struct host_status {
    char name[254];
    bool known; // a worker holds this host now
    uint32_t in_flight;
    uint32_t waiting;             // claimed, in its window
    struct host_limits effective; // no -1 here
    int64_t blocked_until;        // wall; 0
    int32_t backoff_level;
    enum wait_reason reason; // why it starts nothing now
    int64_t next_start_at;   // wall: when it will, if known; 0
};

// Sent to one worker after the other (each fills in the hosts of its share), then to the main
// mailbox.
struct host_query {
    struct message msg;
    uint64_t token;
    uint64_t task;     // 0: none; else `task_running` is wanted
    bool task_running; // some worker has it in flight
    bool task_waiting; // some worker has it in a window
    size_t n;
    struct host_status *v; // owned; `name` given by the asker
};
struct host_query *host_query_new(uint64_t token, size_t n);
