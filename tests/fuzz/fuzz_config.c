// SPDX-License-Identifier: MIT
// A configuration file of any bytes: refused with its place, or what is printed of it is read back
// and prints the same.
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/file.h"
#include "fuzz.h"

static int load(const void *p, size_t n, struct err *e, struct config **ret)
{
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int status = config_load(&(struct config_sources){.file = path}, e, ret);
    close(fd);
    return status;
}

// What config_print writes, without the comment that ends each line: it names the source.
static char *print(const struct config *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    FUZZ_CHECK(out != NULL && config_print(c, out) == 0);
    fclose(out);
    char *to = text;
    for (char *line = text, *end; *line != '\0'; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n';
        char *comment = NULL;
        for (char *p = line; p + 4 <= end; p++) {
            comment = memcmp(p, "  # ", 4) == 0 ? p : comment;
        }
        size_t kept = (size_t)((comment != NULL ? comment : end) - line);
        memmove(to, line, kept);
        to += kept;
    }
    *to = '\0';
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct err e = {.code = ERR_OK};
    struct config *c = NULL, *again = NULL;
    if (load(data, n, &e, &c) < 0) {
        FUZZ_CHECK(e.code == ERR_CONFIG && e.text[0] != '\0' && c == NULL);
        return 0;
    }
    char *whole = NULL, *first = print(c);
    size_t size = 0;
    FILE *out = open_memstream(&whole, &size);
    FUZZ_CHECK(out != NULL && config_print(c, out) == 0);
    fclose(out);
    FUZZ_CHECK(load(whole, size, &e, &again) == 0);
    char *second = print(again);
    FUZZ_CHECK(strcmp(first, second) == 0);
    free(whole);
    free(first);
    free(second);
    config_free(&c);
    config_free(&again);
    return 0;
}
