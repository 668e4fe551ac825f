// SPDX-License-Identifier: MIT
// Which handler a request is for: a table of method and path pattern is searched, and the
// parameters of the path are taken out and decoded. Pure. Nothing is normalised: a path that is not
// exactly in the table is unknown.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/url.h"
#include "common/uuid.h"
#include "daemon/api/access.h"
#include "daemon/api/http_server.h"

struct request;

// What stands for {id}, {index}, {host} and {name} of the pattern.
struct route_params {
    uint8_t id[UUID_SIZE];
    uint32_t index;
    char host[HOST_MAX + 1]; // canonical
    char name[64];           // lower-case letters and underscores
};

struct route {
    enum http_method method; // HEAD is served by the GET of its path
    const char *pattern;     // "/v1/batches/{id}/tasks/{index}/body"
    enum scope scope;        // least that is needed
    bool open;               // local peers need no token
    const char *const *keys; // allowed query keys, NULL-terminated; NULL: none
    void (*handle)(struct request *r);
};

enum route_verdict { ROUTE_FOUND, ROUTE_UNKNOWN, ROUTE_OTHER_METHOD };

#define ROUTE_ALLOW_SIZE 64

// Searches `table` (ended by a NULL pattern). *ret and *params are set with ROUTE_FOUND only.
enum route_verdict route_find(const struct route *table, enum http_method method, const char *path,
                              struct route_params *params, const struct route **ret);
// The value of the Allow field of a path that is in the table.
void route_allow(const struct route *table, const char *path, char ret[ROUTE_ALLOW_SIZE]);

// The table of this API (routes.c).
extern const struct route api_routes[];
