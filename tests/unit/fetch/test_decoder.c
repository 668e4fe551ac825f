// SPDX-License-Identifier: MIT
// Content codings: every stream is fed whole, byte by byte and in odd pieces, and must come out the
// same.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "common/buf.h"
#include "daemon/fetch/decoder.h"

#define SPACE ((size_t)4 * 1024 * 1024)

static const char TEXT[] =
    "A compressed body, the same in every coding. aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
#define TEXT_N (sizeof(TEXT) - 1)

enum end { WHOLE, CUT, CORRUPT };

static enum end decode(const char *value, const struct buf *in, size_t piece, struct buf *out)
{
    struct codings codings;
    struct decoder *d;
    codings_parse(value, &codings);
    assert_int_equal(decoder_new(&codings, SPACE, &d), 0);
    enum decoder_status status = DECODER_MORE;
    for (size_t at = 0; at < in->len && status == DECODER_MORE; at += piece) {
        size_t n = in->len - at < piece ? in->len - at : piece;
        char *copy = malloc(n); // of its own, so that reading past the piece is found
        assert_non_null(copy);
        memcpy(copy, in->data + at, n);
        decoder_feed(d, copy, n);
        const void *p;
        size_t k;
        while ((status = decoder_pull(d, &p, &k)) == DECODER_OUTPUT) {
            assert_true(k > 0);
            assert_int_equal(buf_append(out, p, k), 0);
        }
        free(copy);
    }
    assert_int_not_equal(status, DECODER_NO_MEMORY);
    enum end end = status == DECODER_CORRUPT ? CORRUPT : decoder_is_whole(d) ? WHOLE : CUT;
    decoder_free(&d);
    assert_null(d);
    return end;
}

// However it is cut, `in` must end as `end`, and when whole give `plain`.
static void expect(const char *value, const struct buf *in, enum end end, const struct buf *plain)
{
    static const size_t pieces[] = {1, 2, 3, 7, 1000, SPACE};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct buf out = BUF_INIT(SPACE);
        enum end got = decode(value, in, pieces[i], &out);
        if (got != end) {
            fail_msg("%s in pieces of %zu: ended %d, not %d", value, pieces[i], got, end);
        }
        if (end == WHOLE) {
            assert_int_equal(out.len, plain->len);
            assert_true(out.len == 0 || memcmp(out.data, plain->data, out.len) == 0);
        }
        buf_done(&out);
    }
}

static void append_zlib(struct buf *out, int window, const void *p, size_t n)
{
    z_stream z = {0};
    unsigned char *space = malloc(n + 1000);
    assert_non_null(space);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    void *copy = malloc(n + 1);
    assert_non_null(copy);
    memcpy(copy, p, n);
    z.next_in = copy;
    z.avail_in = (uInt)n;
    z.next_out = space;
    z.avail_out = (uInt)(n + 1000);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_append(out, space, z.total_out);
    deflateEnd(&z);
    free(copy);
    free(space);
}

static void append_zstd(struct buf *out, const void *p, size_t n)
{
    char space[4096];
    size_t k = ZSTD_compress(space, sizeof(space), p, n, 3);
    assert_false(ZSTD_isError(k));
    buf_append(out, space, k);
}

// One uncompressed meta-block and an empty last one (RFC 7932 §9.2).
static void append_brotli(struct buf *out, const void *p, size_t n)
{
    uint32_t head = (uint32_t)(n - 1) << 4 | UINT32_C(1) << 20;
    char bytes[3] = {(char)head, (char)(head >> 8), (char)(head >> 16)};
    buf_append(out, bytes, 3);
    buf_append(out, p, n);
    buf_append_char(out, 3);
}

static void append_coding(struct buf *out, const char *name, const void *p, size_t n)
{
    if (strcmp(name, "gzip") == 0) {
        append_zlib(out, 31, p, n);
    } else if (strcmp(name, "deflate") == 0) {
        append_zlib(out, 15, p, n);
    } else if (strcmp(name, "raw") == 0) {
        append_zlib(out, -15, p, n);
    } else if (strcmp(name, "br") == 0) {
        append_brotli(out, p, n);
    } else {
        append_zstd(out, p, n);
    }
}

static const char *header_name(const char *name)
{
    return strcmp(name, "raw") == 0 ? "deflate" : name;
}

static const char *const all[] = {"gzip", "deflate", "raw", "br", "zstd"};
#define N_ALL (sizeof(all) / sizeof(all[0]))

