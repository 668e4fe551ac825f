// SPDX-License-Identifier: MIT
// From a request's head to its handler: the Host field, the route, access, the query. Main thread.
#pragma once

struct http_exchange;

// `ctx` is the struct api.
void dispatch_on_request(void *ctx, struct http_exchange *x);
