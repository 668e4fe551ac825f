// SPDX-License-Identifier: MIT
// Request fields: content types, Accept, Prefer, conditions, ranges, keys and Host.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/fields.h"

#define COUNT(table) (sizeof(table) / sizeof(table[0]))

static void content_types_of_submissions(void **state)
{
    static const struct {
        const char *value;
        int format; // -1: refused
    } samples[] = {
        {"application/json", SUBMISSION_JSON},
        {"APPLICATION/JSON ; Charset=UTF-8", SUBMISSION_JSON},
        {"application/json; charset=\"utf-8\"", SUBMISSION_JSON},
        {"application/json; charset=utf8", SUBMISSION_JSON},
        {"application/json; charset=utf-16", -1},
        {"application/x-ndjson", SUBMISSION_NDJSON},
        {"application/jsonl", SUBMISSION_NDJSON},
        {"text/plain", SUBMISSION_TEXT},
        {"text/plain; charset=utf-8; format=flowed", SUBMISSION_TEXT},
        {"text/plain; charset=iso-8859-1", -1},
        {"application/x-www-form-urlencoded", -1},
        {"application/jsonx", -1},
        {"", -1},
        {NULL, -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        enum submission_format format;
        struct err e;
        int status = content_type_submission(samples[i].value, &format, &e);
        assert_int_equal(status, samples[i].format < 0 ? -1 : 0);
        if (status == 0) {
            assert_int_equal(format, samples[i].format);
        } else {
            assert_int_equal(e.code, ERR_UNSUPPORTED_MEDIA_TYPE);
            assert_non_null(strstr(e.text, "--data-binary"));
        }
    }
}

static void accept_chooses_a_form(void **state)
{
    static const struct {
        const char *value;
        enum accept_format format;
    } samples[] = {
        {NULL, ACCEPT_JSON},
        {"", ACCEPT_JSON},
        {"*/*", ACCEPT_JSON},
        {"text/html", ACCEPT_JSON},
        {"application/x-ndjson", ACCEPT_NDJSON},
        {"application/x-ndjson;q=0, application/json", ACCEPT_JSON},
        {"text/html, application/x-ndjson;q=0.5", ACCEPT_NDJSON},
        {"application/json, application/x-ndjson", ACCEPT_JSON},
        {"application/x-ndjson;q=0.1, application/json;q=0.2", ACCEPT_JSON},
        {"application/json;q=0.25, application/x-ndjson; q=0.255", ACCEPT_NDJSON},
        {"application/json;q=1.000, application/x-ndjson", ACCEPT_JSON},
        {"text/event-stream", ACCEPT_EVENT_STREAM},
        {",,;", ACCEPT_JSON},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        assert_int_equal(accept_parse(samples[i].value), samples[i].format);
    }
}

static void prefer_may_say_how_long_to_wait(void **state)
{
    static const struct {
        const char *value;
        int wait; // -1: none
    } samples[] = {
        {NULL, -1},       {"", -1},          {"wait=10", 10},
        {"Wait=10", 10},  {"wait=999", 60},  {"respond-async, wait=5; foo", 5},
        {"wait=x", -1},   {"wait=", -1},     {"wait", -1},
        {"wait=0", 0},    {"wait=-5", -1},   {"await=5", -1},
        {"a;wait=5", -1}, {"wait=\"5\"", 5}, {"wait = 5 ;x", 5},
        {"wait=\"", -1},  {"wait:5", -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        uint64_t wait = 0;
        bool found = prefer_wait(samples[i].value, 60, &wait);
        if (found != (samples[i].wait >= 0) || (found && wait != (uint64_t)samples[i].wait)) {
            fail_msg("'%s'", samples[i].value);
        }
    }
}

static void if_none_match_compares_weakly(void **state)
{
    static const char etag[] = "\"v7-2\"";
    (void)state;
    assert_true(if_none_match("\"v7-2\"", etag));
    assert_true(if_none_match("W/\"v7-2\"", etag));
    assert_true(if_none_match("*", etag));
    assert_true(if_none_match("\"a\", \"b,c\" , \"v7-2\"", etag));
    assert_false(if_none_match(NULL, etag));
    assert_false(if_none_match("", etag));
    assert_false(if_none_match("\"v7-21\"", etag));
    assert_false(if_none_match("\"x\\\"v7-2\"", etag));
    assert_false(if_none_match("v7-2", etag));
    assert_false(if_none_match("\"unclosed", etag));
}

static void ranges_of_bytes(void **state)
{
    static const struct {
        const char *value;
        uint64_t size;
        enum range_verdict verdict;
        uint64_t first, last;
    } samples[] = {
        {NULL, 100, RANGE_IGNORED, 0, 0},
        {"bytes=0-0", 100, RANGE_OK, 0, 0},
        {"bytes=10-19", 100, RANGE_OK, 10, 19},
        {"Bytes=10-", 100, RANGE_OK, 10, 99},
        {"bytes=-10", 100, RANGE_OK, 90, 99},
        {"bytes=-1000", 100, RANGE_OK, 0, 99},
        {"bytes=90-1000", 100, RANGE_OK, 90, 99},
        {"bytes=0-99999999999999999999999", 100, RANGE_OK, 0, 99},
        {"bytes=100-", 100, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999-", 100, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 100, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-5", 0, RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-1,5-6", 100, RANGE_IGNORED, 0, 0},
        {"bytes=5-1", 100, RANGE_IGNORED, 0, 0},
        {"bytes=", 100, RANGE_IGNORED, 0, 0},
        {"bytes=-", 100, RANGE_IGNORED, 0, 0},
        {"bytes=a-b", 100, RANGE_IGNORED, 0, 0},
        {"bytes=1", 100, RANGE_IGNORED, 0, 0},
        {"items=0-5", 100, RANGE_IGNORED, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        uint64_t first = 0, last = 0;
        enum range_verdict verdict = range_parse(samples[i].value, samples[i].size, &first, &last);
        if (verdict != samples[i].verdict || first != samples[i].first || last != samples[i].last) {
            fail_msg("'%s': %d %llu-%llu", samples[i].value, (int)verdict,
                     (unsigned long long)first, (unsigned long long)last);
        }
    }
}

static void idempotency_keys(void **state)
{
    char key[IDEMPOTENCY_KEY_MAX + 1], longest[IDEMPOTENCY_KEY_MAX + 2];
    struct err e;
    (void)state;
    assert_int_equal(idempotency_key_parse("abc-1", key, &e), 0);
    assert_string_equal(key, "abc-1");
    assert_int_equal(idempotency_key_parse("\"abc-1\"", key, &e), 0);
    assert_string_equal(key, "abc-1");
    memset(longest, 'k', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(idempotency_key_parse(longest, key, &e), -1);
    assert_int_equal(idempotency_key_parse(longest + 1, key, &e), 0);
    assert_int_equal(idempotency_key_parse("", key, &e), -1);
    assert_int_equal(idempotency_key_parse("\"\"", key, &e), -1);
    assert_int_equal(idempotency_key_parse("a b", key, &e), -1);
    assert_int_equal(idempotency_key_parse("a\"b", key, &e), -1);
    assert_int_equal(idempotency_key_parse("\xc3\xa4", key, &e), -1);
}

static void hosts_that_may_be_addressed(void **state)
{
    static char name[] = "gatherd.example";
    char *allowed[] = {name};
    static const char *const good[] = {"127.0.0.1",  "127.0.0.1:7070",    "[::1]",
                                       "[::1]:80",   "localhost",         "LOCALHOST:7070",
                                       "localhost:", "Gatherd.Example:1", "192.0.2.7"};
    static const char *const bad[] = {"evil.example",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "127.1",
                                      "",
                                      ":80",
                                      "[::1",
                                      "[evil]",
                                      "::1",
                                      "a:b:c",
                                      "localhost:80x",
                                      "gatherd.example.",
                                      "[127.0.0.1]"};
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        if (!host_field_allowed(good[i], allowed, 1)) {
            fail_msg("'%s' was refused", good[i]);
        }
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (host_field_allowed(bad[i], allowed, 1)) {
            fail_msg("'%s' was accepted", bad[i]);
        }
    }
    assert_false(host_field_allowed(NULL, allowed, 1));
}

static void pages_of_other_sites_are_told_from_programs(void **state)
{
    static const struct {
        const char *site, *origin, *host;
        bool foreign;
    } samples[] = {
        {NULL, NULL, "127.0.0.1:7070", false}, // no browser
        {NULL, NULL, NULL, false},
        {NULL, "http://127.0.0.1:7070", "127.0.0.1:7070", false},
        {NULL, "https://GATHERD.example", "gatherd.example", false}, // behind a proxy
        {NULL, "http://evil.example", "127.0.0.1:7070", true},
        {NULL, "http://127.0.0.1:8080", "127.0.0.1:7070", true}, // another port, another site
        {NULL, "http://127.0.0.1:7070", NULL, true},
        {NULL, "null", "null", true}, // a sandboxed page, or a file
        {NULL, "", "", true},
        {NULL, "http://", "", true},
        {"cross-site", NULL, "127.0.0.1:7070", true},
        {"same-site", "http://127.0.0.1:7070", "127.0.0.1:7070", true},
        {"SAME-ORIGIN", NULL, "127.0.0.1:7070", true},                // no browser writes that
        {"same-origin", "http://a.example", "127.0.0.1:7070", false}, // a proxy changed Host
        {"none", NULL, "127.0.0.1:7070", false},                      // typed by the user
    };
    (void)state;
    for (size_t i = 0; i < COUNT(samples); i++) {
        if (is_cross_site(samples[i].site, samples[i].origin, samples[i].host) !=
            samples[i].foreign) {
            fail_msg("sample %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_types_of_submissions),
        cmocka_unit_test(accept_chooses_a_form),
        cmocka_unit_test(prefer_may_say_how_long_to_wait),
        cmocka_unit_test(if_none_match_compares_weakly),
        cmocka_unit_test(ranges_of_bytes),
        cmocka_unit_test(idempotency_keys),
        cmocka_unit_test(hosts_that_may_be_addressed),
        cmocka_unit_test(pages_of_other_sites_are_told_from_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