static void every_coding_decodes(void **state)
{
    (void)state;
    struct buf plain = BUF_INIT(SPACE);
    buf_append(&plain, TEXT, TEXT_N);
    for (size_t i = 0; i < N_ALL; i++) {
        struct buf in = BUF_INIT(SPACE);
        append_coding(&in, all[i], TEXT, TEXT_N);
        expect(header_name(all[i]), &in, WHOLE, &plain);
        buf_done(&in);
    }
    buf_done(&plain);
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ALL; i++) {
        struct buf in = BUF_INIT(SPACE), none = BUF_INIT(SPACE);
        append_coding(&in, all[i], TEXT, TEXT_N);
        while (in.len > 1) {
            in.len--;
            expect(header_name(all[i]), &in, CUT, NULL);
        }
        in.len = 0; // an empty body carries no coding at all
        expect(header_name(all[i]), &in, WHOLE, &none);
        buf_done(&in);
        buf_done(&none);
    }
}

static void plain_text_and_damage_are_corrupt(void **state)
{
    (void)state;
    struct buf plain = BUF_INIT(SPACE);
    buf_append(&plain, TEXT, TEXT_N);
    expect("gzip", &plain, CORRUPT, NULL);
    expect("deflate", &plain, CORRUPT, NULL);
    expect("zstd", &plain, CORRUPT, NULL);
    struct buf in = BUF_INIT(SPACE);
    append_coding(&in, "gzip", TEXT, TEXT_N);
    in.data[in.len - 6] ^= 1; // the checksum
    expect("gzip", &in, CORRUPT, NULL);
    buf_done(&in);
    buf_done(&plain);
}

static void further_members_and_frames_follow_and_other_bytes_are_ignored(void **state)
{
    (void)state;
    static const char *const repeatable[] = {"gzip", "zstd"};
    for (size_t i = 0; i < 2; i++) {
        struct buf in = BUF_INIT(SPACE), plain = BUF_INIT(SPACE);
        for (int k = 0; k < 3; k++) {
            append_coding(&in, repeatable[i], TEXT, TEXT_N);
            buf_append(&plain, TEXT, TEXT_N);
        }
        expect(repeatable[i], &in, WHOLE, &plain);
        size_t len = in.len;
        in.len -= 1;
        expect(repeatable[i], &in, CUT, NULL);
        in.len = len;
        buf_append(&in, "\0\0\0garbage", 10);
        expect(repeatable[i], &in, WHOLE, &plain);
        buf_done(&in);
        buf_done(&plain);
    }
    for (size_t i = 0; i < N_ALL; i++) {
        static const char *const tails[] = {"\x1f", "\x1fgarbage", "\x28\xb5", "x"};
        for (size_t k = 0; k < 4; k++) {
            struct buf in = BUF_INIT(SPACE), plain = BUF_INIT(SPACE);
            append_coding(&in, all[i], TEXT, TEXT_N);
            buf_append(&plain, TEXT, TEXT_N);
            buf_append_str(&in, tails[k]);
            expect(header_name(all[i]), &in, WHOLE, &plain);
            buf_done(&in);
            buf_done(&plain);
        }
    }
}

static void streams_of_nothing_give_nothing(void **state)
{
    (void)state;
    struct buf none = BUF_INIT(SPACE);
    for (size_t i = 0; i < N_ALL; i++) {
        struct buf in = BUF_INIT(SPACE);
        if (strcmp(all[i], "br") == 0) {
            buf_append_char(&in, 6);
        } else {
            append_coding(&in, all[i], "", 0);
        }
        expect(header_name(all[i]), &in, WHOLE, &none);
        buf_done(&in);
    }
    buf_done(&none);
}

static void stacked_codings_are_undone_in_reverse(void **state)
{
    (void)state;
    struct buf plain = BUF_INIT(SPACE);
    buf_append(&plain, TEXT, TEXT_N);
    for (size_t i = 0; i < N_ALL * N_ALL * N_ALL; i++) {
        const char *applied[3] = {all[i % N_ALL], all[i / N_ALL % N_ALL], all[i / N_ALL / N_ALL]};
        struct buf one = BUF_INIT(SPACE), two = BUF_INIT(SPACE), three = BUF_INIT(SPACE),
                   value = BUF_INIT(SPACE);
        append_coding(&one, applied[0], TEXT, TEXT_N);
        append_coding(&two, applied[1], one.data, one.len);
        append_coding(&three, applied[2], two.data, two.len);
        buf_printf(&value, "%s, %s,%s", header_name(applied[0]), header_name(applied[1]),
                   header_name(applied[2]));
        expect(value.data, &three, WHOLE, &plain);
        three.len--;
        expect(value.data, &three, CUT, NULL);
        buf_done(&one);
        buf_done(&two);
        buf_done(&three);
        buf_done(&value);
    }
    buf_done(&plain);
}

