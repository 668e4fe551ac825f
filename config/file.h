// SPDX-License-Identifier: MIT
// Loads the configuration: defaults, then the file, then conf.d/*.conf beside it in order of name,
// then the environment (GATHERD_SECTION__KEY), then --set; each later one wins. Nothing unknown is
// passed over. Main thread only: libconfuse keeps its lexer in globals.
#pragma once

#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"
#include "config/options.h"

struct config_sources {
    const char
        *file; // --config; must exist. NULL: CONFIG_DEFAULT_FILE, or defaults if that is missing
    char *const *environment; // like environ; NULL: none
    const char *const *set;   // "section.key=value"; lists as comma-separated values
    size_t n_set;
};

// A configuration that is complete and checked. On failure -1, ERR_CONFIG (ERR_SYSTEM without
// memory) and a text that begins
// with where the fault is ("FILE:LINE: ...", "environment GATHERD_...: ...", "--set ...: ...").
int config_load(const struct config_sources *src, struct err *e, struct config **ret);
void config_free(struct config **c);

// Writes every setting, in the syntax of the file, each with a comment that says where its value
// came from.
int config_print(const struct config *c, FILE *out);

// Compares an old configuration with the one that is to replace it: the number of settings that
// differ but cannot be changed by a reload. Their names, comma-separated, are appended to `names`
// (which may be NULL).
size_t config_changed(const struct config *old, const struct config *new, struct buf *names);
