// SPDX-License-Identifier: MIT
// Percent-encoding (RFC 3986 §2.1). Pure.
#include "common/hex.h"
#include "common/url.h"

long url_percent_decode(const char *text, size_t n, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '%') {
            out[used++] = text[i];
            continue;
        }
        int high = n - i > 2 ? hex_value(text[i + 1]) : -1;
        int low = n - i > 2 ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0 || (high | low) == 0) {
            return -1;
        }
        out[used++] = (char)(high << 4 | low);
        i += 2;
    }
    out[used] = '\0';
    return (long)used;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

int url_percent_encode(struct buf *out, const char *text, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t before = out->len;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        const char escape[3] = {'%', hex[c >> 4], hex[c & 15]};
        int rc =
            is_unreserved(text[i]) ? buf_append_char(out, text[i]) : buf_append(out, escape, 3);
        if (rc < 0) {
            if (out->data) {
                out->len = before;
                out->data[before] = '\0';
            }
            return -1;
        }
    }
    return 0;
}
