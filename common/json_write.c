// SPDX-License-Identifier: MIT
// The JSON writer: appends to a buf, no tree. Pure; one owner. Whatever bytes it is given (headers
// and bodies of strange servers), what it writes is valid JSON in UTF-8.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/utf8.h"

static void begin_value(struct json_writer *w)
{
    if (w->comma) {
        buf_append_char(w->out, ',');
    }
    w->comma = true;
}

static void open_container(struct json_writer *w, char c)
{
    begin_value(w);
    buf_append_char(w->out, c);
    w->comma = false;
}

static void close_container(struct json_writer *w, char c)
{
    buf_append_char(w->out, c);
    w->comma = true;
}

void jw_object(struct json_writer *w)
{
    open_container(w, '{');
}

void jw_object_end(struct json_writer *w)
{
    close_container(w, '}');
}

void jw_array(struct json_writer *w)
{
    open_container(w, '[');
}

void jw_array_end(struct json_writer *w)
{
    close_container(w, ']');
}

void jw_key(struct json_writer *w, const char *key)
{
    size_t n = strlen(key);
    size_t comma = w->comma ? 1 : 0;
    w->comma = false;
    if (buf_reserve(w->out, comma + n + 3) < 0) {
        return;
    }
    char *p = w->out->data + w->out->len;
    if (comma) {
        *p++ = ',';
    }
    *p++ = '"';
    memcpy(p, key, n);
    p += n;
    *p++ = '"';
    *p++ = ':';
    *p = '\0';
    w->out->len += comma + n + 3;
}

void jw_raw(struct json_writer *w, const char *json, size_t n)
{
    begin_value(w);
    buf_append(w->out, json, n);
}

void jw_null(struct json_writer *w)
{
    jw_raw(w, "null", 4);
}

void jw_bool(struct json_writer *w, bool value)
{
    jw_raw(w, value ? "true" : "false", value ? 4 : 5);
}

void jw_int(struct json_writer *w, int64_t value)
{
    char digits[24];
    char *p = digits + sizeof(digits);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) {
        *--p = '-';
    }
    jw_raw(w, p, (size_t)(digits + sizeof(digits) - p));
}

void jw_real(struct json_writer *w, double value)
{
    if (!isfinite(value)) {
        jw_null(w);
        return;
    }
    // The shorter form if it reads back as the same number: 0.1, not 0.10000000000000001.
    char text[40];
    snprintf(text, sizeof(text), "%.15g", value);
    if (strtod(text, NULL) != value) {
        snprintf(text, sizeof(text), "%.17g", value);
    }
    jw_raw(w, text, strlen(text));
}

// Bytes that stand for themselves in a JSON string: printable ASCII less the quote and the
// backslash.
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

// Length of the run of plain bytes at p[0..n); eight at a time, since almost all bytes are plain.
static size_t plain_run(const unsigned char *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101ULL;
    const uint64_t high = ones << 7;
    size_t i = 0;
    while (n - i >= 8) {
        uint64_t word;
        memcpy(&word, p + i, sizeof(word));
        // A top bit is set where a byte is >= 0x80, < 0x20, or equals the quote, backslash or DEL.
        // A borrow can only set bits too many, next to a byte that really stops the run.
        uint64_t quote = word ^ ones * '"';
        uint64_t backslash = word ^ ones * '\\';
        uint64_t del = word ^ ones * 0x7f;
        uint64_t stop =
            word | (word - ones * 0x20) | (quote - ones) | (backslash - ones) | (del - ones);
        if (stop & high) {
            break;
        }
        i += 8;
    }
    while (i < n && is_plain(p[i])) {
        i++;
    }
    return i;
}

// Appends the byte `c` as an escape.
static void append_escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char short_form[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                      ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    if (c < sizeof(short_form) && short_form[c]) {
        const char escape[2] = {'\\', short_form[c]};
        buf_append(out, escape, sizeof(escape));
        return;
    }
    const char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    buf_append(out, escape, sizeof(escape));
}

void json_escape(struct buf *out, const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;
    while (i < n && !out->failed) {
        size_t run = plain_run(p + i, n - i);
        buf_append(out, p + i, run);
        i += run;
        if (i == n) {
            break;
        }
        size_t sequence = p[i] >= 0x80 ? utf8_sequence(p + i, n - i) : 0;
        if (sequence > 0) {
            buf_append(out, p + i, sequence);
            i += sequence;
        } else {
            append_escape(out, p[i]);
            i++;
        }
    }
}

void jw_strn(struct json_writer *w, const char *s, size_t n)
{
    begin_value(w);
    buf_append_char(w->out, '"');
    json_escape(w->out, s, n);
    buf_append_char(w->out, '"');
}

void jw_str(struct json_writer *w, const char *s)
{
    if (s) {
        jw_strn(w, s, strlen(s));
    } else {
        jw_null(w);
    }
}

void jw_time(struct json_writer *w, int64_t at)
{
    if (at == 0) {
        jw_null(w);
        return;
    }
    char text[CLOCK_TEXT_SIZE + 1];
    text[0] = '"';
    clock_format(at, text + 1);
    size_t n = strlen(text);
    text[n] = '"';
    jw_raw(w, text, n + 1);
}

void jw_key_null(struct json_writer *w, const char *key)
{
    jw_key(w, key);
    jw_null(w);
}

void jw_key_bool(struct json_writer *w, const char *key, bool value)
{
    jw_key(w, key);
    jw_bool(w, value);
}

void jw_key_int(struct json_writer *w, const char *key, int64_t value)
{
    jw_key(w, key);
    jw_int(w, value);
}

void jw_key_str(struct json_writer *w, const char *key, const char *s)
{
    jw_key(w, key);
    jw_str(w, s);
}

void jw_key_raw(struct json_writer *w, const char *key, const char *json)
{
    jw_key(w, key);
    if (json) {
        jw_raw(w, json, strlen(json));
    } else {
        jw_null(w);
    }
}

void jw_key_time(struct json_writer *w, const char *key, int64_t at)
{
    jw_key(w, key);
    jw_time(w, at);
}
