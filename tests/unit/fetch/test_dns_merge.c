// SPDX-License-Identifier: MIT
// What the answers for the two families say together, and in which order their addresses are tried.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch/dns_merge.h"

#define MAX_TEXT 512

// "dns_not_found" and the like; else addresses, separated by spaces. "-" is no answer.
static struct dns_answer *answer_of(const char *text, int64_t ttl_ms)
{
    char copy[MAX_TEXT], *rest = copy, *word;
    struct dns_answer *a = dns_answer_new(16);
    assert_non_null(a);
    a->n = 0;
    if (strcmp(text, "none") == 0 || strcmp(text, "unknown") == 0) {
        a->error = *text == 'n' ? TASK_DNS_NOT_FOUND : TASK_DNS_TEMPORARY;
        return a;
    }
    a->ttl_ms = ttl_ms;
    memcpy(copy, text, strlen(text) + 1);
    while ((word = strsep(&rest, " "))) {
        char mapped[80];
        snprintf(mapped, sizeof mapped, "%s%s", strchr(word, ':') ? "" : "::ffff:", word);
        assert_int_equal(1, inet_pton(AF_INET6, mapped, &a->v[a->n++]));
    }
    return a;
}

static void write_addresses(const struct dns_answer *a, char *ret)
{
    char text[INET6_ADDRSTRLEN];
    *ret = 0;
    for (size_t i = 0; i < a->n; i++) {
        inet_ntop(AF_INET6, &a->v[i], text, sizeof text);
        const char *plain = strncmp(text, "::ffff:", 7) == 0 ? text + 7 : text;
        snprintf(ret + strlen(ret), MAX_TEXT - strlen(ret), "%s%s", i > 0 ? " " : "", plain);
    }
}

static void two_answers_are_one(void **state)
{
    (void)state;
    static const struct {
        const char *four, *six; // NULL: not there yet
        enum task_error error;
        bool incomplete;
        const char *addresses;
    } rows[] = {
        {"none", "none", TASK_DNS_NOT_FOUND, false, ""},
        {"none", "unknown", TASK_DNS_TEMPORARY, false, ""},
        {"unknown", "none", TASK_DNS_TEMPORARY, false, ""},
        {"unknown", "unknown", TASK_DNS_TEMPORARY, false, ""},
        {NULL, NULL, TASK_DNS_TEMPORARY, false, ""},
        {"127.0.0.1 127.0.0.2", "none", TASK_OK, false, "127.0.0.1 127.0.0.2"},
        {"127.0.0.1", "unknown", TASK_OK, true, "127.0.0.1"},
        {"127.0.0.1", NULL, TASK_OK, true, "127.0.0.1"},
        {"none", "fd00::1", TASK_OK, false, "fd00::1"},
        {"unknown", "fd00::1", TASK_OK, true, "fd00::1"},
        // Of lower precedence than IPv4, or without a route.
        {"127.0.0.1 127.0.0.2", "fd00::1", TASK_OK, false, "127.0.0.1 fd00::1 127.0.0.2"},
        {"127.0.0.1", "2002::1 2002::2", TASK_OK, false, "127.0.0.1 2002::1 2002::2"},
        {"127.0.0.1", "2001::1", TASK_OK, false, "127.0.0.1 2001::1"},
        {"127.0.0.1", "fec0::1", TASK_OK, false, "127.0.0.1 fec0::1"},
        {"127.0.0.1", "::ffff:127.0.0.2", TASK_OK, false, "127.0.0.1 127.0.0.2"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_answer *four = rows[i].four ? answer_of(rows[i].four, 1) : NULL;
        struct dns_answer *six = rows[i].six ? answer_of(rows[i].six, 1) : NULL;
        struct dns_answer *a = dns_merge(four, six);
        char addresses[MAX_TEXT];
        assert_non_null(a);
        assert_int_equal(rows[i].error, a->error);
        assert_int_equal(rows[i].incomplete, a->incomplete);
        write_addresses(a, addresses);
        assert_string_equal(rows[i].addresses, addresses);
        free(four);
        free(six);
        free(a);
    }
}

static void ipv6_goes_first_where_it_can_be_reached(void **state)
{
    (void)state;
    struct dns_answer *four = answer_of("127.0.0.1 127.0.0.2", 1), *six = answer_of("::1", 1);
    if (!dns_has_route(&six->v[0])) {
        free(four);
        free(six);
        skip();
    }
    struct dns_answer *a = dns_merge(four, six);
    char addresses[MAX_TEXT];
    write_addresses(a, addresses);
    assert_string_equal("::1 127.0.0.1 127.0.0.2", addresses);
    free(four);
    free(six);
    free(a);
}

static void the_shorter_life_counts(void **state)
{
    (void)state;
    static const struct {
        const char *four, *six;
        int64_t four_ms, six_ms, ms;
    } rows[] = {
        {"127.0.0.1", "fd00::1", 20, 10, 10},
        {"127.0.0.1", "fd00::1", 10, 20, 10},
        {"127.0.0.1", "none", 20, 0, 20},
        {"none", "fd00::1", 0, 20, 20},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_answer *four = answer_of(rows[i].four, rows[i].four_ms);
        struct dns_answer *six = answer_of(rows[i].six, rows[i].six_ms);
        struct dns_answer *a = dns_merge(four, six);
        assert_int_equal(rows[i].ms, a->ttl_ms);
        free(four);
        free(six);
        free(a);
    }
}

static void no_more_are_kept_than_there_is_room_for(void **state)
{
    (void)state;
    struct dns_answer *both[2];
    for (size_t i = 0; i < 2; i++) {
        both[i] = dns_answer_new(DNS_ANSWER_MAX);
        assert_non_null(both[i]);
    }
    struct dns_answer *a = dns_merge(both[0], both[1]);
    assert_int_equal(DNS_ANSWER_MAX, a->n);
    free(both[0]);
    free(both[1]);
    free(a);
}

static void a_shortage_here_is_said(void **state)
{
    (void)state;
    struct dns_answer *four = answer_of("none", 0), *six = answer_of("unknown", 0);
    six->local_shortage = true;
    struct dns_answer *a = dns_merge(four, six);
    assert_int_equal(TASK_DNS_TEMPORARY, a->error);
    assert_true(a->local_shortage);
    free(four);
    free(six);
    free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_answers_are_one),
        cmocka_unit_test(ipv6_goes_first_where_it_can_be_reached),
        cmocka_unit_test(the_shorter_life_counts),
        cmocka_unit_test(no_more_are_kept_than_there_is_room_for),
        cmocka_unit_test(a_shortage_here_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
