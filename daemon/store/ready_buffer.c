// SPDX-License-Identifier: MIT
// See ready_buffer.h. On the store's thread.
#include "daemon/store/ready_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/task/batch.h"

#define FIRST_CAPACITY 1024

void ready_buffer_done(struct ready_buffer *b)
{
    free(b->filling.v);
    free(b->draining.v);
    *b = (struct ready_buffer){0};
}

int ready_buffer_put(struct ready_buffer *b, uint64_t host, uint32_t index)
{
    struct ready_segment *s = &b->filling;
    if (s->n == s->cap) {
        size_t cap = s->cap == 0 ? FIRST_CAPACITY : s->cap * 2;
        uint64_t *v = reallocarray(s->v, cap, sizeof(*v));
        if (v == NULL) {
            return -1;
        }
        s->v = v;
        s->cap = cap;
    }
    s->v[s->n++] = host << TASK_INDEX_BITS | index;
    return 0;
}

size_t ready_buffer_length(const struct ready_buffer *b)
{
    return b->filling.n + b->draining.n - b->drained;
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

bool ready_buffer_take(struct ready_buffer *b, bool all, uint64_t *ret_host, uint32_t *ret_index)
{
    if (b->drained == b->draining.n) {
        if (b->filling.n == 0 || (!all && b->filling.n < READY_SEGMENT)) {
            return false;
        }
        struct ready_segment empty = b->draining;
        b->draining = b->filling;
        b->filling = empty;
        b->filling.n = 0;
        b->drained = 0;
        qsort(b->draining.v, b->draining.n, sizeof(uint64_t), compare);
    }
    uint64_t row = b->draining.v[b->drained++];
    *ret_host = row >> TASK_INDEX_BITS;
    *ret_index = (uint32_t)(row & TASK_INDEX_MAX);
    return true;
}
