// SPDX-License-Identifier: MIT
// UTF-8 one sequence at a time; utf8_valid for whole texts is in common/json.h. Pure.
#pragma once

#include <stddef.h>

// The length (2 to 4) of the well-formed sequence at the start of p[0..n), of which the first byte
// is
// >= 0x80; 0 if it is malformed or cut off. n must be at least 1.
size_t utf8_sequence(const unsigned char *p, size_t n);
