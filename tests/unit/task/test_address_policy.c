// SPDX-License-Identifier: MIT
// Which addresses and ports may be fetched. The edges of every special-purpose range (first and
// last address, and the neighbours of both) are compared with what Python 3.11's
// `ipaddress.is_global` says of them; where gatherd differs on purpose the row is in `deliberate`.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "daemon/task/address_policy.h"

static const char *const agreed_global[] = {"1.0.0.0",
                                            "9.255.255.255",
                                            "11.0.0.0",
                                            "100.63.255.255",
                                            "100.128.0.0",
                                            "126.255.255.255",
                                            "128.0.0.0",
                                            "169.253.255.255",
                                            "169.255.0.0",
                                            "172.15.255.255",
                                            "172.32.0.0",
                                            "191.255.255.255",
                                            "192.0.1.0",
                                            "192.0.0.9",
                                            "192.0.0.10",
                                            "192.0.1.255",
                                            "192.0.3.0",
                                            "192.31.195.255",
                                            "192.31.196.0",
                                            "192.31.196.255",
                                            "192.31.197.0",
                                            "192.52.192.255",
                                            "192.52.193.0",
                                            "192.52.193.255",
                                            "192.52.194.0",
                                            "192.88.98.255",
                                            "192.88.100.0",
                                            "192.167.255.255",
                                            "192.169.0.0",
                                            "192.175.47.255",
                                            "192.175.48.0",
                                            "192.175.48.255",
                                            "192.175.49.0",
                                            "198.17.255.255",
                                            "198.20.0.0",
                                            "198.51.99.255",
                                            "198.51.101.0",
                                            "203.0.112.255",
                                            "203.0.114.0",
                                            "223.255.255.255",
                                            "168.63.129.15",
                                            "168.63.129.17",
                                            "::1:0:0",
                                            "::fffe:ffff:ffff:ffff",
                                            "::ffff:1:0:0",
                                            "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "64:ff9b::1:0:0",
                                            "64:ff9b:0:ffff:ffff:ffff:ffff:ffff",
                                            "64:ff9b:2::",
                                            "ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "100:0:0:2::",
                                            "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "2001:200::",
                                            "2001:1::1",
                                            "2001:1::2",
                                            "2001:3::",
                                            "2001:3:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "2001:4:112::",
                                            "2001:4:112:ffff:ffff:ffff:ffff:ffff",
                                            "2001:20::",
                                            "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "2001:30::",
                                            "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "2001:db9::",
                                            "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "2003::",
                                            "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff",
                                            "2620:4f:8000::",
                                            "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
                                            "2620:4f:8001::",
                                            "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "3fff:1000::",
                                            "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "5f01::",
                                            "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                            "fe00::",
                                            "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

static const char *const agreed_refused[] = {"0.0.0.0",
                                             "0.255.255.255",
                                             "10.0.0.0",
                                             "10.255.255.255",
                                             "100.64.0.0",
                                             "100.127.255.255",
                                             "127.0.0.0",
                                             "127.255.255.255",
                                             "169.254.0.0",
                                             "169.254.255.255",
                                             "172.16.0.0",
                                             "172.31.255.255",
                                             "192.0.0.0",
                                             "192.0.0.255",
                                             "192.0.0.8",
                                             "192.0.0.11",
                                             "192.0.2.0",
                                             "192.0.2.255",
                                             "192.168.0.0",
                                             "192.168.255.255",
                                             "198.18.0.0",
                                             "198.19.255.255",
                                             "198.51.100.0",
                                             "198.51.100.255",
                                             "203.0.113.0",
                                             "203.0.113.255",
                                             "224.0.0.0",
                                             "239.255.255.255",
                                             "240.0.0.0",
                                             "255.255.255.255",
                                             "::",
                                             "::1",
                                             "64:ff9b:1::",
                                             "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
                                             "100::",
                                             "100::ffff:ffff:ffff:ffff",
                                             "2001::",
                                             "2001:0:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "2001:1::",
                                             "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "2001:1::4",
                                             "2001:1:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "2001:2::",
                                             "2001:2:0:ffff:ffff:ffff:ffff:ffff",
                                             "2001:2:1::",
                                             "2001:2:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "2001:4::",
                                             "2001:4:111:ffff:ffff:ffff:ffff:ffff",
                                             "2001:4:113::",
                                             "2001:f:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "2001:10::",
                                             "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "2001:40::",
                                             "2001:db8::",
                                             "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "2002::",
                                             "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "fc00::",
                                             "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "fe80::",
                                             "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                                             "ff00::",
                                             "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

static const struct {
    const char *address;
    bool allowed;
    const char *why;
} deliberate[] = {
    {"192.88.99.0", false, "6to4 relay anycast, deprecated (RFC 7526)"},
    {"192.88.99.255", false, "6to4 relay anycast, deprecated (RFC 7526)"},
    {"168.63.129.16", false, "a cloud platform's service address"},
    {"::ffff:ffff", false, "IPv4-compatible"},
    {"::2", false, "IPv4-compatible"},
    {"::ffff:0:0:0", false, "IPv4-translated"},
    {"::ffff:0:ffff:ffff", false, "IPv4-translated"},
    {"64:ff9b::", false, "carries 0.0.0.0 or 255.255.255.255"},
    {"64:ff9b::ffff:ffff", false, "carries 0.0.0.0 or 255.255.255.255"},
    {"100:0:0:1::", false, "dummy prefix, newer than that Python (RFC 9780)"},
    {"100::1:ffff:ffff:ffff:ffff", false, "dummy prefix, newer than that Python (RFC 9780)"},
    {"2001:1::3", true, "newer than that Python (RFC 9665)"},
    {"3fff::", false, "documentation, newer than that Python (RFC 9637)"},
    {"3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", false,
     "documentation, newer than that Python (RFC 9637)"},
    {"5f00::", false, "segment routing, newer than that Python (RFC 9602)"},
    {"5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false,
     "segment routing, newer than that Python (RFC 9602)"},
    {"fec0::", false, "site local, deprecated (RFC 3879)"},
    {"feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false, "site local, deprecated (RFC 3879)"},
};

static const struct address_policy plain; // no lists: the built-in table alone

static struct in6_addr address_of(const char *text)
{
    struct in6_addr a = {0};
    struct in_addr ipv4;
    if (inet_pton(AF_INET, text, &ipv4) == 1) {
        a.s6_addr[10] = a.s6_addr[11] = 0xff;
        memcpy(a.s6_addr + 12, &ipv4, 4);
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
    }
    return a;
}

static void expect(const struct address_policy *p, const char *text, bool allowed)
{
    struct in6_addr a = address_of(text);
    if (address_policy_allows(p, &a) != allowed) {
        fail_msg("%s should be %s", text, allowed ? "allowed" : "refused");
    }
}

static struct address_policy policy_of(const char *allow, const char *deny, const char *ports)
{
    struct address_policy p;
    struct err e;
    struct address_policy_text t = {&allow,        &deny,        &ports,
                                    allow != NULL, deny != NULL, ports != NULL};
    assert_int_equal(address_policy_init(&p, &t, &e), 0);
    return p;
}

static void edges_of_all_ranges_are_judged_as_the_registries_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(agreed_global) / sizeof(agreed_global[0]); i++) {
        expect(&plain, agreed_global[i], true);
    }
    for (size_t i = 0; i < sizeof(agreed_refused) / sizeof(agreed_refused[0]); i++) {
        expect(&plain, agreed_refused[i], false);
    }
    for (size_t i = 0; i < sizeof(deliberate) / sizeof(deliberate[0]); i++) {
        expect(&plain, deliberate[i].address, deliberate[i].allowed);
    }
}

static void ipv4_inside_ipv6_is_judged_by_the_ipv4_address(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool allowed;
    } rows[] = {
        {"::ffff:127.0.0.1", false},
        {"::ffff:7f00:1", false},
        {"::ffff:8.8.8.8", true},
        {"::127.0.0.1", false}, // compatible: refused whatever it carries
        {"::8.8.8.8", false},
        {"64:ff9b::a9fe:a9fe", false},
        {"64:ff9b::8.8.8.8", true},
        {"64:ff9b:1::8.8.8.8", false},
        {"2002:7f00:1::", false},
        {"2002:a00:1::1", false},
        {"2002:808:808::1", true},
        {"2001::808:808", false}, // Teredo
        {"2001:0:4136:e378:8000:63bf:3fff:fdd2", false},
        {"2606:4700::5efe:10.0.0.1", false},
        {"2606:4700::200:5efe:10.0.0.1", false},
        {"2606:4700::5efe:8.8.8.8", true},
        {"2606:4700::6810:1", true},
        {"fd00:ec2::254", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(&plain, rows[i].address, rows[i].allowed);
    }
}

static void deny_wins_over_allow_and_allow_over_the_table(void **state)
{
    (void)state;
    struct address_policy p = policy_of("10.0.0.0/8", "10.1.0.0/16", NULL);
    expect(&p, "10.0.0.1", true);
    expect(&p, "10.1.0.1", false);
    expect(&p, "192.168.0.1", false);
    expect(&p, "64:ff9b::10.0.0.1", true);
    expect(&p, "64:ff9b::10.1.0.1", false);
    address_policy_done(&p);
    p = policy_of("::/0", "8.8.8.8", NULL);
    expect(&p, "::1", true);
    expect(&p, "127.0.0.1", true);
    expect(&p, "8.8.8.8", false);
    expect(&p, "2002:808:808::1", false);
    address_policy_done(&p);
    p = policy_of("::1", NULL, NULL);
    expect(&p, "::1", true);
    expect(&p, "::2", false);
    address_policy_done(&p);
}

static void texts_that_are_no_ranges_are_refused(void **state)
{
    (void)state;
    static const char *const addresses[] = {
        "",         "10",          "10.0.0.0/33", "10.0.0.1/8",  "10.0.0.0/", "::/129",
        "fe80::/x", "10.0.0.0/-1", "example.com", "10.0.0.0/8 ", "::/0000000"};
    static const char *const ports[] = {"", "0", "65536", "x", "9-8", "1-", "-1", "80 "};
    struct address_policy p;
    struct err e;
    for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        struct address_policy_text t = {.allow = &addresses[i], .n_allow = 1};
        assert_int_equal(address_policy_init(&p, &t, &e), -1);
        assert_int_equal(e.code, ERR_CONFIG);
        t = (struct address_policy_text){.deny = &addresses[i], .n_deny = 1};
        assert_int_equal(address_policy_init(&p, &t, &e), -1);
    }
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
        struct address_policy_text t = {.ports = &ports[i], .n_ports = 1};
        assert_int_equal(address_policy_init(&p, &t, &e), -1);
    }
}

