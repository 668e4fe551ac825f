// SPDX-License-Identifier: MIT
// What fetch needs of the configuration: an immutable snapshot, shared by all workers and by the
// flights that began under it, freed by whoever lets go of it last. A reload makes a new one. It
// alone reads struct config.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "config/options.h"
#include "daemon/fetch/transfer.h"
#include "daemon/task/address_policy.h"
#include "daemon/task/options.h"
#include "daemon/task/ring.h"

struct host_rule {
    char name[HOST_MAX + 1];
    struct host_limits limits; // -1: not set
    int robots;                // enum robots_mode; -1: not set
};

struct fetch_settings {
    struct host_limits host_defaults; // no -1 here
    const struct host_rule *rules;    // sorted by name
    size_t n_rules;
    enum robots_mode robots;
    struct task_limits task_limits;
    struct address_policy policy;
    struct transfer_settings transfer;
    const char *resolver_servers; // "": the system's; read at start only
    int64_t concurrency, byte_budget;
};

int fetch_settings_new(const struct config *c, struct err *e, const struct fetch_settings **ret);
const struct fetch_settings *fetch_settings_ref(const struct fetch_settings *s); // any thread
void fetch_settings_unref(const struct fetch_settings **s);                      // any thread

// The limits in force for a host: what an admin set, else its block in the configuration, else the
// defaults. No -1 is left.
struct host_limits fetch_settings_limits(const struct fetch_settings *s, const char *host,
                                         const struct host_limits *admin);

// Whether the robots.txt of a host is obeyed.
bool fetch_settings_obeys_robots(const struct fetch_settings *s, const char *host);
