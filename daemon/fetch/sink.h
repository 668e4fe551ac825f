// SPDX-License-Identifier: MIT
// Where the bytes of one body go: memory up to a bound, then an unlinked temporary file; hashed
// while they arrive, and held against the daemon's byte budget. Worker thread only.
#pragma once

#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/fetch/transfer.h"

struct sink {
    struct body_budget_ops budget;
    const char *spill_dir;
    size_t memory_max;
    EVP_MD *sha256; // borrowed
    EVP_MD_CTX *digest;
    char *data; // the last `held` bytes, which are in memory: all of them until it is spilled
    size_t held, cap;
    int fd;        // -1 while in memory
    uint64_t size; // also what is taken of the budget
};

enum sink_status {
    SINK_OK,
    SINK_WAIT,  // the budget has no room; nothing was taken in, try the same bytes later
    SINK_FAILED // no memory, no descriptor or no disk space here; errno says which
};

// The digest context is made once and serves one body after the other. -1 without memory.
int sink_init(struct sink *s, EVP_MD *sha256);
void sink_done(struct sink *s);

// Starts an empty body. `spill_dir` must live until the body ends.
void sink_begin(struct sink *s, const struct body_budget_ops *budget, const char *spill_dir,
                size_t memory_max);
enum sink_status sink_write(struct sink *s, const void *p, size_t n);
// Hands the body over and gives its bytes back to the budget: who keeps it from here on accounts
// for it. -1 with errno if hashing or writing fails.
int sink_finish(struct sink *s, struct body *ret, uint8_t ret_sha256[32]);
// Throws the body away and gives its bytes back to the budget.
void sink_discard(struct sink *s);
