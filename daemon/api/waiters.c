// SPDX-License-Identifier: MIT
// Waiters in groups by batch, with one heap of deadlines over all. Main thread. A change costs one
// hash look-up and one call for each waiter of that batch; nothing else is touched.
#include "daemon/api/waiters.h"

#include <stdbool.h>
#include <stdlib.h>

// Without memory uthash leaves the element out instead of ending the process.
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

// The waiters of one batch.
struct waiter_group {
    uint64_t batch;
    struct list waiting;
    size_t n;  // waiters that point here
    bool busy; // being woken: must not be freed
    UT_hash_handle hh;
};

struct waiters {
    struct waiter_group *by_batch;
    struct heap deadlines;
    size_t n;
};

struct waiters *waiters_new(void)
{
    return calloc(1, sizeof(struct waiters));
}

void waiters_free(struct waiters **ws)
{
    if (*ws) {
        heap_done(&(*ws)->deadlines);
        free(*ws);
        *ws = NULL;
    }
}

static struct waiter_group *group_of(struct waiters *ws, uint64_t batch)
{
    struct waiter_group *group;
    HASH_FIND(hh, ws->by_batch, &batch, sizeof(batch), group);
    if (group) {
        return group;
    }
    group = calloc(1, sizeof(*group));
    if (!group) {
        return NULL;
    }
    group->batch = batch;
    list_init(&group->waiting);
    HASH_ADD(hh, ws->by_batch, batch, sizeof(batch), group);
    if (!group->hh.tbl) {
        free(group);
        return NULL;
    }
    return group;
}

static void group_release(struct waiters *ws, struct waiter_group *group)
{
    if (group->n == 0 && !group->busy) {
        HASH_DEL(ws->by_batch, group);
        free(group);
    }
}

int waiters_add(struct waiters *ws, struct waiter *w, uint64_t batch, int64_t deadline_ms)
{
    struct waiter_group *group = group_of(ws, batch);
    if (!group) {
        return -1;
    }
    w->deadline.at = 0;
    if (deadline_ms != INT64_MAX && heap_put(&ws->deadlines, &w->deadline, deadline_ms) < 0) {
        group_release(ws, group);
        return -1;
    }
    list_init(&w->link);
    list_push_back(&group->waiting, &w->link);
    w->group = group;
    group->n++;
    ws->n++;
    return 0;
}

void waiters_remove(struct waiters *ws, struct waiter *w)
{
    struct waiter_group *group = w->group;
    if (!group) {
        return;
    }
    list_remove(&w->link);
    if (heap_has(&w->deadline)) {
        heap_remove(&ws->deadlines, &w->deadline);
    }
    w->group = NULL;
    group->n--;
    ws->n--;
    group_release(ws, group);
}

// Wakes each waiter of the group once. They are moved to a list of their own first: those that
// callbacks add come to `waiting`, and are not woken in this round.
static void wake_group(struct waiters *ws, struct waiter_group *group, enum wake why,
                       const struct batch_snapshot *now)
{
    struct list round;
    list_init(&round);
    list_splice(&round, &group->waiting);
    group->busy = true;
    struct list *link;
    while ((link = list_pop_front(&round))) {
        struct waiter *w = list_entry(link, struct waiter, link);
        list_push_back(&group->waiting, link);
        if (why != WAKE_CHANGED) {
            waiters_remove(ws, w);
        }
        w->wake(w, why, now);
    }
    group->busy = false;
    group_release(ws, group);
}

void waiters_change(struct waiters *ws, const struct batch_snapshot *now)
{
    struct waiter_group *group;
    HASH_FIND(hh, ws->by_batch, &now->batch, sizeof(now->batch), group);
    if (group && !group->busy) {
        wake_group(ws, group, now->deleted ? WAKE_DELETED : WAKE_CHANGED, now);
    }
}

void waiters_expire(struct waiters *ws, int64_t now_ms)
{
    struct heap_node *first;
    while ((first = heap_first(&ws->deadlines)) && first->key <= now_ms) {
        struct waiter *w = heap_entry(first, struct waiter, deadline);
        waiters_remove(ws, w);
        w->wake(w, WAKE_TIMEOUT, NULL);
    }
}

void waiters_shutdown(struct waiters *ws)
{
    // A callback adds no waiter while the daemon drains, so this ends.
    while (ws->by_batch) {
        wake_group(ws, ws->by_batch, WAKE_SHUTDOWN, NULL);
    }
}

int64_t waiters_next_ms(const struct waiters *ws)
{
    const struct heap_node *first = heap_first(&ws->deadlines);
    return first ? first->key : INT64_MAX;
}

size_t waiters_count(const struct waiters *ws)
{
    return ws->n;
}
