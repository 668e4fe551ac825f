// SPDX-License-Identifier: MIT
// Owns the forms of numbers, times and texts in the client's output. Pure; must never print. See
// format.h.
#include "client/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "client/field.h"

void format_count(int64_t n, char ret[FORMAT_SIZE])
{
    char digits[FORMAT_SIZE];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < FORMAT_SIZE; i++) {
        int left = len - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') {
            ret[at++] = ',';
        }
        ret[at++] = digits[i];
    }
    ret[at] = '\0';
}

void format_duration(int64_t ms, char ret[FORMAT_SIZE])
{
    if (ms < 0) {
        ms = 0;
    }
    int64_t s = ms / 1000;
    if (ms < 1000) {
        snprintf(ret, FORMAT_SIZE, "%" PRId64 "ms", ms);
    } else if (ms < 10000) {
        snprintf(ret, FORMAT_SIZE, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
    } else if (s < 60) {
        snprintf(ret, FORMAT_SIZE, "%" PRId64 "s", s);
    } else if (s < 3600) {
        snprintf(ret, FORMAT_SIZE, "%" PRId64 "m %02" PRId64 "s", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(ret, FORMAT_SIZE, "%" PRId64 "h %02" PRId64 "m", s / 3600, s % 3600 / 60);
    } else {
        snprintf(ret, FORMAT_SIZE, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
    }
}

void format_size(uint64_t bytes, char ret[FORMAT_SIZE])
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) {
        snprintf(ret, FORMAT_SIZE, "%" PRIu64 " B", bytes);
        return;
    }
    double value = (double)bytes / 1024.0;
    size_t unit = 0;
    while (value >= 1023.5 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024.0;
        unit++;
    }
    snprintf(ret, FORMAT_SIZE, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void format_rate(double per_s, char ret[FORMAT_SIZE])
{
    if (per_s < 0.05) {
        snprintf(ret, FORMAT_SIZE, "0/s");
    } else if (per_s < 9.95) {
        snprintf(ret, FORMAT_SIZE, "%.1f/s", per_s);
    } else {
        char count[FORMAT_SIZE];
        format_count(whole_of(per_s + 0.5), count);
        snprintf(ret, FORMAT_SIZE, "%.28s/s", count);
    }
}

// Decodes one UTF-8 character of the NUL-terminated `s`; returns its length, or 0 if the bytes are
// none.
static size_t utf8_decode(const char *s, uint32_t *ret)
{
    const unsigned char *p = (const unsigned char *)s;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (n < 2) {
        *ret = p[0];
        return n;
    }
    uint32_t c = p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3fU);
    }
    if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return 0;
    }
    *ret = c;
    return n;
}

// Characters that steer a terminal or reorder what stands beside them.
static bool is_steering(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f || c == 0x061c ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

int text_safe(struct buf *out, const char *s, bool utf8)
{
    while (*s) {
        uint32_t c = 0;
        size_t n = utf8_decode(s, &c);
        int rc = 0;
        if (n == 0 || (!utf8 && c >= 0x7f)) {
            rc = buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*s);
            n = 1;
        } else if (is_steering(c)) {
            rc = buf_printf(out, c < 0x80 ? "\\x%02x" : "\\u{%04x}", (unsigned)c);
        } else {
            rc = buf_append(out, s, n);
        }
        if (rc != 0) {
            return -1;
        }
        s += n;
    }
    return 0;
}

int text_tsv(struct buf *out, const char *s)
{
    for (; *s; s++) {
        const char *escape = *s == '\t'   ? "\\t"
                             : *s == '\n' ? "\\n"
                             : *s == '\r' ? "\\r"
                             : *s == '\\' ? "\\\\"
                                          : NULL;
        if (escape ? buf_append_str(out, escape) : buf_append_char(out, *s)) {
            return -1;
        }
    }
    return 0;
}

// Columns of the character at `s`, whose length goes to `ret_len`.
static size_t char_width(const char *s, size_t *ret_len)
{
    uint32_t c = 0;
    *ret_len = utf8_decode(s, &c);
    if (*ret_len == 0) {
        *ret_len = 1;
        return 1;
    }
    int width = c < 0x80 ? 1 : wcwidth((wchar_t)c);
    return width < 0 ? 1 : (size_t)width;
}

size_t text_width(const char *s)
{
    size_t width = 0, n = 0;
    for (; *s; s += n) {
        width += char_width(s, &n);
    }
    return width;
}

int text_cut(struct buf *out, const char *s, size_t width, bool utf8)
{
    if (text_width(s) <= width) {
        return buf_append_str(out, s);
    }
    const char *ellipsis = utf8 ? "\xe2\x80\xa6" : "~";
    if (width == 0) {
        return 0;
    }
    const char *end = s;
    size_t used = 0, n = 0;
    for (;;) {
        size_t w = char_width(end, &n);
        if (used + w > width - 1) {
            break;
        }
        used += w;
        end += n;
    }
    return buf_append(out, s, (size_t)(end - s)) != 0 ? -1 : buf_append_str(out, ellipsis);
}

void file_name_for(size_t index, int digits, const char *url, char ret[FILE_NAME_SIZE])
{
    const char *authority = strstr(url, "://");
    const char *path = strchr(authority ? authority + 3 : url, '/');
    size_t path_len = path ? strcspn(path, "?#") : 0;
    size_t start = path_len;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    int at = snprintf(ret, FILE_NAME_SIZE, "%0*zu-", digits, index);
    size_t used = at > 0 ? (size_t)at : 0;
    size_t first = used;
    for (size_t i = start; i < path_len && used < FILE_NAME_SIZE - 1; i++) {
        char c = path[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '.' || c == '-' || c == '_';
        ret[used++] = plain ? c : '_';
    }
    ret[used] = '\0';
    if (used == first) {
        snprintf(ret + used, FILE_NAME_SIZE - used, "index");
    }
}
