// SPDX-License-Identifier: MIT
// The sending half of an upload: pieces of a batch go to the store in order, at most UPLINK_WINDOW
// of them unanswered. Main thread. Knows nothing of HTTP or of formats.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/task/batch.h"
#include "daemon/task/ring.h"

#define UPLINK_WINDOW 4

struct api;
struct uplink;

struct uplink_ops {
    void (*on_room)(void *ctx); // uplink_is_full was true and is no more
    // The store's verdict: an error at any time, or the batch after the last piece. `reply->batch`
    // may be taken. The uplink is over; the callee frees it.
    void (*on_reply)(void *ctx, struct upload_reply *reply);
};

// `batch` is taken with the first piece that is sent; until then it is the uplink's, and may still
// be filled in.
int uplink_new(struct api *api, struct batch_new **batch, const struct uplink_ops *ops, void *ctx,
               struct uplink **ret); // -1 without memory
// Without a last piece sent, the store is told to forget the upload.
void uplink_free(struct uplink **u);

// Takes `piece`. -1 without memory: the upload must be given up.
int uplink_add(struct uplink *u, struct task_piece *piece);
int uplink_finish(struct uplink *u, struct task_piece *last, const uint8_t hash[32]);
bool uplink_is_full(const struct uplink *u);
