// SPDX-License-Identifier: MIT
// The chunked transfer coding: what is well formed, what is not, and that cuts change nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/buf.h"
#include "daemon/fetch/chunked.h"

enum end { WHOLE, CUT, MALFORMED };

struct read {
    enum end end;
    const char *why;
    bool bare_lf;
    struct buf body;
    size_t behind; // bytes behind the last chunk's line
};

static void read_in_pieces(const char *in, size_t n, size_t piece, struct read *ret)
{
    struct chunked c;
    chunked_begin(&c);
    *ret = (struct read){.end = CUT, .body = BUF_INIT(1 << 20)};
    for (size_t from = 0; from < n; from += piece) {
        size_t end = n - from < piece ? n : from + piece;
        for (size_t at = from; at < end;) {
            ptrdiff_t skipped = chunked_read(&c, in + at, end - at, &ret->why);
            if (skipped < 0) {
                ret->end = MALFORMED;
                return;
            }
            at += (size_t)skipped;
            if (c.state == CHUNKED_TRAILERS) {
                *ret = (struct read){WHOLE, NULL, c.bare_lf, ret->body, n - at};
                return;
            }
            if (c.state == CHUNKED_DATA) {
                size_t k = c.left < end - at ? (size_t)c.left : end - at;
                buf_append(&ret->body, in + at, k);
                chunked_take(&c, k);
                at += k;
            }
        }
    }
}

static const struct {
    const char *in;
    enum end end;
    const char *body;
    size_t behind;
    bool bare_lf;
} CASES[] = {
    {"3\r\nhi\n\r\n0\r\n\r\n", WHOLE, "hi\n", 2, false},
    {"0\r\n\r\n", WHOLE, "", 2, false},
    {"0\r\nX: y\r\n\r\nmore", WHOLE, "", 12, false},
    {"a\r\n0123456789\r\nB\r\n01234567890\r\n00\r\n\r\n", WHOLE, "012345678901234567890", 2, false},
    {"0000000000000003\r\nhi\n\r\n0\r\n\r\n", WHOLE, "hi\n", 2, false},
    {"3 \t\r\nhi\n\r\n0 \r\n\r\n", WHOLE, "hi\n", 2, false},
    {"3;a\r\nhi\n\r\n0;b=\"c\"\r\n\r\n", WHOLE, "hi\n", 2, false},
    {"3 ; a = b ;c\r\nhi\n\r\n0\r\n\r\n", WHOLE, "hi\n", 2, false},
    {"3;0x5\r\nhi\n\r\n0\r\n\r\n", WHOLE, "hi\n", 2, false},
    {"2\r\n\r\n\r\n0\r\n\r\n", WHOLE, "\r\n", 2, false},
    // LF alone: read, but remembered, wherever it stands
    {"3\nhi\n\r\n0\r\n\r\n", WHOLE, "hi\n", 2, true},
    {"3\r\nhi\n\n0\r\n\r\n", WHOLE, "hi\n", 2, true},
    {"3\r\nhi\n\r\n0\n\r\n", WHOLE, "hi\n", 2, true},
    {"3;a\nhi\n\r\n0\r\n\r\n", WHOLE, "hi\n", 2, true},
    // not all of it
    {"", CUT, "", 0, false},
    {"3", CUT, "", 0, false},
    {"3\r", CUT, "", 0, false},
    {"3\r\nh", CUT, "h", 0, false},
    {"3\r\nhi\n", CUT, "hi\n", 0, false},
    {"3\r\nhi\n\r\n", CUT, "hi\n", 0, false},
    {"3\r\nhi\n\r\n0", CUT, "hi\n", 0, false},
    {"ffffffffffffffff\r\nhi\n", CUT, "hi\n", 0, false},
    // sizes that are none
    {"zz\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"\r\n", MALFORMED, "", 0, false},
    {" 3\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"+3\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"-3\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"0x3\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"0X3\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3g\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3h\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3_0\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3,3\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3 3\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3 garbage\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3\v\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3.0\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"00000000000000003\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"10000000000000003\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    // line ends that are none
    {"3\r\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3\rhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3;a\rb\r\nhi\n\r\n0\r\n\r\n", MALFORMED, "", 0, false},
    {"3\r\nhi\nXX3\r\n", MALFORMED, "hi\n", 0, false},
    {"3\r\nhi\n0\r\n\r\n", MALFORMED, "hi\n", 0, false},
    {"3\r\nhi\n\rX", MALFORMED, "hi\n", 0, false},
    {"3\r\nhi\n\r\r\n0\r\n\r\n", MALFORMED, "hi\n", 0, false},
    {"3\r\nhi\n\r\n\r\n0\r\n\r\n", MALFORMED, "hi\n", 0, false},
};

static void reads_what_is_well_formed_and_nothing_else_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        for (size_t piece = 1; piece < 64; piece++) {
            struct read r;
            read_in_pieces(CASES[i].in, strlen(CASES[i].in), piece, &r);
            if (r.end != CASES[i].end || r.body.len != strlen(CASES[i].body) ||
                (r.body.len > 0 && memcmp(r.body.data, CASES[i].body, r.body.len) != 0) ||
                (r.end == MALFORMED) != (r.why != NULL) || r.bare_lf != CASES[i].bare_lf ||
                r.behind != CASES[i].behind) {
                fail_msg("case %zu in pieces of %zu: ended %d with %zu bytes: %s", i, piece, r.end,
                         r.body.len, r.why ? r.why : "-");
            }
            buf_done(&r.body);
        }
    }
}

static void a_nul_ends_no_line(void **state)
{
    static const char size[] = "3\0\r\nhi\n\r\n0\r\n\r\n",
                      extension[] = "3;\0\r\nhi\n\r\n0\r\n\r\n";
    struct read r;
    (void)state;
    read_in_pieces(size, sizeof(size) - 1, 1, &r);
    assert_int_equal(r.end, MALFORMED);
    read_in_pieces(extension, sizeof(extension) - 1, 1, &r);
    assert_int_equal(r.end, MALFORMED);
}

static void append_chunks(struct buf *out, size_t n, size_t extension, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%zx;", size);
        for (size_t k = 1; k < extension; k++) {
            buf_append_char(out, 'e');
        }
        buf_append_str(out, "\r\n");
        for (size_t k = 0; k < size; k++) {
            buf_append_char(out, 'd');
        }
        buf_append_str(out, "\r\n");
    }
    buf_append_str(out, "0\r\n\r\n");
}

static enum end end_of_chunks(size_t n, size_t extension, size_t size)
{
    struct buf in = BUF_INIT(16 << 20);
    struct read r;
    append_chunks(&in, n, extension, size);
    assert_false(in.failed);
    read_in_pieces(in.data, in.len, 1000, &r);
    buf_done(&in);
    buf_done(&r.body);
    return r.end;
}

static void extensions_may_be_long_only_beside_a_long_body(void **state)
{
    (void)state;
    assert_int_equal(end_of_chunks(1, 16 * 1024, 1), WHOLE);
    assert_int_equal(end_of_chunks(1, 16 * 1024 + 1, 1), MALFORMED);
    assert_int_equal(end_of_chunks(100, 100, 1), WHOLE);
    assert_int_equal(end_of_chunks(1000, 100, 1), MALFORMED);
    assert_int_equal(end_of_chunks(1000, 100, 100), WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_well_formed_and_nothing_else_however_it_is_cut),
        cmocka_unit_test(a_nul_ends_no_line),
        cmocka_unit_test(extensions_may_be_long_only_beside_a_long_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
