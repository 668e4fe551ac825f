// SPDX-License-Identifier: MIT
// Well-formed UTF-8 (RFC 3629). Pure.
#include <stdint.h>
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"

// True if `p[0..8)` are ASCII and none of them is NUL.
static bool eight_plain(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    const uint64_t high = 0x8080808080808080ULL;
    // A byte whose top bit is clear gets it by adding 0x7f unless it is zero.
    return (word & high) == 0 && ((word + 0x7f7f7f7f7f7f7f7fULL) & high) == high;
}

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

// Length of the sequence at p[0..n) of which the first byte is not ASCII; 0 if it is malformed.
size_t utf8_sequence(const unsigned char *p, size_t n)
{
    unsigned char c = p[0];
    if (c < 0xc2 || c > 0xf4) {
        return 0;
    }
    size_t len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n < len) {
        return 0;
    }
    // The second byte's range refuses overlong forms, surrogates and what lies above U+10FFFF.
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if (!is_tail(p[i])) {
            return 0;
        }
    }
    return len;
}

bool utf8_valid(const void *text, size_t n)
{
    const unsigned char *p = text;
    size_t i = 0;
    while (i < n) {
        if (n - i >= 8 && eight_plain(p + i)) {
            i += 8;
            continue;
        }
        if (p[i] == 0) {
            return false;
        }
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t len = utf8_sequence(p + i, n - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}
