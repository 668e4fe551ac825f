// SPDX-License-Identifier: MIT
// The URL rules, row by row as the requests a client may send.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/url.h"

struct row {
    const char *text;
    enum url_verdict verdict;
    const char *normal; // of URL_OK
};

static enum url_verdict parse(const char *text, struct url *u, struct buf *normal)
{
    const char *detail = NULL;
    enum url_verdict verdict = url_parse(text, strlen(text), u, normal, &detail);
    assert_true((detail == NULL) == (verdict == URL_OK));
    return verdict;
}

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct url u;
        struct buf normal = BUF_INIT(URL_MAX);
        enum url_verdict verdict = parse(rows[i].text, &u, &normal);
        if (verdict != rows[i].verdict) {
            fail_msg("\"%s\": verdict %d, not %d", rows[i].text, (int)verdict,
                     (int)rows[i].verdict);
        }
        if (verdict == URL_OK) {
            assert_string_equal(normal.data, rows[i].normal);
            assert_int_equal(normal.len, strlen(normal.data));
            assert_int_equal(normal.data[u.path_offset], '/');
            // The normal form is its own normal form.
            struct buf again = BUF_INIT(URL_MAX);
            assert_int_equal(parse(normal.data, &u, &again), URL_OK);
            assert_string_equal(again.data, normal.data);
            buf_done(&again);
        } else {
            assert_int_equal(normal.len, 0);
        }
        buf_done(&normal);
    }
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof((rows)[0]))

static void accepts_and_normalises(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"http://example.com", URL_OK, "http://example.com/"},
        {"HtTpS://Example.COM/A?b#c", URL_OK, "https://example.com/A?b"},
        {"https://example.com:443/", URL_OK, "https://example.com/"},
        {"https://example.com:80/", URL_OK, "https://example.com:80/"},
        {"http://example.com:/", URL_OK, "http://example.com/"},
        {"http://example.com:00080/", URL_OK, "http://example.com/"},
        {"http://example.com:65535/", URL_OK, "http://example.com:65535/"},
        {"http://example.com./", URL_OK, "http://example.com/"},
        {"http://example.com?q=1", URL_OK, "http://example.com/?q=1"},
        {"http://example.com?q=a@b", URL_OK, "http://example.com/?q=a@b"},
        {"http://example.com#f", URL_OK, "http://example.com/"},
        {"http://example.com/#a@b", URL_OK, "http://example.com/"},
        {"http://example.com/a@b", URL_OK, "http://example.com/a@b"},
        {"http://example.com/%0d%0a", URL_OK, "http://example.com/%0d%0a"},
        {"http://example.com/%00", URL_OK, "http://example.com/%00"},
        {"http://example.com/a/../b//c", URL_OK, "http://example.com/a/../b//c"},
        {"http://example.com/ä?ö", URL_OK, "http://example.com/%C3%A4?%C3%B6"},
        {"http://example.com/{\"}?{\"}", URL_OK, "http://example.com/%7B%22%7D?{%22}"},
        {"http://example.com/a[1]|^", URL_OK, "http://example.com/a[1]|^"},
        {"http://ex%61mple.com/", URL_OK, "http://example.com/"},
        {"http://bücher.example/", URL_OK, "http://xn--bcher-kva.example/"},
        {"http://BÜCHER.example/", URL_OK, "http://xn--bcher-kva.example/"},
        {"http://b%C3%BCcher.example/", URL_OK, "http://xn--bcher-kva.example/"},
        {"http://faß.example/", URL_OK, "http://xn--fa-hia.example/"},
        {"http://xn--bcher-kva.example/", URL_OK, "http://xn--bcher-kva.example/"},
        {"http://例え。テスト。/", URL_OK, "http://xn--r8jz45g.xn--zckzah/"},
        {"http://ｅxample.com/", URL_OK, "http://example.com/"},
        {"http://my_host.example/", URL_OK, "http://my_host.example/"},
        {"http://r3---sn-abc.example/", URL_OK, "http://r3---sn-abc.example/"},
        {"http://1a.example/", URL_OK, "http://1a.example/"},
        {"http://1.2.3.4.example/", URL_OK, "http://1.2.3.4.example/"},
        {"http://[2001:DB8::1]:8080/", URL_OK, "http://[2001:db8::1]:8080/"},
        {"http://[0:0:0:0:0:0:0:1]:80", URL_OK, "http://[::1]/"},
    };
    CHECK(rows);
}

