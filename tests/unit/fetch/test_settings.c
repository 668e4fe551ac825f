// SPDX-License-Identifier: MIT
// What fetch takes from the configuration, above all which limits hold for a host.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/file.h"
#include "daemon/fetch/settings.h"

static const struct host_limits unset = {.max_concurrency = -1, .delay_ms = -1, .rate_per_s = -1};

static const struct fetch_settings *load(const char *text)
{
    char path[] = "/tmp/gatherd-test-XXXXXX";
    struct err e;
    struct config *c = NULL;
    const struct fetch_settings *s = NULL;
    FILE *f = fdopen(mkstemp(path), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    struct config_sources src = {.file = path};
    if (config_load(&src, &e, &c) < 0 || fetch_settings_new(c, &e, &s) < 0) {
        fail_msg("%s", e.text);
    }
    unlink(path);
    config_free(&c);
    return s;
}

static const char two_hosts[] = "fetch { host_concurrency = 4\n host_delay = \"1s\" }\n"
                                "host \"a.example\" { concurrency = 2 }\n"
                                "host \"b.example\" { delay = \"50ms\"\n rate = 2.5 }\n";

static void the_defaults_hold_where_nothing_is_said(void **state)
{
    (void)state;
    const struct fetch_settings *s = load(two_hosts);
    struct host_limits l = fetch_settings_limits(s, "c.example", &unset);
    assert_int_equal(4, l.max_concurrency);
    assert_int_equal(1000, l.delay_ms);
    assert_true(l.rate_per_s == 0);
    assert_false(l.paused);
    fetch_settings_unref(&s);
    assert_null(s);
}

static void a_host_block_overrides_what_it_names(void **state)
{
    (void)state;
    const struct fetch_settings *s = load(two_hosts);
    struct host_limits l = fetch_settings_limits(s, "a.example", &unset);
    assert_int_equal(2, l.max_concurrency);
    assert_int_equal(1000, l.delay_ms);
    l = fetch_settings_limits(s, "b.example", &unset);
    assert_int_equal(4, l.max_concurrency);
    assert_int_equal(50, l.delay_ms);
    assert_true(l.rate_per_s == 2.5);
    fetch_settings_unref(&s);
}

static void an_admin_overrides_both(void **state)
{
    (void)state;
    const struct fetch_settings *s = load(two_hosts);
    struct host_limits admin = unset;
    admin.max_concurrency = 1;
    admin.delay_ms = 0;
    admin.paused = true;
    struct host_limits l = fetch_settings_limits(s, "b.example", &admin);
    assert_int_equal(1, l.max_concurrency);
    assert_int_equal(0, l.delay_ms);
    assert_true(l.rate_per_s == 2.5);
    assert_true(l.paused);
    fetch_settings_unref(&s);
}

static void texts_are_derived(void **state)
{
    (void)state;
    const struct fetch_settings *s =
        load("store { path = \"/var/lib/x/y.db\" }\n"
             "fetch { resolver = {\"192.0.2.1\", \"[2001:db8::1]:53\"} }\n");
    assert_string_equal("/var/lib/x", s->transfer.spill_dir);
    assert_string_equal("192.0.2.1,[2001:db8::1]:53", s->resolver_servers);
    assert_true(s->transfer.user_agent[0] != 0);
    const struct fetch_settings *other = fetch_settings_ref(s);
    fetch_settings_unref(&s);
    assert_string_equal("/var/lib/x", other->transfer.spill_dir);
    fetch_settings_unref(&other);
}

static const struct fetch_settings *load_with_descriptors(rlim_t n, const char *text)
{
    struct rlimit was;
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &was));
    if (was.rlim_max < n) {
        skip();
    }
    struct rlimit chosen = {.rlim_cur = n, .rlim_max = was.rlim_max};
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &chosen));
    const struct fetch_settings *s = load(text);
    assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &was));
    return s;
}

static void connections_leave_descriptors_for_everything_else(void **state)
{
    (void)state;
    const struct fetch_settings *s =
        load_with_descriptors(64, "fetch { concurrency = 256 workers = 2 }\n");
    assert_true(s->concurrency > 0 && s->transfer.max_idle_connections > 0);
    assert_true(s->concurrency + 2 * s->transfer.max_idle_connections <= 32);
    fetch_settings_unref(&s);
}

static void connections_are_kept_for_many_hosts(void **state)
{
    (void)state;
    const struct fetch_settings *s =
        load_with_descriptors(8192, "fetch { concurrency = 64 workers = 2 }\n");
    assert_int_equal(64, s->concurrency);
    assert_int_equal(1024, s->transfer.max_idle_connections);
    fetch_settings_unref(&s);
}

// A transfer takes one descriptor; the connections kept beside them do not grow with them.
static void ten_thousand_transfers_fit_into_sixteen_thousand_descriptors(void **state)
{
    (void)state;
    const struct fetch_settings *s =
        load_with_descriptors(16384, "fetch { concurrency = 10000 workers = 2 }\n");
    assert_int_equal(10000, s->concurrency);
    assert_int_equal(1024, s->transfer.max_idle_connections);
    fetch_settings_unref(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_hold_where_nothing_is_said),
        cmocka_unit_test(a_host_block_overrides_what_it_names),
        cmocka_unit_test(an_admin_overrides_both),
        cmocka_unit_test(texts_are_derived),
        cmocka_unit_test(connections_leave_descriptors_for_everything_else),
        cmocka_unit_test(connections_are_kept_for_many_hosts),
        cmocka_unit_test(ten_thousand_transfers_fit_into_sixteen_thousand_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
