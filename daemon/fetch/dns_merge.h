// SPDX-License-Identifier: MIT
// What the answers for A and AAAA say together.
#pragma once

#include "daemon/fetch/dns_answer.h"

// NULL for an answer that is not there (yet). Addresses of the two families take turns (RFC 8305,
// section 4), so that whoever takes only the first few can still do without one family; which
// begins is decided by RFC 6724. Without any address, what is not known of one family stands above
// what the other lacks: dns_temporary. NULL without memory.
struct dns_answer *dns_merge(const struct dns_answer *four, const struct dns_answer *six);

// Whether this machine has a route to the address. Sends nothing.
bool dns_has_route(const struct in6_addr *to);
