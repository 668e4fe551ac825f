// SPDX-License-Identifier: MIT
// Merges what name servers said of the two families. Knows the machine's routes by asking the
// kernel which source address it would take: connecting a datagram socket sends nothing.
#include "daemon/fetch/dns_merge.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/fetch/dns_address.h"

#define ANY_PORT 1 // connecting to port 0 is refused

static bool source_for(const struct in6_addr *to, struct in6_addr *ret)
{
    struct sockaddr_storage sa;
    dns_address_to_sockaddr(to, ANY_PORT, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    socklen_t n = sizeof sa;
    bool found = connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0 &&
                 getsockname(fd, (struct sockaddr *)&sa, &n) == 0 &&
                 dns_address_from_sockaddr((const struct sockaddr *)&sa, ret);
    close(fd);
    return found;
}

bool dns_has_route(const struct in6_addr *to)
{
    struct in6_addr source;
    return source_for(to, &source);
}

// An address that RFC 6724, section 2.1, labels ::/0, and that is not link-local. All other labels
// but that of ::1 have less precedence than IPv4.
static bool is_plain(const struct in6_addr *a)
{
    static const uint8_t none[10], teredo[4] = {0x20, 0x01};
    const uint8_t *b = a->s6_addr;
    bool special = (b[0] & 0xfe) == 0xfc ||                 // fc00::/7
                   (b[0] == 0xfe && b[1] >= 0x80) ||        // fe80::/10, fec0::/10
                   (b[0] == 0x20 && b[1] == 0x02) ||        // 2002::/16
                   (b[0] == 0x3f && b[1] == 0xfe) ||        // 3ffe::/16
                   memcmp(b, teredo, sizeof teredo) == 0 || // 2001::/32
                   memcmp(b, none, sizeof none) == 0;       // ::/96, ::ffff:0:0/96
    return !special;
}

// RFC 6724, section 6, for an IPv6 destination beside an IPv4 one, whose source always fits: rule 1
// (no route), 2 and 5 (a source of another kind), 6 (precedence).
static bool six_goes_first(const struct in6_addr *four, const struct in6_addr *six)
{
    struct in6_addr source;
    if (!source_for(six, &source)) {
        return false;
    }
    return IN6_IS_ADDR_LOOPBACK(six) || (is_plain(six) && is_plain(&source)) ||
           !dns_has_route(four);
}

static void take_turns(const struct dns_answer *first, const struct dns_answer *second,
                       struct dns_answer *ret)
{
    size_t most = ret->n;
    ret->n = 0;
    for (size_t i = 0; ret->n < most; i++) {
        if (i < first->n) {
            ret->v[ret->n++] = first->v[i];
        }
        if (i < second->n && ret->n < most) {
            ret->v[ret->n++] = second->v[i];
        }
    }
}

static int64_t least_ttl_ms(const struct dns_answer *a, const struct dns_answer *b)
{
    if (a->n == 0 || b->n == 0) {
        return a->n == 0 ? b->ttl_ms : a->ttl_ms;
    }
    return a->ttl_ms < b->ttl_ms ? a->ttl_ms : b->ttl_ms;
}

struct dns_answer *dns_merge(const struct dns_answer *four, const struct dns_answer *six)
{
    static const struct dns_answer unknown = {.error = TASK_DNS_TEMPORARY};
    four = four ? four : &unknown;
    six = six ? six : &unknown;
    size_t n = four->n + six->n;
    struct dns_answer *a = dns_answer_new(n < DNS_ANSWER_MAX ? n : DNS_ANSWER_MAX);
    if (!a) {
        return NULL;
    }
    bool lacks = four->error == TASK_DNS_TEMPORARY || six->error == TASK_DNS_TEMPORARY;
    if (n == 0) {
        a->error = lacks ? TASK_DNS_TEMPORARY : TASK_DNS_NOT_FOUND;
        a->local_shortage = four->local_shortage || six->local_shortage;
        return a;
    }
    a->incomplete = lacks;
    a->ttl_ms = least_ttl_ms(four, six);
    if (four->n > 0 && six->n > 0 && six_goes_first(&four->v[0], &six->v[0])) {
        take_turns(six, four, a);
    } else {
        take_turns(four, six, a);
    }
    return a;
}
