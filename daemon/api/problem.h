// SPDX-License-Identifier: MIT
// application/problem+json (RFC 9457). Pure.
#pragma once

#include "common/buf.h"
#include "common/err.h"

#define PROBLEM_CONTENT_TYPE "application/problem+json"

// The document of `e` into `out`: type (/problems/NAME), title, status, detail, code. `extra`, if
// not NULL, is more members as JSON text without braces ("\"errors\": [...], \"errors_total\": 3").
void problem_render(const struct err *e, const char *extra, struct buf *out);
