// SPDX-License-Identifier: MIT
// The ring of samples. Pure.
#include "daemon/api/rates.h"

void rates_add(struct rates *r, const struct rate_sample *sample)
{
    r->v[r->next] = *sample;
    r->next = (r->next + 1) % RATES_SAMPLES;
    if (r->n < RATES_SAMPLES) {
        r->n++;
    }
}

static const struct rate_sample *back(const struct rates *r, size_t i)
{
    return &r->v[(r->next + RATES_SAMPLES - 1 - i) % RATES_SAMPLES];
}

bool rates_are_zero(const struct rates *r)
{
    const struct rate_sample *last = back(r, 0), *first = back(r, r->n - 1);
    return last->results == first->results && last->bytes == first->bytes;
}

void rates_add_rest(struct rates *r, int64_t at_ms)
{
    struct rate_sample same = *back(r, 0);
    if (at_ms > same.at_ms) {
        same.at_ms = at_ms;
        rates_add(r, &same);
    }
}

struct rate rates_over(const struct rates *r, int64_t window_ms)
{
    if (r->n < 2) {
        return (struct rate){0, 0};
    }
    const struct rate_sample *last = back(r, 0), *first = back(r, 1);
    for (size_t i = 2; i < r->n && last->at_ms - back(r, i)->at_ms <= window_ms; i++) {
        first = back(r, i);
    }
    double seconds = (double)(last->at_ms - first->at_ms) / 1000.0;
    if (seconds <= 0) {
        return (struct rate){0, 0};
    }
    return (struct rate){(double)(last->results - first->results) / seconds,
                         (double)(last->bytes - first->bytes) / seconds};
}