static void refuses_what_is_no_url(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", URL_INVALID, NULL},
        {" ", URL_INVALID, NULL},
        {"http:", URL_INVALID, NULL},
        {"http:/", URL_INVALID, NULL},
        {"http://", URL_INVALID, NULL},
        {"http:h", URL_INVALID, NULL},
        {"//h/", URL_INVALID, NULL},
        {"/h", URL_INVALID, NULL},
        {"h", URL_INVALID, NULL},
        {":", URL_INVALID, NULL},
        {"http:/h/", URL_INVALID, NULL},
        {"http:///h/", URL_INVALID, NULL},
        {"http://:80/", URL_INVALID, NULL},
        {"http://?q", URL_INVALID, NULL},
        {"http://a:b@h/", URL_INVALID, NULL},
        {"http://a@h/", URL_INVALID, NULL},
        {"http://@h/", URL_INVALID, NULL},
        {"http://h@/", URL_INVALID, NULL},
        {"http://h#@evil/", URL_INVALID, NULL},
        {"http://h\\@evil/", URL_INVALID, NULL},
        {"http:\\\\h\\", URL_INVALID, NULL},
        {"http://h/a\\b", URL_INVALID, NULL},
        {"http://h/a b", URL_INVALID, NULL},
        {" http://h/", URL_INVALID, NULL},
        {"http://h/ ", URL_INVALID, NULL},
        {"http://h/\t", URL_INVALID, NULL},
        {"ht\ntp://h/", URL_INVALID, NULL},
        {"http://h/\r\nX: y", URL_INVALID, NULL},
        {"http://h/\x7f", URL_INVALID, NULL},
        {"http://h/%zz", URL_INVALID, NULL},
        {"http://h/%4", URL_INVALID, NULL},
        {"http://h/?%", URL_INVALID, NULL},
        {"http://h:0/", URL_INVALID, NULL},
        {"http://h:65536/", URL_INVALID, NULL},
        {"http://h:99999999999999999999/", URL_INVALID, NULL},
        {"http://h:abc/", URL_INVALID, NULL},
        {"http://h:+80/", URL_INVALID, NULL},
        {"http://h:-80/", URL_INVALID, NULL},
        {"http://h:80:90/", URL_INVALID, NULL},
        {"http://::1/", URL_INVALID, NULL},
        {"ftp://h/", URL_UNSUPPORTED_SCHEME, NULL},
        {"file:///etc/passwd", URL_UNSUPPORTED_SCHEME, NULL},
        {"gopher://h/", URL_UNSUPPORTED_SCHEME, NULL},
        {"dict://h/", URL_UNSUPPORTED_SCHEME, NULL},
        {"data:text/plain,x", URL_UNSUPPORTED_SCHEME, NULL},
        {"javascript:alert(1)", URL_UNSUPPORTED_SCHEME, NULL},
        {"ws://h/", URL_UNSUPPORTED_SCHEME, NULL},
        {"httpss://h/", URL_UNSUPPORTED_SCHEME, NULL},
    };
    CHECK(rows);
}

