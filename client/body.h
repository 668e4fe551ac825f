// SPDX-License-Identifier: MIT
// Copies the stored body of a task to a file or to standard output, without holding it in memory.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/app.h"

struct body_target {
    int fd;             // -1: standard output
    bool refuse_binary; // fail before writing when the first bytes are no text (a terminal would
                        // suffer)
    bool refused;       // set when that happened
    bool started;
};

int body_target_write(struct body_target *to, const char *p, size_t n, struct err *e);
int body_copy(struct app *app, const char *id, int64_t index, struct body_target *to,
              struct err *e);
