// SPDX-License-Identifier: MIT
// Odd and hostile requests, byte for byte, against the whole API: each gets the same answer sent
// whole, cut in two at every byte, byte by byte, and with neighbours in the same packet. The loop
// turns between two pieces, so that every cut is a read of its own.
#include "tests/unit/api/api_fixture.h"

struct row {
    const char *name;
    const char *bytes;
    size_t n;
    int status;
    const char *code; // of the problem document; NULL: none
};

#define ROW(name, bytes, status, code)                                                             \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, status, code                                               \
    }
#define HOST               "Host: localhost\r\n"
#define GET(target)        "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define LIVE(fields)       "GET /livez HTTP/1.1\r\n" HOST fields "\r\n"
#define POST(rest)         "POST /v1/batches HTTP/1.1\r\n" HOST "Content-Type: application/json\r\n" rest
#define CHUNKED(chunks)    POST("Transfer-Encoding: chunked\r\n\r\n" chunks)
#define LENGTH(value)      POST("Content-Length:" value "\r\n\r\n[]")
#define JSON(length, text) POST("Content-Length: " length "\r\n\r\n" text)

static const struct row rows[] = {
    // Request lines.
    ROW("plain", LIVE(""), 200, NULL),
    ROW("garbage", "\x80\x81\x82\x83\r\n\r\n", 400, "bad_request"),
    ROW("TLS ClientHello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x01\r\n\r\n", 400,
        "bad_request"),
    ROW("SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n", 400, "bad_request"),
    ROW("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version_not_supported"),
    ROW("version x.1", "GET / HTTP/x.1\r\n\r\n", 400, "bad_request"),
    ROW("version 0.9", "GET /\r\n\r\n", 400, "bad_request"),
    ROW("version 2.0", "GET /livez HTTP/2.0\r\n" HOST "\r\n", 505, "version_not_supported"),
    ROW("version 1.2", "GET /livez HTTP/1.2\r\n" HOST "\r\n", 200, NULL),
    ROW("version 1.10", "GET /livez HTTP/1.10\r\n" HOST "\r\n", 400, "bad_request"),
    ROW("version http/1.1", "GET /livez http/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    ROW("two blanks", "GET  /livez HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    ROW("a tab", "GET\t/livez HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    ROW("blank at the end", "GET /livez HTTP/1.1 \r\n" HOST "\r\n", 400, "bad_request"),
    ROW("blank first", " GET /livez HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    ROW("no method", "/livez HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    ROW("BREW", "BREW /livez HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"),
    ROW("get", "get /livez HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"),
    ROW("TRACE", "TRACE /livez HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"),
    ROW("CONNECT", "CONNECT h:80 HTTP/1.1\r\n" HOST "\r\n", 501, "not_implemented"),
    ROW("DELETE on a list", "DELETE /v1/batches HTTP/1.1\r\n" HOST "\r\n", 405,
        "method_not_allowed"),
    ROW("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 404, "not_found"),
    ROW("OPTIONS", "OPTIONS /v1/batches HTTP/1.1\r\n" HOST "\r\n", 204, NULL),
    ROW("GET *", GET("*"), 400, "bad_request"),
    ROW("HEAD", "HEAD /livez HTTP/1.1\r\n" HOST "\r\n", 200, NULL),
    ROW("HEAD of nothing", "HEAD /nothing HTTP/1.1\r\n" HOST "\r\n", 404, NULL),
    ROW("HTTP/1.0", "GET /livez HTTP/1.0\r\n\r\n", 200, NULL),
    ROW("four empty lines", "\r\n\r\n\r\n\r\n" LIVE(""), 200, NULL),
    ROW("five empty lines", "\r\n\r\n\r\n\r\n\r\n" LIVE(""), 400, "bad_request"),
    ROW("bare LF", "GET /livez HTTP/1.1\nHost: localhost\n\n", 400, "bad_request"),
    ROW("one bare LF", "GET /livez HTTP/1.1\r\nHost: localhost\n\r\n", 400, "bad_request"),
    ROW("bare CR", "GET /livez HTTP/1.1\rHost: localhost\r\r", 400, "bad_request"),
    // Targets.
    ROW("absolute form", GET("http://other.example/livez"), 200, NULL),
    ROW("absolute form without path", GET("http://other.example"), 404, "not_found"),
    ROW("absolute form with userinfo", GET("http://a@b/livez"), 400, "bad_request"),
    ROW("absolute form of ftp", GET("ftp://h/livez"), 400, "bad_request"),
    ROW("no leading slash", GET("livez"), 400, "bad_request"),
    ROW("dot segments", GET("/v1/../livez"), 404, "not_found"),
    ROW("escaped dots", GET("/v1/%2e%2e/livez"), 404, "not_found"),
    ROW("escaped letter", GET("/live%7a"), 404, "not_found"),
    ROW("two slashes", GET("//livez"), 404, "not_found"),
    ROW("trailing slash", GET("/livez/"), 404, "not_found"),
    ROW("backslash", GET("/\\livez"), 400, "bad_request"),
    ROW("fragment", GET("/livez#a"), 400, "bad_request"),
    ROW("bracket", GET("/livez?a[]=1"), 400, "bad_request"),
    ROW("bad escape", GET("/livez%zz"), 400, "bad_request"),
    ROW("cut escape", GET("/livez%2"), 400, "bad_request"),
    ROW("NUL escape", GET("/livez%00"), 400, "bad_request"),
    ROW("NUL", "GET /live\0z HTTP/1.1\r\n" HOST "\r\n", 400, "bad_request"),
    ROW("UTF-8 byte", GET("/live\xc3\xa4"), 400, "bad_request"),
    ROW("unknown key", GET("/v1/batches?colour=1"), 400, "bad_request"),
    ROW("key twice", GET("/v1/batches?limit=1&limit=2"), 400, "bad_request"),
    ROW("key twice, once escaped", GET("/v1/batches?limit=1&%6cimit=2"), 400, "bad_request"),
    ROW("limit 0", GET("/v1/batches?limit=0"), 400, "bad_request"),
    ROW("limit 01", GET("/v1/batches?limit=01"), 400, "bad_request"),
    ROW("limit -1", GET("/v1/batches?limit=-1"), 400, "bad_request"),
    ROW("limit huge", GET("/v1/batches?limit=99999999999999999999999999"), 400, "bad_request"),
    ROW("limit empty", GET("/v1/batches?limit="), 400, "bad_request"),
    ROW("empty query", GET("/livez?"), 200, NULL),
    ROW("empty pairs", GET("/v1/batches?&&limit=1&"), 200, NULL),
    ROW("query not UTF-8", GET("/v1/batches?name=%ff"), 400, "bad_request"),
    ROW("cursor of nothing", GET("/v1/batches?after=nonsense"), 400, "bad_request"),
    // Fields.
    ROW("no Host", "GET /livez HTTP/1.1\r\n\r\n", 400, "bad_request"),
    ROW("two Hosts", LIVE(HOST), 400, "bad_request"),
    // Names are checked on TCP alone: nothing rebinds to a unix socket.
    ROW("empty Host", "GET /v1/hosts/a.example HTTP/1.1\r\nHost:\r\n\r\n", 200, NULL),
    ROW("foreign Host", "GET /v1/hosts/a.example HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200,
        NULL),
    ROW("Host with port", "GET /v1/hosts/a.example HTTP/1.1\r\nHost: localhost:7070\r\n\r\n", 200,
        NULL),
    ROW("Host with a bad port", "GET /v1/hosts/a.example HTTP/1.1\r\nHost: localhost:a\r\n\r\n",
        200, NULL),
    ROW("folded", LIVE("X-A: one\r\n two\r\n"), 400, "bad_request"),
    ROW("folded first", "GET /livez HTTP/1.1\r\n Host: localhost\r\n\r\n", 400, "bad_request"),
    ROW("no colon", LIVE("X-A\r\n"), 400, "bad_request"),
    ROW("no name", LIVE(": v\r\n"), 400, "bad_request"),
    ROW("blank before the colon", LIVE("X-A : v\r\n"), 400, "bad_request"),
    ROW("NUL in a value", LIVE("X-A: a\0b\r\n"), 400, "bad_request"),
    ROW("control character in a value",
        LIVE("X-A: a\x01"
             "b\r\n"),
        400, "bad_request"),
    ROW("DEL in a value",
        LIVE("X-A: a\x7f"
             "b\r\n"),
        400, "bad_request"),
    ROW("CR in a value", LIVE("X-A: a\rb\r\n"), 400, "bad_request"),
    ROW("obs-text in a value",
        LIVE("X-A: a\xff"
             "b\r\n"),
        200, NULL),
    ROW("white space around a value", LIVE("X-A: \t v \t \r\n"), 200, NULL),
    ROW("empty value", LIVE("X-A:\r\n"), 200, NULL),
    ROW("close", LIVE("Connection: CLOSE\r\n"), 200, NULL),
    ROW("close among others", LIVE("Connection: TE , close\r\nTE: trailers\r\n"), 200, NULL),
    ROW("websocket", LIVE("Upgrade: websocket\r\nConnection: Upgrade\r\n"), 200, NULL),
    ROW("h2c", LIVE("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), 200, NULL),
    ROW("unknown expectation", LIVE("Expect: magic\r\n"), 417, "expectation_failed"),
    ROW("two Authorizations",
        "GET /v1/hosts/a.example HTTP/1.1\r\n" HOST
        "Authorization: Bearer a\r\nAuthorization: Bearer a\r\n\r\n",
        400, "bad_request"),
    ROW("Range on a list", "GET /v1/batches HTTP/1.1\r\n" HOST "Range: bytes=0-1\r\n\r\n", 200,
        NULL),
    // Pages of other sites, in a browser here.
    ROW("a page looks",
        "GET /v1/batches HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n"
        "Sec-Fetch-Site: cross-site\r\n\r\n",
        200, NULL),
    ROW("a page submits", JSON("2\r\nOrigin: http://evil.example", "[]"), 403, "forbidden"),
    ROW("a page cancels",
        "POST /v1/batches/00000000-0000-7000-8000-000000000000/cancel HTTP/1.1\r\n" HOST
        "Sec-Fetch-Site: cross-site\r\n\r\n",
        403, "forbidden"),
    ROW("a page of this host submits", JSON("2\r\nOrigin: http://localhost", "[]"), 422,
        "invalid_batch"),
    // Lengths.
    ROW("body on GET", LIVE("Content-Length: 2\r\n") "[]", 200, NULL),
    ROW("no length", POST("\r\n"), 411, "length_required"),
    ROW("no length where no body is read",
        "POST /v1/batches/00000000-0000-7000-8000-000000000000/cancel HTTP/1.1\r\n" HOST "\r\n",
        404, "not_found"),
    ROW("length -1", LENGTH(" -1"), 400, "bad_request"),
    ROW("length +2", LENGTH(" +2"), 400, "bad_request"),
    ROW("length 0x2", LENGTH(" 0x2"), 400, "bad_request"),
    ROW("length 2,2", LENGTH(" 2,2"), 400, "bad_request"),
    ROW("length 2 2", LENGTH(" 2 2"), 400, "bad_request"),
    ROW("length empty", LENGTH(""), 400, "bad_request"),
    ROW("length 2.0", LENGTH(" 2.0"), 400, "bad_request"),
    ROW("length 2^64 + 2", LENGTH(" 18446744073709551618"), 413, "payload_too_large"),
    ROW("length over the limit", LENGTH(" 999999999"), 413, "payload_too_large"),
    ROW("two lengths", LENGTH(" 2\r\nContent-Length: 3"), 400, "bad_request"),
    ROW("length twice", LENGTH(" 2\r\nContent-Length: 2"), 400, "bad_request"),
    ROW("length and chunked", LENGTH(" 2\r\nTransfer-Encoding: chunked"), 400, "bad_request"),
    ROW("length 002", LENGTH(" 002"), 422, "invalid_batch"),
    // Chunks.
    ROW("gzip, chunked", POST("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501,
        "not_implemented"),
    ROW("xchunked", POST("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 501, "not_implemented"),
    ROW("identity", POST("Transfer-Encoding: identity\r\n\r\n"), 501, "not_implemented"),
    ROW("chunked, chunked", POST("Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), 501,
        "not_implemented"),
    ROW("chunked twice",
        POST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
        "bad_request"),
    ROW("Chunked", POST("Transfer-Encoding: Chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"), 422,
        "invalid_batch"),
    ROW("chunked in HTTP/1.0",
        "POST /v1/batches HTTP/1.0\r\nContent-Type: application/json\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n",
        400, "bad_request"),
    ROW("chunks", CHUNKED("1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"), 422, "invalid_batch"),
    ROW("chunk with extension", CHUNKED("2;a=\"b\"\r\n[]\r\n0;c\r\n\r\n"), 422, "invalid_batch"),
    ROW("chunk with blank", CHUNKED("2 \r\n[]\r\n0\r\n\r\n"), 400, "bad_request"),
    ROW("chunk with trailer", CHUNKED("2\r\n[]\r\n0\r\nX: GET / HTTP/1.1\r\n\r\n"), 422,
        "invalid_batch"),
    ROW("chunk of size zz", CHUNKED("zz\r\n\r\n"), 400, "bad_request"),
    ROW("chunk of no size", CHUNKED("\r\n\r\n"), 400, "bad_request"),
    ROW("chunk of size -2", CHUNKED("-2\r\n[]\r\n0\r\n\r\n"), 400, "bad_request"),
    ROW("chunk of size 0x2", CHUNKED("0x2\r\n[]\r\n0\r\n\r\n"), 400, "bad_request"),
    ROW("chunk of a size with the high bit", CHUNKED("\x80\r\n"), 400, "bad_request"),
    ROW("chunk of size 2^68", CHUNKED("fffffffffffffffff\r\n"), 400, "bad_request"),
    ROW("chunk over the limit", CHUNKED("fffffffff\r\n"), 413, "payload_too_large"),
    ROW("chunk too long", CHUNKED("2\r\n[]XX0\r\n\r\n"), 400, "bad_request"),
    ROW("chunk ended by LF", CHUNKED("2\n[]\n0\n\n"), 400, "bad_request"),
    ROW("size ended by LF", CHUNKED("2\n[]\r\n0\r\n\r\n"), 400, "bad_request"),
    ROW("control character in a trailer", CHUNKED("2\r\n[]\r\n0\r\nX: \x01\r\n\r\n"), 400,
        "bad_request"),
    // Bodies.
    ROW("empty", JSON("0", ""), 400, "bad_request"),
    ROW("white space", JSON("3", " \n\t"), 400, "bad_request"),
    ROW("null", JSON("4", "null"), 422, "invalid_batch"),
    ROW("truncated", JSON("9", "[\"http://"), 400, "bad_request"),
    ROW("trailing garbage", JSON("4", "{} x"), 400, "bad_request"),
    ROW("trailing comma", JSON("5", "[\"a\","), 400, "bad_request"),
    ROW("not UTF-8", JSON("5", "[\"\xff\"]"), 400, "bad_request"),
    ROW("NUL in the body", JSON("5", "[\"\0\"]"), 400, "bad_request"),
    ROW("UTF-16", JSON("6", "\xff\xfe[\0]\0"), 400, "bad_request"),
    ROW("bad URL", JSON("14", "[\"ftp://a.b/\"]"), 422, "invalid_batch"),
    ROW("one URL", JSON("21", "[\"http://a.example/\"]"), 202, NULL),
    ROW("expected", POST("Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n[]"), 422,
        "invalid_batch"),
    ROW("no media type", "POST /v1/batches HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n[]", 415,
        "unsupported_media_type"),
    ROW("form",
        "POST /v1/batches HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 2\r\n\r\n[]",
        415, "unsupported_media_type"),
    ROW("UTF-16 by name",
        "POST /v1/batches HTTP/1.1\r\n" HOST "Content-Type: application/json; charset=utf-16\r\n"
        "Content-Length: 2\r\n\r\n[]",
        415, "unsupported_media_type"),
    ROW("gzip", POST("Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]"), 415,
        "unsupported_media_type"),
    ROW("empty key", POST("Idempotency-Key: \"\"\r\nContent-Length: 2\r\n\r\n[]"), 400,
        "bad_request"),
    ROW("key with a blank", POST("Idempotency-Key: a b\r\nContent-Length: 2\r\n\r\n[]"), 400,
        "bad_request"),
    ROW("two types", POST("Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n[]"), 400,
        "bad_request"),
    ROW("two content codings",
        POST("Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n[]"),
        400, "bad_request"),
    ROW("two keys", POST("Idempotency-Key: a\r\nIdempotency-Key: a\r\nContent-Length: 2\r\n\r\n[]"),
        400, "bad_request"),
};

// The answers in `b` without what may differ: dates, and 100 Continue, which depends on whether the
// body is there already.
static void normalise(struct buf *b)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    char *at;
    while (b->data && (at = strstr(b->data, go_on))) {
        memmove(at, at + sizeof(go_on) - 1, strlen(at + sizeof(go_on) - 1) + 1);
        b->len -= sizeof(go_on) - 1;
    }
    for (at = b->data; at && (at = strstr(at, "\r\nDate: ")); at += 8) {
        memset(at + 8, '-', strcspn(at + 8, "\r"));
    }
}

// Sends p[0..n) in the pieces that end at `cuts`, turns the loop after each, and reads to the end.
static struct buf converse(struct fake *f, const char *p, size_t n, size_t step, size_t first)
{
    struct buf out = BUF_INIT(1u << 20);
    int fd = client_open(f);
    for (size_t at = 0; at < n;) {
        size_t some = at == 0 && first > 0 ? first : step;
        some = some < n - at ? some : n - at;
        if (send(fd, p + at, some, MSG_NOSIGNAL) < 0) {
            break; // it has closed: the answer tells why
        }
        at += some;
        fake_turn(f);
    }
    shutdown(fd, SHUT_WR);
    assert_true(client_read(f, fd, NULL, &out));
    close(fd);
    normalise(&out);
    return out;
}

static void expect_same(const struct row *r, const char *how, size_t at, const struct buf *whole,
                        struct buf *got)
{
    bool same = r->status == 202
                    ? status_of(got) == 202 // it tells an id
                    : got->len == whole->len && memcmp(got->data, whole->data, got->len) == 0;
    if (!same) {
        fprintf(stderr, "%s, %s %zu: %s\nwhole: %s\n", r->name, how, at, got->data, whole->data);
        fail_msg("%s, %s %zu: another answer", r->name, how, at);
    }
    buf_done(got);
}

static int check_answer(const struct row *r, const struct buf *b)
{
    char code[64];
    snprintf(code, sizeof(code), "\"code\":\"%s\"", r->code ? r->code : "");
    bool problem = has(b, "Content-Type: application/problem+json\r\n") && has(b, code);
    if (status_of(b) != r->status || (r->code && !problem) ||
        (r->status == 405 && !has(b, "\r\nAllow: "))) {
        fprintf(stderr, "%s: expected %d %s, got %s\n", r->name, r->status, r->code ? r->code : "",
                b->data);
        return 1;
    }
    return 0;
}

static void each_request_has_one_answer_however_it_is_cut(void **state)
{
    (void)state;
    int wrong = 0;
    struct fake *f = fake_start();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct buf whole = converse(f, r->bytes, r->n, r->n, 0);
        wrong += check_answer(r, &whole);
        for (size_t at = 1; at < r->n; at++) {
            struct buf got = converse(f, r->bytes, r->n, r->n, at);
            expect_same(r, "cut at", at, &whole, &got);
        }
        struct buf got = converse(f, r->bytes, r->n, 1, 0);
        expect_same(r, "in pieces of", 1, &whole, &got);
        buf_done(&whole);
    }
    assert_int_equal(wrong, 0);
    fake_stop(f);
}

// What came before and comes behind a request, in one packet with it, changes nothing.
static void neighbours_in_one_packet_change_nothing(void **state)
{
    static const char before[] = GET("/v1/hosts/a.example"),
                      behind[] = GET("/v1/hosts/nothing.example");
    (void)state;
    struct fake *f = fake_start();
    struct buf first = converse(f, before, sizeof(before) - 1, sizeof(before), 0);
    struct buf last = converse(f, behind, sizeof(behind) - 1, sizeof(behind), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct buf text = BUF_INIT(1u << 16), wanted = BUF_INIT(1u << 20);
        struct buf whole = converse(f, r->bytes, r->n, r->n, 0);
        buf_append(&text, before, sizeof(before) - 1);
        buf_append(&text, r->bytes, r->n);
        buf_append(&text, behind, sizeof(behind) - 1);
        buf_append(&wanted, first.data, first.len);
        buf_append(&wanted, whole.data, whole.len);
        if (!has(&whole, "\r\nConnection: close\r\n")) {
            buf_append(&wanted, last.data, last.len);
        }
        struct buf got = converse(f, text.data, text.len, text.len, 0);
        if (r->status != 202) {
            expect_same(r, "with neighbours", 0, &wanted, &got);
        }
        buf_done(&got);
        buf_done(&text);
        buf_done(&wanted);
        buf_done(&whole);
    }
    buf_done(&first);
    buf_done(&last);
    fake_stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_has_one_answer_however_it_is_cut),
        cmocka_unit_test(neighbours_in_one_packet_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
