// SPDX-License-Identifier: MIT
// How jemalloc is set up in the daemon; it reads this before main(). A request costs about sixty
// small allocations, most of them libcurl's, and what a worker allocates for a result the store
// frees: neither is cheap in glibc's arenas.
#include <jemalloc/jemalloc.h>

// tcache_max: libcurl's receive buffer, one for each transfer, comes from the thread's own cache.
// *_decay_ms: memory that a burst has taken goes back to the system within seconds.
// narenas: one for each thread that allocates much, and no more.
const char *malloc_conf =
    "tcache_max:131072,tcache_nslots_large:64,narenas:4,dirty_decay_ms:2000,muzzy_decay_ms:0";
