// SPDX-License-Identifier: MIT
// Why an unfinished task is not running. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "daemon/task/batch.h"
#include "daemon/task/ring.h"
#include "daemon/task/rows.h"

struct waiting_facts {
    const struct batch_info *batch;
    const struct task_row *task;
    const struct host_status *host;   // of the task's host, as its worker told
    const struct host_limits *limits; // of that host, as committed
    bool in_flight;                   // some worker has the task in flight
    int64_t now_at;
};

struct waiting {
    enum wait_reason reason; // WAIT_NONE: it is running, or has ended
    int64_t until_at;        // wall; 0: not known
};

// The first that holds: what concerns the batch, then the task, then its host.
struct waiting waiting_for(const struct waiting_facts *f);
void waiting_render(struct json_writer *w, const struct waiting *waiting, const char *host);
