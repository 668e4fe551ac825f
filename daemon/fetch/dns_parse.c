// SPDX-License-Identifier: MIT
// Turns an answer of c-ares into addresses and a life time, and its status into a task error. Pure.
#include "daemon/fetch/dns_parse.h"

#include <ares.h>
#include <stdlib.h>

#include "daemon/fetch/dns_address.h"

struct dns_answer *dns_answer_new(size_t n)
{
    struct dns_answer *a = calloc(1, sizeof *a + n * sizeof a->v[0]);
    if (a) {
        a->n = n;
    }
    return a;
}

static enum task_error error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS: return TASK_OK;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
    case ARES_ENONAME: return TASK_DNS_NOT_FOUND;
    default: return TASK_DNS_TEMPORARY;
    }
}

static void shorten(int64_t *ttl_ms, int seconds)
{
    int64_t ms = (int64_t)seconds * 1000;
    if (*ttl_ms < 0 || ms < *ttl_ms) {
        *ttl_ms = ms;
    }
}

static int64_t least_ttl_ms(const struct ares_addrinfo *ai)
{
    int64_t ttl_ms = -1;
    for (const struct ares_addrinfo_node *n = ai->nodes; n; n = n->ai_next) {
        shorten(&ttl_ms, n->ai_ttl);
    }
    for (const struct ares_addrinfo_cname *c = ai->cnames; c; c = c->next) {
        shorten(&ttl_ms, c->ttl);
    }
    return ttl_ms < 0 ? 0 : ttl_ms;
}

struct dns_answer *dns_parse(int status, const struct ares_addrinfo *ai)
{
    size_t most = 0;
    for (const struct ares_addrinfo_node *n = ai ? ai->nodes : NULL; n && most < DNS_ANSWER_MAX;
         n = n->ai_next) {
        most++;
    }
    struct dns_answer *a = dns_answer_new(most);
    if (!a) {
        return NULL;
    }
    a->n = 0;
    a->error = error_of(status);
    if (a->error != TASK_OK || !ai) {
        return a;
    }
    for (const struct ares_addrinfo_node *n = ai->nodes; n && a->n < most; n = n->ai_next) {
        if (dns_address_from_sockaddr(n->ai_addr, &a->v[a->n])) {
            a->n++;
        }
    }
    a->ttl_ms = least_ttl_ms(ai);
    if (a->n == 0) {
        a->error = TASK_DNS_NOT_FOUND;
    }
    return a;
}
