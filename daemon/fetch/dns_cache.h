// SPDX-License-Identifier: MIT
// Answers by name until they expire; the least recently used go first when there are too many.
// Pure: the clock is the caller's.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/fetch/dns_answer.h"

struct dns_cache;

int dns_cache_new(size_t max_entries, struct dns_cache **ret);
void dns_cache_free(struct dns_cache **c);

// The live answer for `name`, or NULL. Borrowed until the next call.
const struct dns_answer *dns_cache_get(struct dns_cache *c, const char *name, int64_t now_ms);

// Takes `answer` (also when it finds no memory to keep it), replacing an older one.
void dns_cache_put(struct dns_cache *c, const char *name, struct dns_answer *answer,
                   int64_t expires_ms);

size_t dns_cache_count(const struct dns_cache *c);
