// SPDX-License-Identifier: MIT
// Time. `_ms` values are monotonic milliseconds; `_at` values are wall-clock Unix milliseconds (0 =
// none).
#pragma once

#include <stddef.h>
#include <stdint.h>

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_at(void);

#define CLOCK_TEXT_SIZE 32

// "2026-11-23T06:54:00.123Z" (RFC 3339, UTC) into `ret`.
void clock_format(int64_t at, char ret[CLOCK_TEXT_SIZE]);

// Parses an RFC 3339 date-time with any offset and 0-9 fraction digits; -1 if it is none.
int clock_parse(const char *text, int64_t *ret_at);

// Parses an HTTP-date (RFC 9110 §5.6.7, all three forms); -1 if it is none.
int clock_parse_http_date(const char *text, int64_t *ret_at);

// Parses Retry-After (RFC 9110 §10.2.3): seconds from `now_at` (beyond 1e9 they count as 1e9) or an
// HTTP-date; -1 if it is neither.
int clock_parse_retry_after(const char *text, int64_t now_at, int64_t *ret_at);

// Parses a duration with a unit as in the configuration and the client: "500ms", "30s", "10m",
// "2h", "30d"; a bare "0" is 0. -1 if it is none or overflows.
int clock_parse_duration(const char *text, int64_t *ret_ms);

// Parses a size with a binary unit: "4096", "64K", "10M", "2G". -1 if it is none or overflows.
int size_parse(const char *text, uint64_t *ret);
