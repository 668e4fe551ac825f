// SPDX-License-Identifier: MIT
// From c-ares' terms to ours. Pure.
#pragma once

#include "daemon/fetch/dns_answer.h"

struct ares_addrinfo;

// The name does not exist or has no address: dns_not_found. Whatever else went wrong may pass:
// dns_temporary. NULL without memory. `ai` may be NULL.
struct dns_answer *dns_parse(int status, const struct ares_addrinfo *ai);
