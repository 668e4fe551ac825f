// SPDX-License-Identifier: MIT
// The progress line "4,812/10,000 48% ▕███▏ 311/s ok 4,790 fail 22 eta 17s" and the rate behind it.
// Pure: time is given.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct counts {
    int64_t total, queued, running, succeeded, failed, cancelled, expired;
};

// The member "counts" of a batch, each bounded so that their sum is no overflow.
struct counts counts_of(const json_t *batch);
int64_t counts_done(const struct counts *c);
double counts_share(const struct counts *c); // of it that is done: 0..1
bool counts_clean(const struct counts *c);   // everything succeeded

// Tasks per second, smoothed over about five seconds.
struct progress {
    int64_t last_ms, last_done; // last_ms < 0: nothing seen yet
    double rate;                // < 0: unknown
};

#define PROGRESS_INIT ((struct progress){.last_ms = -1, .rate = -1.0})

void progress_update(struct progress *p, int64_t now_ms, int64_t done);

// Appends the line, at most `width` columns; the bar takes what is left, and goes first when it is
// narrow.
void progress_render(struct buf *out, const struct progress *p, const struct counts *c, int width,
                     bool utf8);

// Appends a bar of `width` columns of which `fraction` (0..1) is filled.
void progress_bar(struct buf *out, double fraction, int width, bool utf8);
