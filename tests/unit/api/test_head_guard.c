// SPDX-License-Identifier: MIT
// The head guard: every verdict, whole and cut at every byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/head_guard.h"

static const struct head_limits limits = {.max_head = 16384, .max_fields = 100, .max_body = 1000};

#define GET_LINE  "GET /v1/x HTTP/1.1\r\n"
#define POST_LINE "POST /v1/x HTTP/1.1\r\n"
#define HOST      "Host: localhost:7070\r\n"
#define CL(value) POST_LINE HOST "Content-Length:" value "\r\n\r\n"
#define TE(value) POST_LINE HOST "Transfer-Encoding:" value "\r\n\r\n"
#define ROW(text, code)                                                                            \
    {                                                                                              \
        text, sizeof(text) - 1, code                                                               \
    }

static const struct {
    const char *text;
    size_t n;
    enum err_code error;
} rows[] = {
    ROW(GET_LINE HOST "\r\n", ERR_OK),
    ROW("\r\n\r\n" GET_LINE HOST "\r\n", ERR_OK),
    ROW("\r\n\r\n\r\n\r\n\r\n" GET_LINE HOST "\r\n", ERR_BAD_REQUEST),
    ROW("\n" GET_LINE HOST "\r\n", ERR_BAD_REQUEST),
    ROW("\x16\x03\x01\x02", ERR_BAD_REQUEST),
    ROW("garbage\r\n", ERR_BAD_REQUEST),
    ROW("GET /\r\n", ERR_BAD_REQUEST),
    ROW("GET / \r\n", ERR_BAD_REQUEST),
    ROW(" GET / HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET  / HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /  HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/1.1 \r\n", ERR_BAD_REQUEST),
    ROW("GET / x HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET\t/ HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/x.1\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/11\r\n", ERR_BAD_REQUEST),
    ROW("GET / http/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/1.10\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/2.0\r\n", ERR_VERSION_NOT_SUPPORTED),
    ROW("PRI * HTTP/2.0\r\n", ERR_VERSION_NOT_SUPPORTED),
    ROW("GET / HTTP/0.9\r\n", ERR_VERSION_NOT_SUPPORTED),
    ROW("GET / HTTP/1.2\r\n" HOST "\r\n", ERR_OK),
    ROW("BREW / HTTP/1.1\r\n", ERR_NOT_IMPLEMENTED),
    ROW("get / HTTP/1.1\r\n", ERR_NOT_IMPLEMENTED),
    ROW("TRACE / HTTP/1.1\r\n", ERR_NOT_IMPLEMENTED),
    ROW("CONNECT h:1 HTTP/1.1\r\n", ERR_NOT_IMPLEMENTED),
    ROW("G(T / HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", ERR_OK),
    ROW("GET * HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET v1 HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET http://h/v1 HTTP/1.1\r\n" HOST "\r\n", ERR_OK),
    ROW("GET HTTPS://[::1]:8/v1 HTTP/1.1\r\n" HOST "\r\n", ERR_OK),
    ROW("GET http:///v1 HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET http:// HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET http://a@h/v1 HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET ftp://h/v1 HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET //v1/../%2e%2E HTTP/1.1\r\n" HOST "\r\n", ERR_OK),
    ROW("GET /%zz HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /% HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /a%2 HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /a%00 HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /?a=%zz HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /a#b HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /a|b HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /a\xc3\xa9 HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET /a\0b HTTP/1.1\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/1.1\n" HOST "\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/1.1\r" HOST "\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE "Host: h\n\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE "Host: h\rX: y\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE "\r\n", ERR_BAD_REQUEST),
    ROW("GET / HTTP/1.0\r\n\r\n", ERR_OK),
    ROW(GET_LINE HOST HOST "\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE "Host: a b\r\n\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE "Host: a/b\r\n\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE "Host: u@h\r\n\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE "Host: [::1]:7070\r\n\r\n", ERR_OK),
    ROW(GET_LINE "Host:\r\n\r\n", ERR_OK),
    ROW(GET_LINE HOST "X: y\r\n folded\r\n\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE " X: y\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE HOST "no colon\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE HOST "nocolon\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE HOST ": x\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE HOST "X : y\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE HOST "X: a\0b\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE HOST "X: a\x01"
                      "b\r\n",
        ERR_BAD_REQUEST),
    ROW(GET_LINE HOST "X: a\x7f\r\n", ERR_BAD_REQUEST),
    ROW(GET_LINE HOST "X:\ta\xe9 \t\r\n\r\n", ERR_OK),
    ROW(POST_LINE HOST "\r\n", ERR_OK),
    ROW("DELETE / HTTP/1.1\r\n" HOST "\r\n", ERR_OK),
    ROW(CL(" 5"), ERR_OK),
    ROW(CL("1000 "), ERR_OK),
    ROW(CL("1001"), ERR_PAYLOAD_TOO_LARGE),
    ROW(CL("18446744073709551616"), ERR_PAYLOAD_TOO_LARGE),
    ROW(CL("99999999999999999999999999999999999"), ERR_PAYLOAD_TOO_LARGE),
    ROW(CL(""), ERR_BAD_REQUEST),
    ROW(CL(" -1"), ERR_BAD_REQUEST),
    ROW(CL(" +5"), ERR_BAD_REQUEST),
    ROW(CL(" 0x5"), ERR_BAD_REQUEST),
    ROW(CL(" 5,5"), ERR_BAD_REQUEST),
    ROW(CL(" 5 5"), ERR_BAD_REQUEST),
    ROW(CL("5\r\nContent-Length: 5"), ERR_BAD_REQUEST),
    ROW(CL("5\r\nTransfer-Encoding: chunked"), ERR_BAD_REQUEST),
    ROW(TE(" chunked"), ERR_OK),
    ROW(TE("Chunked"), ERR_OK),
    ROW(TE(" chunked "), ERR_BAD_REQUEST),
    ROW(TE(" gzip, chunked"), ERR_NOT_IMPLEMENTED),
    ROW(TE(" xchunked"), ERR_NOT_IMPLEMENTED),
    ROW(TE(" identity"), ERR_NOT_IMPLEMENTED),
    ROW(TE(" chunked\r\nTransfer-Encoding: chunked"), ERR_BAD_REQUEST),
    ROW("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", ERR_BAD_REQUEST),
    ROW(CL("1\r\nExpect: 100-Continue"), ERR_OK),
    ROW(CL("1\r\nExpect: x"), ERR_EXPECTATION_FAILED),
    ROW("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: x\r\n\r\n", ERR_OK),
};

static enum head_verdict parse_cut(struct head *h, const char *text, size_t n, size_t step)
{
    // Each look at an exact copy, so that a sanitizer sees any read beyond it.
    enum head_verdict verdict = HEAD_MORE;
    memset(h, 0xff, sizeof(*h));
    head_reset(h);
    for (size_t have = step; verdict == HEAD_MORE; have += step) {
        size_t now = have < n ? have : n;
        char *copy = malloc(now ? now : 1);
        assert_non_null(copy);
        memcpy(copy, text, now);
        verdict = head_guard_parse(h, &limits, copy, now);
        free(copy);
        if (now == n) {
            break;
        }
    }
    return verdict;
}

static void each_head_gets_its_verdict_however_cut(void **state)
{
    (void)state;
    struct head h;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t step = rows[i].n; step > 0; step = step > 8 ? step / 2 : step - 1) {
            enum head_verdict v = parse_cut(&h, rows[i].text, rows[i].n, step);
            bool right = rows[i].error ? v == HEAD_BAD && h.error == rows[i].error
                                       : v == HEAD_DONE && h.length == rows[i].n;
            if (!right) {
                fail_msg("step %zu: verdict %d error %d for %s", step, (int)v, (int)h.error,
                         rows[i].text);
            }
            assert_true(v != HEAD_BAD || h.detail != NULL);
        }
    }
}

