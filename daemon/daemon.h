// SPDX-License-Identifier: MIT
// The daemon as a whole: which part is made when, who is wired to whom, and the order in which it
// starts, drains and stops. Main thread.
#pragma once

#include "common/err.h"
#include "config/file.h"

// Runs until it is told to stop. `sources` are read again on SIGHUP; `config` is taken. Returns the
// exit status.
int daemon_run(const struct config_sources *sources, struct config *config);
