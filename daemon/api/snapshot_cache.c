// SPDX-License-Identifier: MIT
// A hash table of entries in a list ordered by last touch. Main thread.
#include "daemon/api/snapshot_cache.h"

#include <stdlib.h>
#include <string.h>

// Without memory uthash leaves the element out instead of ending the process.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "common/list.h"

struct entry {
    uint8_t id[UUID_SIZE];
    struct batch_snapshot now;
    struct batch_info *info; // owned; NULL while only changes are known
    struct list link;        // in `recent`
    UT_hash_handle hh;
};

struct snapshot_cache {
    struct entry *by_id;
    struct list recent; // most recently touched first
    size_t n, max;
};

struct snapshot_cache *snapshot_cache_new(size_t max_entries)
{
    struct snapshot_cache *c = calloc(1, sizeof(*c));
    if (c) {
        list_init(&c->recent);
        c->max = max_entries;
    }
    return c;
}

static void drop(struct snapshot_cache *c, struct entry *entry)
{
    HASH_DEL(c->by_id, entry);
    list_remove(&entry->link);
    batch_info_free(&entry->info);
    free(entry);
    c->n--;
}

void snapshot_cache_free(struct snapshot_cache **c)
{
    if (*c) {
        while (!list_empty(&(*c)->recent)) {
            drop(*c, list_entry((*c)->recent.next, struct entry, link));
        }
        free(*c);
        *c = NULL;
    }
}

static struct entry *find(struct snapshot_cache *c, const uint8_t id[UUID_SIZE])
{
    struct entry *entry;
    HASH_FIND(hh, c->by_id, id, UUID_SIZE, entry);
    if (entry) {
        list_remove(&entry->link);
        list_push_front(&c->recent, &entry->link);
    }
    return entry;
}

static struct entry *add(struct snapshot_cache *c, const struct batch_snapshot *now)
{
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry) {
        return NULL;
    }
    memcpy(entry->id, now->id, UUID_SIZE);
    entry->now = *now;
    HASH_ADD(hh, c->by_id, id, UUID_SIZE, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return NULL;
    }
    list_push_front(&c->recent, &entry->link);
    if (++c->n > c->max) {
        drop(c, list_entry(c->recent.prev, struct entry, link));
    }
    return entry;
}

void snapshot_cache_change(struct snapshot_cache *c, const struct batch_snapshot *s)
{
    struct entry *entry = find(c, s->id);
    if (entry && s->deleted) {
        drop(c, entry);
    } else if (entry && s->version >= entry->now.version) {
        // The running count changes without a new version, so an equal version is newer, too.
        entry->now = *s;
    } else if (!entry && !s->deleted) {
        add(c, s);
    }
}

const struct batch_info *snapshot_cache_put(struct snapshot_cache *c, struct batch_info *info)
{
    struct entry *entry = find(c, info->now.id);
    if (!entry) {
        entry = add(c, &info->now);
    }
    if (!entry) {
        batch_info_free(&info);
        return NULL;
    }
    if (info->now.version > entry->now.version) {
        entry->now = info->now;
    }
    batch_info_free(&entry->info);
    entry->info = info;
    entry->info->now = entry->now;
    return entry->info;
}

const struct batch_info *snapshot_cache_get(struct snapshot_cache *c, const uint8_t id[UUID_SIZE])
{
    struct entry *entry = find(c, id);
    if (!entry || !entry->info) {
        return NULL;
    }
    entry->info->now = entry->now;
    return entry->info;
}
