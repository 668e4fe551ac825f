// SPDX-License-Identifier: MIT
// The built-in table of addresses that are not globally reachable, and the globally reachable
// exceptions inside them: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890),
// multicast, deprecated forms that carry IPv4, and one cloud platform's address. The most specific
// row that contains an address decides. Constant data; any thread.
//
// Rows for 64:ff9b::/96, 2002::/16 and ::ffff:0:0/96 are absent on purpose: those are judged by the
// IPv4 address they carry (address_policy.c).
#include "daemon/task/address_table.h"

// The text and the bytes of a row come from one macro argument list, so that they cannot disagree;
// the bits of a IPv4 row count from the front of the IPv4 address.
#define V4(a, b, c, d, n, is_global, title)                                                        \
    {                                                                                              \
        .shown = {#a "." #b "." #c "." #d "/" #n, is_global, title}, .range = {                    \
            {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d}}},                            \
            96 + (n)                                                                               \
        }                                                                                          \
    }
// IPv6 prefixes by their first four groups of 16 bits, which no row but the host routes exceeds.
#define G(w) (uint8_t)((w) >> 8), (uint8_t)((w)&0xff)
#define V6(text, w0, w1, w2, w3, n, is_global, title)                                              \
    {                                                                                              \
        .shown = {text "/" #n, is_global, title}, .range = { {{{G(w0), G(w1), G(w2), G(w3)}}}, n } \
    }
#define V6_HOST(text, w0, w1, last, is_global, title)                                              \
    {                                                                                              \
        .shown = {text "/128", is_global, title}, .range = {                                       \
            {{{G(w0), G(w1), [15] = (last)}}},                                                     \
            128                                                                                    \
        }                                                                                          \
    }

enum { REFUSED = 0, GLOBAL = 1 };

const struct address_row address_table[] = {
    V4(0, 0, 0, 0, 8, REFUSED, "this network"),
    V4(10, 0, 0, 0, 8, REFUSED, "private use"),
    V4(100, 64, 0, 0, 10, REFUSED, "shared address space"),
    V4(127, 0, 0, 0, 8, REFUSED, "loopback"),
    // Azure answers metadata and host requests of a machine here, on an address that looks public.
    V4(168, 63, 129, 16, 32, REFUSED, "cloud platform service"),
    V4(169, 254, 0, 0, 16, REFUSED, "link local"),
    V4(172, 16, 0, 0, 12, REFUSED, "private use"),
    V4(192, 0, 0, 0, 24, REFUSED, "IETF protocol assignments"),
    V4(192, 0, 0, 9, 32, GLOBAL, "port control protocol anycast"),
    V4(192, 0, 0, 10, 32, GLOBAL, "TURN anycast"),
    V4(192, 0, 2, 0, 24, REFUSED, "documentation"),
    V4(192, 88, 99, 0, 24, REFUSED, "6to4 relay anycast"),
    V4(192, 168, 0, 0, 16, REFUSED, "private use"),
    V4(198, 18, 0, 0, 15, REFUSED, "benchmarking"),
    V4(198, 51, 100, 0, 24, REFUSED, "documentation"),
    V4(203, 0, 113, 0, 24, REFUSED, "documentation"),
    V4(224, 0, 0, 0, 4, REFUSED, "multicast"),
    V4(240, 0, 0, 0, 4, REFUSED, "reserved"),
    V4(255, 255, 255, 255, 32, REFUSED, "limited broadcast"),

    V6("::", 0, 0, 0, 0, 96, REFUSED, "unspecified, loopback, IPv4-compatible"),
    // IPv4-translated (RFC 2765): ::ffff:0:a.b.c.d
    {{"::ffff:0:0:0/96", REFUSED, "IPv4-translated"}, {{{{[8] = 0xff, [9] = 0xff}}}, 96}},
    V6("64:ff9b:1::", 0x64, 0xff9b, 1, 0, 48, REFUSED, "local-use translation"),
    V6("100::", 0x100, 0, 0, 0, 64, REFUSED, "discard only"),
    V6("100:0:0:1::", 0x100, 0, 0, 1, 64, REFUSED, "dummy prefix"),
    V6("2001::", 0x2001, 0, 0, 0, 23, REFUSED, "IETF protocol assignments"),
    V6("2001::", 0x2001, 0, 0, 0, 32, REFUSED, "Teredo"),
    V6_HOST("2001:1::1", 0x2001, 1, 1, GLOBAL, "port control protocol anycast"),
    V6_HOST("2001:1::2", 0x2001, 1, 2, GLOBAL, "TURN anycast"),
    V6_HOST("2001:1::3", 0x2001, 1, 3, GLOBAL, "DNS-SD registration anycast"),
    V6("2001:2::", 0x2001, 2, 0, 0, 48, REFUSED, "benchmarking"),
    V6("2001:3::", 0x2001, 3, 0, 0, 32, GLOBAL, "AMT"),
    V6("2001:4:112::", 0x2001, 4, 0x112, 0, 48, GLOBAL, "AS112"),
    V6("2001:10::", 0x2001, 0x10, 0, 0, 28, REFUSED, "deprecated ORCHID"),
    V6("2001:20::", 0x2001, 0x20, 0, 0, 28, GLOBAL, "ORCHIDv2"),
    V6("2001:30::", 0x2001, 0x30, 0, 0, 28, GLOBAL, "drone remote identification"),
    V6("2001:db8::", 0x2001, 0xdb8, 0, 0, 32, REFUSED, "documentation"),
    V6("3fff::", 0x3fff, 0, 0, 0, 20, REFUSED, "documentation"),
    V6("5f00::", 0x5f00, 0, 0, 0, 16, REFUSED, "segment routing identifiers"),
    V6("fc00::", 0xfc00, 0, 0, 0, 7, REFUSED, "unique local"),
    V6("fe80::", 0xfe80, 0, 0, 0, 10, REFUSED, "link local"),
    V6("fec0::", 0xfec0, 0, 0, 0, 10, REFUSED, "deprecated site local"),
    V6("ff00::", 0xff00, 0, 0, 0, 8, REFUSED, "multicast"),
};

const size_t address_table_n = sizeof(address_table) / sizeof(address_table[0]);
