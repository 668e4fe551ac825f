// SPDX-License-Identifier: MIT
// Memory for libevent and libevhtp. What they ask for is small, and libevhtp 1.2.18 cannot go on
// without: it uses what libevent could not give, and loses the descriptor of a connection for which
// it has no memory. So where they find none, the process says so and ends at once, as it does when
// the disk fails: what was promised is in the database. Callable from any thread.
#pragma once

#include <stddef.h>

void *memory_demand(size_t n);
void *memory_demand_again(void *p, size_t n); // as realloc