static void socket_addresses_are_judged_and_other_families_refused(void **state)
{
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_true(address_policy_allows_sockaddr(&plain, (struct sockaddr *)&v4));
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_false(address_policy_allows_sockaddr(&plain, (struct sockaddr *)&v4));
    assert_false(address_policy_allows_sockaddr(&plain, (struct sockaddr *)&v6));
    assert_false(address_policy_allows_sockaddr(&plain, &other));
}

static void ports_of_other_protocols_are_refused(void **state)
{
    (void)state;
    static const uint16_t good[] = {80, 443, 1024, 3000, 8080, 8443, 9200, 65535};
    static const uint16_t bad[] = {0,    1,    21,   22,   25,   53,   79,   81,    442,
                                   1023, 1720, 2049, 5060, 6000, 6379, 6667, 10080, 11211};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(address_policy_allows_port(&plain, good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(address_policy_allows_port(&plain, bad[i]));
    }
    struct address_policy p = policy_of(NULL, NULL, "20-25");
    assert_true(address_policy_allows_port(&p, 25));
    assert_false(address_policy_allows_port(&p, 26));
    address_policy_done(&p);
}

static enum url_policy_verdict judge(const struct address_policy *p, const char *text)
{
    struct url u;
    assert_int_equal(url_parse(text, strlen(text), &u, NULL, NULL), URL_OK);
    return address_policy_check_url(p, &u);
}

static void urls_are_judged_without_dns(void **state)
{
    (void)state;
    assert_int_equal(judge(&plain, "http://example.com/"), URL_POLICY_OK);
    assert_int_equal(judge(&plain, "http://localhost.example.com/"), URL_POLICY_OK);
    assert_int_equal(judge(&plain, "http://notlocalhost/"), URL_POLICY_OK);
    assert_int_equal(judge(&plain, "http://example.com:22/"), URL_POLICY_BLOCKED_PORT);
    assert_int_equal(judge(&plain, "http://127.1/"), URL_POLICY_BLOCKED_ADDRESS);
    assert_int_equal(judge(&plain, "http://2852039166/"), URL_POLICY_BLOCKED_ADDRESS);
    assert_int_equal(judge(&plain, "http://[::1]/"), URL_POLICY_BLOCKED_ADDRESS);
    assert_int_equal(judge(&plain, "http://localhost/"), URL_POLICY_BLOCKED_ADDRESS);
    assert_int_equal(judge(&plain, "http://a.localhost/"), URL_POLICY_BLOCKED_ADDRESS);
    struct address_policy p = policy_of("127.0.0.0/8", NULL, NULL);
    assert_int_equal(judge(&p, "http://localhost/"), URL_POLICY_OK);
    assert_int_equal(judge(&p, "http://127.0.0.1:8080/"), URL_POLICY_OK);
    address_policy_done(&p);
}

static void the_builtin_table_lists_parsable_ranges(void **state)
{
    (void)state;
    size_t n = 0;
    for (const struct builtin_range *r; (r = address_policy_builtin(n)); n++) {
        struct address_policy p =
            policy_of(r->cidr, NULL, NULL); // parses, without bits behind the prefix
        char first[INET6_ADDRSTRLEN];
        snprintf(first, sizeof(first), "%.*s", (int)strcspn(r->cidr, "/"), r->cidr);
        expect(&p, first, true);
        expect(&plain, first, r->global); // text and bytes of the row agree
        assert_non_null(r->name);
        address_policy_done(&p);
    }
    assert_true(n > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_of_all_ranges_are_judged_as_the_registries_say),
        cmocka_unit_test(ipv4_inside_ipv6_is_judged_by_the_ipv4_address),
        cmocka_unit_test(deny_wins_over_allow_and_allow_over_the_table),
        cmocka_unit_test(texts_that_are_no_ranges_are_refused),
        cmocka_unit_test(socket_addresses_are_judged_and_other_families_refused),
        cmocka_unit_test(ports_of_other_protocols_are_refused),
        cmocka_unit_test(urls_are_judged_without_dns),
        cmocka_unit_test(the_builtin_table_lists_parsable_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
