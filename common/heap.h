// SPDX-License-Identifier: MIT
// An intrusive binary min-heap ordered by a 64-bit key (a time in practice). An element embeds a
// `struct heap_node`; its position is kept there, so that an element can be moved or removed in
// O(log n).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    size_t at; // position + 1 in its heap, 0 if in none
};

struct heap {
    struct heap_node **v;
    size_t n, cap;
};

#define heap_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void heap_done(struct heap *h); // frees the array; the elements are the caller's
int heap_put(struct heap *h, struct heap_node *node,
             int64_t key); // inserts or moves; -1 without memory (insert only)
void heap_remove(struct heap *h, struct heap_node *node); // nothing if it is in none
struct heap_node *heap_first(const struct heap *h);       // smallest key, or NULL
static inline bool heap_has(const struct heap_node *node)
{
    return node->at != 0;
}
