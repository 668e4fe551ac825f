// SPDX-License-Identifier: MIT
// A cursor is accepted only if it is what would have been given out for what it says.
#include <string.h>

#include "daemon/api/cursor.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct cursor_scope scope = {.kind = CURSOR_BY_SEQ, .batch = {1, 2, 3}};
    char text[600], again[CURSOR_TEXT_SIZE];
    uint8_t position[CURSOR_DATA_MAX + 1];
    size_t length = 0;
    struct err e;
    if (n < sizeof(text)) {
        memcpy(text, data, n);
        text[n] = '\0';
        if (cursor_decode(&scope, text, position, &length, &e) == 0) {
            cursor_encode(&scope, position, length, again);
            FUZZ_CHECK(strcmp(text, again) == 0);
        }
    }
    if (n > 0 && n <= CURSOR_DATA_MAX) {
        cursor_encode(&scope, data, n, again);
        FUZZ_CHECK(cursor_decode(&scope, again, position, &length, &e) == 0);
        FUZZ_CHECK(length == n && memcmp(position, data, n) == 0);
    }
    return 0;
}
