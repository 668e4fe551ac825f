// SPDX-License-Identifier: MIT
// A table on standard output: aligned columns that fit the terminal, or TSV in a pipe (no headings,
// no padding, nothing cut). Rows are printed in blocks, so that a long listing needs no memory for
// all of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/output.h"

#define TABLE_MAX_COLUMNS 12

struct column {
    const char *title; // NULL ends the list
    bool right;        // numbers
    bool flexible;     // is cut when the terminal is too narrow
};

struct cell {
    char *text; // safe for the terminal, or raw for TSV
    enum tint tint;
};

struct table {
    const struct output *out;
    const struct column *columns;
    size_t count;
    size_t width[TABLE_MAX_COLUMNS];
    struct cell *cells; // of the rows not yet printed
    size_t used, room;
    bool headed, failed;
};

void table_init(struct table *t, const struct output *out, const struct column *columns);
void table_add(struct table *t, enum tint tint, const char *text); // the next cell
void table_add_int(struct table *t, long long value); // grouped on a terminal, plain in TSV
void table_flush(struct table *t);                    // prints what was added
void table_done(struct table *t);                     // prints the rest and frees
