// SPDX-License-Identifier: MIT
// What the API takes from the configuration, compiled once and shared by reference: a reload makes
// new settings, and what is under way keeps the ones it began with. Main thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "config/options.h"
#include "daemon/api/access.h"
#include "daemon/task/address_policy.h"
#include "daemon/task/options.h"
#include "daemon/task/ring.h"

struct api_settings {
    unsigned refs;
    bool allow_anonymous;
    char **allowed_hosts;
    size_t n_allowed_hosts;
    struct token_set *tokens;
    uint64_t request_body, json_document, upload_budget, tasks_per_batch;
    struct task_limits task_limits;
    struct address_policy policy;
    struct host_limits host_default; // of hosts without a block of their own
    struct host_config *hosts;       // only names and numbers are meaningful here
    size_t n_hosts;
};

int api_settings_new(const struct config *config, struct err *e,
                     struct api_settings **ret); // one reference
struct api_settings *api_settings_ref(struct api_settings *s);
void api_settings_unref(struct api_settings **s);

// Limits of a host: what an administrator set, else what the configuration says. No -1 in the
// answer.
struct host_limits api_settings_host_limits(const struct api_settings *s, const char *host,
                                            const struct host_limits *set);

// Whether the configured listeners are allowed: ERR_CONFIG with a text that says why not.
int api_settings_check_listener(const struct api_settings *s, const char *address, struct err *e);
