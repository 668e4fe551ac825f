// SPDX-License-Identifier: MIT
// Hosts: names (IDN by UTS #46, non-transitional), IPv4 in every spelling that inet_aton accepts,
// IPv6. Pure; callable from any thread. Never asks DNS. A host whose last label is a number is an
// IPv4 address or nothing (WHATWG URL, "ends in a number"), so that no resolver further down can
// take it for one later.
#include "common/url_host.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"

#define LABEL_MAX 63

static enum url_verdict refuse(const char **detail, const char *why)
{
    *detail = why;
    return URL_INVALID_HOST;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_label_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

static bool has_a_label(const char *host)
{
    return strncmp(host, "xn--", 4) == 0 || strstr(host, ".xn--") != NULL;
}

// Value of a hex digit in lower case, or -1.
static int digit_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// True if the last label is a decimal or hexadecimal number.
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *label = dot ? dot + 1 : host;
    bool hex = strncmp(label, "0x", 2) == 0;
    for (const char *p = hex ? label + 2 : label; *p; p++) {
        if (!is_digit(*p) && !(hex && digit_value(*p) >= 0)) {
            return false;
        }
    }
    return true;
}

// Reads one part of an IPv4 address in the style of C: 0x hexadecimal, 0 octal, else decimal. -1 if
// it is none or exceeds 32 bits. Moves `*p` behind it.
static int ipv4_part(const char **p, uint32_t *ret)
{
    const char *s = *p;
    int base = 10;
    if (s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
    } else if (s[0] == '0' && is_digit(s[1])) {
        base = 8;
        s++;
    }
    const char *digits = s;
    uint64_t value = 0;
    for (; digit_value(*s) >= 0; s++) {
        if (digit_value(*s) >= base) {
            return -1;
        }
        value = value * (uint64_t)base + (uint64_t)digit_value(*s);
        if (value > UINT32_MAX) {
            return -1;
        }
    }
    *p = s;
    *ret = (uint32_t)value;
    return s == digits ? -1 : 0;
}

// One to four parts; the last one fills all bytes that are left.
static int parse_ipv4(const char *text, uint32_t *ret)
{
    uint32_t address = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t part;
        if (ipv4_part(&text, &part) < 0) {
            return -1;
        }
        int bits_left = 32 - 8 * i;
        if (*text == '\0') {
            *ret = address | part;
            return bits_left == 32 || part >> bits_left == 0 ? 0 : -1;
        }
        if (*text++ != '.' || part > 255) {
            return -1;
        }
        address |= part << (bits_left - 8);
    }
    return -1;
}

static void set_ipv4(struct url *ret, uint32_t address)
{
    const uint8_t bytes[4] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16),
                              (uint8_t)(address >> 8), (uint8_t)address};
    ret->host_kind = URL_HOST_IPV4;
    snprintf(ret->host, sizeof(ret->host), "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
    memset(&ret->address, 0, sizeof(ret->address));
    ret->address.s6_addr[10] = 0xff;
    ret->address.s6_addr[11] = 0xff;
    memcpy(ret->address.s6_addr + 12, bytes, sizeof(bytes));
}

// Checks length and characters of every label of a lower-case name without trailing dot.
static enum url_verdict check_labels(const char *host, const char **detail)
{
    size_t len = 0;
    for (const char *p = host;; p++) {
        if (*p != '.' && *p != '\0') {
            if (!is_label_char(*p)) {
                return refuse(detail, "the host contains a character that no host name may have");
            }
            if (len++ == 0 && *p == '-') {
                return refuse(detail, "a label of the host begins with a hyphen");
            }
            continue;
        }
        if (len == 0) {
            return refuse(detail, "a label of the host is empty");
        }
        if (len > LABEL_MAX) {
            return refuse(detail, "a label of the host is longer than 63 bytes");
        }
        if (p[-1] == '-') {
            return refuse(detail, "a label of the host ends with a hyphen");
        }
        if (*p == '\0') {
            return URL_OK;
        }
        len = 0;
    }
}

// Maps an international name, or one with A-labels, to lower-case A-labels in `host`.
static enum url_verdict map_idn(char host[HOST_MAX + 1], const char *text, const char **detail)
{
    uint8_t *mapped = NULL;
    int rc = idn2_lookup_u8((const uint8_t *)text, &mapped, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc == IDN2_MALLOC) {
        *detail = "out of memory";
        return URL_NO_MEMORY;
    }
    if (rc != IDN2_OK) {
        return refuse(detail, "the host is no valid international domain name");
    }
    size_t n = strlen((const char *)mapped);
    if (n <= HOST_MAX) {
        memcpy(host, mapped, n + 1);
    }
    idn2_free(mapped);
    return n <= HOST_MAX ? URL_OK : refuse(detail, "the host is longer than 253 bytes");
}

