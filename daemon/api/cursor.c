// SPDX-License-Identifier: MIT
// Encoding of cursors. Pure. A data part is at most CURSOR_DATA_MAX bytes, which a host name fits.
#include "daemon/api/cursor.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define TAG_SIZE 8

static const char key[] = "gatherd page cursor, version 1";
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void compute_tag(const struct cursor_scope *scope, const void *data, size_t n,
                        uint8_t ret[TAG_SIZE])
{
    uint8_t input[1 + UUID_SIZE + CURSOR_DATA_MAX], digest[EVP_MAX_MD_SIZE] = {0};
    unsigned len = 0;
    input[0] = (uint8_t)scope->kind;
    memcpy(input + 1, scope->batch, UUID_SIZE);
    memcpy(input + 1 + UUID_SIZE, data, n);
    HMAC(EVP_sha256(), key, sizeof(key) - 1, input, 1 + UUID_SIZE + n, digest, &len);
    memcpy(ret, digest, TAG_SIZE);
}

// base64url without padding (RFC 4648 §5).
static void encode64(const uint8_t *p, size_t n, char *out)
{
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | p[i];
        for (held += 8; held >= 6; held -= 6) {
            *out++ = alphabet[bits >> (held - 6) & 63];
        }
    }
    if (held > 0) {
        *out++ = alphabet[bits << (6 - held) & 63];
    }
    *out = '\0';
}

// The number of bytes, or -1 for text that encode64 does not write.
static long decode64(const char *text, uint8_t *out, size_t size)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t n = 0;
    for (; *text; text++) {
        const char *at = strchr(alphabet, *text);
        if (!at) {
            return -1;
        }
        bits = bits << 6 | (uint32_t)(at - alphabet);
        held += 6;
        if (held >= 8) {
            if (n == size) {
                return -1;
            }
            held -= 8;
            out[n++] = (uint8_t)(bits >> held);
        }
    }
    return held < 6 && (bits & ((1u << held) - 1)) == 0 ? (long)n : -1;
}

void cursor_encode(const struct cursor_scope *scope, const void *data, size_t n,
                   char ret[CURSOR_TEXT_SIZE])
{
    uint8_t raw[CURSOR_DATA_MAX + TAG_SIZE];
    assert(n <= CURSOR_DATA_MAX);
    memcpy(raw, data, n);
    compute_tag(scope, data, n, raw + n);
    encode64(raw, n + TAG_SIZE, ret);
}

int cursor_decode(const struct cursor_scope *scope, const char *text,
                  uint8_t ret[CURSOR_DATA_MAX + 1], size_t *ret_n, struct err *e)
{
    uint8_t raw[CURSOR_DATA_MAX + TAG_SIZE], tag[TAG_SIZE];
    long n = decode64(text, raw, sizeof(raw));
    if (n >= TAG_SIZE) {
        size_t len = (size_t)n - TAG_SIZE;
        compute_tag(scope, raw, len, tag);
        if (CRYPTO_memcmp(tag, raw + len, TAG_SIZE) == 0) {
            memcpy(ret, raw, len);
            ret[len] = 0;
            *ret_n = len;
            return 0;
        }
    }
    return err_set(e, ERR_BAD_REQUEST, "'after' is not a cursor of this list");
}

void cursor_encode_number(const struct cursor_scope *scope, uint64_t value,
                          char ret[CURSOR_TEXT_SIZE])
{
    uint8_t data[8];
    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(value >> (56 - 8 * i));
    }
    cursor_encode(scope, data, sizeof(data), ret);
}

int cursor_decode_number(const struct cursor_scope *scope, const char *text, uint64_t *ret,
                         struct err *e)
{
    uint8_t data[CURSOR_DATA_MAX + 1];
    size_t n;
    if (cursor_decode(scope, text, data, &n, e) < 0) {
        return -1;
    }
    if (n != 8) {
        return err_set(e, ERR_BAD_REQUEST, "'after' is not a cursor of this list");
    }
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++) {
        value = value << 8 | data[i];
    }
    *ret = value;
    return 0;
}
