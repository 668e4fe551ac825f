// SPDX-License-Identifier: MIT
// Base64 (RFC 4648 §4), strict: standard alphabet, padding required, no white space, and the unused
// bits of the last group are zero, so that every byte string has exactly one text. Pure.
#include <stdint.h>

#include "common/json.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Decodes one group of which `used` characters (2 to 4) are no padding; -1 if it is none.
static int decode_group(const unsigned char *p, int used, char *out)
{
    uint32_t bits = 0;
    for (int i = 0; i < 4; i++) {
        int value = i < used ? value_of(p[i]) : 0;
        if (value < 0) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)value;
    }
    if ((used == 2 && (bits & 0xffff)) || (used == 3 && (bits & 0xff))) {
        return -1;
    }
    out[0] = (char)(bits >> 16);
    out[1] = (char)(bits >> 8);
    out[2] = (char)bits;
    return 0;
}

int base64_decode(const char *text, size_t n, struct buf *out)
{
    if (n % 4 != 0) {
        return -1;
    }
    if (n == 0) {
        return buf_reserve(out, 0);
    }
    int last = text[n - 1] != '=' ? 4 : text[n - 2] != '=' ? 3 : 2;
    size_t before = out->len;
    if (buf_reserve(out, n / 4 * 3 - (size_t)(4 - last)) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i += 4) {
        char group[3];
        int used = i + 4 == n ? last : 4;
        if (decode_group((const unsigned char *)text + i, used, group) < 0) {
            out->len = before;
            out->data[before] = '\0';
            return -1;
        }
        buf_append(out, group, (size_t)used - 1);
    }
    return 0;
}

void json_base64(struct buf *out, const void *p, size_t n)
{
    const unsigned char *in = p;
    if (n > SIZE_MAX / 2) {
        out->failed = true;
        return;
    }
    if (buf_reserve(out, (n + 2) / 3 * 4) < 0) {
        return;
    }
    char *q = out->data + out->len;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t bits = (uint32_t)in[i] << 16;
        bits |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)in[i + 2] : 0;
        *q++ = alphabet[bits >> 18];
        *q++ = alphabet[bits >> 12 & 63];
        *q++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        *q++ = left > 2 ? alphabet[bits & 63] : '=';
    }
    *q = '\0';
    out->len = (size_t)(q - out->data);
}

void jw_base64(struct json_writer *w, const void *p, size_t n)
{
    jw_raw(w, "\"", 1);
    json_base64(w->out, p, n);
    buf_append_char(w->out, '"');
}
