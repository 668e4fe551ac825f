// SPDX-License-Identifier: MIT
// Options of a batch as a whole (name, priority, ...): one table read from JSON members and from
// query parameters. Pure.
#pragma once

#include <jansson.h>

#include "daemon/task/batch.h"
#include "daemon/task/options.h"

// 1: `name` is a batch option and was applied; 0: it is none; -1: bad value, *error filled.
int batch_option_apply_json(struct batch_new *b, const char *name, const json_t *v,
                            struct input_error *error);
