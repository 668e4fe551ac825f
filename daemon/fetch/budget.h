// SPDX-License-Identifier: MIT
// Limits that hold over all workers: transfers in flight and body bytes held. An atomic counter and
// a list of whom to wake; the only state that workers share besides mailboxes, because a slot must
// be usable by whichever worker has work.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct budget;

// `wake` is called (any thread) for each waiting worker when something was given back; it must only
// post.
int budget_new(int64_t limit, unsigned n_workers, void (*wake)(void *ctx, unsigned worker),
               void *ctx, struct budget **ret);
void budget_free(struct budget **b);
void budget_set_limit(struct budget *b,
                      int64_t limit); // any thread; may be below what is taken now

bool budget_take(struct budget *b, int64_t n);       // any thread; false if it does not fit now
void budget_give(struct budget *b, int64_t n);       // any thread
void budget_wait(struct budget *b, unsigned worker); // wake me once when something is given back
int64_t budget_taken(const struct budget *b);
