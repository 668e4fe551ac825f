// SPDX-License-Identifier: MIT
// Judges addresses: the administrator's lists, then the built-in table, then the IPv4 address that
// an IPv6 address carries. Pure; any thread. Parsing of the lists is in address_policy_text.c,
// ports in address_ports.c.
#include "daemon/task/address_policy.h"

#include <string.h>

#include "daemon/task/address_table.h"

static bool range_contains(const struct address_range *r, const struct in6_addr *a)
{
    size_t whole = r->bits / 8;
    unsigned rest = r->bits % 8;
    if (memcmp(r->prefix.s6_addr, a->s6_addr, whole) != 0) {
        return false;
    }
    if (rest == 0) {
        return true;
    }
    uint8_t mask = (uint8_t)(0xff << (8 - rest));
    return ((r->prefix.s6_addr[whole] ^ a->s6_addr[whole]) & mask) == 0;
}

static bool listed(const struct address_range *list, size_t n, const struct in6_addr *a)
{
    for (size_t i = 0; i < n; i++) {
        if (range_contains(&list[i], a)) {
            return true;
        }
    }
    return false;
}

// The most specific row decides; what no row contains is globally reachable.
static bool globally_reachable(const struct in6_addr *a)
{
    const struct address_row *best = NULL;
    for (size_t i = 0; i < address_table_n; i++) {
        const struct address_row *row = &address_table[i];
        if ((!best || row->range.bits > best->range.bits) && range_contains(&row->range, a)) {
            best = row;
        }
    }
    return !best || best->shown.global;
}

static void map_ipv4(const uint8_t ipv4[4], struct in6_addr *ret)
{
    *ret = (struct in6_addr){{{[10] = 0xff, [11] = 0xff}}};
    memcpy(ret->s6_addr + 12, ipv4, 4);
}

// The IPv4 address that a router or tunnel would take from `a`. Teredo and the IPv4-compatible and
// -translated forms are in the table, refused whatever they carry.
static bool embedded_ipv4(const struct in6_addr *a, struct in6_addr *ret)
{
    static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
    static const uint8_t isatap[2][4] = {{0, 0, 0x5e, 0xfe}, {2, 0, 0x5e, 0xfe}};
    const uint8_t *b = a->s6_addr;
    if (memcmp(b, nat64, sizeof(nat64)) == 0) { // RFC 6052, well-known prefix
        map_ipv4(b + 12, ret);
        return true;
    }
    if (b[0] == 0x20 && b[1] == 0x02) { // RFC 3056, 6to4
        map_ipv4(b + 2, ret);
        return true;
    }
    if (memcmp(b + 8, isatap[0], 4) == 0 || memcmp(b + 8, isatap[1], 4) == 0) { // RFC 5214
        map_ipv4(b + 12, ret);
        return true;
    }
    return false;
}

bool address_policy_allows(const struct address_policy *p, const struct in6_addr *address)
{
    struct in6_addr inner;
    bool carries = embedded_ipv4(address, &inner);
    if (listed(p->deny, p->n_deny, address) || (carries && listed(p->deny, p->n_deny, &inner))) {
        return false;
    }
    if (listed(p->allow, p->n_allow, address)) {
        return true;
    }
    if (!globally_reachable(address)) {
        return false;
    }
    return !carries || globally_reachable(&inner) || listed(p->allow, p->n_allow, &inner);
}

bool address_policy_allows_sockaddr(const struct address_policy *p, const struct sockaddr *sa)
{
    // Copied out, since a sockaddr may lie in memory without the alignment of its real type.
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        struct in6_addr mapped;
        memcpy(&in, sa, sizeof(in));
        map_ipv4((const uint8_t *)&in.sin_addr, &mapped);
        return address_policy_allows(p, &mapped);
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        return address_policy_allows(p, &in6.sin6_addr);
    }
    return false;
}

// RFC 6761 §6.3: localhost and everything below it.
static bool is_localhost_name(const struct url *u)
{
    static const char name[] = "localhost";
    size_t n = strlen(u->host), name_n = sizeof(name) - 1;
    return u->host_kind == URL_HOST_NAME && n >= name_n &&
           strcmp(u->host + n - name_n, name) == 0 &&
           (n == name_n || u->host[n - name_n - 1] == '.');
}

static bool allows_loopback(const struct address_policy *p)
{
    static const uint8_t ipv4[4] = {127, 0, 0, 1};
    struct in6_addr mapped;
    map_ipv4(ipv4, &mapped);
    return address_policy_allows(p, &mapped) || address_policy_allows(p, &in6addr_loopback);
}

enum url_policy_verdict address_policy_check_url(const struct address_policy *p,
                                                 const struct url *u)
{
    if (u->host_kind != URL_HOST_NAME && !address_policy_allows(p, &u->address)) {
        return URL_POLICY_BLOCKED_ADDRESS;
    }
    if (is_localhost_name(u) && !allows_loopback(p)) {
        return URL_POLICY_BLOCKED_ADDRESS;
    }
    return address_policy_allows_port(p, u->port) ? URL_POLICY_OK : URL_POLICY_BLOCKED_PORT;
}

const struct builtin_range *address_policy_builtin(size_t i)
{
    return i < address_table_n ? &address_table[i].shown : NULL;
}
