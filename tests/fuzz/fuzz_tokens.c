// SPDX-License-Identifier: MIT
// A tokens file of any bytes: read, or refused with the line that is wrong.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/api/access.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    int fd = memfd_create("tokens", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct err e = {.code = ERR_OK};
    struct token_set *t = NULL;
    if (token_set_load(path, &e, &t) < 0) {
        FUZZ_CHECK(e.code == ERR_CONFIG && strncmp(e.text, path, strlen(path)) == 0);
        FUZZ_CHECK(t == NULL);
    } else {
        size_t lines = 1;
        for (size_t i = 0; i < n; i++) {
            lines += data[i] == '\n';
        }
        FUZZ_CHECK(token_set_size(t) <= lines);
        enum scope scope = SCOPE_NONE;
        const struct access_request r = {.authorization = "Bearer none", .n_authorization = 1};
        FUZZ_CHECK(access_check(t, &r, &scope, &e) < 0 && scope == SCOPE_NONE);
    }
    token_set_free(&t);
    close(fd);
    return 0;
}
