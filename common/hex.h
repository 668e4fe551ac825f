// SPDX-License-Identifier: MIT
// Reading hexadecimal digits. Pure.
#pragma once

// The value of a digit, or -1 if it is none. The first takes letters in lower case only, for texts
// of which there is one spelling.
static inline int hex_lower_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline int hex_value(char c)
{
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : hex_lower_value(c);
}
