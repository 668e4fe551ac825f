// SPDX-License-Identifier: MIT
// The store: a thread with the only writing SQLite connection. It groups everything in its mailbox
// into one transaction, commits, and only then answers. See docs/architecture.md for the schema and
// the promises. Everything here but store_open and store_close is a message posted to its mailbox
// (daemon/task/ring.h).
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "config/options.h"
#include "daemon/loop/mailbox.h"
#include "daemon/loop/metrics.h"
#include "daemon/loop/running.h"

struct store;

struct store_ports {
    struct mailbox *api;            // RING_UPLOAD_REPLY, RING_CONTROL_REPLY, RING_CHANGED
    struct mailbox *const *workers; // n_workers of them: RING_WORK, RING_CLAIMED, ...
    unsigned n_workers;
    struct metrics *metrics;
    void (*on_fatal)(void *ctx, const char *why); // the disk failed or the database is corrupt: the
                                                  // daemon must stop (store thread)
    void *ctx;
};

// Which worker owns a host: the one rule that spreads hosts over workers.
unsigned store_worker_of(const char *host_name, unsigned n_workers);

// Opens (creates, migrates, locks) the database and repairs nothing, since there is nothing to
// repair: removes what is still `loading`, ends tasks found `sent` as interrupted, and judges what
// was in flight when the daemon ended (store_crash.c). Main thread. Fails with ERR_CONFIG or
// ERR_SYSTEM and a text that says what to do (locked by another daemon, newer schema, not writable,
// corrupt).
int store_open(const struct config *config, const struct store_ports *ports, struct err *e,
               struct store **ret);

// Starts the thread. From now on messages are handled; the workers are told of hosts with work
// (RING_WORK).
int store_start(struct store *s, struct err *e);

struct mailbox *store_mailbox(struct store *s);

// For the marks of tasks in flight, which the next start looks at; NULL if there is no room for
// them. It lives until store_close.
struct running *store_running(struct store *s);

// Handles what is in the mailbox, commits, checkpoints, ends the thread, closes the database. Main
// thread.
void store_close(struct store **s);

// Applies a reloaded configuration (retention, min_free, max_queued). Main thread; values are
// copied.
void store_post_config(struct store *s, const struct config *config);

// Whether the store turns, as mailbox_beat_ms tells it. Any thread. A turn also looks at the disk.
int64_t store_last_beat_ms(struct store *s);
bool store_is_full(struct store *s); // below the free-space watermark: submissions are refused
