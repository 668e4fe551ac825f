// SPDX-License-Identifier: MIT
// Requests that wait for an answer from the store or the workers, by token. Main thread. A client
// that leaves takes its entry along; the answer that comes then finds nobody.
#pragma once

#include <stdint.h>

#include "daemon/api/context.h"
#include "daemon/api/render.h"
#include <uthash.h>

struct pending;

// Called to answer, with the entry, which is no longer in the table and freed afterwards. May take
// the batch of a reply (leaving NULL); the rest of the message is borrowed.
typedef void pending_control_fn(struct pending *p, struct control_reply *reply);
typedef void pending_hosts_fn(struct pending *p, struct host_query *answer);

struct pending {
    struct api *api;
    struct http_exchange *x;
    uint64_t token;
    pending_control_fn *on_control; // one of the two is set
    pending_hosts_fn *on_hosts;
    struct route_params params; // of the request
    char after[HOST_MAX + 1];   // of a page of hosts
    unsigned limit;
    unsigned include;
    UT_hash_handle hh;
};

// An entry for the request, in the table; NULL without memory.
struct pending *pending_new(struct request *r);
void pending_drop(
    struct pending *p); // out of the table and freed; the exchange is the caller's again

// Sends `c` (made with pending->token) to the store.
void pending_post_control(struct pending *p, struct control *c);
