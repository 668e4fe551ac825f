// SPDX-License-Identifier: MIT
// Memory that runs out on purpose. What is linked with GATHERD_WRAP_ALLOCATIONS takes its memory
// from here, and libraries do that have a hook for it; any one allocation, or all from then on, can
// fail. Blocks are noted while noting is on, so that what is never freed is seen without a
// sanitizer, too.
#pragma once

#include <stdbool.h>

enum allocation_source {
    ALLOCATIONS_OURS = 1, // what is linked into the program
    ALLOCATIONS_LIBRARIES = 2,
    ALLOCATIONS_ALL = 3,
};

// libidn2 has no hook: its one function that we call is taken over as a whole.

// Without memory for libevent and libevhtp the process ends (common/memory.h): they always get
// it.

// Before anything else: puts the hooks into libcurl, c-ares and SQLite.
void allocations_hook(void);

// The n-th allocation of `sources` from now on fails (1: the next), and with `for_ever` all after
// it. 0: none does. Counts anew.
void allocations_fail(unsigned sources, long n, bool for_ever);
long allocations_failed(void); // since then

// The calling thread plays somebody who has memory.
void allocations_spare(bool on);

// Starts to note blocks, from none. Ends it: how many of those noted were not freed.
void allocations_note(void);
long allocations_left(void);