static void a_bomb_comes_out_in_small_pieces(void **state)
{
    (void)state;
    struct buf zeros = BUF_INIT(SPACE), in = BUF_INIT(SPACE);
    assert_int_equal(buf_reserve(&zeros, 2000000), 0);
    memset(zeros.data, 0, 2000000);
    append_zlib(&in, 31, zeros.data, 2000000);
    struct codings codings;
    struct decoder *d;
    codings_parse("gzip", &codings);
    assert_int_equal(decoder_new(&codings, SPACE, &d), 0);
    decoder_feed(d, in.data, in.len);
    const void *p;
    size_t n, total = 0;
    for (int i = 0; i < 10; i++) { // then the caller has had enough
        assert_int_equal(decoder_pull(d, &p, &n), DECODER_OUTPUT);
        assert_true(n <= 32768);
        total += n;
    }
    size_t left = decoder_take_back(d);
    assert_true(left > 0 && left < in.len);
    decoder_feed(d, in.data + in.len - left, left); // or goes on later
    while (decoder_pull(d, &p, &n) == DECODER_OUTPUT) {
        total += n;
    }
    assert_int_equal(total, 2000000);
    assert_true(decoder_is_whole(d));
    decoder_free(&d);
    buf_done(&zeros);
    buf_done(&in);
}

// A name within the inner gzip's header that does not end: a coding before it makes much of little,
// and nothing ever comes out.
static void what_passes_between_codings_is_bounded(void **state)
{
    (void)state;
    static const char head[] = "\x1f\x8b\x08\x08\0\0\0\0\0\x03", name[] = "name of 16 bytes";
    struct buf inner = BUF_INIT(SPACE), in = BUF_INIT(SPACE);
    buf_append(&inner, head, sizeof(head) - 1);
    while (inner.len < 200000) {
        buf_append(&inner, name, sizeof(name) - 1);
    }
    append_zlib(&in, 31, inner.data, inner.len);
    for (size_t max = inner.len - 1; max <= inner.len; max++) {
        struct codings codings;
        struct decoder *d;
        const void *p;
        size_t n;
        codings_parse("gzip, gzip", &codings);
        assert_int_equal(decoder_new(&codings, max, &d), 0);
        decoder_feed(d, in.data, in.len);
        assert_int_equal(decoder_pull(d, &p, &n),
                         max < inner.len ? DECODER_TOO_LARGE : DECODER_MORE);
        assert_false(decoder_is_whole(d));
        decoder_free(&d);
    }
    buf_done(&inner);
    buf_done(&in);
}

static void zstd_windows_are_bounded(void **state)
{
    (void)state;
    // A frame that asks for a window of 2 GiB: no single segment, window descriptor 0xA8.
    struct buf in = BUF_INIT(SPACE);
    buf_append(&in, "\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00", 9);
    expect("zstd", &in, CORRUPT, NULL);
    buf_done(&in);
}

static void content_encoding_lists_are_read(void **state)
{
    (void)state;
    struct codings c;
    codings_parse("", &c);
    assert_true(c.n == 0 && !c.unknown);
    codings_parse(" identity , ,", &c);
    assert_true(c.n == 0 && !c.unknown);
    codings_parse("X-GZip ,\tBR, identity", &c);
    assert_true(c.n == 2 && !c.unknown && c.v[0] == CODING_GZIP && c.v[1] == CODING_BROTLI);
    codings_parse("gzip, rot13", &c);
    assert_true(c.unknown);
    codings_parse("gzipp", &c);
    assert_true(c.unknown);
    codings_parse("gzip,gzip,gzip", &c);
    assert_true(c.n == 3 && !c.too_many);
    codings_parse("gzip,gzip,gzip,gzip", &c);
    assert_true(c.too_many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_coding_decodes),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(plain_text_and_damage_are_corrupt),
        cmocka_unit_test(further_members_and_frames_follow_and_other_bytes_are_ignored),
        cmocka_unit_test(streams_of_nothing_give_nothing),
        cmocka_unit_test(stacked_codings_are_undone_in_reverse),
        cmocka_unit_test(a_bomb_comes_out_in_small_pieces),
        cmocka_unit_test(what_passes_between_codings_is_bounded),
        cmocka_unit_test(zstd_windows_are_bounded),
        cmocka_unit_test(content_encoding_lists_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
