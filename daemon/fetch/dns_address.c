// SPDX-License-Identifier: MIT
// Copies, since the system's structures may not be read in place.
#include "daemon/fetch/dns_address.h"

#include <arpa/inet.h>
#include <string.h>

void dns_address_to_sockaddr(const struct in6_addr *a, uint16_t port, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof *ret);
    if (IN6_IS_ADDR_V4MAPPED(a)) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, &a->s6_addr[12], 4);
        memcpy(ret, &in, sizeof in);
    } else {
        struct sockaddr_in6 in6 = {
            .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *a};
        memcpy(ret, &in6, sizeof in6);
    }
}

bool dns_address_from_sockaddr(const struct sockaddr *sa, struct in6_addr *ret)
{
    if (sa && sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        *ret = in6.sin6_addr;
        return true;
    }
    if (sa && sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        memset(ret, 0, sizeof *ret);
        ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
        memcpy(&ret->s6_addr[12], &in.sin_addr, 4);
        return true;
    }
    return false;
}
