// SPDX-License-Identifier: MIT
// The buffer of ready rows: full segments come out in the order of their key, the rest at the end,
// nothing is lost.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/store/ready_buffer.h"

static void rows_come_out_by_host_and_index(void **state)
{
    (void)state;
    struct ready_buffer b = {0};
    const uint64_t hosts[] = {9, 2, 9, 2, 5};
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(ready_buffer_put(&b, hosts[i], i), 0);
    }
    uint64_t host;
    uint32_t index;
    assert_false(ready_buffer_take(&b, false, &host, &index)); // the segment is not full
    assert_int_equal(ready_buffer_length(&b), 5);
    const uint32_t order[] = {1, 3, 4, 0, 2};
    for (int i = 0; i < 5; i++) {
        assert_true(ready_buffer_take(&b, true, &host, &index));
        assert_int_equal(index, order[i]);
        assert_int_equal(host, hosts[index]);
    }
    assert_false(ready_buffer_take(&b, true, &host, &index));
    ready_buffer_done(&b);
}

static void a_full_segment_drains_while_the_next_fills(void **state)
{
    (void)state;
    struct ready_buffer b = {0};
    const uint32_t n = READY_SEGMENT * 3 + 17;
    uint32_t taken = 0;
    uint64_t host, last = 0;
    uint32_t index;
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(ready_buffer_put(&b, 1 + i % 777, i), 0);
        for (int k = 0; k < 2 && ready_buffer_take(&b, false, &host, &index); k++) {
            assert_true(taken % READY_SEGMENT == 0 || host >= last);
            last = host;
            taken++;
        }
        assert_true(ready_buffer_length(&b) <= 2 * READY_SEGMENT);
    }
    while (ready_buffer_take(&b, true, &host, &index)) {
        taken++;
    }
    assert_int_equal(taken, n);
    assert_int_equal(ready_buffer_length(&b), 0);
    ready_buffer_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_out_by_host_and_index),
        cmocka_unit_test(a_full_segment_drains_while_the_next_fills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
