// SPDX-License-Identifier: MIT
// The values of request fields that the API reads. What is accepted stays in its bounds, and a
// range lies inside its body. The first two bytes are the body's size.
#include <string.h>

#include "daemon/api/fields.h"
#include "fuzz.h"

static void check_range(const char *text, uint64_t size)
{
    uint64_t first = 1, last = 0;
    if (range_parse(text, size, &first, &last) == RANGE_OK) {
        FUZZ_CHECK(first <= last && last < size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char one[] = "one.example";
    char text[600], key[IDEMPOTENCY_KEY_MAX + 1];
    if (n < 2 || n - 2 >= sizeof(text)) {
        return 0;
    }
    memcpy(text, data + 2, n - 2);
    text[n - 2] = '\0';
    uint64_t wait = 0;
    struct err e = {.code = ERR_OK};
    enum submission_format format;
    check_range(text, (uint64_t)data[0] << 8 | data[1]);
    if (prefer_wait(text, 60, &wait)) {
        FUZZ_CHECK(wait <= 60 && strcasestr(text, "wait") != NULL);
    }
    if (idempotency_key_parse(text, key, &e) == 0) {
        FUZZ_CHECK(key[0] != '\0' && strstr(text, key) != NULL && strchr(key, '"') == NULL);
    } else {
        FUZZ_CHECK(e.code == ERR_BAD_REQUEST);
    }
    if (if_none_match(text, "\"v1-1\"")) {
        FUZZ_CHECK(strstr(text, "\"v1-1\"") != NULL || strchr(text, '*') != NULL);
    }
    FUZZ_CHECK(accept_parse(text) != ACCEPT_NDJSON || strcasestr(text, "jsonl") != NULL ||
               strcasestr(text, "ndjson") != NULL);
    (void)accept_page(text);
    FUZZ_CHECK(content_type_submission(text, &format, &e) == 0 ||
               e.code == ERR_UNSUPPORTED_MEDIA_TYPE);
    (void)content_type_is_json(text);
    (void)host_field_allowed(text, (char *const[]){one}, 1);
    return 0;
}
