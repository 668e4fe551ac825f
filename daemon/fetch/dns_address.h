// SPDX-License-Identifier: MIT
// Addresses between our form, in which IPv4 is ::ffff:a.b.c.d, and the system's. Pure.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

void dns_address_to_sockaddr(const struct in6_addr *a, uint16_t port, struct sockaddr_storage *ret);

// False for NULL and other families.
bool dns_address_from_sockaddr(const struct sockaddr *sa, struct in6_addr *ret);
