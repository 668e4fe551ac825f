// SPDX-License-Identifier: MIT
// A redirect's target, whatever the origin server says, is an accepted URL in normal form, or none.
// The first byte cuts the input into base and Location.
#include <string.h>

#include "daemon/fetch/transfer.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char location[9000];
    if (n >= sizeof(location)) {
        return 0;
    }
    memcpy(location, data, n);
    location[n] = '\0';
    struct url u, again;
    struct buf normal = BUF_INIT(4 * URL_MAX);
    enum task_error error = TASK_OK;
    if (location_resolve("https://a.example:8443/b/c?d", location, &u, &normal, &error) == 0) {
        FUZZ_CHECK(url_parse(normal.data, normal.len, &again, NULL, NULL) == URL_OK);
        FUZZ_CHECK(url_same_origin(&u, &again));
        FUZZ_CHECK(memchr(normal.data, '#', normal.len) == NULL);
    } else {
        FUZZ_CHECK(error == TASK_REDIRECT_INVALID || error == TASK_REDIRECT_SCHEME);
    }
    buf_done(&normal);
    return 0;
}
