// SPDX-License-Identifier: MIT
// The newest state of recently changed or asked-for batches, so that a status request needs no SQL.
// Main thread. Bounded: the least recently touched batch is forgotten. It decides nothing: what is
// not here is read from the store.
#pragma once

#include <stddef.h>

#include "daemon/task/batch.h"

struct snapshot_cache;

struct snapshot_cache *snapshot_cache_new(size_t max_entries); // NULL without memory
void snapshot_cache_free(struct snapshot_cache **c);

// A change as the store told it. Older versions than the known one are dropped; a deleted batch is
// forgotten.
void snapshot_cache_change(struct snapshot_cache *c, const struct batch_snapshot *s);

// Takes `info` as the description of its batch. The newer of its state and the known one holds.
// Returns what is now kept, or NULL without memory (`info` is freed then). Borrowed until the next
// call of this module.
const struct batch_info *snapshot_cache_put(struct snapshot_cache *c, struct batch_info *info);

// NULL if the batch, or its description, is not here. Borrowed as above.
const struct batch_info *snapshot_cache_get(struct snapshot_cache *c, const uint8_t id[UUID_SIZE]);
