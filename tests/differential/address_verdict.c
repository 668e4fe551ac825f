// SPDX-License-Identifier: MIT
// What gatherd's built-in policy makes of addresses, for comparison with other implementations:
// prints 1 (may be fetched) or 0 for each line of stdin, an IPv4 or IPv6 address.
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "daemon/task/address_policy.h"

int main(void)
{
    struct err e;
    struct address_policy policy;
    char line[INET6_ADDRSTRLEN + 2];
    if (address_policy_init(&policy, &(struct address_policy_text){.n_allow = 0}, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    while (fgets(line, sizeof(line), stdin)) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
        const struct sockaddr *sa = (const struct sockaddr *)&in6;
        line[strcspn(line, "\n")] = '\0';
        if (inet_pton(AF_INET, line, &in.sin_addr) == 1) {
            sa = (const struct sockaddr *)&in;
        } else if (inet_pton(AF_INET6, line, &in6.sin6_addr) != 1) {
            fprintf(stderr, "no address: %s\n", line);
            return 2;
        }
        puts(address_policy_allows_sockaddr(&policy, sa) ? "1" : "0");
    }
    address_policy_done(&policy);
    return 0;
}
