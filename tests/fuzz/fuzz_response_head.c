// SPDX-License-Identifier: MIT
// Response heads line by line: bounded, and the fields are valid JSON once the head is complete.
#include <jansson.h>
#include <string.h>

#include "daemon/fetch/response_head.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct response_head h;
    response_head_init(&h);
    response_head_begin(&h, 4096, n % 2 == 1);
    const char *p = (const char *)data, *end = p + n;
    while (p < end) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        const char *next = nl == NULL ? end : nl + 1;
        if (response_head_line(&h, p, (size_t)(next - p)) < 0) {
            FUZZ_CHECK(h.error != TASK_OK && h.why != NULL);
            break;
        }
        p = next;
    }
    if (h.state == RESPONSE_COMPLETE && h.error == TASK_OK) {
        FUZZ_CHECK(h.status >= 200 && h.status <= 999);
        json_t *v = json_loadb(h.fields.data, h.fields.len, JSON_ALLOW_NUL, NULL);
        FUZZ_CHECK(v != NULL && json_is_array(v));
        json_decref(v);
    }
    response_head_done(&h);
    return 0;
}
