// SPDX-License-Identifier: MIT
// The resolver against a scripted name server: what each answer is called, caching, joining,
// vetting, cancelling.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "daemon/fetch/dns_cache.h"
#include "daemon/fetch/resolver.h"
#include "tests/unit/fetch/dns_server.h"

#define DEADLINE_MS 10000

struct fixture {
    struct loop *loop;
    struct dns_server *server;
    struct resolver *resolver;
    struct address_policy policy;
    struct metrics metrics;
};

struct answer {
    unsigned n; // calls
    struct resolved r;
};

static void start_resolver(struct fixture *f, int64_t timeout_ms)
{
    char servers[32];
    struct err e;
    snprintf(servers, sizeof servers, "127.0.0.1:%u", dns_server_port(f->server));
    struct resolver_settings s = {.servers = servers,
                                  .timeout_ms = timeout_ms,
                                  .tries = 2,
                                  .min_ttl_ms = 100,
                                  .max_ttl_ms = 3600000,
                                  .negative_ttl_ms = 300,
                                  .max_entries = 100};
    assert_int_equal(0, resolver_new(f->loop, &s, &f->metrics, &e, &f->resolver));
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    struct address_policy_text none = {.n_allow = 0};
    assert_non_null(f);
    assert_int_equal(0, address_policy_init(&f->policy, &none, &e));
    assert_int_equal(0, loop_new("test", &e, &f->loop));
    f->server = dns_server_new(loop_base(f->loop));
    start_resolver(f, 200);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    resolver_free(&f->resolver);
    dns_server_free(f->server);
    loop_free(&f->loop);
    address_policy_done(&f->policy);
    free(f);
    return 0;
}

static void on_resolved(void *ctx, const struct resolved *r)
{
    struct answer *a = ctx;
    a->n++;
    a->r = *r;
}

static struct resolver_lookup *ask(struct fixture *f, const char *name, struct answer *a)
{
    struct resolver_lookup *l = NULL;
    unsigned before = a->n;
    assert_int_equal(0, resolver_lookup(f->resolver, name, &f->policy, on_resolved, a, &l));
    assert_int_equal(before, a->n); // never from inside
    return l;
}

static void turn(struct fixture *f, int64_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_base_loopexit(loop_base(f->loop), &tv);
    event_base_loop(loop_base(f->loop), EVLOOP_NO_EXIT_ON_EMPTY);
}

static void wait_for(struct fixture *f, const struct answer *a, unsigned n)
{
    int64_t end = clock_monotonic_ms() + DEADLINE_MS;
    while (a->n < n && clock_monotonic_ms() < end) {
        turn(f, 5);
    }
    assert_int_equal(n, a->n);
}

static struct resolved resolve(struct fixture *f, const char *name)
{
    struct answer a = {.n = 0};
    ask(f, name, &a);
    wait_for(f, &a, 1);
    return a.r;
}

static void assert_ipv4(const struct sockaddr_storage *sa, const char *expected)
{
    char text[INET_ADDRSTRLEN];
    const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
    assert_int_equal(AF_INET, sa->ss_family);
    assert_int_equal(0, in->sin_port);
    assert_string_equal(expected, inet_ntop(AF_INET, &in->sin_addr, text, sizeof text));
}

static void names_have_addresses(void **state)
{
    struct fixture *f = *state;
    struct resolved r = resolve(f, "a-1.test");
    assert_int_equal(TASK_OK, r.error);
    assert_int_equal(1, r.n);
    assert_ipv4(&r.addresses[0], "8.8.0.1");
    r = resolve(f, "six.test");
    assert_int_equal(TASK_OK, r.error);
    assert_int_equal(1, r.n);
    assert_int_equal(AF_INET6, r.addresses[0].ss_family);
}

static void each_failure_has_its_name(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        enum task_error error;
    } rows[] = {
        {"nowhere.test", TASK_DNS_NOT_FOUND},      {"a-0.test", TASK_DNS_NOT_FOUND},
        {"servfail.test", TASK_DNS_TEMPORARY},     {"refused.test", TASK_DNS_TEMPORARY},
        {"silent.test", TASK_DNS_TEMPORARY},       {"private.test", TASK_BLOCKED_ADDRESS},
        {"127.0.0.1", TASK_BLOCKED_ADDRESS},       {"::1", TASK_BLOCKED_ADDRESS},
        {"::ffff:10.0.0.1", TASK_BLOCKED_ADDRESS}, {"8.8.8.8", TASK_OK},
        {"2001:4860:4860::8888", TASK_OK},         {"broken4.test", TASK_DNS_TEMPORARY},
        {"broken6.test", TASK_DNS_TEMPORARY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct resolved r = resolve(f, rows[i].name);
        if (r.error != rows[i].error) {
            fail_msg("%s: %d, not %d", rows[i].name, (int)r.error, (int)rows[i].error);
        }
        assert_false(r.local_shortage);
        assert_int_equal(r.error == TASK_OK ? 1 : 0, r.n);
    }
}

