// SPDX-License-Identifier: MIT
// The syntax of configuration files, by libconfuse: turns a file into a sequence of settings. What
// a setting means is the caller's business. Main thread only: libconfuse keeps its lexer in
// globals.
#pragma once

#include "common/err.h"
#include "config/options.h"

// One assignment as it stands in the file; borrowed for the call.
struct setting {
    const char *section;
    const char *host;          // title of a host block, NULL in other sections
    const char *key;           // NULL: a host block ends here
    struct string_list values; // one, but for a list
    const char *origin;        // "FILE:LINE"
};

typedef int (*setting_fn)(void *ctx, const struct setting *s, struct err *e);

struct config_reader;

// One reader reads all files of a load, so that "+=" extends what an earlier file or the default
// says.
int config_reader_new(setting_fn fn, void *ctx, struct err *e, struct config_reader **ret);
void config_reader_free(struct config_reader **r);

// Calls `fn` for each setting. -1 with ERR_CONFIG and "FILE:LINE: ..." at the first fault, of the
// file or of `fn`.
int config_reader_file(struct config_reader *r, const char *path, struct err *e);
