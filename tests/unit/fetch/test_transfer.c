// SPDX-License-Identifier: MIT
// Servers that misbehave, one row each, and what a transfer from them ends as. All rows run at
// once, with the bytes sent whole, in pieces and one by one: outcomes must not depend on how TCP
// cuts them.
#include "tests/unit/fetch/transfer_fixture.h"

#include <zlib.h>

#include "common/buf.h"
#include "common/json.h"

struct row {
    const char *name;
    struct script script;
    enum task_error error;
    int status;       // published
    const char *body; // NULL: none is expected
};

#define BYTES(literal) (literal), sizeof(literal) - 1
#define OK             "HTTP/1.1 200 OK\r\n"
#define HI             "Content-Length: 3\r\n\r\nhi\n"
#define CHUNKED        OK "Transfer-Encoding: chunked\r\n\r\n"
#define PLAY(literal, then)                                                                        \
    {                                                                                              \
        BYTES(literal), (then), NULL, 0                                                            \
    }
#define REPEAT(literal, then, more)                                                                \
    {                                                                                              \
        BYTES(literal), (then), (more), 0                                                          \
    }

static const struct row rows[] = {
    {"normal", PLAY(OK HI, KEEP), TASK_OK, 200, "hi\n"},
    {"empty", PLAY("", CLOSE), TASK_EMPTY_REPLY, 0, NULL},
    {"reset", PLAY("", RESET), TASK_CONNECTION_RESET, 0, NULL},
    {"reset in status line", PLAY("HTTP/1.1 20", RESET), TASK_CONNECTION_RESET, 0, NULL},
    {"never", PLAY("", HOLD), TASK_TIMEOUT_FIRST_BYTE, 0, NULL},
    {"stall in status line", PLAY("HTTP/1.1 20", HOLD), TASK_TIMEOUT_STALL, 0, NULL},
    {"stall in headers", PLAY(OK "Content-Type: text/pl", HOLD), TASK_TIMEOUT_STALL, 0, NULL},
    {"stall behind a header", PLAY(OK "Content-Type: text/plain\r\n", HOLD), TASK_TIMEOUT_STALL, 0,
     NULL},
    {"stall in body", PLAY(OK "Content-Length: 1000\r\n\r\nabc", HOLD), TASK_TIMEOUT_STALL, 200,
     NULL},
    {"stall in chunk", PLAY(CHUNKED "64\r\nabc", HOLD), TASK_TIMEOUT_STALL, 200, NULL},
    {"stall after 103", PLAY("HTTP/1.1 103 Early Hints\r\n\r\n", HOLD), TASK_TIMEOUT_FIRST_BYTE, 0,
     NULL},
    {"drip header", REPEAT(OK, DRIP, "X-Drip: d\r\n"), TASK_TIMEOUT_STALL, 0, NULL},
    {"drip status line", REPEAT("HTTP/1.1 200 ", DRIP, "s"), TASK_TIMEOUT_STALL, 0, NULL},
    {"drip body", REPEAT(OK "Content-Length: 3000\r\n\r\n", DRIP, "."), TASK_TIMEOUT_STALL, 200,
     NULL},
    {"drip trailer", REPEAT(CHUNKED "0\r\n", DRIP, "T: 1\r\n"), TASK_TIMEOUT_STALL, 200, NULL},
    {"slow but legal", {BYTES(OK HI), KEEP, NULL, FIRST_BYTE_MS / 2}, TASK_OK, 200, "hi\n"},
    {"endless body", REPEAT(OK "\r\n", ENDLESS, "eeeeeeeeeeeeeeee"), TASK_BODY_TOO_LARGE, 200,
     NULL},
    {"endless chunks", REPEAT(CHUNKED, ENDLESS, "10\r\neeeeeeeeeeeeeeee\r\n"), TASK_BODY_TOO_LARGE,
     200, NULL},
    {"endless headers",
     REPEAT(OK, ENDLESS, "X-Endless: hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh\r\n"),
     TASK_HEADER_TOO_LARGE, 0, NULL},
    {"endless header line", REPEAT(OK "X-Endless: ", ENDLESS, "hhhhhhhhhhhhhhhhhhhhhhhh"),
     TASK_HEADER_TOO_LARGE, 0, NULL},
    {"endless folded line", REPEAT(OK "X: ", ENDLESS, "a\r\n bbbbbbbbbbbbbbbbbbbbbb"),
     TASK_HEADER_TOO_LARGE, 0, NULL},
    {"endless status line", REPEAT("HTTP/1.1 200 ", ENDLESS, "ssssssssssssssssssssssss"),
     TASK_HEADER_TOO_LARGE, 0, NULL},
    {"endless hints", REPEAT("", ENDLESS, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
     TASK_HEADER_TOO_LARGE, 0, NULL},
    {"endless trailers",
     REPEAT(CHUNKED "3\r\nhi\n\r\n0\r\n", ENDLESS, "X-Trailer: tttttttttttttttttttttttttt\r\n"),
     TASK_HEADER_TOO_LARGE, 200, NULL},
    {"endless trailer line",
     REPEAT(CHUNKED "3\r\nhi\n\r\n0\r\nX-Trailer: ", ENDLESS, "tttttttttttttttttttttttttt"),
     TASK_HEADER_TOO_LARGE, 200, NULL},
    {"trailers", PLAY(CHUNKED "3;x=y\r\nhi\n\r\n0\r\nX-Trailer: t\r\n\r\n", KEEP), TASK_OK, 200,
     "hi\n"},
    {"100 then 200", PLAY("HTTP/1.1 100 Continue\r\n\r\n" OK HI, KEEP), TASK_OK, 200, "hi\n"},
    {"102, 103, 200",
     PLAY("HTTP/1.1 102 Processing\r\nX: 1\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" OK HI,
          KEEP),
     TASK_OK, 200, "hi\n"},
    {"100 then EOF", PLAY("HTTP/1.1 100 Continue\r\n\r\n", CLOSE), TASK_TRUNCATED_BODY, 0, NULL},
    {"101 unasked", PLAY("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc", CLOSE),
     TASK_HTTP_PROTOCOL, 0, NULL},
    {"status 000", PLAY("HTTP/1.1 000 Zero\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"status 099", PLAY("HTTP/1.1 099 Low\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"status 999", PLAY("HTTP/1.1 999 Odd\r\n" HI, KEEP), TASK_OK, 999, "hi\n"},
    {"status without reason", PLAY("HTTP/1.1 200\r\n" HI, KEEP), TASK_OK, 200, "hi\n"},
    {"status -20", PLAY("HTTP/1.1 -20 Odd\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"status abc", PLAY("HTTP/1.1 abc Odd\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"status of four digits", PLAY("HTTP/1.1 2000 Odd\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"status of two digits", PLAY("HTTP/1.1 20 Odd\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"HTTP/0.9", PLAY("<html>nothing before me</html>\n", CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"HTTP/0.9 without line end, held", PLAY("<html>", HOLD), TASK_HTTP_PROTOCOL, 0, NULL},
    {"binary garbage", PLAY("\x80\x81\x00\xff\xfe\xfd\x00\x01\x02 garbage \xff\xff", CLOSE),
     TASK_HTTP_PROTOCOL, 0, NULL},
    {"SSH banner", PLAY("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", HOLD), TASK_HTTP_PROTOCOL, 0, NULL},
    {"SMTP banner", PLAY("220 mail.example.com ESMTP Postfix\r\n", HOLD), TASK_HTTP_PROTOCOL, 0,
     NULL},
    {"HTTP/2 frames", PLAY("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", CLOSE),
     TASK_HTTP_PROTOCOL, 0, NULL},
    {"HTTP/1.0 to EOF", PLAY("HTTP/1.0 200 OK\r\n\r\nuntil the end\n", CLOSE), TASK_OK, 200,
     "until the end\n"},
    {"HTTP/1.1 to EOF", PLAY(OK "\r\nuntil the end\n", CLOSE), TASK_OK, 200, "until the end\n"},
    {"HTTP/1.9", PLAY("HTTP/1.9 200 OK\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"HTTP/2 in plain text", PLAY("HTTP/2 200 OK\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"bare LF", PLAY("HTTP/1.1 200 OK\nContent-Length: 3\n\nhi\n", KEEP), TASK_OK, 200, "hi\n"},
    {"short of CL", PLAY(OK "Content-Length: 100\r\n\r\nabc", CLOSE), TASK_TRUNCATED_BODY, 200,
     NULL},
    {"short of CL, reset", PLAY(OK "Content-Length: 100\r\n\r\nabc", RESET), TASK_CONNECTION_RESET,
     200, NULL},
    {"more than CL", PLAY(OK HI "HTTP/1.1 surplus", HOLD), TASK_OK, 200, "hi\n"},
    {"CL twice", PLAY(OK "Content-Length: 3\r\n" HI, KEEP), TASK_OK, 200, "hi\n"},
    {"CL list", PLAY(OK "Content-Length: 3, 3\r\n\r\nhi\n", KEEP), TASK_OK, 200, "hi\n"},
    {"CL differ", PLAY(OK "Content-Length: 2\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"CL list differs", PLAY(OK "Content-Length: 3, 4\r\n\r\nhi\n", CLOSE), TASK_HTTP_PROTOCOL, 0,
     NULL},
    {"CL -1", PLAY(OK "Content-Length: -1\r\n\r\nhi\n", CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"CL +3", PLAY(OK "Content-Length: +3\r\n\r\nhi\n", CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"CL 3abc", PLAY(OK "Content-Length: 3abc\r\n\r\nhi\n", CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"CL with space before colon", PLAY(OK "Content-Length : 3\r\n\r\nhi\n", CLOSE),
     TASK_HTTP_PROTOCOL, 0, NULL},
    {"CL over 64 bits", PLAY(OK "Content-Length: 99999999999999999999999\r\n\r\nhi\n", HOLD),
     TASK_BODY_TOO_LARGE, 200, NULL},
    {"CL over 63 bits", PLAY(OK "Content-Length: 18446744073709551615\r\n\r\nhi\n", HOLD),
     TASK_BODY_TOO_LARGE, 200, NULL},
    {"CL over limit", PLAY(OK "Content-Length: 100001\r\n\r\n", HOLD), TASK_BODY_TOO_LARGE, 200,
     NULL},
    {"CL abc", PLAY(OK "Content-Length: abc\r\n\r\nhi\n", CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"CL empty", PLAY(OK "Content-Length:\r\n\r\nhi\n", CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"CL and TE",
     PLAY(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi\n\r\n0\r\n\r\n", KEEP),
     TASK_OK, 200, "hi\n"},
    {"TE and CL",
     PLAY(OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n3\r\nhi\n\r\n0\r\n\r\n", KEEP),
     TASK_OK, 200, "hi\n"},
    {"CL over limit and TE",
     PLAY(OK "Content-Length: 100001\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhi\n\r\n0\r\n\r\n",
          KEEP),
     TASK_OK, 200, "hi\n"},
    {"length folded", PLAY(OK "Content-Length:\r\n 3\r\n\r\nhi\n", KEEP), TASK_HTTP_PROTOCOL, 0,
     NULL},
    {"TE folded", PLAY(OK "Transfer-Encoding:\r\n chunked\r\n\r\n3\r\nhi\n\r\n0\r\n\r\n", KEEP),
     TASK_HTTP_PROTOCOL, 0, NULL},
    {"TE unknown", PLAY(OK "Transfer-Encoding: rot13\r\n\r\nuv\n", CLOSE), TASK_HTTP_PROTOCOL, 0,
     NULL},
    {"TE gzip, chunked", PLAY(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CLOSE),
     TASK_HTTP_PROTOCOL, 0, NULL},
    {"TE twice",
     PLAY(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", CLOSE),
     TASK_HTTP_PROTOCOL, 0, NULL},
    {"chunk size zz", PLAY(CHUNKED "zz\r\nhi\n\r\n0\r\n\r\n", CLOSE), TASK_HTTP_PROTOCOL, 200,
     NULL},
    {"chunk size over 64 bits", PLAY(CHUNKED "1ffffffffffffffff\r\nhi\n", CLOSE),
     TASK_HTTP_PROTOCOL, 200, NULL},
    {"chunk size of 64 bits", PLAY(CHUNKED "ffffffffffffffff\r\nhi\n", HOLD), TASK_HTTP_PROTOCOL,
     200, NULL},
    {"EOF in chunk", PLAY(CHUNKED "64\r\nabc", CLOSE), TASK_TRUNCATED_BODY, 200, NULL},
    {"EOF in chunk size", PLAY(CHUNKED "3\r\nhi\n\r\n6", CLOSE), TASK_TRUNCATED_BODY, 200, NULL},
    {"no last chunk", PLAY(CHUNKED "3\r\nhi\n\r\n", CLOSE), TASK_TRUNCATED_BODY, 200, NULL},
    {"no chunk", PLAY(CHUNKED, CLOSE), TASK_TRUNCATED_BODY, 200, NULL},
    {"EOF in trailers", PLAY(CHUNKED "3\r\nhi\n\r\n0\r\nX: y\r\n", CLOSE), TASK_TRUNCATED_BODY, 200,
     NULL},
    {"chunk without CRLF", PLAY(CHUNKED "3\r\nhi\nXX3\r\nhi\n\r\n0\r\n\r\n", CLOSE),
     TASK_HTTP_PROTOCOL, 200, NULL},
    {"EOF in status line", PLAY("HTTP/1.1 20", CLOSE), TASK_TRUNCATED_BODY, 0, NULL},
    {"EOF behind status line", PLAY(OK, CLOSE), TASK_TRUNCATED_BODY, 0, NULL},
    {"EOF in headers", PLAY(OK "Content-Type: text/pl", CLOSE), TASK_TRUNCATED_BODY, 0, NULL},
    {"EOF behind a header", PLAY(OK "Content-Type: text/plain\r\n", CLOSE), TASK_TRUNCATED_BODY, 0,
     NULL},
    {"header without colon", PLAY(OK "this line has none\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0,
     NULL},
    {"header of white space first", PLAY(OK " folded: nothing\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL,
     0, NULL},
    {"empty header name", PLAY(OK ": value\r\n" HI, KEEP), TASK_OK, 200, "hi\n"},
    {"NUL in header", PLAY(OK "X-Nul: a\0b\r\n" HI, CLOSE), TASK_HTTP_PROTOCOL, 0, NULL},
    {"latin-1 header", PLAY(OK "X-Latin: caf\xe9 \xff\r\n" HI, KEEP), TASK_OK, 200, "hi\n"},
    {"folded header", PLAY(OK "X-Folded: a\r\n  b\r\n\tc\r\n" HI, KEEP), TASK_OK, 200, "hi\n"},
    {"says gzip, sends plain", PLAY(OK "Content-Encoding: gzip\r\n" HI, KEEP),
     TASK_CONTENT_ENCODING, 200, NULL},
    {"says br, sends plain", PLAY(OK "Content-Encoding: br\r\n" HI, KEEP), TASK_CONTENT_ENCODING,
     200, NULL},
    {"unknown coding", PLAY(OK "Content-Encoding: rot13\r\n" HI, KEEP), TASK_OK, 200, "hi\n"},
    {"four codings",
     PLAY(OK "Content-Encoding: gzip, gzip\r\nContent-Encoding: gzip, gzip\r\n" HI, KEEP),
     TASK_CONTENT_ENCODING, 200, NULL},
    {"gzip of nothing", PLAY(OK "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", KEEP),
     TASK_OK, 200, ""},
    {"part of a coded body", PLAY("HTTP/1.1 206 Partial\r\nContent-Encoding: gzip\r\n" HI, KEEP),
     TASK_OK, 206, "hi\n"},
    {"302 without Location", PLAY("HTTP/1.1 302 Found\r\n" HI, KEEP), TASK_OK, 302, "hi\n"},
    {"401 Negotiate",
     PLAY("HTTP/1.1 401 Who\r\nWWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\n" HI, KEEP),
     TASK_OK, 401, "hi\n"},
    {"407 from an origin", PLAY("HTTP/1.1 407 Proxy\r\nProxy-Authenticate: Basic\r\n" HI, KEEP),
     TASK_OK, 407, "hi\n"},
    {"204 with a body", PLAY("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nhi\n", CLOSE),
     TASK_OK, 204, ""},
    {"304", PLAY("HTTP/1.1 304 Not Modified\r\nContent-Length: 100001\r\n\r\n", KEEP), TASK_OK, 304,
     NULL},
    {"503 with Retry-After", PLAY("HTTP/1.1 503 Later\r\nRetry-After: 7\r\n" HI, KEEP), TASK_OK,
     503, "hi\n"},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

// ---- rows too long to write down

static void make_huge_header(struct buf *b)
{
    buf_append_str(b, OK "X-Huge: ");
    assert_int_equal(buf_reserve(b, 2000000), 0);
    memset(b->data + b->len, 'h', 2000000);
    b->len += 2000000;
    buf_append_str(b, "\r\n" HI);
}

static void make_many_headers(struct buf *b)
{
    buf_append_str(b, OK);
    for (int i = 0; i < 100; i++) {
        buf_printf(b, "X-%d: %04000d\r\n", i, i);
    }
    buf_append_str(b, HI);
}

static void make_cookies(struct buf *b, int n)
{
    buf_append_str(b, OK);
    for (int i = 0; i < n; i++) {
        buf_printf(b, "Set-Cookie: c%d=v\r\n", i);
    }
    buf_append_str(b, HI);
}

static void make_1100_folds(struct buf *b)
{
    buf_append_str(b, OK "X-Folded: a\r\n");
    for (int i = 0; i < 1100; i++) {
        buf_append_str(b, " b\r\n");
    }
    buf_append_str(b, HI);
}

static void make_3000_cookies(struct buf *b)
{
    make_cookies(b, 3000);
}

static void make_900_cookies(struct buf *b)
{
    make_cookies(b, 900);
}

static void make_90_kb_header(struct buf *b)
{
    buf_printf(b, OK "X-Long: %090000d\r\n" HI, 1);
}

static void make_200_kb_trailer(struct buf *b)
{
    buf_printf(b, CHUNKED "3\r\nhi\n\r\n0\r\nX-Trailer: %0200000d\r\n\r\n", 1);
}

static void append_gzip(struct buf *b, const void *p, size_t n, size_t cut)
{
    z_stream z = {0};
    unsigned char *out = malloc(n + 1000);
    unsigned char *in = malloc(n + 1);
    assert_true(out && in);
    memcpy(in, p, n);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = in;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)(n + 1000);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_printf(b, OK "Content-Encoding: gzip\r\nContent-Length: %lu\r\n\r\n", z.total_out - cut);
    buf_append(b, out, z.total_out - cut);
    deflateEnd(&z);
    free(in);
    free(out);
}

static void make_gzip(struct buf *b)
{
    append_gzip(b, "compressed", 10, 0);
}

static void make_gzip_without_trailer(struct buf *b)
{
    append_gzip(b, "compressed", 10, 6);
}

static void make_gzip_cut_by_transport(struct buf *b)
{
    append_gzip(b, "compressed", 10, 0);
    b->len -= 6;
}

static void make_gzip_bomb(struct buf *b)
{
    size_t n = 20000000;
    char *zeros = calloc(1, n);
    assert_non_null(zeros);
    append_gzip(b, zeros, n, 0);
    free(zeros);
}

static void make_body_at_limit(struct buf *b)
{
    buf_printf(b, OK "Content-Length: %d\r\n\r\n%0*d", MAX_BODY, MAX_BODY, 1);
}

static void make_chunked_over_limit(struct buf *b)
{
    buf_printf(b, CHUNKED "186a1\r\n%0*d\r\n0\r\n\r\n", MAX_BODY + 1, 1);
}

static const struct {
    const char *name;
    void (*make)(struct buf *b);
    enum then then;
    enum task_error error;
    int status;
    uint64_t size; // SIZE_MAX: depends on how much was read at once
} made[] = {
    {"2 MB header line", make_huge_header, CLOSE, TASK_HEADER_TOO_LARGE, 0, 0},
    {"400 KB of headers", make_many_headers, CLOSE, TASK_HEADER_TOO_LARGE, 0, 0},
    {"1100 folded lines", make_1100_folds, CLOSE, TASK_HEADER_TOO_LARGE, 0, 0},
    {"3000 cookies", make_3000_cookies, CLOSE, TASK_HEADER_TOO_LARGE, 0, 0},
    {"900 cookies", make_900_cookies, KEEP, TASK_OK, 200, 3},
    {"90 KB header line", make_90_kb_header, KEEP, TASK_OK, 200, 3},
    {"200 KB trailer", make_200_kb_trailer, CLOSE, TASK_HEADER_TOO_LARGE, 200, 3},
    {"gzip", make_gzip, KEEP, TASK_OK, 200, 10},
    {"gzip without trailer", make_gzip_without_trailer, KEEP, TASK_CONTENT_ENCODING, 200, 10},
    {"gzip cut by transport", make_gzip_cut_by_transport, CLOSE, TASK_TRUNCATED_BODY, 200, 10},
    {"gzip bomb", make_gzip_bomb, KEEP, TASK_BODY_TOO_LARGE, 200, SIZE_MAX},
    {"body at the limit", make_body_at_limit, KEEP, TASK_OK, 200, MAX_BODY},
    {"chunked body over the limit", make_chunked_over_limit, KEEP, TASK_BODY_TOO_LARGE, 200,
     SIZE_MAX},
};
#define N_MADE (sizeof(made) / sizeof(made[0]))

// ---- playing them

static bool check_row(const struct probe *p, const struct row *row)
{
    const struct transfer_result *r = &p->result;
    if (!probe_matches(p, row->name, row->error, row->status)) {
        return false;
    }
    assert_true(r->sent);
    assert_false(r->local_shortage);
    assert_int_equal(r->has_body, row->body != NULL);
    if (row->body) {
        assert_string_equal(p->body, row->body);
        assert_int_equal(r->size, strlen(row->body));
    }
    assert_int_equal(r->complete, row->error == TASK_OK);
    assert_int_equal(r->status != 0, r->headers != NULL);
    assert_string_equal(r->remote_ip, "127.0.0.1");
    assert_null(r->message ? strstr(r->message, "Postfix") : NULL);
    if (row->error == TASK_TRUNCATED_BODY) {
        assert_non_null(r->message);
        assert_non_null(strstr(r->message, row->status == 0 ? "headers" : "body"));
    }
    if (r->headers) {
        struct err e;
        json_t *j = json_parse(r->headers, strlen(r->headers), &e);
        assert_true(json_is_array(j));
        json_decref(j);
    }
    return true;
}

static void play_rows(unsigned cut)
{
    static struct script scripts[N_ROWS];
    static struct probe probes[N_ROWS];
    struct fixture f;
    fixture_new(&f, NULL);
    for (size_t i = 0; i < N_ROWS; i++) {
        scripts[i] = rows[i].script;
    }
    f.server.cut = cut;
    assert_int_equal(scripted_server_start(&f.server, scripts, N_ROWS), 0);
    for (size_t i = 0; i < N_ROWS; i++) {
        probe_init(&probes[i], &f, false, "www.test", i);
        probe_start(&probes[i]);
    }
    fixture_run(&f);
    fixture_free(&f);
    scripted_server_stop(&f.server);
    bool all = true;
    for (size_t i = 0; i < N_ROWS; i++) {
        all = check_row(&probes[i], &rows[i]) && all;
        probe_done(&probes[i]);
    }
    assert_true(all);
}

static void outcomes_are_as_stated_when_bytes_come_whole(void **state)
{
    (void)state;
    play_rows(0);
}

static void outcomes_are_as_stated_when_bytes_come_in_pieces(void **state)
{
    (void)state;
    play_rows(20);
}

static void outcomes_are_as_stated_when_bytes_come_one_by_one(void **state)
{
    (void)state;
    play_rows(1);
}

static void play_made(unsigned cut)
{
    static struct script scripts[N_MADE];
    static struct probe probes[N_MADE];
    struct buf bytes[N_MADE];
    struct fixture f;
    fixture_new(&f, NULL);
    for (size_t i = 0; i < N_MADE; i++) {
        bytes[i] = BUF_INIT((size_t)4 * 1024 * 1024);
        made[i].make(&bytes[i]);
        assert_false(bytes[i].failed);
        scripts[i] =
            (struct script){.bytes = bytes[i].data, .n = bytes[i].len, .then = made[i].then};
    }
    f.server.cut = cut;
    assert_int_equal(scripted_server_start(&f.server, scripts, N_MADE), 0);
    for (size_t i = 0; i < N_MADE; i++) {
        probe_init(&probes[i], &f, false, "www.test", i);
        probe_start(&probes[i]);
    }
    fixture_run(&f);
    fixture_free(&f);
    scripted_server_stop(&f.server);
    bool all = true;
    for (size_t i = 0; i < N_MADE; i++) {
        all = probe_matches(&probes[i], made[i].name, made[i].error, made[i].status) && all;
        if (made[i].size != SIZE_MAX && probes[i].result.size != made[i].size) {
            print_error("%s: size %lu\n", made[i].name, probes[i].result.size);
            all = false;
        }
        probe_done(&probes[i]);
        buf_done(&bytes[i]);
    }
    assert_true(all);
}

static void long_answers_end_as_stated_however_cut(void **state)
{
    (void)state;
    play_made(0);
    play_made(7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_are_as_stated_when_bytes_come_whole),
        cmocka_unit_test(outcomes_are_as_stated_when_bytes_come_in_pieces),
        cmocka_unit_test(outcomes_are_as_stated_when_bytes_come_one_by_one),
        cmocka_unit_test(long_answers_end_as_stated_however_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
