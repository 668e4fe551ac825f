// SPDX-License-Identifier: MIT
// The changes that a PATCH of a host asks for (RFC 7396 merge patch). Pure; the handlers are in
// hosts.c and host_patch.c.
#pragma once

#include <jansson.h>

#include "common/err.h"
#include "daemon/task/ring.h"

struct pending;
struct control_reply;

#define HOST_FIELD_CONCURRENCY 1u
#define HOST_FIELD_DELAY       2u
#define HOST_FIELD_RATE        4u
#define HOST_FIELD_PAUSED      8u

// Reads max_concurrency, delay_ms, rate_per_s and paused from `patch`. A member that is null goes
// back to what the configuration says. -1: ERR_BAD_REQUEST names the member.
int host_patch_parse(const json_t *patch, unsigned *ret_fields, struct host_limits *ret,
                     struct err *e);

// Answers a PATCH whose change was committed with the host as it is now (hosts.c).
void host_answer_set(struct pending *p, struct control_reply *reply);
