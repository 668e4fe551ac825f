// SPDX-License-Identifier: MIT
// Copies the stored body of a task to a file or to standard output, without holding it in memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/app.h"
#include "client/saved_file.h"

struct body_target {
    int fd;                        // -1: standard output
    struct saved_file *file;       // `fd` is of it, and nothing has been written; else NULL
    const struct output *terminal; // shown there: text made safe, and binary refused before the
                                   // first byte; NULL: bytes as they are
    bool refused;                  // set when that happened
    bool started;
    char held[5]; // the beginning of a character whose end is still to come, and a NUL
    size_t n_held;
};

// `out` if standard output is a terminal, else NULL.
const struct output *body_terminal(const struct output *out);

int body_target_write(struct body_target *to, const char *p, size_t n, struct err *e);
int body_copy(struct app *app, const char *id, int64_t index, struct body_target *to,
              struct err *e);
