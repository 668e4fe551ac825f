// SPDX-License-Identifier: MIT
// The cache of robots.txt. It fetches nothing and starts nothing.
#include "daemon/fetch/robots_cache.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t size_of(const struct robots_entry *e)
{
    return sizeof(*e) + strlen(e->key) + (e->rules ? robots_size(e->rules) : 0);
}

static void drop(struct robots_cache *c, struct robots_entry *e)
{
    assert(list_empty(&e->waiting));
    c->memory -= size_of(e);
    HASH_DEL(c->by_key, e);
    list_remove(&e->by_age);
    robots_free(&e->rules);
    free(e);
}

void robots_cache_init(struct robots_cache *c)
{
    *c = (struct robots_cache){.by_key = NULL};
    list_init(&c->by_age);
}

void robots_cache_done(struct robots_cache *c)
{
    while (c->by_key) {
        drop(c, c->by_key);
    }
}

void robots_cache_forget(struct robots_cache *c)
{
    struct robots_entry *e, *next;
    HASH_ITER(hh, c->by_key, e, next)
    {
        if (!e->fetching) {
            drop(c, e);
        }
    }
}

// Entries under way are few: not more than hosts have requests in flight.
static void make_room(struct robots_cache *c, const struct robots_entry *keep)
{
    list_for_each_safe (it, next, &c->by_age) {
        struct robots_entry *e = list_entry(it, struct robots_entry, by_age);
        if (HASH_COUNT(c->by_key) <= ROBOTS_MAX_ORIGINS && c->memory <= ROBOTS_MAX_MEMORY) {
            return;
        }
        if (!e->fetching && e != keep) {
            drop(c, e);
        }
    }
}

static struct robots_entry *add(struct robots_cache *c, const char *key)
{
    size_t size = strlen(key) + 1;
    struct robots_entry *e = calloc(1, sizeof(*e) + size);
    if (!e) {
        return NULL;
    }
    memcpy(e->key, key, size);
    list_init(&e->waiting);
    list_init(&e->by_age);
    HASH_ADD_STR(c->by_key, key, e);
    if (!TABLE_ADDED(e, hh)) {
        free(e);
        return NULL;
    }
    c->memory += size_of(e);
    return e;
}

struct robots_entry *robots_cache_get(struct robots_cache *c, const char *key)
{
    struct robots_entry *e;
    HASH_FIND_STR(c->by_key, key, e);
    if (!e) {
        e = add(c, key);
    }
    if (e) {
        list_remove(&e->by_age);
        list_push_back(&c->by_age, &e->by_age);
        make_room(c, e);
    }
    return e;
}

static void replace(struct robots_cache *c, struct robots_entry *e, struct robots *rules,
                    int64_t until_ms)
{
    c->memory -= size_of(e);
    robots_free(&e->rules);
    e->rules = rules;
    c->memory += size_of(e);
    e->error = TASK_OK;
    e->why[0] = '\0';
    e->until_ms = until_ms;
    make_room(c, e);
}

// Where no request can go, a task that asks finds out itself, by the same name for the same fault.
static bool leads_nowhere(enum task_error error)
{
    return error == TASK_DNS_NOT_FOUND || error == TASK_BLOCKED_ADDRESS ||
           error == TASK_BLOCKED_PORT;
}

static bool is_lost_redirect(enum task_error error)
{
    return error == TASK_TOO_MANY_REDIRECTS || error == TASK_REDIRECT_INVALID ||
           error == TASK_REDIRECT_SCHEME;
}

static void learn_of_failure(struct robots_cache *c, struct robots_entry *e,
                             const struct robots_answer *a, int64_t now_ms)
{
    int64_t until_ms = now_ms + ROBOTS_TRY_AGAIN_MS;
    bool knows_rules = e->until_ms > 0 && e->error == TASK_OK;
    if (knows_rules) { // RFC 9309 §2.4: old rules are better than none
        e->until_ms = until_ms;
        return;
    }
    bool nowhere = leads_nowhere(a->error) && !a->redirected;
    replace(c, e, NULL, nowhere ? now_ms + ROBOTS_NOWHERE_MS : until_ms);
    e->error = nowhere ? a->error : TASK_BLOCKED_ROBOTS;
    if (nowhere) {
        return;
    }
    if (a->error != TASK_OK) {
        snprintf(e->why, sizeof(e->why),
                 "robots.txt cannot be fetched, which forbids everything for now: %s",
                 task_error_info(a->error)->message);
    } else {
        snprintf(e->why, sizeof(e->why),
                 "robots.txt is answered with status %d, which forbids everything for now",
                 a->status);
    }
}

int robots_cache_learn(struct robots_cache *c, struct robots_entry *e,
                       const struct robots_answer *a, const char *token, int64_t now_ms)
{
    struct robots *rules = NULL;
    bool answered = a->error == TASK_OK;
    if ((!answered && !is_lost_redirect(a->error)) || (answered && a->status >= 500)) {
        learn_of_failure(c, e, a, now_ms);
        return 0;
    }
    if (answered && a->status >= 200 && a->status < 300 && a->n > 0 &&
        robots_parse(a->text, a->n, token, &rules) < 0) {
        return -1;
    }
    // A host that is merely asked too much says more later.
    replace(c, e, rules, now_ms + (a->status == 429 ? ROBOTS_TRY_AGAIN_MS : ROBOTS_KEEP_MS));
    return 0;
}

enum robots_verdict robots_cache_check(const struct robots_entry *e, const char *target,
                                       int64_t now_ms)
{
    if (e->until_ms <= now_ms) {
        return ROBOTS_UNKNOWN;
    }
    if (e->error != TASK_OK) {
        return ROBOTS_FORBIDDEN;
    }
    return !e->rules || robots_allows(e->rules, target) ? ROBOTS_ALLOWED : ROBOTS_FORBIDDEN;
}
