// SPDX-License-Identifier: MIT
// The built-in table of special-purpose addresses; only address_policy.c and its siblings include
// this. Pure data.
#pragma once

#include "daemon/task/address_policy.h"

struct address_row {
    struct builtin_range shown;
    struct address_range range;
};

extern const struct address_row address_table[];
extern const size_t address_table_n;
