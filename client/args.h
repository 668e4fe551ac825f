// SPDX-License-Identifier: MIT
// The command line as data: option tables in, values and positional arguments out. Pure. Values are
// borrowed from argv.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum option_kind {
    OPTION_FLAG,     // takes no value
    OPTION_TEXT,     // the last one given counts
    OPTION_LIST,     // may be given several times
    OPTION_NUMBER,   // min..max
    OPTION_DURATION, // "500ms" "30s" "10m" "2h" "30d"; min..max in ms
    OPTION_CHOICE,   // one of the words in `value`: "read|submit|admin"
};

struct option_spec {
    const char *name; // without "--"; NULL ends a table
    char letter;      // "-n"; 0 if it has none
    enum option_kind kind;
    const char *value;   // what help calls the value; NULL for a flag
    const char *summary; // for help and completion
    int64_t min, max;
};

#define ARGS_TABLES_MAX 4

struct args_value {
    const struct option_spec *spec;
    const char *text;
    int64_t number; // of OPTION_NUMBER and OPTION_DURATION
};

struct args {
    const struct option_spec *tables[ARGS_TABLES_MAX]; // NULL-filled at the end
    struct args_value *values;
    size_t value_count;
    const char **positional;
    size_t positional_count;
    bool options_ended; // "--" was seen
    int argc;
    char **argv; // NULL-terminated, as main got it
};

// Borrows argv for the life of `a`; -1 without memory.
int args_init(struct args *a, int argc, char **argv);
void args_done(struct args *a);

// Adds an option table, in which later arguments are looked up.
void args_add_table(struct args *a, const struct option_spec *table);

// Takes arguments from argv[at] on. With `stop` it stops at the first positional one (a verb's
// name). Returns the index after the last one taken, or -1 with ERR_USAGE.
int args_parse(struct args *a, int at, bool stop, struct err *e);

// `name` must be in one of the tables. Absent options give false, NULL, `fallback`.
bool args_flag(const struct args *a, const char *name);
const char *args_text(const struct args *a, const char *name);
int64_t args_number(const struct args *a, const char *name, int64_t fallback);
const char *args_nth(const struct args *a, const char *name, size_t n); // the nth of a list

// How many positional arguments a synopsis like "BATCH [INDEX]" or "URL..." allows; *ret_max is
// SIZE_MAX for "any number".
void synopsis_bounds(const char *synopsis, size_t *ret_min, size_t *ret_max);

// Edit distance (insert, delete, replace, swap neighbours), for "did you mean"; texts over 32 bytes
// are far.
size_t text_distance(const char *a, const char *b);
