// SPDX-License-Identifier: MIT
// UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then random bits.
#pragma once

#include <stdint.h>

#define UUID_SIZE      16
#define UUID_TEXT_SIZE 37

// A new identifier for wall time `at`, from getrandom(2).
void uuid_v7(int64_t at, uint8_t ret[UUID_SIZE]);
void uuid_format(const uint8_t id[UUID_SIZE], char ret[UUID_TEXT_SIZE]);

// Only the canonical lower-case form of 36 characters is accepted; -1 for anything else.
int uuid_parse(const char *text, uint8_t ret[UUID_SIZE]);
