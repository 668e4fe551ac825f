// SPDX-License-Identifier: MIT
// Memory for libraries that cannot go on without. libevhtp 1.2.18 uses what libevent could not
// give, and loses the descriptor of a connection for which it has no memory; jansson 2.14 writes
// behind a string whose bytes it could not keep. So where they find none, the process says so and
// ends at once, as it does when the disk fails: what was promised is in the database. Callable from
// any thread.
#pragma once

#include <stddef.h>

void *memory_demand(size_t n);
void *memory_demand_again(void *p, size_t n); // as realloc
