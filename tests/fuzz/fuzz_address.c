// SPDX-License-Identifier: MIT
// The address classifier: an IPv4 address is judged alike bare, mapped and embedded; configuration
// text is accepted or refused with a reason.
#include <arpa/inet.h>
#include <string.h>

#include "daemon/task/address_policy.h"
#include "fuzz.h"

static bool allows(const struct address_policy *p, const uint8_t bytes[16])
{
    struct in6_addr a;
    memcpy(&a, bytes, sizeof(a));
    return address_policy_allows(p, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct address_policy none = {0};
    if (n >= 16) {
        allows(&none, data);
    }
    if (n >= 4) {
        uint8_t mapped[16] = {[10] = 0xFF, [11] = 0xFF};
        uint8_t nat64[16] = {0x00, 0x64, 0xFF, 0x9B};
        memcpy(mapped + 12, data, 4);
        memcpy(nat64 + 12, data, 4);
        struct sockaddr_in sin = {.sin_family = AF_INET};
        memcpy(&sin.sin_addr, data, 4);
        bool bare = address_policy_allows_sockaddr(&none, (const struct sockaddr *)&sin);
        FUZZ_CHECK(bare == allows(&none, mapped));
        FUZZ_CHECK(bare || !allows(&none, nat64));
    }
    char text[64];
    if (n < sizeof(text)) {
        memcpy(text, data, n);
        text[n] = '\0';
        const char *one[] = {text};
        struct address_policy p;
        struct err e = {.code = ERR_OK};
        struct address_policy_text ranges = {.allow = one, .n_allow = 1};
        struct address_policy_text ports = {.ports = one, .n_ports = 1};
        if (address_policy_init(&p, &ranges, &e) == 0) {
            address_policy_done(&p);
        } else {
            FUZZ_CHECK(e.code != ERR_OK);
        }
        if (address_policy_init(&p, &ports, &e) == 0) {
            address_policy_done(&p);
        }
    }
    return 0;
}
