// SPDX-License-Identifier: MIT
// The cache of a worker's resolver. The table keeps its entries in order of insertion; an entry
// that is used is put in again, so the first one is the one that was not used for longest. It knows
// no resolver and no policy.
#include "daemon/fetch/dns_cache.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/fetch/table.h"

struct entry {
    UT_hash_handle hh;
    struct dns_answer *answer;
    int64_t expires_ms;
    char name[];
};

struct dns_cache {
    struct entry *entries;
    size_t max;
};

int dns_cache_new(size_t max_entries, struct dns_cache **ret)
{
    struct dns_cache *c = calloc(1, sizeof *c);
    if (!c) {
        return -1;
    }
    c->max = max_entries;
    *ret = c;
    return 0;
}

static void drop(struct dns_cache *c, struct entry *e)
{
    HASH_DEL(c->entries, e);
    free(e->answer);
    free(e);
}

void dns_cache_free(struct dns_cache **c)
{
    if (!*c) {
        return;
    }
    while ((*c)->entries) {
        drop(*c, (*c)->entries);
    }
    free(*c);
    *c = NULL;
}

static int insert(struct dns_cache *c, struct entry *e)
{
    HASH_ADD_STR(c->entries, name, e);
    if (TABLE_ADDED(e, hh)) {
        return 0;
    }
    free(e->answer);
    free(e);
    return -1;
}

const struct dns_answer *dns_cache_get(struct dns_cache *c, const char *name, int64_t now_ms)
{
    struct entry *e;
    HASH_FIND_STR(c->entries, name, e);
    if (!e) {
        return NULL;
    }
    if (e->expires_ms <= now_ms) {
        drop(c, e);
        return NULL;
    }
    HASH_DEL(c->entries, e);
    return insert(c, e) < 0 ? NULL : e->answer;
}

void dns_cache_put(struct dns_cache *c, const char *name, struct dns_answer *answer,
                   int64_t expires_ms)
{
    struct entry *e;
    HASH_FIND_STR(c->entries, name, e);
    if (e) {
        drop(c, e);
    }
    size_t size = strlen(name) + 1;
    e = calloc(1, sizeof *e + size);
    if (!e) {
        free(answer);
        return;
    }
    memcpy(e->name, name, size);
    e->answer = answer;
    e->expires_ms = expires_ms;
    if (insert(c, e) == 0 && HASH_COUNT(c->entries) > c->max) {
        drop(c, c->entries);
    }
}

size_t dns_cache_count(const struct dns_cache *c)
{
    return HASH_COUNT(c->entries);
}
