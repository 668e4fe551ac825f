// SPDX-License-Identifier: MIT
// Judges ports. Pure; any thread.
#include "daemon/task/address_policy.h"

#include <stddef.h>

// From 1024 on, sorted: the "bad ports" of the WHATWG Fetch standard, which browsers refuse, and
// the line protocols among databases that would take the lines of an HTTP request for commands
// (memcached, Redis).
static const struct port_range refused[] = {
    {1719, 1720},   // H.323
    {1723, 1723},   // PPTP
    {2049, 2049},   // NFS
    {3659, 3659},   // Apple SASL
    {4045, 4045},   // NFS lock daemon
    {4190, 4190},   // ManageSieve
    {5060, 5061},   // SIP
    {6000, 6000},   // X11
    {6379, 6379},   // Redis
    {6566, 6566},   // SANE
    {6665, 6669},   // IRC
    {6679, 6679},   // IRC
    {6697, 6697},   // IRC
    {10080, 10080}, // Amanda
    {11211, 11211}, // memcached
};

static bool in_ranges(const struct port_range *v, size_t n, uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        if (port >= v[i].first && port <= v[i].last) {
            return true;
        }
    }
    return false;
}

bool address_policy_allows_port(const struct address_policy *p, uint16_t port)
{
    if (port == 80 || port == 443 || in_ranges(p->ports, p->n_ports, port)) {
        return true;
    }
    return port >= 1024 && !in_ranges(refused, sizeof(refused) / sizeof(refused[0]), port);
}
