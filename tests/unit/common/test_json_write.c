// SPDX-License-Identifier: MIT
// JSON out: whatever is written, jansson reads it back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

static json_t *reread(const struct buf *b)
{
    struct err e;
    json_t *value = json_parse(b->data, b->len, &e);
    if (!value) {
        fail_msg("%s: %.200s", e.text, b->data);
    }
    return value;
}

static void writes_every_kind(void **state)
{
    (void)state;
    struct buf out = BUF_INIT(4096);
    struct json_writer w = JSON_WRITER(&out);
    jw_object(&w);
    jw_key_null(&w, "n");
    jw_key_bool(&w, "t", true);
    jw_key_bool(&w, "f", false);
    jw_key_int(&w, "i", -42);
    jw_key_str(&w, "s", "a\"b\\c\n\x01\x7fä");
    jw_key_str(&w, "none", NULL);
    jw_key_raw(&w, "raw", "[1,2]");
    jw_key_raw(&w, "noraw", NULL);
    jw_key_time(&w, "at", 784111777000);
    jw_key_time(&w, "never", 0);
    jw_key(&w, "a");
    jw_array(&w);
    jw_int(&w, 1);
    jw_object(&w);
    jw_object_end(&w);
    jw_array(&w);
    jw_array_end(&w);
    jw_real(&w, 0.5);
    jw_base64(&w, "ab", 2);
    jw_array_end(&w);
    jw_key_int(&w, "last", 0);
    jw_object_end(&w);
    assert_false(out.failed);
    assert_string_equal(out.data,
                        "{\"n\":null,\"t\":true,\"f\":false,\"i\":-42,"
                        "\"s\":\"a\\\"b\\\\c\\n\\u0001\\u007fä\",\"none\":null,\"raw\":[1,2],"
                        "\"noraw\":null,\"at\":\"1994-11-06T08:49:37.000Z\",\"never\":null,"
                        "\"a\":[1,{},[],0.5,\"YWI=\"],\"last\":0}");
    json_decref(reread(&out));
    buf_done(&out);
}

static void writes_numbers(void **state)
{
    (void)state;
    static const int64_t ints[] = {0, 1, -1, 9, 10, INT32_MIN, INT64_MAX, INT64_MIN};
    static const double reals[] = {
        0.0, 0.1, -1.5, 1e300, 5e-324, 3.141592653589793, 1234567890123456.7};
    struct buf out = BUF_INIT(1024);
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        buf_reset(&out);
        struct json_writer w = JSON_WRITER(&out);
        jw_int(&w, ints[i]);
        json_t *value = reread(&out);
        assert_true(json_integer_value(value) == ints[i]);
        json_decref(value);
    }
    for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
        buf_reset(&out);
        struct json_writer w = JSON_WRITER(&out);
        jw_real(&w, reals[i]);
        json_t *value = reread(&out);
        assert_true(json_number_value(value) == reals[i]);
        json_decref(value);
    }
    buf_reset(&out);
    struct json_writer w = JSON_WRITER(&out);
    jw_array(&w);
    jw_real(&w, NAN);
    jw_real(&w, INFINITY);
    jw_real(&w, 0.1);
    jw_array_end(&w);
    assert_string_equal(out.data, "[null,null,0.1]");
    buf_done(&out);
}

static void bytes_that_are_no_utf8_become_latin1(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *json;
    } rows[] = {
        {"\xe4", 1, "\"\\u00e4\""},
        {"\xc3\xa4", 2, "\"\xc3\xa4\""},
        {"a\xff"
         "b",
         3, "\"a\\u00ffb\""},
        {"\xed\xa0\x80", 3, "\"\\u00ed\\u00a0\\u0080\""},
        {"\xe2\x82", 2, "\"\\u00e2\\u0082\""},
        {"\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"", 0, "\"\""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out = BUF_INIT(64);
        struct json_writer w = JSON_WRITER(&out);
        jw_strn(&w, rows[i].bytes, rows[i].n);
        assert_string_equal(out.data, rows[i].json);
        buf_done(&out);
    }
}

