// SPDX-License-Identifier: MIT
// `submit -n`: judges URLs here, by the same rules (common/url.h) as the daemon, and sends nothing.
// What only the daemon knows (addresses, ports, limits) is not judged.
#pragma once

#include "client/input.h"
#include "client/output.h"
#include "common/err.h"

// Both print the report and return the exit status: 0, or that of a rejected input.
int dry_run_urls(struct output *out, const char *const *urls, size_t n, struct err *e);
int dry_run_input(struct output *out, struct input *in, struct err *e);
