// SPDX-License-Identifier: MIT
// Query strings: decoded pairs hold no NUL, no key twice, only known keys.
#include <string.h>

#include "daemon/api/query.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const keys[] = {"limit", "after", "wait", "name", NULL};
    char text[4096];
    if (n >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data, n);
    text[n] = '\0';
    struct query q;
    struct err e = {.code = ERR_OK};
    if (query_parse(text, keys, &q, &e) < 0) {
        FUZZ_CHECK(e.code != ERR_OK);
        return 0;
    }
    FUZZ_CHECK(q.n <= 4);
    uint64_t value = 7;
    if (query_uint(&q, "limit", (struct query_range){1, 1000}, &value, &e) == 0) {
        FUZZ_CHECK(value >= 1 && value <= 1000);
    }
    value = 0;
    query_seconds(&q, "wait", 60, &value, &e);
    FUZZ_CHECK(value <= 60);
    query_done(&q);
    return 0;
}
