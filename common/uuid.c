// SPDX-License-Identifier: MIT
// UUID version 7. Pure but for the kernel's random bytes; callable from any thread.
#include "common/uuid.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/hex.h"
#include "common/log.h"

static void random_bytes(uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            // Without random bytes two batches could share an id; no caller can go on.
            log_error("getrandom failed errno=%d", errno);
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

void uuid_v7(int64_t at, uint8_t ret[UUID_SIZE])
{
    random_bytes(ret + 6, UUID_SIZE - 6);
    for (int i = 0; i < 6; i++) {
        ret[i] = (uint8_t)((uint64_t)at >> (40 - 8 * i));
    }
    ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x70); // version 7
    ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80); // variant 10
}

// True if the text has a hyphen before byte `i` of the identifier.
static int hyphen_before(int i)
{
    return i == 4 || i == 6 || i == 8 || i == 10;
}

void uuid_format(const uint8_t id[UUID_SIZE], char ret[UUID_TEXT_SIZE])
{
    static const char hex[] = "0123456789abcdef";
    char *p = ret;
    for (int i = 0; i < UUID_SIZE; i++) {
        if (hyphen_before(i)) {
            *p++ = '-';
        }
        *p++ = hex[id[i] >> 4];
        *p++ = hex[id[i] & 15];
    }
    *p = '\0';
}

int uuid_parse(const char *text, uint8_t ret[UUID_SIZE])
{
    if (strnlen(text, UUID_TEXT_SIZE) != UUID_TEXT_SIZE - 1) {
        return -1;
    }
    uint8_t id[UUID_SIZE];
    const char *p = text;
    for (int i = 0; i < UUID_SIZE; i++) {
        if (hyphen_before(i) && *p++ != '-') {
            return -1;
        }
        int high = hex_lower_value(p[0]);
        int low = hex_lower_value(p[1]);
        if (high < 0 || low < 0) {
            return -1;
        }
        id[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    memcpy(ret, id, UUID_SIZE);
    return 0;
}
