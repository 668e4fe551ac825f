// SPDX-License-Identifier: MIT
// The HTTP API on the main thread: validates, asks the store or fetch by message, reads by the
// reader, answers.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "config/options.h"
#include "daemon/loop/loop.h"
#include "daemon/loop/mailbox.h"
#include "daemon/loop/metrics.h"
#include "daemon/task/address_policy.h"
#include "daemon/task/rows.h"

struct api;
struct reader;

// What the API may ask of its neighbours, wired by the daemon; the types of daemon/store/reader.h.
struct api_ports {
    struct mailbox *store;
    struct mailbox *inbox; // the main mailbox; served by api_on_message
    void (*host_query)(void *ctx, struct host_query *q);
    bool (*store_full)(void *ctx);
    int64_t (*oldest_beat_ms)(void *ctx); // of store and workers
    // Has the store look at its disk, which it does not while idle: for the metrics' next reading.
    void (*refresh_metrics)(void *ctx);
    int64_t (*take_lag_us)(void *ctx); // worst loop lag of all threads since the last call
    void *ctx;
    struct metrics *metrics;

    struct reader *reader;
    int (*batch)(struct reader *r, const uint8_t id[UUID_SIZE], struct err *e,
                 struct batch_info **ret);
    int (*batches)(struct reader *r, const struct batch_filter *f,
                   int (*fn)(void *ctx, const struct batch_info *b), void *ctx, struct err *e);
    int (*results)(struct reader *r, const struct results_query *q,
                   int (*fn)(void *ctx, const struct result_row *row), void *ctx, struct err *e);
    int (*task)(struct reader *r, uint64_t batch, uint32_t index,
                int (*fn)(void *ctx, const struct task_row *row), void *ctx, struct err *e);
    int (*attempts)(struct reader *r, uint64_t batch, uint32_t index,
                    int (*fn)(void *ctx, const struct attempt_row *row), void *ctx, struct err *e);
    int (*body)(struct reader *r, uint64_t batch, uint32_t index, uint64_t offset, size_t n,
                struct buf *out, struct err *e);
    int (*hosts)(struct reader *r, const char *after, unsigned limit,
                 int (*fn)(void *ctx, const struct host_row *row), void *ctx, struct err *e);
    int (*host)(struct reader *r, const char *name,
                int (*fn)(void *ctx, const struct host_row *row), void *ctx, struct err *e);
    int (*idempotency)(struct reader *r, const char *key, struct err *e, uint8_t ret_id[UUID_SIZE],
                       uint8_t ret_hash[32]);
};

// What a start would refuse of the configuration, as far as can be told without listening: the
// tokens file, and TCP listeners without tokens.
int api_check_config(const struct config *config, struct err *e);
// Listens as configured and on `passed_fds` of the service manager. Refuses, with a text that says
// why, a TCP listener without tokens unless it is on loopback and allow_anonymous is set. Main
// thread, like everything here.
int api_new(struct loop *loop, const struct config *config, const struct api_ports *ports,
            const int *passed_fds, size_t n_passed_fds, struct err *e, struct api **ret);
void api_on_message(struct api *a,
                    struct message *m); // RING_UPLOAD_REPLY, _CONTROL_REPLY, _CHANGED, _HOST_QUERY
void api_set_ready(struct api *a, bool ready, const char *why_not);
int api_reload(struct api *a, const struct config *config,
               struct err *e); // tokens, limits, address policy; keeps the old on error
void api_drain(struct api *a); // no new submissions (503 draining); waiting requests are answered;
                               // listeners close
void api_free(struct api **a);