static void a_valid_head_is_never_done_early(void **state)
{
    (void)state;
    const char text[] =
        "\r\nPUT /a/b?c=d&e HTTP/1.1\r\nHost: h\r\nA:  b \t\r\nEmpty:\r\nconnection: "
        "x,Close\r\na: 2\r\n\r\n";
    struct head h;
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        head_reset(&h);
        assert_int_equal(head_guard_parse(&h, &limits, text, n), HEAD_MORE);
    }
    head_reset(&h);
    char copy[sizeof(text)];
    memcpy(copy, text, sizeof(text));
    assert_int_equal(head_guard_parse(&h, &limits, copy, sizeof(text) - 1), HEAD_DONE);
    head_terminate(&h, copy);
    assert_int_equal(h.method, HTTP_PUT);
    assert_string_equal(copy + h.path.at, "/a/b");
    assert_string_equal(copy + h.query.at, "c=d&e");
    assert_false(h.keep_alive);
    unsigned count;
    assert_string_equal(head_field(&h, copy, "A", &count), "b");
    assert_int_equal(count, 2);
    assert_string_equal(head_field(&h, copy, "empty", &count), "");
    assert_null(head_field(&h, copy, "none", &count));
    assert_int_equal(count, 0);
}

// `prefix`, then `n` times `piece`.
static enum err_code verdict_of(const char *prefix, const char *piece, size_t n)
{
    size_t a = strlen(prefix), b = strlen(piece);
    char *text = malloc(a + b * n + 1);
    assert_non_null(text);
    memcpy(text, prefix, a);
    for (size_t i = 0; i < n; i++) {
        memcpy(text + a + b * i, piece, b);
    }
    struct head h;
    enum head_verdict v = parse_cut(&h, text, a + b * n, 997);
    free(text);
    return v == HEAD_BAD ? h.error : ERR_OK;
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("GET /", "a", 8191), ERR_OK);
    assert_int_equal(verdict_of("GET /", "a", 9000), ERR_URI_TOO_LONG);
    assert_int_equal(verdict_of("", "A", 9000), ERR_URI_TOO_LONG);
    assert_int_equal(verdict_of(GET_LINE "X: ", "a", 8000), ERR_OK);
    assert_int_equal(verdict_of(GET_LINE "X: ", "a", 9000), ERR_HEADERS_TOO_LARGE);
    assert_int_equal(verdict_of(GET_LINE, "a: 456789012345678901234567890\r\n", 100), ERR_OK);
    assert_int_equal(verdict_of(GET_LINE, "a:\r\n", 101), ERR_HEADERS_TOO_LARGE);
    char line[1002];
    memset(line, 'x', sizeof(line));
    memcpy(line, "X: ", 3);
    memcpy(line + 999, "\r\n", 3);
    assert_int_equal(verdict_of(GET_LINE, line, 16), ERR_OK);
    assert_int_equal(verdict_of(GET_LINE, line, 17), ERR_HEADERS_TOO_LARGE);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep_alive;
    } heads[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close, TE\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: ,,x ,close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct head h;
        assert_int_equal(parse_cut(&h, heads[i].text, strlen(heads[i].text), 5), HEAD_DONE);
        assert_int_equal(h.keep_alive, heads[i].keep_alive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_head_gets_its_verdict_however_cut),
        cmocka_unit_test(a_valid_head_is_never_done_early),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
