// SPDX-License-Identifier: MIT
// How bodies lie in table body: rows of BODY_PART bytes (the last one shorter) with consecutive
// numbers.
#pragma once

#include <stdint.h>

#define BODY_PART (256 * 1024)

static inline int64_t body_parts(int64_t size)
{
    return (size + BODY_PART - 1) / BODY_PART;
}
