// SPDX-License-Identifier: MIT
#include "common/memory.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/log.h"

// Frees nothing and flushes nothing, since either could need memory.
static void end_process(size_t n)
{
    log_error("out of memory, stopping bytes=%zu", n);
    _exit(EXIT_FAILURE);
}

void *memory_demand(size_t n)
{
    void *p = malloc(n);
    if (p == NULL) {
        end_process(n);
    }
    return p;
}

void *memory_demand_again(void *p, size_t n)
{
    void *q = realloc(p, n);
    if (q == NULL && n > 0) {
        end_process(n);
    }
    return q;
}
