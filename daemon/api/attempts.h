// SPDX-License-Identifier: MIT
// The attempts of a task as a JSON array: the stored ones, and the last, which only its result
// tells of. Main thread.
#pragma once

#include "daemon/api/api.h"
#include "daemon/api/render.h"

// `task` is a task_key. `result` may be NULL: the task has none yet. -1 with the store's error; the
// array is closed in any case.
int attempts_render(const struct api_ports *ports, uint64_t task, const struct result_row *result,
                    struct json_writer *w, struct err *e);
