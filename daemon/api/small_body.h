// SPDX-License-Identifier: MIT
// Reads a small JSON request body whole and parses it. Main thread.
#pragma once

#include <jansson.h>

#include "daemon/api/context.h"

#define SMALL_BODY_MAX 65536

// Called with a request like the one before (without its query) and the parsed document (borrowed).
typedef void small_body_fn(struct request *r, const json_t *document);

// Answers by itself what is not JSON, is too long, or finds no memory.
void small_body_read(struct request *r, small_body_fn *fn);
