// SPDX-License-Identifier: MIT
// URL rules: which strings are URLs that may be submitted, and their normal form. Strict on
// purpose: what two parsers could read differently is refused. Pure; callable from any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <netinet/in.h>

#include "common/buf.h"

#define URL_MAX  8192 // bytes, before and after normalisation
#define HOST_MAX 253  // bytes of a host name (RFC 1035)

enum url_verdict {
    URL_OK = 0,
    URL_INVALID,            // "invalid_url"
    URL_UNSUPPORTED_SCHEME, // "unsupported_scheme"
    URL_INVALID_HOST,       // "invalid_host"
    URL_NO_MEMORY,          // "internal": nothing is known of the URL
};

enum url_host_kind { URL_HOST_NAME, URL_HOST_IPV4, URL_HOST_IPV6 };

struct url {
    bool https;
    enum url_host_kind host_kind;
    char host[HOST_MAX +
              1];  // lower-case A-labels without trailing dot; "127.0.0.1"; "::1" without brackets.
                   // Every spelling of an IPv4 address that inet_aton or libcurl accepts (decimal,
                   // octal, hex, short, percent-encoded) is URL_HOST_IPV4 here; one that only IDN
                   // mapping makes an address (full-width digits) is refused as URL_INVALID_HOST
    uint16_t port; // effective: 80 or 443 if the URL has none
    struct in6_addr address; // of a literal; IPv4 as ::ffff:a.b.c.d
    size_t path_offset;      // of the path (and query) in the normal form
};

// Parses and checks `text[0..n)`, and, if `normal` is not NULL, appends the normal form there:
// lower-case scheme and host, no default port, no fragment, "/" for an empty path, non-ASCII path
// and query bytes percent-encoded. `normal` is unchanged unless URL_OK. `detail`, if not NULL, is
// set to a constant sentence for a person when the verdict is not URL_OK.
enum url_verdict url_parse(const char *text, size_t n, struct url *ret, struct buf *normal,
                           const char **detail);

// "invalid_url", "unsupported_scheme", "invalid_host", "internal"; NULL for URL_OK.
const char *url_verdict_name(enum url_verdict verdict);

// True if `a` and `b` have the same scheme, host and port (RFC 6454 origin).
bool url_same_origin(const struct url *a, const struct url *b);

// Checks a bare host as used in /v1/hosts/{host} and in the configuration (a name, IPv4 or IPv6
// literal with or without brackets) and writes its canonical form, the key under which its limits
// are kept.
enum url_verdict host_parse(const char *text, size_t n, char ret[HOST_MAX + 1]);

// Decodes %XX in text[0..n) into `out` (>= n + 1 bytes); returns the length, or -1 for a bad escape
// or %00.
long url_percent_decode(const char *text, size_t n, char *out);

// Appends `text` with every byte but RFC 3986 unreserved ones as %XX.
int url_percent_encode(struct buf *out, const char *text, size_t n);
