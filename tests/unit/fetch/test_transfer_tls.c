// SPDX-License-Identifier: MIT
// Transfers over TLS: certificates that hold and that do not, and servers that fail in the
// handshake or leave without a word.
#include "tests/unit/fetch/transfer_fixture.h"

#include <signal.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define BYTES(literal) (literal), sizeof(literal) - 1
#define OK             "HTTP/1.1 200 OK\r\n"

enum {
    ROW_OK,
    ROW_TO_EOF,
    ROW_SHORT,
    ROW_EMPTY,
    ROW_HALF_HEAD,
    ROW_BAD_CHUNK,
    ROW_CUT_CHUNK,
    ROW_HOLD,
    ROW_STALL,
    ROW_SURPLUS_BEHIND_BODY,
    ROW_REKEY
};

static const struct script scripts[] = {
    [ROW_OK] = {BYTES(OK "Content-Length: 3\r\n\r\nhi\n"), KEEP, NULL, 0},
    [ROW_TO_EOF] = {BYTES(OK "\r\nto the end"), CLOSE, NULL,
                    0}, // without close_notify, as many servers do
    [ROW_SHORT] = {BYTES(OK "Content-Length: 100\r\n\r\nabc"), CLOSE, NULL, 0},
    [ROW_EMPTY] = {BYTES(""), CLOSE, NULL, 0},
    [ROW_HALF_HEAD] = {BYTES(OK "X: y\r\n"), CLOSE, NULL, 0},
    [ROW_BAD_CHUNK] = {BYTES(OK "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), HOLD, NULL, 0},
    [ROW_CUT_CHUNK] = {BYTES(OK "Transfer-Encoding: chunked\r\n\r\n64\r\nabc"), CLOSE, NULL, 0},
    [ROW_HOLD] = {BYTES(""), HOLD, NULL, 0},
    [ROW_STALL] = {BYTES("HTTP/1.1 20"), HOLD, NULL, 0},
    [ROW_SURPLUS_BEHIND_BODY] = {BYTES(OK "Content-Length: 3\r\n\r\n"), SAY,
                                 "hi\n" OK "Content-Length: 4\r\n\r\nevil", 0},
    [ROW_REKEY] = {"", 0, REKEY, NULL, 0},
};
#define N_SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

// A certificate of its own making for `host`, valid from now for `seconds`.
struct identity {
    EVP_PKEY *key;
    X509 *certificate;
};

static struct identity good, stranger, expired;
static char ca_file[] = "/tmp/test-transfer-tls-XXXXXX";

static void make_identity(struct identity *ret, const char *host, long from_s, long to_s)
{
    char alternative[100];
    X509V3_CTX ctx;
    ret->key = EVP_EC_gen("P-256");
    ret->certificate = X509_new();
    X509 *x = ret->certificate;
    assert_true(ret->key && x);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), to_s);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0);
    X509_set_issuer_name(x, name);
    X509_set_pubkey(x, ret->key);
    snprintf(alternative, sizeof(alternative), "DNS:%s", host);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, alternative);
    assert_non_null(extension);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(X509_sign(x, ret->key, EVP_sha256()) > 0);
}

static void identity_done(struct identity *i)
{
    EVP_PKEY_free(i->key);
    X509_free(i->certificate);
}

static int make_identities(void **state)
{
    (void)state;
    make_identity(&good, "good.test", -60, 3600);
    make_identity(&stranger, "good.test", -60, 3600);
    make_identity(&expired, "good.test", -7200, -3600);
    FILE *file = fdopen(mkstemp(ca_file), "w");
    assert_non_null(file);
    PEM_write_X509(file, good.certificate); // trusted; and so is the expired one, but for its age
    PEM_write_X509(file, expired.certificate);
    return fclose(file);
}

static int free_identities(void **state)
{
    (void)state;
    unlink(ca_file);
    identity_done(&good);
    identity_done(&stranger);
    identity_done(&expired);
    return 0;
}

static struct fixture f;
static struct probe p;

static void start(enum tls_play play, const struct identity *identity)
{
    fixture_new(&f, ca_file);
    f.server.tls = play;
    if (identity) {
        f.server.ssl = SSL_CTX_new(TLS_server_method());
        assert_non_null(f.server.ssl);
        assert_int_equal(SSL_CTX_use_certificate(f.server.ssl, identity->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(f.server.ssl, identity->key), 1);
    }
    assert_int_equal(scripted_server_start(&f.server, scripts, N_SCRIPTS), 0);
}

static void fetch(const char *host, size_t row, enum task_error error, int status)
{
    probe_init(&p, &f, true, host, row);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, p.text, error, status);
}

static void stop(void)
{
    fixture_free(&f);
    scripted_server_stop(&f.server);
}

static void a_trusted_server_is_fetched_from_over_one_connection(void **state)
{
    (void)state;
    start(TLS_SERVE, &good);
    fetch("good.test", ROW_OK, TASK_OK, 200);
    assert_string_equal(p.body, "hi\n");
    assert_string_equal(p.result.http_version, "1.1");
    assert_true(p.result.tls_ms >= 0);
    probe_done(&p);
    fetch("good.test", ROW_OK, TASK_OK, 200);
    assert_true(p.result.tls_ms == -1 && p.result.connect_ms == -1);
    probe_done(&p);
    assert_int_equal(atomic_load(&f.server.connections), 1);
    stop();
}

