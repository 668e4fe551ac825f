// SPDX-License-Identifier: MIT
// The body decoder: chunked coding whole and cut at every byte, its limits, its refusals.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "daemon/api/http_body.h"

// Feeds at most `step` bytes at a time; the decoded bytes go to `out`, *ret_used says how many were
// consumed.
static enum http_body_event decode(struct http_body *b, const char *text, size_t step,
                                   struct buf *out, size_t *ret_used)
{
    size_t n = strlen(text), at = 0;
    enum http_body_event event = HTTP_BODY_MORE;
    while (at < n && event != HTTP_BODY_END && event != HTTP_BODY_BAD) {
        size_t now = n - at < step ? n - at : step;
        struct http_body_piece piece;
        event = http_body_feed(b, text + at, now, &piece);
        if (event == HTTP_BODY_DATA) {
            assert_int_equal(buf_append(out, piece.data, piece.n), 0);
        }
        at += piece.consumed;
    }
    *ret_used = at;
    return event;
}

static const struct {
    const char *text, *body; // body: NULL if refused
    enum err_code error;
    size_t rest; // bytes behind the body
} rows[] = {
    {"0\r\n\r\n", "", ERR_OK, 0},
    {"3\r\nabc\r\n0\r\n\r\n", "abc", ERR_OK, 0},
    {"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET /", "abcde", ERR_OK, 5},
    {"A\r\n0123456789\r\n00\r\n\r\n", "0123456789", ERR_OK, 0},
    {"a;x=\"y z\"\r\n0123456789\r\n0;e\r\n\r\n", "0123456789", ERR_OK, 0},
    {"1 ;x\r\na\r\n0\r\nT: v\r\nU: w\r\n\r\n", "a", ERR_OK, 0},
    {"\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"g\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"-1\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"0x1\r\n", NULL, ERR_BAD_REQUEST, 0},
    {" 1\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"1 \r\n", NULL, ERR_BAD_REQUEST, 0},
    {"\xb1\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"1\xff\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"1\na\n0\n\n", NULL, ERR_BAD_REQUEST, 0},
    {"1\r\na\n0\r\n\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"1\r\nab\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"1;\x01\r\na\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"1;a\nb\r\na\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"ffffffffffffffff\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"10000000000000001\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"fffffffffffffff\r\n", NULL, ERR_PAYLOAD_TOO_LARGE, 0},
    {"65\r\n", NULL, ERR_PAYLOAD_TOO_LARGE, 0},
    {"0\r\n folded\r\n\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"0\r\nT: \x02\r\n\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"0\r\nT: v\n\r\n", NULL, ERR_BAD_REQUEST, 0},
    {"0\r\n\rx", NULL, ERR_BAD_REQUEST, 0},
};

static void chunked_bodies_are_decoded_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = 1; step < 40; step++) {
            struct http_body b;
            struct buf out = BUF_INIT(1000);
            size_t used;
            http_body_init_chunked(&b, 100);
            enum http_body_event event = decode(&b, rows[i].text, step, &out, &used);
            if (rows[i].error) {
                assert_int_equal(event, HTTP_BODY_BAD);
                assert_int_equal(b.error, rows[i].error);
            } else {
                assert_int_equal(event, HTTP_BODY_END);
                assert_string_equal(out.data ? out.data : "", rows[i].body);
                assert_int_equal(used, strlen(rows[i].text) - rows[i].rest);
            }
            buf_done(&out);
        }
    }
}

static void all_chunks_together_obey_the_limit(void **state)
{
    (void)state;
    struct http_body b;
    struct buf out = BUF_INIT(1000);
    size_t used;
    http_body_init_chunked(&b, 8);
    assert_int_equal(decode(&b, "4\r\nabcd\r\n4\r\nefgh\r\n1\r\ni\r\n", 100, &out, &used),
                     HTTP_BODY_BAD);
    assert_int_equal(b.error, ERR_PAYLOAD_TOO_LARGE);
    assert_string_equal(out.data, "abcdefgh");
    buf_done(&out);
}

static void extensions_and_trailers_are_bounded(void **state)
{
    (void)state;
    static const char *const starts[] = {"1;", "0\r\nT:"};
    for (size_t i = 0; i < 2; i++) {
        struct http_body b;
        struct http_body_piece piece;
        http_body_init_chunked(&b, 8);
        assert_int_equal(http_body_feed(&b, starts[i], strlen(starts[i]), &piece), HTTP_BODY_MORE);
        size_t n = 0;
        while (http_body_feed(&b, "x", 1, &piece) == HTTP_BODY_MORE) {
            assert_true(++n <= HTTP_BODY_OVERHEAD_MAX);
        }
        assert_int_equal(b.error, ERR_BAD_REQUEST);
    }
}

static void a_fixed_length_ends_exactly(void **state)
{
    (void)state;
    static const char text[] = "abcdeGET";
    for (size_t step = 1; step < 10; step++) {
        struct http_body b;
        struct buf out = BUF_INIT(1000);
        http_body_init_length(&b, 5);
        size_t at = 0;
        while (!http_body_is_done(&b)) {
            struct http_body_piece piece;
            size_t left = 8 - at;
            assert_int_equal(http_body_feed(&b, text + at, left < step ? left : step, &piece),
                             HTTP_BODY_DATA);
            buf_append(&out, piece.data, piece.n);
            at += piece.consumed;
        }
        assert_int_equal(at, 5);
        assert_string_equal(out.data, "abcde");
        buf_done(&out);
    }
    struct http_body b;
    http_body_init_length(&b, 0);
    assert_true(http_body_is_done(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_bodies_are_decoded_however_cut),
        cmocka_unit_test(all_chunks_together_obey_the_limit),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(a_fixed_length_ends_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
