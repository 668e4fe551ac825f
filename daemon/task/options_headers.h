// SPDX-License-Identifier: MIT
// Request header fields of a task: which may be set, and how a task's override its batch's. Pure.
#pragma once

#include "daemon/task/options.h"

void headers_free(struct header_field *v, size_t n);
int headers_copy(struct header_field **ret, const struct header_field *v, size_t n);

// Sets or replaces (by name, in any case) the members of the JSON object `v` in o->headers. A null
// value removes a field that the batch's defaults set.
int headers_apply(struct task_options *o, const json_t *v, const char *pointer,
                  struct input_error *error);
