// SPDX-License-Identifier: MIT
// Compiles an address policy from the texts of the configuration. Pure; any thread.
#include "daemon/task/address_policy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

// Reads a decimal number of at most `max` that ends at `end`; -1 if there is none.
static long parse_number(const char *text, const char *end, long max)
{
    long value = 0;
    if (text == end || end - text > 5) {
        return -1;
    }
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') {
            return -1;
        }
        value = value * 10 + (*text - '0');
    }
    return value <= max ? value : -1;
}

static int parse_address(const char *text, size_t n, struct in6_addr *ret, bool *ret_ipv4)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr ipv4;
    if (n == 0 || n >= sizeof(copy)) {
        return -1;
    }
    memcpy(copy, text, n);
    copy[n] = '\0';
    *ret_ipv4 = inet_pton(AF_INET, copy, &ipv4) == 1;
    if (*ret_ipv4) {
        *ret = (struct in6_addr){{{[10] = 0xff, [11] = 0xff}}};
        memcpy(ret->s6_addr + 12, &ipv4, 4);
        return 0;
    }
    return inet_pton(AF_INET6, copy, ret) == 1 ? 0 : -1;
}

static bool has_host_bits(const struct address_range *r)
{
    for (unsigned bit = r->bits; bit < 128; bit++) {
        if (r->prefix.s6_addr[bit / 8] >> (7 - bit % 8) & 1) {
            return true;
        }
    }
    return false;
}

static int parse_range(const char *text, struct address_range *ret, struct err *e)
{
    const char *end = text + strlen(text);
    const char *slash = strchr(text, '/');
    bool ipv4 = false;
    if (parse_address(text, (size_t)((slash ? slash : end) - text), &ret->prefix, &ipv4) < 0) {
        return err_set(e, ERR_CONFIG, "\"%s\" is no address or range such as 10.0.0.0/8", text);
    }
    long width = ipv4 ? 32 : 128;
    long bits = slash ? parse_number(slash + 1, end, width) : width;
    if (bits < 0) {
        return err_set(e, ERR_CONFIG, "the prefix length in \"%s\" is not 0 to %ld", text, width);
    }
    ret->bits = (unsigned)(128 - width + bits);
    if (has_host_bits(ret)) {
        return err_set(e, ERR_CONFIG, "\"%s\" has bits set behind its prefix length", text);
    }
    return 0;
}

static int parse_ports(const char *text, struct port_range *ret, struct err *e)
{
    const char *end = text + strlen(text);
    const char *dash = strchr(text, '-');
    long first = parse_number(text, dash ? dash : end, UINT16_MAX);
    long last = dash ? parse_number(dash + 1, end, UINT16_MAX) : first;
    if (first < 1 || last < first) {
        return err_set(e, ERR_CONFIG, "\"%s\" is no port or range such as 8000-8099", text);
    }
    *ret = (struct port_range){(uint16_t)first, (uint16_t)last};
    return 0;
}

static int parse_ranges(const char *const *text, size_t n, struct address_range **ret,
                        struct err *e)
{
    struct address_range *v = calloc(n ? n : 1, sizeof(*v));
    if (!v) {
        return err_set(e, ERR_SYSTEM, "no memory for address ranges");
    }
    for (size_t i = 0; i < n; i++) {
        if (parse_range(text[i], &v[i], e) < 0) {
            free(v);
            return -1;
        }
    }
    *ret = v;
    return 0;
}

static int parse_all_ports(const char *const *text, size_t n, struct port_range **ret,
                           struct err *e)
{
    struct port_range *v = calloc(n ? n : 1, sizeof(*v));
    if (!v) {
        return err_set(e, ERR_SYSTEM, "no memory for port ranges");
    }
    for (size_t i = 0; i < n; i++) {
        if (parse_ports(text[i], &v[i], e) < 0) {
            free(v);
            return -1;
        }
    }
    *ret = v;
    return 0;
}

int address_policy_init(struct address_policy *p, const struct address_policy_text *text,
                        struct err *e)
{
    *p = (struct address_policy){
        .n_allow = text->n_allow, .n_deny = text->n_deny, .n_ports = text->n_ports};
    if (parse_ranges(text->allow, text->n_allow, &p->allow, e) < 0 ||
        parse_ranges(text->deny, text->n_deny, &p->deny, e) < 0 ||
        parse_all_ports(text->ports, text->n_ports, &p->ports, e) < 0) {
        address_policy_done(p);
        return -1;
    }
    return 0;
}

void address_policy_done(struct address_policy *p)
{
    free(p->allow);
    free(p->deny);
    free(p->ports);
    *p = (struct address_policy){0};
}
