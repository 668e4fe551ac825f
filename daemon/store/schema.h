// SPDX-License-Identifier: MIT
// The migrations of schema/*.sql as embedded in the binary: rows in order of name, ended by a NULL
// name.
#pragma once

struct schema_file {
    const char *name; // "0001_initial.sql"; its leading number is the user_version it leads to
    const char *start, *end;
};

extern const struct schema_file schema_sql[];
