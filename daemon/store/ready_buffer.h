// SPDX-License-Identifier: MIT
// Ready rows of a large upload on their way to the table. The table is ordered by host, uploads are
// not: a million tasks of many hosts inserted as they come would touch one page a row. So rows are
// gathered in segments, and a full segment is drained in the order of the key while the next one
// fills. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READY_SEGMENT 131072 // rows, 8 bytes each

struct ready_segment {
    uint64_t *v; // host << 24 | index
    size_t n, cap;
};

struct ready_buffer {
    struct ready_segment filling, draining;
    size_t drained; // of `draining`
};

void ready_buffer_done(struct ready_buffer *b);
int ready_buffer_put(struct ready_buffer *b, uint64_t host, uint32_t index); // -1 without memory
size_t ready_buffer_length(const struct ready_buffer *b);

// Takes the next row of a full segment (with `all`: of any). false: there is none.
bool ready_buffer_take(struct ready_buffer *b, bool all, uint64_t *ret_host, uint32_t *ret_index);