static void addresses_of_both_families_are_given(void **state)
{
    struct resolved r = resolve(*state, "both.test");
    assert_int_equal(TASK_OK, r.error);
    assert_int_equal(2, r.n);
    assert_int_not_equal(r.addresses[0].ss_family, r.addresses[1].ss_family);
}

static void a_question_for_ipv6_that_nobody_answers_delays_no_ipv4(void **state)
{
    struct fixture *f = *state;
    resolver_free(&f->resolver);
    start_resolver(f, 60000); // far more than this test waits
    struct resolved r = resolve(f, "deaf6.test");
    assert_int_equal(TASK_OK, r.error);
    assert_int_equal(1, r.n);
    assert_ipv4(&r.addresses[0], "8.8.8.8");
}

static void assert_remembered_shortly(struct fixture *f, const char *name)
{
    resolve(f, name);
    resolve(f, name);
    assert_int_equal(1, dns_server_asked(f->server, name));
    turn(f, 320);
    resolve(f, name);
    assert_int_equal(2, dns_server_asked(f->server, name));
}

static void an_answer_for_one_family_alone_is_remembered_shortly(void **state)
{
    assert_remembered_shortly(*state, "deaf6.test");
}

static void that_no_address_is_allowed_is_said_only_when_all_are_known(void **state)
{
    struct fixture *f = *state;
    struct answer a = {.n = 0};
    ask(f, "late6.test", &a);
    turn(f, 100);
    assert_int_equal(0, a.n);
    dns_server_release(f->server);
    wait_for(f, &a, 1);
    assert_int_equal(TASK_OK, a.r.error);
    assert_int_equal(1, a.r.n);
    assert_int_equal(AF_INET6, a.r.addresses[0].ss_family);
}

static void a_circle_of_aliases_ends(void **state)
{
    struct resolved r = resolve(*state, "loop.test");
    assert_true(r.error == TASK_DNS_NOT_FOUND || r.error == TASK_DNS_TEMPORARY);
}

static void only_allowed_addresses_are_given(void **state)
{
    struct resolved r = resolve(*state, "mixed.test");
    assert_int_equal(TASK_OK, r.error);
    assert_int_equal(1, r.n);
    assert_ipv4(&r.addresses[0], "8.8.4.4");
}

static void of_many_addresses_the_first_few_are_given(void **state)
{
    struct resolved r = resolve(*state, "a-70.test");
    assert_int_equal(TASK_OK, r.error);
    assert_int_equal(RESOLVER_MAX_ADDRESSES, r.n);
}

static void answers_are_kept_for_their_ttl(void **state)
{
    struct fixture *f = *state;
    resolve(f, "ttl1.test");
    resolve(f, "ttl1.test");
    assert_int_equal(1, dns_server_asked(f->server, "ttl1.test"));
    assert_int_equal(1, metrics_get(&f->metrics, METRIC_DNS_LOOKUPS));
    assert_int_equal(1, metrics_get(&f->metrics, METRIC_DNS_CACHE_HITS));
    turn(f, 1050);
    resolve(f, "ttl1.test");
    assert_int_equal(2, dns_server_asked(f->server, "ttl1.test"));
}

static void a_missing_name_is_remembered_shortly(void **state)
{
    assert_remembered_shortly(*state, "nowhere.test");
}

static void a_temporary_failure_is_not_remembered(void **state)
{
    struct fixture *f = *state;
    resolve(f, "servfail.test");
    unsigned first = dns_server_asked(f->server, "servfail.test");
    resolve(f, "servfail.test");
    assert_true(dns_server_asked(f->server, "servfail.test") > first);
}

static void equal_lookups_are_one_question(void **state)
{
    struct fixture *f = *state;
    struct answer a = {.n = 0};
    for (int i = 0; i < 50; i++) {
        ask(f, "a-2.test", &a);
    }
    wait_for(f, &a, 50);
    assert_int_equal(1, dns_server_asked(f->server, "a-2.test"));
    assert_int_equal(2, a.r.n);
}

static void a_silent_server_delays_nobody_else(void **state)
{
    struct fixture *f = *state;
    struct answer silent = {.n = 0};
    ask(f, "silent.test", &silent);
    assert_int_equal(TASK_OK, resolve(f, "a-1.test").error);
    assert_int_equal(0, silent.n);
    wait_for(f, &silent, 1);
    assert_int_equal(TASK_DNS_TEMPORARY, silent.r.error);
}

static void ask_silent_names(struct fixture *f, unsigned n, struct answer *a,
                             struct resolver_lookup **ret)
{
    char name[32];
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof name, "silent-%u.test", i);
        ret[i] = ask(f, name, a);
    }
}

static void a_burst_of_names_is_asked_in_portions(void **state)
{
    struct fixture *f = *state;
    struct answer silent = {.n = 0};
    struct resolver_lookup *lookups[250];
    resolver_free(&f->resolver);
    start_resolver(f, 60000);
    ask_silent_names(f, 250, &silent, lookups);
    for (int i = 0; i < 1000 && f->server->n_asked < 100; i++) {
        turn(f, 10);
    }
    turn(f, 50);
    assert_int_equal(100, f->server->n_asked);
    for (int i = 0; i < 250; i++) {
        resolver_cancel(&lookups[i]);
    }
}

