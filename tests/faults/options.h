// SPDX-License-Identifier: MIT
// The command line of the campaigns in C: --cycles N, --seed N.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    long cycles;
    uint64_t seed;
};

static inline void options_read(struct options *o, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--cycles") == 0) {
            o->cycles = strtol(value, NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            o->seed = strtoull(value, NULL, 10);
        } else {
            continue; // its value, too
        }
    }
    if (o->cycles <= 0) {
        fprintf(stderr, "usage: %s [--cycles N] [--seed N]\n", argv[0]);
        exit(2);
    }
}
