// SPDX-License-Identifier: MIT
// The table of settings, and the parsing of values by it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/options.h"

static const struct option *find(const char *name)
{
    char section[64];
    const char *dot = strchr(name, '.');
    memcpy(section, name, (size_t)(dot - name));
    section[dot - name] = '\0';
    const struct option *o = option_find(option_table(), option_count(), section, dot + 1);
    if (!o && strcmp(section, "host") == 0) {
        o = option_find(host_option_table(), HOST_CONFIG_KEYS, section, dot + 1);
    }
    assert_non_null(o);
    return o;
}

static void every_row_is_whole(void **state)
{
    (void)state;
    const struct option *rows = option_table();
    for (size_t i = 0; i < option_count(); i++) {
        const struct option *o = &rows[i];
        assert_non_null(o->text);
        assert_true(strlen(o->doc) > 10);
        assert_int_equal(o->doc[strlen(o->doc) - 1], '.');
        assert_int_equal(o->type == OPTION_ENUM, o->choices != NULL);
        assert_ptr_equal(option_find(rows, option_count(), o->section, o->key), o); // once only
        if (i > 0 && strcmp(rows[i - 1].section, o->section) != 0) {
            for (size_t k = 0; k < i; k++) {
                assert_string_not_equal(rows[k].section, o->section); // sections are not split
            }
        }
        for (const char *p = o->key; *p; p++) {
            assert_true(islower((unsigned char)*p) || *p == '_');
        }
    }
}

static const struct {
    const char *name, *text;
    bool good;
} number_rows[] = {
    {"limits.tasks_per_batch", "16777215", true},
    {"limits.tasks_per_batch", "16777216", false},
    {"fetch.concurrency", "1", true},
    {"fetch.concurrency", "100000", true},
    {"fetch.concurrency", "0", false},
    {"fetch.concurrency", "100001", false},
    {"fetch.concurrency", "99999999999999999999", false},
    {"fetch.concurrency", "", false},
    {"fetch.concurrency", "8x", false},
    {"fetch.concurrency", " 8", false},
    {"fetch.concurrency", "-1", false},
    {"fetch.concurrency", "1.5", false},
    {"fetch.concurrency", "0x10", false},
    {"fetch.workers", "0", true},
    {"fetch.workers", "65", false},
    {"fetch.host_rate", "0", true},
    {"fetch.host_rate", "0.5", true},
    {"fetch.host_rate", "-1", false},
    {"fetch.host_rate", "nan", false},
    {"fetch.host_rate", "inf", false},
    {"fetch.host_rate", "1e3", false},
    {"fetch.host_rate", "1.2.3", false},
    {"fetch.host_rate", "", false},
    {"fetch.host_rate", "1000001", false},
    {"fetch.timeout", "30s", true},
    {"fetch.timeout", "1h", true},
    {"fetch.timeout", "61m", false},
    {"fetch.timeout", "0", false},
    {"fetch.timeout", "30", false},
    {"fetch.host_delay", "0", true},
    {"fetch.host_delay", "1.5s", false},
    {"store.retention", "0", true},
    {"store.retention", "30d", true},
    {"store.retention", "99999d", false},
    {"fetch.max_body", "10M", true},
    {"fetch.max_body", "4096", true},
    {"fetch.max_body", "0", false},
    {"fetch.max_body", "2G", false},
    {"fetch.max_body", "10MB", false},
    {"auth.allow_anonymous", "true", true},
    {"auth.allow_anonymous", "no", true},
    {"auth.allow_anonymous", "maybe", false},
    {"auth.allow_anonymous", "", false},
    {"fetch.robots", "obey", true},
    {"fetch.robots", "maybe", false},
    {"log.level", "debug", true},
    {"log.level", "loud", false},
    {"store.synchronous", "off", false},
    {"fetch.user_agent", "me/1 (+https://example.com)", true},
    {"fetch.user_agent", "a\r\nX: y", false},
    {"fetch.user_agent", "\xc3\xa4", false},
    {"store.path", "", false},
    {"store.path", "a\nb", false},
    {"listen.socket", "", true},
};

static void numbers_are_held_to_their_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(number_rows) / sizeof(number_rows[0]); i++) {
        struct config *c = NULL;
        struct err e = {0};
        const struct option *o = find(number_rows[i].name);
        assert_int_equal(config_load(&(struct config_sources){.file = "/dev/null"}, &e, &c), 0);
        int rc = option_set_text(o, c, number_rows[i].text, &e);
        if ((rc == 0) != number_rows[i].good) {
            fail_msg("%s = %s", number_rows[i].name, number_rows[i].text);
        }
        if (rc < 0) {
            assert_int_equal(e.code, ERR_CONFIG);
            assert_non_null(strstr(e.text, number_rows[i].name));
        }
        config_free(&c);
    }
}

