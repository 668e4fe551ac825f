// SPDX-License-Identifier: MIT
// How fast counters grow: a ring of samples, one a second while they do. Pure; time is given by the
// caller.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RATES_SAMPLES 61

struct rate_sample {
    int64_t at_ms; // monotonic
    int64_t results, bytes;
};

struct rates {
    struct rate_sample v[RATES_SAMPLES];
    size_t n, next;
};

struct rate {
    double results_per_s, bytes_per_s;
};

void rates_add(struct rates *r, const struct rate_sample *sample);
// Whether nothing has grown in any window, so that further samples of the same would tell nothing.
bool rates_are_zero(const struct rates *r);
// Notes that nothing grew since the last sample until `at_ms`: for whoever took none meanwhile.
void rates_add_rest(struct rates *r, int64_t at_ms);
struct rate rates_over(const struct rates *r, int64_t window_ms); // 0 before there are two samples