static void refuses_what_is_no_host(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"http://-a/", URL_INVALID_HOST, NULL},
        {"http://a-/", URL_INVALID_HOST, NULL},
        {"http://a.-b.c/", URL_INVALID_HOST, NULL},
        {"http://a..b/", URL_INVALID_HOST, NULL},
        {"http://a../", URL_INVALID_HOST, NULL},
        {"http://.a/", URL_INVALID_HOST, NULL},
        {"http://./", URL_INVALID_HOST, NULL},
        {"http://../", URL_INVALID_HOST, NULL},
        {"http://*/", URL_INVALID_HOST, NULL},
        {"http://*.example.com/", URL_INVALID_HOST, NULL},
        {"http://a;b/", URL_INVALID_HOST, NULL},
        {"http://a,b/", URL_INVALID_HOST, NULL},
        {"http://a%20b/", URL_INVALID_HOST, NULL},
        {"http://a%2fb/", URL_INVALID_HOST, NULL},
        {"http://a%40b/", URL_INVALID_HOST, NULL},
        {"http://a%00b/", URL_INVALID_HOST, NULL},
        {"http://a%zz/", URL_INVALID_HOST, NULL},
        {"http://a%/", URL_INVALID_HOST, NULL},
        {"http://%25%33%31.example/", URL_INVALID_HOST, NULL},
        {"http://%ff%fe.example/", URL_INVALID_HOST, NULL},
        {"http://xn--/", URL_INVALID_HOST, NULL},
        {"http://xn--a.example/", URL_INVALID_HOST, NULL},
        {"http://example.xn--/", URL_INVALID_HOST, NULL},
        {"http://１２７.０.０.１/", URL_INVALID_HOST, NULL},
        {"http://①②⑦.⓪.⓪.①/", URL_INVALID_HOST, NULL},
        {"http://127。0。0。1/", URL_INVALID_HOST, NULL},
        {"http://example.com%ef%bc%8fevil/", URL_INVALID_HOST, NULL},
        {"http://[::1/", URL_INVALID_HOST, NULL},
        {"http://[::1]x/", URL_INVALID_HOST, NULL},
        {"http://[]/", URL_INVALID_HOST, NULL},
        {"http://[:::1]/", URL_INVALID_HOST, NULL},
        {"http://[fe80::1%25eth0]/", URL_INVALID_HOST, NULL},
        {"http://[fe80::1%eth0]/", URL_INVALID_HOST, NULL},
        {"http://[v1.x]/", URL_INVALID_HOST, NULL},
        {"http://[127.0.0.1]/", URL_INVALID_HOST, NULL},
        {"http://1.2.3/x", URL_OK, "http://1.2.0.3/x"},
        {"http://1.2.3.4.5/", URL_INVALID_HOST, NULL},
        {"http://256.0.0.1/", URL_INVALID_HOST, NULL},
        {"http://1.2.3.256/", URL_INVALID_HOST, NULL},
        {"http://1.2.65536/", URL_INVALID_HOST, NULL},
        {"http://4294967296/", URL_INVALID_HOST, NULL},
        {"http://08.1.1.1/", URL_INVALID_HOST, NULL},
        {"http://0x/", URL_INVALID_HOST, NULL},
        {"http://1.2.3.0xg/", URL_OK, "http://1.2.3.0xg/"},
        {"http://a.1/", URL_INVALID_HOST, NULL},
        {"http://a.0x1f/", URL_INVALID_HOST, NULL},
        {"http://1..2/", URL_INVALID_HOST, NULL},
    };
    CHECK(rows);
}

