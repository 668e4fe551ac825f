// SPDX-License-Identifier: MIT
// Problem documents (RFC 9457) as errors. Pure.
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "common/err.h"

// Fills `e` from an answer with status >= 400: code and text of the problem document in `body`, or
// what the status alone tells if it is none (a proxy in between, another server). Returns the
// document, for its `errors`, or NULL.
json_t *problem_read(const char *body, size_t n, long status, struct err *e);