static void lists_are_held_to_their_form(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        int n; // of values; -1: refused
    } rows[] = {
        {"listen.tcp", "", 0},
        {"listen.tcp", "127.0.0.1:7070", 1},
        {"listen.tcp", "127.0.0.1:7070, [::1]:0", 2},
        {"listen.tcp", "127.0.0.1", -1},
        {"listen.tcp", "localhost:7070", -1},
        {"listen.tcp", "::1:7070", -1},
        {"listen.tcp", "[127.0.0.1]:7070", -1},
        {"listen.tcp", "127.0.0.1:65536", -1},
        {"listen.tcp", "127.0.0.1:", -1},
        {"listen.tcp", ":7070", -1},
        {"listen.tcp", "[]:7070", -1},
        {"listen.tcp", "127.0.0.1:1,", -1},
        {"listen.allowed_hosts", "localhost,Example.COM", 2},
        {"listen.allowed_hosts", "example.com:80", -1},
        {"fetch.allow_addresses", "10.0.0.0/8,::1,fd00::/8,192.0.2.1", 4},
        {"fetch.allow_addresses", "10.0.0.0/33", -1},
        {"fetch.allow_addresses", "fd00::/129", -1},
        {"fetch.allow_addresses", "10.0.0/8", -1},
        {"fetch.allow_addresses", "0.0.0.0/0,::/0,10.128.0.0/9,::1/128", 4},
        {"fetch.allow_addresses", "10.64.0.0/9", -1},
        {"fetch.allow_addresses", "fd00::1/8", -1},
        {"fetch.allow_addresses", "10.0.0.0/", -1},
        {"fetch.allow_addresses", "example.com", -1},
        {"fetch.allow_ports", "25,600-700", 2},
        {"fetch.allow_ports", "0", -1},
        {"fetch.allow_ports", "700-600", -1},
        {"fetch.allow_ports", "1-65536", -1},
        {"fetch.allow_ports", "80-", -1},
        {"fetch.resolver", "192.0.2.53,192.0.2.53:53,2001:db8::53,[2001:db8::53]:53", 4},
        {"fetch.resolver", "dns.example", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config *c = NULL;
        struct err e = {0};
        const struct option *o = find(rows[i].name);
        assert_int_equal(config_load(&(struct config_sources){.file = "/dev/null"}, &e, &c), 0);
        int rc = option_set_text(o, c, rows[i].text, &e);
        if ((rc == 0) != (rows[i].n >= 0)) {
            fail_msg("%s = %s", rows[i].name, rows[i].text);
        }
        if (rc == 0) {
            const struct string_list *l = (const void *)((const char *)c + o->offset);
            assert_int_equal(l->n, rows[i].n);
        }
        config_free(&c);
    }
}

static void a_refused_value_changes_nothing(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err e = {0};
    assert_int_equal(config_load(&(struct config_sources){.file = "/dev/null"}, &e, &c), 0);
    assert_int_equal(option_set_text(find("listen.allowed_hosts"), c, "good,-bad-", &e), -1);
    assert_int_equal(c->listen.allowed_hosts.n, 1);
    assert_string_equal(c->listen.allowed_hosts.v[0], "localhost");
    assert_int_equal(option_set_text(find("store.path"), c, "", &e), -1);
    assert_string_equal(c->store.path, "/var/lib/gatherd/gatherd.db");
    struct string_list two = {0};
    string_list_add(&two, "1");
    string_list_add(&two, "2");
    assert_int_equal(option_set(find("fetch.concurrency"), c, &two, &e), -1);
    assert_int_equal(c->fetch.concurrency, 256);
    string_list_done(&two);
    config_free(&c);
}

static void host_values_have_the_bounds_of_the_general_ones(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"host.concurrency", "fetch.host_concurrency"},
                                           {"host.delay", "fetch.host_delay"},
                                           {"host.rate", "fetch.host_rate"},
                                           {"host.robots", "fetch.robots"}};
    for (size_t i = 0; i < HOST_CONFIG_KEYS; i++) {
        const struct option *host = find(pairs[i][0]);
        const struct option *general = find(pairs[i][1]);
        assert_int_equal(host->type, general->type);
        assert_true(host->min >= general->min && host->min <= general->min);
        assert_true(host->max >= general->max && host->max <= general->max);
    }
}

static void derives_what_is_left_open(void **state)
{
    (void)state;
    struct config *c = NULL;
    struct err e = {0};
    assert_int_equal(config_load(&(struct config_sources){.file = "/dev/null"}, &e, &c), 0);
    assert_true(config_workers(c) >= 1 && config_workers(c) <= 4);
    assert_string_equal(config_user_agent(c), "gatherd/" GATHERD_VERSION);
    assert_int_equal(option_set_text(find("fetch.workers"), c, "7", &e), 0);
    assert_int_equal(option_set_text(find("fetch.user_agent"), c, "x/1", &e), 0);
    assert_int_equal(config_workers(c), 7);
    assert_string_equal(config_user_agent(c), "x/1");
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_whole),
        cmocka_unit_test(numbers_are_held_to_their_bounds),
        cmocka_unit_test(lists_are_held_to_their_form),
        cmocka_unit_test(a_refused_value_changes_nothing),
        cmocka_unit_test(host_values_have_the_bounds_of_the_general_ones),
        cmocka_unit_test(derives_what_is_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
