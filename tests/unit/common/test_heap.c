// SPDX-License-Identifier: MIT
// The heap against a plain array.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/heap.h"

enum { N = 300, ROUNDS = 20000 };

static void check_order(const struct heap *h)
{
    for (size_t i = 0; i < h->n; i++) {
        assert_int_equal(h->v[i]->at, i + 1);
        if (i > 0) {
            assert_true(h->v[(i - 1) / 2]->key <= h->v[i]->key);
        }
    }
}

static void keeps_the_smallest_first(void **state)
{
    (void)state;
    unsigned short seed[3] = {4, 5, 6};
    struct heap h = {0};
    struct heap_node nodes[N] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        struct heap_node *node = &nodes[nrand48(seed) % N];
        if (nrand48(seed) % 3 == 0) {
            heap_remove(&h, node);
            assert_false(heap_has(node));
        } else {
            assert_int_equal(heap_put(&h, node, nrand48(seed) % 1000 - 500), 0);
            assert_true(heap_has(node));
        }
        size_t members = 0;
        int64_t least = INT64_MAX;
        for (int i = 0; i < N; i++) {
            members += heap_has(&nodes[i]) ? 1 : 0;
            least = heap_has(&nodes[i]) && nodes[i].key < least ? nodes[i].key : least;
        }
        assert_int_equal(h.n, members);
        if (members == 0) {
            assert_null(heap_first(&h));
        } else {
            assert_int_equal(heap_first(&h)->key, least);
        }
        check_order(&h);
    }
    heap_done(&h);
    for (int i = 0; i < N; i++) {
        assert_false(heap_has(&nodes[i]));
    }
}

static int by_key(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void empties_in_order(void **state)
{
    (void)state;
    unsigned short seed[3] = {7, 8, 9};
    struct heap h = {0};
    struct heap_node nodes[N] = {0};
    int64_t keys[N];
    for (int i = 0; i < N; i++) {
        keys[i] = nrand48(seed) % 100;
        assert_int_equal(heap_put(&h, &nodes[i], keys[i]), 0);
    }
    qsort(keys, N, sizeof(keys[0]), by_key);
    for (int i = 0; i < N; i++) {
        struct heap_node *first = heap_first(&h);
        assert_int_equal(first->key, keys[i]);
        heap_remove(&h, first);
    }
    assert_null(heap_first(&h));
    heap_done(&h);
}

struct element {
    int number;
    struct heap_node node;
};

static void finds_the_element_of_a_node(void **state)
{
    (void)state;
    struct element e = {.number = 7};
    assert_ptr_equal(heap_entry(&e.node, struct element, node), &e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_smallest_first),
        cmocka_unit_test(empties_in_order),
        cmocka_unit_test(finds_the_element_of_a_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
