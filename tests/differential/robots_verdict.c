// SPDX-License-Identifier: MIT
// What gatherd makes of a robots.txt, for comparison with other implementations:
//
//   robots_verdict FILE USER_AGENT < TARGETS
//
// prints 1 (may be fetched) or 0 for each line of TARGETS, a path with its query.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "daemon/fetch/robots.h"

#define LINE_SIZE 16384

static int read_file(const char *path, struct buf *ret)
{
    char piece[4096];
    FILE *f = fopen(path, "rb");
    if (!f) {
        return -1;
    }
    size_t n;
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0) {
        buf_append(ret, piece, n);
    }
    int failed = ferror(f);
    fclose(f);
    return failed || ret->failed ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct buf text = BUF_INIT(2 * ROBOTS_MAX_BYTES);
    struct robots *robots = NULL;
    char token[ROBOTS_TOKEN_MAX + 1], line[LINE_SIZE];
    if (argc != 3 || read_file(argv[1], &text) < 0) {
        fputs("usage: robots_verdict FILE USER_AGENT < TARGETS\n", stderr);
        return 2;
    }
    robots_product_token(argv[2], token);
    if (robots_parse(text.data, text.len, token, &robots) < 0) {
        fputs("out of memory\n", stderr);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        puts(robots_allows(robots, line) ? "1" : "0");
    }
    robots_free(&robots);
    buf_done(&text);
    return 0;
}
