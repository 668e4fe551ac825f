// SPDX-License-Identifier: MIT
// What follows from how a robots.txt was answered, for how long, and what the cache drops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fetch/robots_cache.h"

#define NOW     INT64_C(1000000)
#define MINUTE  INT64_C(60000)
#define HOUR    (60 * MINUTE)
#define NO_PAGE "User-agent: *\nDisallow: /page\n"

static int set_up(void **state)
{
    struct robots_cache *c = calloc(1, sizeof(*c));
    assert_non_null(c);
    robots_cache_init(c);
    *state = c;
    return 0;
}

static int tear_down(void **state)
{
    struct robots_cache *c = *state;
    robots_cache_done(c);
    assert_int_equal(c->memory, 0);
    free(c);
    return 0;
}

static struct robots_entry *learn(struct robots_cache *c, const struct robots_answer *a,
                                  int64_t now)
{
    struct robots_entry *e = robots_cache_get(c, "http://a.example");
    assert_non_null(e);
    assert_int_equal(robots_cache_learn(c, e, a, "examplebot", now), 0);
    return e;
}

static struct robots_answer status(int code, const char *text)
{
    return (struct robots_answer){.status = code, .text = text, .n = text ? strlen(text) : 0};
}

static void nothing_is_known_at_first(void **state)
{
    struct robots_entry *e = robots_cache_get(*state, "http://a.example");
    assert_int_equal(robots_cache_check(e, "/page", NOW), ROBOTS_UNKNOWN);
    assert_ptr_equal(e, robots_cache_get(*state, "http://a.example"));
    assert_ptr_not_equal(e, robots_cache_get(*state, "https://a.example"));
}

// 47,000 wildcards over a path of 8,000 octets would keep a worker busy for seconds.
static void a_file_that_is_too_hard_to_read_forbids_long_paths(void **state)
{
    static char text[512 * 1024] = "User-agent: *\n", path[8001] = "/";
    static const char rule[] = "Allow:*aac\n";
    for (size_t n = strlen(text); n + sizeof(rule) < sizeof(text); n += sizeof(rule) - 1) {
        memcpy(text + n, rule, sizeof(rule));
    }
    memset(path + 1, 'a', sizeof(path) - 2);
    struct robots_answer a = status(200, text);
    struct robots_entry *e = learn(*state, &a, NOW);
    assert_int_equal(robots_cache_check(e, path, NOW), ROBOTS_FORBIDDEN);
    assert_int_equal(robots_cache_check(e, "/a/short/one", NOW), ROBOTS_ALLOWED);
}

static void rules_hold_for_a_day(void **state)
{
    struct robots_answer a = status(200, NO_PAGE);
    struct robots_entry *e = learn(*state, &a, NOW);
    assert_int_equal(robots_cache_check(e, "/page", NOW), ROBOTS_FORBIDDEN);
    assert_int_equal(e->error, TASK_OK);
    assert_int_equal(robots_cache_check(e, "/", NOW + 24 * HOUR - 1), ROBOTS_ALLOWED);
    assert_int_equal(robots_cache_check(e, "/page", NOW + 24 * HOUR), ROBOTS_UNKNOWN);
}

