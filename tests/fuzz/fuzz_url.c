// SPDX-License-Identifier: MIT
// What is accepted as a URL has a normal form that is accepted again and means the same.
#include <string.h>

#include "common/url.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct url first, second;
    struct buf normal = BUF_INIT(4 * URL_MAX), again = BUF_INIT(4 * URL_MAX);
    const char *detail = NULL;
    if (url_parse((const char *)data, n, &first, &normal, &detail) == URL_OK) {
        FUZZ_CHECK(normal.len <= URL_MAX);
        FUZZ_CHECK(url_parse(normal.data, normal.len, &second, &again, &detail) == URL_OK);
        FUZZ_CHECK(strcmp(first.host, second.host) == 0);
        FUZZ_CHECK(url_same_origin(&first, &second));
        FUZZ_CHECK(normal.len == again.len && memcmp(normal.data, again.data, normal.len) == 0);
        FUZZ_CHECK(memcmp(&first.address, &second.address, sizeof(first.address)) == 0);
    } else {
        FUZZ_CHECK(normal.len == 0);
        FUZZ_CHECK(detail != NULL);
    }
    char host[HOST_MAX + 1];
    host_parse((const char *)data, n, host);
    buf_done(&normal);
    buf_done(&again);
    return 0;
}