static void reads_every_spelling_of_an_address(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
    } rows[] = {
        {"http://127.0.0.1/", "127.0.0.1"},
        {"http://127.1/", "127.0.0.1"},
        {"http://127.0.1/", "127.0.0.1"},
        {"http://0177.0.0.1/", "127.0.0.1"},
        {"http://0x7f000001/", "127.0.0.1"},
        {"http://0X7F.1/", "127.0.0.1"},
        {"http://2130706433/", "127.0.0.1"},
        {"http://%31%32%37.0.0.1/", "127.0.0.1"},
        {"http://127%2e0%2e0%2e1/", "127.0.0.1"},
        {"http://127.0.0.1./", "127.0.0.1"},
        {"http://017700000001/", "127.0.0.1"},
        {"http://0/", "0.0.0.0"},
        {"http://169.254.169.254/", "169.254.169.254"},
        {"http://4294967295/", "255.255.255.255"},
        {"http://00.0.0.0/", "0.0.0.0"},
        {"http://0x7f.0.0.0x1/", "127.0.0.1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct url u;
        assert_int_equal(parse(rows[i].text, &u, NULL), URL_OK);
        assert_int_equal(u.host_kind, URL_HOST_IPV4);
        assert_string_equal(u.host, rows[i].host);
        char mapped[64] = "::ffff:";
        strncat(mapped, rows[i].host, 32);
        struct in6_addr expected;
        assert_int_equal(inet_pton(AF_INET6, mapped, &expected), 1);
        assert_memory_equal(&u.address, &expected, sizeof(expected));
    }
    struct url u;
    assert_int_equal(parse("http://[::ffff:7f00:1]/", &u, NULL), URL_OK);
    assert_int_equal(u.host_kind, URL_HOST_IPV6);
    assert_string_equal(u.host, "::ffff:127.0.0.1");
    assert_int_equal(parse("http://example.com/", &u, NULL), URL_OK);
    assert_int_equal(u.host_kind, URL_HOST_NAME);
}

static void holds_the_limits_of_length(void **state)
{
    (void)state;
    struct url u;
    char text[URL_MAX + 64];
    const char *start = "http://h/";
    memset(text, 'a', sizeof(text));
    memcpy(text, start, strlen(start));
    struct buf normal = BUF_INIT(URL_MAX);
    assert_int_equal(url_parse(text, URL_MAX, &u, &normal, NULL), URL_OK);
    assert_int_equal(normal.len, URL_MAX);
    buf_reset(&normal);
    assert_int_equal(url_parse(text, URL_MAX + 1, &u, &normal, NULL), URL_INVALID);
    text[URL_MAX - 1] = '"'; // longer once it is escaped
    assert_int_equal(url_parse(text, URL_MAX, &u, &normal, NULL), URL_INVALID);
    assert_int_equal(normal.len, 0);
    assert_false(normal.failed);
    buf_done(&normal);

    char host[300];
    memset(host, 'a', sizeof(host));
    for (size_t i = 50; i < sizeof(host); i += 50) {
        host[i] = '.';
    }
    char key[HOST_MAX + 1];
    assert_int_equal(host_parse(host, 253, key), URL_OK);
    assert_int_equal(host_parse(host, 254, key), URL_INVALID_HOST);
    memset(host, 'a', sizeof(host));
    assert_int_equal(host_parse(host, 63, key), URL_OK);
    assert_int_equal(host_parse(host, 64, key), URL_INVALID_HOST);
}

static void a_normal_form_that_does_not_fit_leaves_the_buffer_alone(void **state)
{
    (void)state;
    struct url u;
    struct buf normal = BUF_INIT(12);
    assert_int_equal(buf_append_str(&normal, "before"), 0);
    assert_int_equal(parse("http://example.com/", &u, &normal), URL_NO_MEMORY);
    assert_string_equal(normal.data, "before");
    assert_true(normal.failed);
    buf_done(&normal);
}

static void the_normal_form_is_appended(void **state)
{
    (void)state;
    struct url u;
    struct buf out = BUF_INIT(100);
    assert_int_equal(buf_append_str(&out, "x"), 0);
    assert_int_equal(parse("http://a/b", &u, &out), URL_OK);
    assert_string_equal(out.data, "xhttp://a/b");
    assert_int_equal(u.path_offset, strlen("http://a"));
    buf_done(&out);
}

static void compares_origins(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"http://a/", "http://A:80/x", true},
        {"http://a/", "https://a/", false},
        {"http://a/", "http://b/", false},
        {"http://a/", "http://a:81/", false},
        {"http://127.1/", "http://127.0.0.1/", true},
        {"https://a/", "https://a.:443/", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct url a, b;
        assert_int_equal(parse(rows[i].a, &a, NULL), URL_OK);
        assert_int_equal(parse(rows[i].b, &b, NULL), URL_OK);
        assert_int_equal(url_same_origin(&a, &b), rows[i].same);
    }
}