static void answers_decide_as_the_rfc_says(void **state)
{
    static const struct {
        struct robots_answer answer;
        enum robots_verdict verdict;
        int64_t for_ms;
        enum task_error error;
    } rows[] = {
        {{.status = 204}, ROBOTS_ALLOWED, 24 * HOUR, TASK_OK},
        {{.status = 304}, ROBOTS_ALLOWED, 24 * HOUR, TASK_OK},
        {{.status = 404}, ROBOTS_ALLOWED, 24 * HOUR, TASK_OK},
        {{.status = 401}, ROBOTS_ALLOWED, 24 * HOUR, TASK_OK},
        {{.status = 429}, ROBOTS_ALLOWED, 5 * MINUTE, TASK_OK},
        {{.status = 302, .error = TASK_TOO_MANY_REDIRECTS}, ROBOTS_ALLOWED, 24 * HOUR, TASK_OK},
        {{.status = 302, .error = TASK_REDIRECT_SCHEME}, ROBOTS_ALLOWED, 24 * HOUR, TASK_OK},
        {{.status = 500}, ROBOTS_FORBIDDEN, 5 * MINUTE, TASK_BLOCKED_ROBOTS},
        {{.status = 503}, ROBOTS_FORBIDDEN, 5 * MINUTE, TASK_BLOCKED_ROBOTS},
        {{.status = 999}, ROBOTS_FORBIDDEN, 5 * MINUTE, TASK_BLOCKED_ROBOTS},
        {{.error = TASK_CONNECT_REFUSED}, ROBOTS_FORBIDDEN, 5 * MINUTE, TASK_BLOCKED_ROBOTS},
        {{.error = TASK_TIMEOUT_TOTAL}, ROBOTS_FORBIDDEN, 5 * MINUTE, TASK_BLOCKED_ROBOTS},
        {{.status = 200, .error = TASK_TRUNCATED_BODY},
         ROBOTS_FORBIDDEN,
         5 * MINUTE,
         TASK_BLOCKED_ROBOTS},
        {{.error = TASK_DNS_NOT_FOUND}, ROBOTS_FORBIDDEN, 5000, TASK_DNS_NOT_FOUND},
        {{.error = TASK_BLOCKED_ADDRESS}, ROBOTS_FORBIDDEN, 5000, TASK_BLOCKED_ADDRESS},
        {{.error = TASK_BLOCKED_ADDRESS, .redirected = true},
         ROBOTS_FORBIDDEN,
         5 * MINUTE,
         TASK_BLOCKED_ROBOTS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct robots_cache *c = *state;
        robots_cache_forget(c);
        struct robots_entry *e = learn(c, &rows[i].answer, NOW);
        assert_int_equal(robots_cache_check(e, "/page", NOW), rows[i].verdict);
        assert_int_equal(robots_cache_check(e, "/page", NOW + rows[i].for_ms - 1), rows[i].verdict);
        assert_int_equal(robots_cache_check(e, "/page", NOW + rows[i].for_ms), ROBOTS_UNKNOWN);
        assert_int_equal(e->error, rows[i].error);
        assert_true((e->error == TASK_BLOCKED_ROBOTS) == (e->why[0] != '\0'));
    }
}

static void old_rules_outlive_a_failure(void **state)
{
    struct robots_answer good = status(200, NO_PAGE), bad = status(503, NULL);
    learn(*state, &good, NOW);
    struct robots_entry *e = learn(*state, &bad, NOW + 25 * HOUR);
    assert_int_equal(robots_cache_check(e, "/page", NOW + 25 * HOUR), ROBOTS_FORBIDDEN);
    assert_int_equal(robots_cache_check(e, "/", NOW + 25 * HOUR), ROBOTS_ALLOWED);
    assert_int_equal(robots_cache_check(e, "/", NOW + 25 * HOUR + 5 * MINUTE), ROBOTS_UNKNOWN);
}

static void what_is_fetched_is_not_dropped(void **state)
{
    struct robots_cache *c = *state;
    struct robots_entry *first = robots_cache_get(c, "http://first.example");
    first->fetching = true;
    robots_cache_get(c, "http://second.example");
    for (int i = 0; i < ROBOTS_MAX_ORIGINS + 10; i++) {
        char key[64];
        snprintf(key, sizeof(key), "http://%d.example", i);
        assert_non_null(robots_cache_get(c, key));
    }
    assert_int_equal(HASH_COUNT(c->by_key), ROBOTS_MAX_ORIGINS);
    assert_ptr_equal(robots_cache_get(c, "http://first.example"), first);
    struct robots_entry *second;
    HASH_FIND_STR(c->by_key, "http://second.example", second);
    assert_null(second);
    robots_cache_forget(c);
    assert_int_equal(HASH_COUNT(c->by_key), 1);
    first->fetching = false;
}

static void memory_is_bounded(void **state)
{
    struct robots_cache *c = *state;
    size_t n = 0, size = 200000;
    char *text = malloc(size);
    assert_non_null(text);
    n = (size_t)snprintf(text, size, "User-agent: *\n");
    while (n + 40 < size) {
        n += (size_t)snprintf(text + n, size - n, "Disallow: /page/%zu\n", n);
    }
    struct robots_answer a = {.status = 200, .text = text, .n = n};
    for (int i = 0; i < 300; i++) {
        char key[64];
        snprintf(key, sizeof(key), "http://%d.example", i);
        struct robots_entry *e = robots_cache_get(c, key);
        assert_int_equal(robots_cache_learn(c, e, &a, "x", NOW), 0);
        assert_true(c->memory <= ROBOTS_MAX_MEMORY);
    }
    assert_true(HASH_COUNT(c->by_key) > 10);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_known_at_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_too_hard_to_read_forbids_long_paths, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rules_hold_for_a_day, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_decide_as_the_rfc_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(old_rules_outlive_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_fetched_is_not_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