static void drop_trailing_dot(char *host)
{
    size_t n = strlen(host);
    if (n > 1 && host[n - 1] == '.') {
        host[n - 1] = '\0';
    }
}

// Lower-cases ASCII; true if all of it was ASCII.
static bool lower_ascii(char *text)
{
    bool ascii = true;
    for (char *p = text; *p; p++) {
        if (*p >= 'A' && *p <= 'Z') {
            *p = (char)(*p - 'A' + 'a');
        }
        ascii = ascii && (unsigned char)*p < 0x80;
    }
    return ascii;
}

// `text` is decoded, NUL-terminated and writable.
static enum url_verdict parse_name(char *text, struct url *ret, const char **detail)
{
    bool ascii = lower_ascii(text);
    drop_trailing_dot(text);
    size_t n = strlen(text);
    if (!ascii || has_a_label(text)) {
        if (!utf8_valid(text, n)) {
            return refuse(detail, "the host is not UTF-8");
        }
        enum url_verdict verdict = map_idn(ret->host, text, detail);
        if (verdict != URL_OK) {
            return verdict;
        }
        drop_trailing_dot(ret->host); // an ideographic full stop at the end has become one
    } else if (n <= HOST_MAX) {
        memcpy(ret->host, text, n + 1);
    } else {
        return refuse(detail, "the host is longer than 253 bytes");
    }
    enum url_verdict verdict = check_labels(ret->host, detail);
    if (verdict != URL_OK) {
        return verdict;
    }
    ret->host_kind = URL_HOST_NAME;
    ret->address = in6addr_any;
    if (!ends_in_number(ret->host)) {
        return URL_OK;
    }
    uint32_t address;
    if (!ascii) {
        return refuse(detail, "the host is an IP address in disguise");
    }
    if (parse_ipv4(ret->host, &address) < 0) {
        return refuse(detail, "the host ends in a number but is no IPv4 address");
    }
    set_ipv4(ret, address);
    return URL_OK;
}

// `text` is without brackets.
static enum url_verdict parse_ipv6(const char *text, size_t n, struct url *ret, const char **detail)
{
    char literal[INET6_ADDRSTRLEN];
    if (memchr(text, '%', n)) {
        return refuse(detail, "an IPv6 address in a URL may have no zone");
    }
    if (n >= sizeof(literal) || memchr(text, '\0', n)) {
        return refuse(detail, "the IPv6 address is invalid");
    }
    memcpy(literal, text, n);
    literal[n] = '\0';
    if (inet_pton(AF_INET6, literal, &ret->address) != 1) {
        return refuse(detail, "the IPv6 address is invalid");
    }
    ret->host_kind = URL_HOST_IPV6;
    inet_ntop(AF_INET6, &ret->address, ret->host, sizeof(ret->host));
    return URL_OK;
}

enum url_verdict url_host_parse(const char *text, size_t n, struct url *ret, const char **detail)
{
    if (n > 0 && text[0] == '[') {
        if (text[n - 1] != ']') {
            return refuse(detail, "the IPv6 address has no closing bracket");
        }
        return parse_ipv6(text + 1, n - 2, ret, detail);
    }
    // Percent-encoded UTF-8 has nine bytes for three, of which IDN mapping may make fewer yet.
    char decoded[HOST_MAX * 9 + 1];
    if (n >= sizeof(decoded)) {
        return refuse(detail, "the host is longer than 253 bytes");
    }
    if (url_percent_decode(text, n, decoded) < 0) {
        return refuse(detail, "the host contains a bad percent-escape");
    }
    return parse_name(decoded, ret, detail);
}

enum url_verdict host_parse(const char *text, size_t n, char ret[HOST_MAX + 1])
{
    struct url u;
    const char *detail = NULL;
    enum url_verdict verdict;
    if (n == 0 || memchr(text, '\0', n) || memchr(text, '%', n)) {
        return URL_INVALID_HOST;
    }
    if (text[0] != '[' && memchr(text, ':', n)) {
        verdict = parse_ipv6(text, n, &u, &detail);
    } else {
        verdict = url_host_parse(text, n, &u, &detail);
    }
    if (verdict == URL_OK) {
        memcpy(ret, u.host, strlen(u.host) + 1);
    }
    return verdict;
}
