// SPDX-License-Identifier: MIT
// What a worker knows of the robots.txt of its hosts' origins: by origin (and proxy), for a day at
// most, the least recently used dropped first. Pure: the caller gives the clock. Flights that wait
// for a file stand in its entry; an entry that is being fetched is never dropped.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "common/task_error.h"
#include "daemon/fetch/robots.h"
#include "daemon/fetch/table.h"

#define ROBOTS_KEEP_MS      (24 * 3600 * INT64_C(1000)) // RFC 9309 §2.4
#define ROBOTS_TRY_AGAIN_MS (5 * 60 * INT64_C(1000))    // after what may pass
#define ROBOTS_NOWHERE_MS   INT64_C(5000)               // as long as a missing name is remembered
#define ROBOTS_MAX_ORIGINS  4096
#define ROBOTS_MAX_MEMORY   (32 * 1024 * 1024)

struct host;

// How the fetch of a robots.txt ended.
struct robots_answer {
    enum task_error error; // TASK_OK: there was an answer with `status`
    int status;
    const char *text; // of a 2xx
    size_t n;
    bool redirected; // by the origin, to where `error` was met
};

struct robots_entry {
    UT_hash_handle hh;
    struct list by_age;  // in robots_cache.by_age
    struct list waiting; // flight.link
    struct host *host;   // at which they wait; meaningless if none does
    bool fetching;
    int64_t until_ms;      // what is known holds until then; 0: nothing is
    struct robots *rules;  // NULL with TASK_OK: all is allowed
    enum task_error error; // else why nothing is: blocked_robots; or what would end any fetch
    char why[160];         // of error; "" if there is no more to say
    char key[];
};

struct robots_cache {
    struct robots_entry *by_key;
    struct list by_age; // least recently used first
    size_t memory;
};

void robots_cache_init(struct robots_cache *c);
void robots_cache_done(struct robots_cache *c); // nobody may wait any more
// The rules depend on whom they are for: forgets all but what is being fetched.
void robots_cache_forget(struct robots_cache *c);

// Finds or makes the entry of `key`; NULL without memory.
struct robots_entry *robots_cache_get(struct robots_cache *c, const char *key);

// RFC 9309 §2.3.1: 2xx is read; 4xx and redirects that lead nowhere allow all; all else forbids
// all, unless an older file is known. -1 without memory: nothing was learnt.
int robots_cache_learn(struct robots_cache *c, struct robots_entry *e,
                       const struct robots_answer *a, const char *token, int64_t now_ms);

enum robots_verdict { ROBOTS_ALLOWED, ROBOTS_FORBIDDEN, ROBOTS_UNKNOWN };

// For `target` (path and query). ROBOTS_FORBIDDEN: e->error and e->why say more.
enum robots_verdict robots_cache_check(const struct robots_entry *e, const char *target,
                                       int64_t now_ms);
