// SPDX-License-Identifier: MIT
// See ledger.h. On the store's thread.
#include "daemon/store/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/task/batch.h"

struct ledger_task {
    uint64_t task, host;
    UT_hash_handle hh;
};

struct ledger_flow {
    uint64_t key[2]; // host, batch
    uint32_t cursor;
    struct list lru;
    UT_hash_handle hh;
};

void ledger_init(struct ledger *l, size_t max_entries)
{
    memset(l, 0, sizeof(*l));
    list_init(&l->flow_lru);
    list_init(&l->lane_lru);
    l->max_entries = max_entries;
}

static void drop_flow(struct ledger *l, struct ledger_flow *f)
{
    HASH_DEL(l->flows, f);
    list_remove(&f->lru);
    l->n_flows--;
    free(f);
}

static void drop_lane(struct ledger *l, struct ledger_lane *lane)
{
    HASH_DEL(l->lanes, lane);
    list_remove(&lane->lru);
    l->n_lanes--;
    free(lane);
}

void ledger_done(struct ledger *l)
{
    struct ledger_task *t, *next_task;
    HASH_ITER(hh, l->tasks, t, next_task)
    {
        HASH_DEL(l->tasks, t);
        free(t);
    }
    while (!list_empty(&l->flow_lru)) {
        drop_flow(l, list_entry(l->flow_lru.next, struct ledger_flow, lru));
    }
    while (!list_empty(&l->lane_lru)) {
        drop_lane(l, list_entry(l->lane_lru.next, struct ledger_lane, lru));
    }
}

static struct ledger_task *find_task(const struct ledger *l, uint64_t task)
{
    struct ledger_task *t;
    HASH_FIND(hh, l->tasks, &task, sizeof(task), t);
    return t;
}

static struct ledger_flow *find_flow(const struct ledger *l, uint64_t host, uint64_t batch)
{
    const uint64_t key[2] = {host, batch};
    struct ledger_flow *f;
    HASH_FIND(hh, l->flows, key, sizeof(key), f);
    return f;
}

int ledger_add(struct ledger *l, uint64_t task, uint64_t host)
{
    struct ledger_task *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return -1;
    }
    t->task = task;
    t->host = host;
    HASH_ADD(hh, l->tasks, task, sizeof(t->task), t);
    if (t->hh.tbl == NULL) {
        free(t);
        return -1;
    }
    return 0;
}

bool ledger_has(const struct ledger *l, uint64_t task)
{
    return find_task(l, task) != NULL;
}

bool ledger_remove(struct ledger *l, uint64_t task)
{
    struct ledger_task *t = find_task(l, task);
    if (t == NULL) {
        return false;
    }
    HASH_DEL(l->tasks, t);
    free(t);
    return true;
}

bool ledger_release(struct ledger *l, uint64_t task)
{
    struct ledger_task *t = find_task(l, task);
    if (t == NULL) {
        return false;
    }
    struct ledger_flow *f = find_flow(l, t->host, task_key_batch(task));
    if (f != NULL && f->cursor > task_key_index(task)) {
        f->cursor = task_key_index(task);
    }
    HASH_DEL(l->tasks, t);
    free(t);
    return true;
}

size_t ledger_length(const struct ledger *l)
{
    return HASH_COUNT(l->tasks);
}

uint32_t ledger_cursor(struct ledger *l, uint64_t host, uint64_t batch)
{
    struct ledger_flow *f = find_flow(l, host, batch);
    if (f == NULL) {
        return 0;
    }
    list_remove(&f->lru);
    list_push_back(&l->flow_lru, &f->lru);
    return f->cursor;
}

void ledger_set_cursor(struct ledger *l, uint64_t host, uint64_t batch, uint32_t next)
{
    struct ledger_flow *f = find_flow(l, host, batch);
    if (f != NULL) {
        f->cursor = next;
        return;
    }
    if (l->n_flows >= l->max_entries) {
        drop_flow(l, list_entry(l->flow_lru.next, struct ledger_flow, lru));
    }
    f = calloc(1, sizeof(*f));
    if (f == NULL) {
        return; // a forgotten cursor costs a search, nothing else
    }
    f->key[0] = host;
    f->key[1] = batch;
    f->cursor = next;
    HASH_ADD(hh, l->flows, key, sizeof(f->key), f);
    if (f->hh.tbl == NULL) {
        free(f);
        return;
    }
    list_push_back(&l->flow_lru, &f->lru);
    l->n_flows++;
}

struct ledger_lane *ledger_lane(struct ledger *l, uint64_t host, unsigned level)
{
    const uint64_t key[2] = {host, level};
    struct ledger_lane *lane;
    HASH_FIND(hh, l->lanes, key, sizeof(key), lane);
    if (lane != NULL) {
        list_remove(&lane->lru);
        list_push_back(&l->lane_lru, &lane->lru);
        return lane;
    }
    if (l->n_lanes >= l->max_entries) {
        drop_lane(l, list_entry(l->lane_lru.next, struct ledger_lane, lru));
    }
    lane = calloc(1, sizeof(*lane));
    if (lane == NULL) {
        return NULL;
    }
    memcpy(lane->key, key, sizeof(key));
    HASH_ADD(hh, l->lanes, key, sizeof(lane->key), lane);
    if (lane->hh.tbl == NULL) {
        free(lane);
        return NULL;
    }
    list_push_back(&l->lane_lru, &lane->lru);
    l->n_lanes++;
    return lane;
}
