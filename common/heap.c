// SPDX-License-Identifier: MIT
// The binary min-heap of timers and queues. Pure; one owner. Nodes know their position, so any of
// them can be moved or removed without a search.
#include "common/heap.h"

#include <stdlib.h>

#define FIRST_CAPACITY 16

void heap_done(struct heap *h)
{
    for (size_t i = 0; i < h->n; i++) {
        h->v[i]->at = 0;
    }
    free(h->v);
    *h = (struct heap){0};
}

static void place(struct heap *h, struct heap_node *node, size_t i)
{
    h->v[i] = node;
    node->at = i + 1;
}

static void sift_up(struct heap *h, struct heap_node *node, size_t i)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (h->v[parent]->key <= node->key) {
            break;
        }
        place(h, h->v[parent], i);
        i = parent;
    }
    place(h, node, i);
}

static void sift_down(struct heap *h, struct heap_node *node, size_t i)
{
    for (;;) {
        size_t child = i * 2 + 1;
        if (child >= h->n) {
            break;
        }
        if (child + 1 < h->n && h->v[child + 1]->key < h->v[child]->key) {
            child++;
        }
        if (node->key <= h->v[child]->key) {
            break;
        }
        place(h, h->v[child], i);
        i = child;
    }
    place(h, node, i);
}

// Puts `node` where its key belongs, starting from the free position `i`.
static void settle(struct heap *h, struct heap_node *node, size_t i)
{
    if (i > 0 && node->key < h->v[(i - 1) / 2]->key) {
        sift_up(h, node, i);
    } else {
        sift_down(h, node, i);
    }
}

int heap_put(struct heap *h, struct heap_node *node, int64_t key)
{
    if (node->at != 0) {
        node->key = key;
        settle(h, node, node->at - 1);
        return 0;
    }
    if (h->n == h->cap) {
        size_t cap = h->cap == 0 ? FIRST_CAPACITY : h->cap * 2;
        struct heap_node **v = reallocarray(h->v, cap, sizeof(struct heap_node *));
        if (!v) {
            return -1;
        }
        h->v = v;
        h->cap = cap;
    }
    node->key = key;
    sift_up(h, node, h->n++);
    return 0;
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (node->at == 0) {
        return;
    }
    size_t i = node->at - 1;
    struct heap_node *last = h->v[--h->n];
    node->at = 0;
    if (last != node) {
        settle(h, last, i);
    }
}

struct heap_node *heap_first(const struct heap *h)
{
    return h->n > 0 ? h->v[0] : NULL;
}
