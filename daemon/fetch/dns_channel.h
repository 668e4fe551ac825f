// SPDX-License-Identifier: MIT
// Questions to name servers: one c-ares channel on a loop. It alone includes ares.h. It keeps
// nothing: caching, joining and vetting are the resolver's. Loop's thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "daemon/fetch/dns_answer.h"
#include "daemon/loop/loop.h"

struct dns_channel;

struct dns_channel_settings {
    const char *servers; // "127.0.0.1:5353,[::1]:53"; "" or NULL: the system's, read again when
                         // /etc/resolv.conf changes
    int64_t timeout_ms;
    int tries;
};

struct dns_asker {
    // `answer` is the callee's; NULL without memory. May be called from inside dns_channel_ask
    // (/etc/hosts). Called once.
    void (*fn)(void *ctx, struct dns_answer *answer);
    // Whether these IPv4 addresses are of use, so that IPv6 ones that are late are not waited for.
    bool (*suffices)(void *ctx, const struct dns_answer *four);
    void *ctx;
};

int dns_channel_new(struct loop *loop, const struct dns_channel_settings *s, struct err *e,
                    struct dns_channel **ret);
void dns_channel_free(struct dns_channel **c); // questions under way end without a call

// Asks /etc/hosts, then the servers, for the addresses of `name`, which is taken as fully
// qualified: no search domain is appended, since a URL must mean the same on every machine. `asker`
// is copied. -1 without memory.
int dns_channel_ask(struct dns_channel *c, const char *name, const struct dns_asker *asker);
