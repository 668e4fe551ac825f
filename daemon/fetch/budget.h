// SPDX-License-Identifier: MIT
// Limits that hold over all workers: transfers in flight and body bytes held. Atomic counters and a
// list of whom to wake; the only state that workers share besides mailboxes, because a slot must be
// usable by whichever worker has work.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct budget;

// `wake` is called (any thread) for each waiting worker when another gave something back; it must
// only post.
int budget_new(int64_t limit, unsigned n_workers, void (*wake)(void *ctx, unsigned worker),
               void *ctx, struct budget **ret);
void budget_free(struct budget **b);
void budget_set_limit(struct budget *b,
                      int64_t limit); // any thread; may be below what is taken now

bool budget_take(struct budget *b, int64_t n);     // any thread; false if it does not fit now
void budget_give(struct budget *b, int64_t n);     // any thread
void budget_overdraw(struct budget *b, int64_t n); // takes it whether it fits or not

// As take and give, but fair: while another worker waits, `worker` gets no more than its even share
// of the limit, so that a worker with endless work cannot snatch back whatever it gives.
bool budget_take_share(struct budget *b, unsigned worker, int64_t n);
void budget_give_share(struct budget *b, unsigned worker, int64_t n);

// `worker` waits from now on, until its budget_take_share succeeds or it stops waiting; it is woken
// once for each call. After the call it must try again, since something may have been given back
// just before.
void budget_wait(struct budget *b, unsigned worker);
void budget_stop_waiting(struct budget *b, unsigned worker);

int64_t budget_taken(const struct budget *b);
int64_t budget_limit(const struct budget *b);
