// SPDX-License-Identifier: MIT
// Which tasks are in flight, in memory that outlives the process: a small file of marks, mapped and
// shared. Whoever starts a task marks it, at the price of two writes to memory; whoever finds a
// mark at the next start knows that the daemon ended while that task ran, and how often in a row it
// did. After a power failure the marks may be wrong or gone: they guard against crashes only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define RUNNING_MAX 4096 // marks; a task in flight beyond is not marked

struct running;
struct running_mark;

// A task that was in flight when a process ended and is remembered.
struct running_death {
    uint64_t task;
    unsigned deaths; // so many processes ended while it ran
    bool last;       // the last one, too
};

// Opens or makes the file. One process at a time, which the caller sees to.
int running_open(const char *path, struct err *e, struct running **ret);
void running_close(struct running **r); // nothing is in flight any more; NULL is fine

// While no thread marks anything: what the last process left, and what of it is to be remembered
// on. Each death is counted once, however often the process ends in between.
size_t running_take(struct running *r, struct running_death v[RUNNING_MAX]);
void running_remember(struct running *r, const struct running_death *v, size_t n);

// Any thread. `r` may be NULL, and so may be what it gives (no mark is free).
struct running_mark *running_enter(struct running *r, uint64_t task);
void running_leave(struct running_mark **m);
void running_leave_all(struct running *r); // the process ends for a reason that is no task's fault
