// SPDX-License-Identifier: MIT
// The head guard's verdict depends on the bytes, not on how they come, and a good head has all that
// evhtp relies on.
#include <string.h>

#include "daemon/api/head_guard.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct head whole, pieces;
    const struct head_limits limits = {.max_head = 2048, .max_fields = 20, .max_body = 1 << 20};
    const char *p = (const char *)data;
    head_reset(&whole);
    enum head_verdict verdict = head_guard_parse(&whole, &limits, p, n);
    head_reset(&pieces);
    enum head_verdict cut = HEAD_MORE;
    for (size_t i = 1; i <= n && cut == HEAD_MORE; i++) {
        cut = head_guard_parse(&pieces, &limits, p, i);
    }
    if (n > 0) {
        FUZZ_CHECK(verdict == cut);
    }
    if (verdict == HEAD_BAD) {
        FUZZ_CHECK(whole.error == pieces.error && whole.detail != NULL);
    }
    if (verdict == HEAD_DONE) {
        FUZZ_CHECK(whole.length == pieces.length && whole.length <= n);
        FUZZ_CHECK(whole.length <= limits.max_head);
        FUZZ_CHECK(memchr(p, '\0', whole.length) == NULL);
        FUZZ_CHECK(whole.content_length <= (int64_t)limits.max_body);
        char text[2049];
        memcpy(text, p, whole.length);
        text[whole.length] = '\0';
        head_terminate(&whole, text);
        unsigned count = 0;
        head_field(&whole, text, "host", &count);
        FUZZ_CHECK(count <= 1);
    }
    return 0;
}