// What OpenSSL has taken from the socket with the body, the socket no longer shows.
static void surplus_in_the_record_of_the_body_is_nobodys_answer(void **state)
{
    (void)state;
    start(TLS_SERVE, &good);
    fetch("good.test", ROW_SURPLUS_BEHIND_BODY, TASK_OK, 200);
    assert_string_equal(p.body, "hi\n");
    probe_done(&p);
    fetch("good.test", ROW_OK, TASK_OK, 200);
    assert_string_equal(p.body, "hi\n");
    assert_true(p.result.connect_ms >= 0);
    probe_done(&p);
    assert_int_equal(atomic_load(&f.server.connections), 2);
    stop();
}

static void servers_that_cannot_prove_who_they_are_are_refused(void **state)
{
    (void)state;
    static const struct {
        const struct identity *identity;
        const char *host;
    } rows[] = {{&stranger, "good.test"}, {&expired, "good.test"}, {&good, "other.test"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(TLS_SERVE, rows[i].identity);
        fetch(rows[i].host, ROW_OK, TASK_TLS_VERIFY, 0);
        assert_false(p.result.sent);
        assert_non_null(p.result.message);
        probe_done(&p);
        f.options.verify_tls = false;
        fetch(rows[i].host, ROW_OK, TASK_OK, 200);
        probe_done(&p);
        f.options.verify_tls = true; // what was made unverified does not serve the verified
        fetch(rows[i].host, ROW_OK, TASK_TLS_VERIFY, 0);
        probe_done(&p);
        stop();
    }
}

static void broken_handshakes_are_named(void **state)
{
    (void)state;
    start(TLS_PLAIN, NULL);
    fetch("good.test", ROW_OK, TASK_TLS_HANDSHAKE, 0);
    assert_false(p.result.sent);
    probe_done(&p);
    stop();
    start(TLS_CLOSE, NULL);
    fetch("good.test", ROW_OK, TASK_TLS_HANDSHAKE, 0);
    probe_done(&p);
    stop();
    start(TLS_STALL, NULL);
    f.options.connect_timeout_ms = 300;
    fetch("good.test", ROW_OK, TASK_CONNECT_TIMEOUT, 0);
    assert_non_null(strstr(p.result.message, "TLS"));
    probe_done(&p);
    f.options.connect_timeout_ms = 5000;
    f.options.timeout_ms = 300;
    fetch("good.test", ROW_OK, TASK_CONNECT_TIMEOUT, 0);
    probe_done(&p);
    stop();
    start(TLS_SERVE, &good);
    SSL_CTX_set_max_proto_version(f.server.ssl, TLS1_1_VERSION);
    SSL_CTX_set_security_level(f.server.ssl, 0);
    fetch("good.test", ROW_OK, TASK_TLS_HANDSHAKE, 0);
    probe_done(&p);
    stop();
}

static void connections_that_end_early_are_named(void **state)
{
    (void)state;
    static const struct {
        size_t row;
        enum task_error error;
        int status;
    } rows[] = {{ROW_SHORT, TASK_TRUNCATED_BODY, 200},     {ROW_EMPTY, TASK_EMPTY_REPLY, 0},
                {ROW_HALF_HEAD, TASK_TRUNCATED_BODY, 0},   {ROW_BAD_CHUNK, TASK_HTTP_PROTOCOL, 200},
                {ROW_CUT_CHUNK, TASK_TRUNCATED_BODY, 200}, {ROW_HOLD, TASK_TIMEOUT_FIRST_BYTE, 0},
                {ROW_STALL, TASK_TIMEOUT_STALL, 0},        {ROW_TO_EOF, TASK_OK, 200}};
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        start(TLS_SERVE, &good);
        SSL_CTX_set_max_proto_version(f.server.ssl, version);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            fetch("good.test", rows[i].row, rows[i].error, rows[i].status);
            assert_true(p.result.sent);
            probe_done(&p);
        }
        stop();
    }
}

static void new_keys_without_end_do_not_hold_the_loop(void **state)
{
    (void)state;
    start(TLS_SERVE, &good);
    f.options.timeout_ms = 300;
    fetch("good.test", ROW_REKEY, TASK_TIMEOUT_FIRST_BYTE, 0);
    assert_in_range(p.result.total_ms, 300, TEST_PATIENCE_MS / 2);
    probe_done(&p);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trusted_server_is_fetched_from_over_one_connection),
        cmocka_unit_test(surplus_in_the_record_of_the_body_is_nobodys_answer),
        cmocka_unit_test(servers_that_cannot_prove_who_they_are_are_refused),
        cmocka_unit_test(broken_handshakes_are_named),
        cmocka_unit_test(connections_that_end_early_are_named),
        cmocka_unit_test(new_keys_without_end_do_not_hold_the_loop),
    };
    signal(SIGPIPE, SIG_IGN); // OpenSSL writes without MSG_NOSIGNAL
    return cmocka_run_group_tests(tests, make_identities, free_identities);
}
