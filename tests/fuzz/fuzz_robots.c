// SPDX-License-Identifier: MIT
// robots.txt is read whatever it says, in memory that is bounded, and its verdicts do not depend on
// how a path is escaped. The first line is the path.
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch/robots.h"
#include "fuzz.h"

static void escape_all(const char *path, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (; *path; path++) {
        bool letter = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z');
        if (letter) {
            *ret++ = '%';
            *ret++ = digits[*path >> 4];
            *ret++ = digits[*path & 15];
        } else {
            *ret++ = *path;
        }
    }
    *ret = '\0';
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[258] = "/", escaped[3 * sizeof(path)];
    const uint8_t *end = n > 0 ? memchr(data, '\n', n) : NULL;
    size_t path_n = end ? (size_t)(end - data) : 0;
    if (!end || path_n > 256 || memchr(data, '\0', path_n) || memchr(data, '%', path_n)) {
        return 0;
    }
    memcpy(path + 1, data, path_n);
    path[path_n + 1] = '\0';
    struct robots *r = NULL;
    FUZZ_CHECK(robots_parse((const char *)end + 1, n - path_n - 1, "examplebot", &r) == 0);
    FUZZ_CHECK(robots_size(r) < 4096 + 64 * n);
    FUZZ_CHECK(robots_allows(r, "/robots.txt"));
    escape_all(path, escaped);
    FUZZ_CHECK(strcmp(path, "/robots.txt") == 0 ||
               robots_allows(r, path) == robots_allows(r, escaped));
    robots_free(&r);
    FUZZ_CHECK(!r);
    return 0;
}
