// SPDX-License-Identifier: MIT
// Names to addresses: c-ares on the worker's loop with a cache by TTL, a negative cache, and equal
// lookups joined. Worker thread only. Every address is vetted by the policy before anybody sees it.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/task_error.h"
#include "daemon/loop/loop.h"
#include "daemon/loop/metrics.h"
#include "daemon/task/address_policy.h"

struct resolver;

struct resolver_settings {
    const char *servers;            // "127.0.0.1:5353,[::1]:53", "" or NULL: the system's
    int64_t timeout_ms;             // of the first try: 1000; each further one has twice as long
    int tries;                      // 3
    int64_t min_ttl_ms, max_ttl_ms; // 1000, 3600000
    int64_t negative_ttl_ms;        // 5000 for dns_not_found; dns_temporary is not cached
    size_t max_entries;             // 10000, least recently used go first
};

#define RESOLVER_MAX_ADDRESSES 8

struct resolved {
    enum task_error error; // TASK_OK, dns_not_found, dns_temporary, blocked_address (there were
                           // addresses, none allowed)
    struct sockaddr_storage
        addresses[8]; // port 0; order of preference (dns_merge.h), at most 8 of many
    size_t n;
    bool
        local_shortage; // with dns_temporary: could not ask, for want of descriptors or memory here
};

typedef void resolver_done_fn(void *ctx, const struct resolved *r);

struct resolver_lookup; // one asker

int resolver_new(struct loop *loop, const struct resolver_settings *s, struct metrics *m,
                 struct err *e, struct resolver **ret);
void resolver_free(struct resolver **r); // pending lookups must have been cancelled

// Literals and /etc/hosts are answered too. Calls back later, never from inside. `policy` must
// outlive the lookup.
int resolver_lookup(struct resolver *r, const char *host, const struct address_policy *policy,
                    resolver_done_fn *fn, void *ctx, struct resolver_lookup **ret);
void resolver_cancel(struct resolver_lookup **l); // no call back any more; NULL is fine
