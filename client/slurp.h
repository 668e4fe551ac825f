// SPDX-License-Identifier: MIT
// Small inputs as a whole: the value of -d, a JSON document.
#pragma once

#include <stdio.h>

#include "common/buf.h"
#include "common/err.h"

// Reads all of `f` into `out`, at most out->max bytes. `name` is for messages.
int slurp_file(FILE *f, const char *name, struct buf *out, struct err *e);

// `data` itself, or the bytes of FILE for "@FILE" ("@-": standard input).
int slurp_data(const char *data, struct buf *out, struct err *e);
