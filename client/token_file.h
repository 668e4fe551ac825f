// SPDX-License-Identifier: MIT
// The daemon's auth.tokens_file as the client edits it: lines "NAME SCOPE sha256:HEX", empty lines
// and # lines, which are kept as they are.
#pragma once

#include <stdbool.h>

#include "common/err.h"

struct token_entry {
    const char *name, *scope, *hash; // "" where the line lacks it
};

// Called for each token's line; -1 with `e` ends the reading.
typedef int token_entry_fn(void *ctx, const struct token_entry *entry, struct err *e);

int token_file_each(const char *path, token_entry_fn *fn, void *ctx, struct err *e);

// Appends `line`. A file that is not there is made, for its owner's eyes alone. ERR_CONFLICT if the
// name has a line already.
int token_file_add(const char *path, const char *name, const char *line, struct err *e);

// Replaces the file by one without the lines of `name`, with the same owner and mode, in one step:
// a daemon that reads it meanwhile sees the old or the new one. ERR_NOT_FOUND if there is none.
int token_file_remove(const char *path, const char *name, struct err *e);
