// SPDX-License-Identifier: MIT
// The shapes of string settings. Pure.
#include "config/checks.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "common/url.h"

// Reads a number up to `max` at `*p` and moves behind it; -1 if there is none.
static int scan_number(const char **p, unsigned max, unsigned *ret)
{
    const char *start = *p;
    unsigned value = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        value = value * 10 + (unsigned)(**p - '0');
        if (value > max) {
            return -1;
        }
    }
    *ret = value;
    return *p == start ? -1 : 0;
}

static bool is_whole_number(const char *text, unsigned max)
{
    unsigned value;
    return scan_number(&text, max, &value) == 0 && *text == '\0';
}

// Address family of the `n` bytes of text, 0 if they are no address. An IPv4 address takes the
// first bytes of *ret.
static int parse_address(const char *text, size_t n, struct in6_addr *ret)
{
    char literal[INET6_ADDRSTRLEN];
    if (n >= sizeof(literal)) {
        return 0;
    }
    memcpy(literal, text, n);
    literal[n] = '\0';
    if (inet_pton(AF_INET, literal, ret) == 1) {
        return AF_INET;
    }
    return inet_pton(AF_INET6, literal, ret) == 1 ? AF_INET6 : 0;
}

static int address_family(const char *text, size_t n)
{
    struct in6_addr ignored;
    return parse_address(text, n, &ignored);
}

static bool is_address_with_port(const char *value)
{
    const char *colon = strrchr(value, ':');
    if (!colon || !is_whole_number(colon + 1, 65535)) {
        return false;
    }
    if (value[0] != '[') {
        return address_family(value, (size_t)(colon - value)) == AF_INET;
    }
    return colon - value > 2 && colon[-1] == ']' &&
           address_family(value + 1, (size_t)(colon - value) - 2) == AF_INET6;
}

int check_not_empty(const char *value, struct err *e)
{
    return *value ? 0 : err_set(e, ERR_CONFIG, "must not be empty");
}

int check_listen_address(const char *value, struct err *e)
{
    if (!is_address_with_port(value)) {
        return err_set(
            e, ERR_CONFIG,
            "must be an address and a port, such as \"127.0.0.1:7070\" or \"[::1]:7070\"");
    }
    return 0;
}

int check_name_server(const char *value, struct err *e)
{
    if (!is_address_with_port(value) && !address_family(value, strlen(value))) {
        return err_set(e, ERR_CONFIG,
                       "must be the address of a name server, such as \"192.0.2.53\" or "
                       "\"[2001:db8::53]:53\"");
    }
    return 0;
}

int check_host(const char *value, struct err *e)
{
    char canonical[HOST_MAX + 1];
    if (host_parse(value, strlen(value), canonical) != URL_OK) {
        return err_set(e, ERR_CONFIG, "must be a host name or an address without a port");
    }
    return 0;
}

int check_address_range(const char *value, struct err *e)
{
    const char *slash = strchr(value, '/');
    size_t n = slash ? (size_t)(slash - value) : strlen(value);
    struct in6_addr address;
    int family = parse_address(value, n, &address);
    unsigned width = family == AF_INET ? 32 : 128;
    unsigned bits = width;
    const char *p = slash ? slash + 1 : "";
    if (!family || (slash && scan_number(&p, width, &bits) < 0) || *p != '\0') {
        return err_set(e, ERR_CONFIG,
                       "must be an address or a range, such as \"192.0.2.7\", \"10.0.0.0/8\" or "
                       "\"fd00::/8\"");
    }
    for (unsigned bit = bits; bit < width; bit++) {
        if (address.s6_addr[bit / 8] >> (7 - bit % 8) & 1) {
            return err_set(e, ERR_CONFIG, "must have no bits set behind the length of its prefix");
        }
    }
    return 0;
}

int check_port_range(const char *value, struct err *e)
{
    const char *p = value;
    unsigned first = 0;
    unsigned last = 0;
    bool good = scan_number(&p, 65535, &first) == 0;
    last = first;
    if (good && *p == '-') {
        p++;
        good = scan_number(&p, 65535, &last) == 0;
    }
    if (!good || *p != '\0' || first == 0 || last < first) {
        return err_set(e, ERR_CONFIG, "must be a port or a range, such as \"25\" or \"600-700\"");
    }
    return 0;
}

int check_header_text(const char *value, struct err *e)
{
    for (const char *p = value; *p; p++) {
        if (*p < 0x20 || *p > 0x7e) {
            return err_set(e, ERR_CONFIG, "must be printable ASCII");
        }
    }
    return 0;
}
