// SPDX-License-Identifier: MIT
// The host part of the URL rules; only url.c and its siblings include this. Pure.
#pragma once

#include "common/url.h"

// Parses the host of an authority, still percent-encoded, with brackets around an IPv6 literal, and
// without the port. On URL_OK sets host, host_kind and address of `ret`; else `*detail`.
enum url_verdict url_host_parse(const char *text, size_t n, struct url *ret, const char **detail);