static void a_burst_of_silent_names_holds_others_back_for_moments(void **state)
{
    struct fixture *f = *state;
    struct answer silent = {.n = 0};
    struct resolver_lookup *lookups[150];
    ask_silent_names(f, 150, &silent, lookups);
    assert_int_equal(TASK_OK, resolve(f, "a-1.test").error);
    assert_true(silent.n < 150);
    wait_for(f, &silent, 150);
}

static void a_cancelled_lookup_is_never_told(void **state)
{
    struct fixture *f = *state;
    struct answer gone = {.n = 0}, stays = {.n = 0};
    struct resolver_lookup *l = ask(f, "late.test", &gone);
    ask(f, "late.test", &stays);
    turn(f, 20);
    resolver_cancel(&l);
    assert_null(l);
    resolver_cancel(&l);
    dns_server_release(f->server);
    wait_for(f, &stays, 1);
    l = ask(f, "8.8.8.8", &gone); // told on the next turn
    resolver_cancel(&l);
    turn(f, 20);
    assert_int_equal(0, gone.n);
}

static void can_be_freed_with_questions_under_way(void **state)
{
    struct fixture *f = *state;
    struct answer a = {.n = 0};
    struct resolver_lookup *l = ask(f, "silent.test", &a);
    turn(f, 5);
    resolver_cancel(&l);
}

static void the_hosts_file_is_read(void **state)
{
    struct fixture *f = *state;
    struct resolved r = resolve(f, "localhost");
    assert_int_equal(TASK_BLOCKED_ADDRESS, r.error);
    assert_int_equal(0, f->server->n_packets); // not even for a family that is not in the file
}

// Leaves no descriptor free, or gives back what it took.
static void set_descriptors(bool none)
{
    static struct rlimit before;
    struct rlimit now;
    getrlimit(RLIMIT_NOFILE, &now);
    if (none) {
        before = now;
        now.rlim_cur = 0;
    } else {
        now = before;
    }
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &now));
}

static void a_lack_of_descriptors_is_not_the_names_fault(void **state)
{
    struct fixture *f = *state;
    set_descriptors(true);
    struct resolved r = resolve(f, "a-1.test");
    set_descriptors(false);
    assert_int_equal(TASK_DNS_TEMPORARY, r.error);
    assert_true(r.local_shortage);
    r = resolve(f, "a-1.test");
    assert_int_equal(TASK_OK, r.error);
}

static struct dns_answer *one_address(void)
{
    struct dns_answer *a = dns_answer_new(1);
    assert_non_null(a);
    return a;
}

static void the_cache_drops_what_was_not_used_for_longest(void **state)
{
    (void)state;
    struct dns_cache *c = NULL;
    assert_int_equal(0, dns_cache_new(2, &c));
    dns_cache_put(c, "a", one_address(), 100);
    dns_cache_put(c, "b", one_address(), 100);
    assert_non_null(dns_cache_get(c, "a", 0));
    dns_cache_put(c, "c", one_address(), 100);
    assert_null(dns_cache_get(c, "b", 0));
    assert_non_null(dns_cache_get(c, "a", 99));
    assert_null(dns_cache_get(c, "a", 100));
    dns_cache_put(c, "c", one_address(), 300);
    assert_non_null(dns_cache_get(c, "c", 200));
    assert_int_equal(1, dns_cache_count(c));
    dns_cache_free(&c);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(names_have_addresses),
        WITH_FIXTURE(each_failure_has_its_name),
        WITH_FIXTURE(addresses_of_both_families_are_given),
        WITH_FIXTURE(a_question_for_ipv6_that_nobody_answers_delays_no_ipv4),
        WITH_FIXTURE(an_answer_for_one_family_alone_is_remembered_shortly),
        WITH_FIXTURE(that_no_address_is_allowed_is_said_only_when_all_are_known),
        WITH_FIXTURE(a_circle_of_aliases_ends),
        WITH_FIXTURE(only_allowed_addresses_are_given),
        WITH_FIXTURE(of_many_addresses_the_first_few_are_given),
        WITH_FIXTURE(answers_are_kept_for_their_ttl),
        WITH_FIXTURE(a_missing_name_is_remembered_shortly),
        WITH_FIXTURE(a_temporary_failure_is_not_remembered),
        WITH_FIXTURE(equal_lookups_are_one_question),
        WITH_FIXTURE(a_silent_server_delays_nobody_else),
        WITH_FIXTURE(a_burst_of_names_is_asked_in_portions),
        WITH_FIXTURE(a_burst_of_silent_names_holds_others_back_for_moments),
        WITH_FIXTURE(a_cancelled_lookup_is_never_told),
        WITH_FIXTURE(can_be_freed_with_questions_under_way),
        WITH_FIXTURE(the_hosts_file_is_read),
        WITH_FIXTURE(a_lack_of_descriptors_is_not_the_names_fault),
        cmocka_unit_test(the_cache_drops_what_was_not_used_for_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
