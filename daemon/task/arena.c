// SPDX-License-Identifier: MIT
// The arena of a message: strings that are made together and freed together. Pure.
#include <stdlib.h>
#include <string.h>

#include "daemon/task/ring.h"

#define BLOCK_BYTES 16384

struct block {
    struct block *next;
    size_t used, size;
    char bytes[];
};

struct task_arena {
    struct block *blocks; // the first is the one being filled
};

struct task_arena *task_arena_new(void)
{
    return calloc(1, sizeof(struct task_arena));
}

void task_arena_free(struct task_arena *a)
{
    if (a == NULL) {
        return;
    }
    while (a->blocks != NULL) {
        struct block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
    free(a);
}

static struct block *block_for(struct task_arena *a, size_t n)
{
    if (a->blocks != NULL && a->blocks->size - a->blocks->used >= n) {
        return a->blocks;
    }
    size_t size = n > BLOCK_BYTES ? n : BLOCK_BYTES;
    struct block *b = malloc(sizeof(*b) + size);
    if (b == NULL) {
        return NULL;
    }
    *b = (struct block){.next = a->blocks, .size = size};
    a->blocks = b;
    return b;
}

const char *task_arena_copy(struct task_arena *a, const char *s, size_t n)
{
    if (s == NULL) {
        return NULL;
    }
    struct block *b = block_for(a, n + 1);
    if (b == NULL) {
        return NULL;
    }
    char *copy = b->bytes + b->used;
    memcpy(copy, s, n);
    copy[n] = '\0';
    b->used += n + 1;
    return copy;
}
