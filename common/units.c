// SPDX-License-Identifier: MIT
// Numbers with a unit, as people write them in the configuration and on the command line: durations
// and sizes. Pure. A number without a unit is refused where it would be a guess.
#include "common/clock.h"

#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                             {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1},        {"K", 1 << 10},    {"M", 1 << 20},
                                         {"G", 1 << 30}, {"T", 1ULL << 40}, {NULL, 0}};

// The digits at `text`; -1 if there are none or they exceed 64 bits.
static int parse_number(const char *text, uint64_t *ret, const char **ret_end)
{
    uint64_t value = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) {
            return -1;
        }
    }
    *ret = value;
    *ret_end = p;
    return p == text ? -1 : 0;
}

static int parse_with_unit(const char *text, const struct unit *units, uint64_t *ret)
{
    uint64_t value;
    const char *suffix;
    if (parse_number(text, &value, &suffix) < 0) {
        return -1;
    }
    for (const struct unit *u = units; u->name; u++) {
        if (strcmp(u->name, suffix) == 0) {
            return __builtin_mul_overflow(value, u->factor, ret) ? -1 : 0;
        }
    }
    return -1;
}

int clock_parse_duration(const char *text, int64_t *ret_ms)
{
    uint64_t ms = 0;
    if (strcmp(text, "0") != 0 && parse_with_unit(text, duration_units, &ms) < 0) {
        return -1;
    }
    if (ms > INT64_MAX) {
        return -1;
    }
    *ret_ms = (int64_t)ms;
    return 0;
}

int size_parse(const char *text, uint64_t *ret)
{
    uint64_t value;
    if (parse_with_unit(text, size_units, &value) < 0) {
        return -1;
    }
    *ret = value;
    return 0;
}