// Every byte at every place of a word, so that the scan of eight bytes at a time is held to the
// rule.
static void every_byte_at_every_place_reads_back(void **state)
{
    (void)state;
    for (int c = 1; c < 128; c++) {
        for (size_t at = 0; at < 24; at++) {
            char text[24];
            memset(text, ' ', sizeof(text));
            text[at] = (char)c;
            text[(at + 1) % sizeof(text)] = '!';
            struct buf out = BUF_INIT(256);
            struct json_writer w = JSON_WRITER(&out);
            jw_strn(&w, text, sizeof(text));
            json_t *value = reread(&out);
            assert_int_equal(json_string_length(value), sizeof(text));
            assert_memory_equal(json_string_value(value), text, sizeof(text));
            json_decref(value);
            buf_done(&out);
        }
    }
}

static void random_bytes_are_valid_json(void **state)
{
    (void)state;
    unsigned short seed[3] = {1, 2, 3};
    for (int round = 0; round < 3000; round++) {
        char bytes[200];
        size_t n = (size_t)nrand48(seed) % sizeof(bytes);
        for (size_t i = 0; i < n; i++) {
            // Half of them printable, so that runs of both kinds occur; no NUL, which json_parse
            // refuses.
            long r = nrand48(seed);
            bytes[i] = (char)(r & 0x10000 ? 0x20 + r % 0x60 : 1 + r % 255);
        }
        struct buf out = BUF_INIT(8192);
        struct json_writer w = JSON_WRITER(&out);
        jw_array(&w);
        jw_strn(&w, bytes, n);
        jw_array_end(&w);
        json_t *value = reread(&out);
        if (utf8_valid(bytes, n)) {
            const json_t *text = json_array_get(value, 0);
            assert_int_equal(json_string_length(text), n);
            assert_memory_equal(json_string_value(text), bytes, n);
        }
        json_decref(value);
        buf_done(&out);
    }
}

static void failure_is_sticky(void **state)
{
    (void)state;
    for (size_t max = 0; max < 40; max++) {
        struct buf out = BUF_INIT(max);
        struct json_writer w = JSON_WRITER(&out);
        jw_object(&w);
        jw_key_str(&w, "key", "a value\n");
        jw_key(&w, "b");
        jw_base64(&w, "0123", 4);
        jw_object_end(&w);
        static const char whole[] = "{\"key\":\"a value\\n\",\"b\":\"MDEyMw==\"}";
        assert_int_equal(out.failed, max < sizeof(whole) - 1);
        assert_true(out.len <= max);
        if (!out.failed) {
            assert_string_equal(out.data, whole);
        }
        buf_done(&out);
    }
}

static void base64_round_trips(void **state)
{
    (void)state;
    char bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i * 7 + 3);
    }
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct buf text = BUF_INIT(1024);
        struct buf back = BUF_INIT(1024);
        struct json_writer w = JSON_WRITER(&text);
        jw_base64(&w, bytes, n);
        assert_int_equal(text.len, (n + 2) / 3 * 4 + 2);
        assert_int_equal(base64_decode(text.data + 1, text.len - 2, &back), 0);
        assert_int_equal(back.len, n);
        if (n > 0) {
            assert_memory_equal(back.data, bytes, n);
        }
        buf_done(&text);
        buf_done(&back);
    }
}

static void base64_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"A",    "AA",   "AAA",    "AAAAA", "A===",
                                      "====", "AA=A", "AB==",   "AAB=",  "AA==AAAA",
                                      "AA-_", "AA A", "AAAA\n", "AA\n=", "=AAA"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct buf out = BUF_INIT(64);
        assert_int_equal(buf_append_str(&out, "kept"), 0);
        if (base64_decode(bad[i], strlen(bad[i]), &out) == 0) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_string_equal(out.data, "kept");
        buf_done(&out);
    }
    struct buf out = BUF_INIT(2);
    assert_int_equal(base64_decode("AAAA", 4, &out), -1);
    assert_true(out.failed);
    buf_reset(&out);
    assert_int_equal(base64_decode("AAA=", 4, &out), 0);
    assert_int_equal(out.len, 2);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_every_kind),
        cmocka_unit_test(writes_numbers),
        cmocka_unit_test(bytes_that_are_no_utf8_become_latin1),
        cmocka_unit_test(every_byte_at_every_place_reads_back),
        cmocka_unit_test(random_bytes_are_valid_json),
        cmocka_unit_test(failure_is_sticky),
        cmocka_unit_test(base64_round_trips),
        cmocka_unit_test(base64_is_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
