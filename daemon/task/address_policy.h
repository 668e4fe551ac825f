// SPDX-License-Identifier: MIT
// Which addresses and ports may be fetched (SSRF). A table-driven classifier over IPv6 with IPv4 as
// mapped addresses; every embedding of IPv4 in IPv6 is judged by the IPv4 address it carries as
// well. Pure; callable from any thread. Sources: IANA IPv4 and IPv6 Special-Purpose Address
// Registries (RFC 6890), RFC 6052, 3056, 4380, 5214, 6666, 9637.
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/url.h"

struct address_range {
    struct in6_addr prefix; // IPv4 as ::ffff:a.b.c.d
    unsigned bits;          // of 128
};

struct port_range {
    uint16_t first, last;
};

// Compiled from configuration; immutable afterwards, so threads may share it.
struct address_policy {
    struct address_range *allow, *deny;
    size_t n_allow, n_deny;
    struct port_range *ports; // additionally allowed
    size_t n_ports;
};

// `allow`, `deny`: "10.0.0.0/8", "::1", "fd00::/8"; `ports`: "8081", "1024-65535". Arrays of n
// strings.
struct address_policy_text {
    const char *const *allow, *const *deny, *const *ports;
    size_t n_allow, n_deny, n_ports;
};
int address_policy_init(struct address_policy *p, const struct address_policy_text *text,
                        struct err *e);
void address_policy_done(struct address_policy *p);

// deny wins over allow, allow wins over the built-in table; what is in no table is allowed.
bool address_policy_allows(const struct address_policy *p, const struct in6_addr *address);
bool address_policy_allows_sockaddr(const struct address_policy *p, const struct sockaddr *sa);

// 80, 443, and >= 1024 but the well-known service ports that browsers refuse (WHATWG Fetch "bad
// port"); plus `ports`.
bool address_policy_allows_port(const struct address_policy *p, uint16_t port);

enum url_policy_verdict { URL_POLICY_OK, URL_POLICY_BLOCKED_ADDRESS, URL_POLICY_BLOCKED_PORT };

// Judges what can be judged without DNS: the port, a literal address, and localhost names (RFC
// 6761; refused unless loopback is allowed).
enum url_policy_verdict address_policy_check_url(const struct address_policy *p,
                                                 const struct url *u);

// The built-in table, for tests and for the generated systemd deny list: row `i`, or NULL past the
// end.
struct builtin_range {
    const char *cidr;
    bool global;      // an exception inside a wider refused range
    const char *name; // of the registry entry
};
const struct builtin_range *address_policy_builtin(size_t i);