static void gives_the_key_of_a_bare_host(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key;
    } rows[] = {
        {"Example.COM.", "example.com"},
        {"bücher.example", "xn--bcher-kva.example"},
        {"127.1", "127.0.0.1"},
        {"::1", "::1"},
        {"[::1]", "::1"},
        {"2001:DB8:0::1", "2001:db8::1"},
        {"", NULL},
        {"a b", NULL},
        {"a%41", NULL},
        {"a:80", NULL},
        {"[::1", NULL},
        {"fe80::1%eth0", NULL},
        {"a/b", NULL},
        {"user@a", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char key[HOST_MAX + 1];
        enum url_verdict verdict = host_parse(rows[i].text, strlen(rows[i].text), key);
        assert_int_equal(verdict, rows[i].key ? URL_OK : URL_INVALID_HOST);
        if (rows[i].key) {
            assert_string_equal(key, rows[i].key);
        }
    }
    char key[HOST_MAX + 1];
    assert_int_equal(host_parse("a\0b", 3, key), URL_INVALID_HOST);
}

static void names_its_verdicts(void **state)
{
    (void)state;
    assert_null(url_verdict_name(URL_OK));
    assert_string_equal(url_verdict_name(URL_INVALID), "invalid_url");
    assert_string_equal(url_verdict_name(URL_UNSUPPORTED_SCHEME), "unsupported_scheme");
    assert_string_equal(url_verdict_name(URL_INVALID_HOST), "invalid_host");
}

static void percent_coding_round_trips(void **state)
{
    (void)state;
    char all[255];
    for (size_t i = 0; i < sizeof(all); i++) {
        all[i] = (char)(i + 1);
    }
    struct buf encoded = BUF_INIT(1024);
    assert_int_equal(url_percent_encode(&encoded, all, sizeof(all)), 0);
    assert_int_equal(strspn(encoded.data, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789-._~%"),
                     encoded.len);
    char back[1024];
    assert_int_equal(url_percent_decode(encoded.data, encoded.len, back), sizeof(all));
    assert_memory_equal(back, all, sizeof(all));
    buf_done(&encoded);
    static const char *const bad[] = {"%", "%4", "%4g", "%g4", "%00", "a%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(url_percent_decode(bad[i], strlen(bad[i]), back), -1);
    }
    struct buf small = BUF_INIT(4);
    assert_int_equal(url_percent_encode(&small, "a//", 3), -1);
    assert_int_equal(small.len, 0);
    buf_done(&small);
}

// Text that is cut off anywhere must be judged without reading past its end (each copy has its own
// block).
static void never_reads_past_the_end(void **state)
{
    (void)state;
    static const char *const urls[] = {"https://[2001:db8::1]:8080/p%41th?q#f",
                                       "http://b%C3%BCcher.example:80/%e4?x", "http://0x7f.1/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        for (size_t n = 0; n <= strlen(urls[i]); n++) {
            char *copy = malloc(n + 1);
            assert_non_null(copy);
            char *text = copy + 1; // ends where the block ends
            memcpy(text, urls[i], n);
            struct url u;
            char key[HOST_MAX + 1];
            url_parse(text, n, &u, NULL, NULL);
            (void)host_parse(text, n, key);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_normalises),
        cmocka_unit_test(refuses_what_is_no_url),
        cmocka_unit_test(refuses_what_is_no_host),
        cmocka_unit_test(reads_every_spelling_of_an_address),
        cmocka_unit_test(holds_the_limits_of_length),
        cmocka_unit_test(a_normal_form_that_does_not_fit_leaves_the_buffer_alone),
        cmocka_unit_test(the_normal_form_is_appended),
        cmocka_unit_test(compares_origins),
        cmocka_unit_test(gives_the_key_of_a_bare_host),
        cmocka_unit_test(names_its_verdicts),
        cmocka_unit_test(percent_coding_round_trips),
        cmocka_unit_test(never_reads_past_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
