// SPDX-License-Identifier: MIT
// What a name server said of a name. Plain heap data.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/task_error.h"

#define DNS_ANSWER_MAX 256 // addresses kept of one name

struct dns_answer {
    enum task_error error; // TASK_OK, dns_not_found, dns_temporary
    bool local_shortage;   // with dns_temporary: it could not be asked, for want of descriptors or
                           // memory
    bool incomplete;       // without error: whether there are addresses of the other family is not
                           // known
    int64_t ttl_ms;        // least of the records; 0 if none gave any
    size_t n;
    struct in6_addr v[]; // in order of preference; IPv4 as ::ffff:a.b.c.d
};

struct dns_answer *dns_answer_new(size_t n); // zeroed; NULL without memory; free() frees it
