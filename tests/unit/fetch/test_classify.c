// SPDX-License-Identifier: MIT
// libcurl's codes and the watch's limits -> what a failure is called.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "daemon/fetch/classify.h"

static void expect(const struct fault *f, enum task_error error, bool shortage)
{
    struct verdict v = classify_fault(f);
    if (v.error != error || v.local_shortage != shortage) {
        fail_msg("code %d, phase %d, errno %d: %s (shortage %d), not %s", (int)f->code,
                 (int)f->phase, f->os_errno, v.error ? task_error_info(v.error)->name : "ok",
                 v.local_shortage, task_error_info(error)->name);
    }
}

static void faults_are_named_by_code_phase_and_errno(void **state)
{
    (void)state;
    static const struct {
        struct fault fault;
        enum task_error error;
    } rows[] = {
        {{CURLE_COULDNT_CONNECT, PHASE_CONNECT, ECONNREFUSED, .text = ""}, TASK_CONNECT_REFUSED},
        {{CURLE_COULDNT_CONNECT, PHASE_CONNECT, ETIMEDOUT, .text = ""}, TASK_CONNECT_TIMEOUT},
        {{CURLE_COULDNT_CONNECT, PHASE_CONNECT, EHOSTUNREACH, .text = ""}, TASK_CONNECT_FAILED},
        {{CURLE_COULDNT_CONNECT, PHASE_CONNECT, ENETUNREACH, .text = ""}, TASK_CONNECT_FAILED},
        {{CURLE_COULDNT_CONNECT, PHASE_CONNECT, EACCES, .text = ""}, TASK_CONNECT_FAILED},
        {{CURLE_COULDNT_CONNECT, PHASE_CONNECT, ECONNRESET, .text = ""}, TASK_CONNECTION_RESET},
        {{CURLE_COULDNT_CONNECT, PHASE_CONNECT, ECONNREFUSED, .proxy = true}, TASK_PROXY},
        {{CURLE_COULDNT_RESOLVE_PROXY, PHASE_CONNECT, .proxy = true}, TASK_PROXY},
        {{CURLE_COULDNT_RESOLVE_HOST, PHASE_CONNECT}, TASK_CONNECTION_RESET},
        {{CURLE_PROXY, PHASE_CONNECT, .proxy = true}, TASK_PROXY},
        {{CURLE_RECV_ERROR, PHASE_CONNECT, .proxy = true,
          .text = "CONNECT tunnel failed, response 407"},
         TASK_PROXY},
        {{CURLE_OPERATION_TIMEDOUT, PHASE_CONNECT}, TASK_CONNECT_TIMEOUT},
        {{CURLE_OPERATION_TIMEDOUT, PHASE_TLS, .https = true}, TASK_CONNECT_TIMEOUT},
        {{CURLE_SSL_CONNECT_ERROR, PHASE_TLS, .https = true}, TASK_TLS_HANDSHAKE},
        {{CURLE_SSL_CONNECT_ERROR, PHASE_TLS, ECONNRESET, .https = true}, TASK_TLS_HANDSHAKE},
        {{CURLE_RECV_ERROR, PHASE_TLS, ECONNRESET, .https = true, .text = ""}, TASK_TLS_HANDSHAKE},
        {{CURLE_RECV_ERROR, PHASE_WAIT, .https = true,
          .text = "SSL_read: tlsv13 alert certificate required"},
         TASK_TLS_HANDSHAKE},
        {{CURLE_PEER_FAILED_VERIFICATION, PHASE_TLS, .https = true}, TASK_TLS_VERIFY},
        {{CURLE_SSL_ISSUER_ERROR, PHASE_TLS, .https = true}, TASK_TLS_VERIFY},
        {{CURLE_GOT_NOTHING, PHASE_WAIT}, TASK_EMPTY_REPLY},
        {{CURLE_GOT_NOTHING, PHASE_WAIT, .received = 5}, TASK_TRUNCATED_BODY},
        {{CURLE_GOT_NOTHING, PHASE_WAIT, .received = 5000, .https = true}, TASK_EMPTY_REPLY},
        {{CURLE_GOT_NOTHING, PHASE_HEAD}, TASK_TRUNCATED_BODY},
        {{CURLE_RECV_ERROR, PHASE_WAIT, ECONNRESET, .text = ""}, TASK_CONNECTION_RESET},
        {{CURLE_RECV_ERROR, PHASE_HEAD, ECONNRESET, .text = ""}, TASK_CONNECTION_RESET},
        {{CURLE_RECV_ERROR, PHASE_BODY, ECONNRESET, .chunked = true, .text = ""},
         TASK_CONNECTION_RESET},
        {{CURLE_SEND_ERROR, PHASE_WAIT, EPIPE, .text = ""}, TASK_CONNECTION_RESET},
        {{CURLE_RECV_ERROR, PHASE_BODY, ETIMEDOUT, .text = ""}, TASK_TIMEOUT_STALL},
        {{CURLE_RECV_ERROR, PHASE_BODY, .https = true, .text = "SSL_read: unexpected eof"},
         TASK_TRUNCATED_BODY},
        {{CURLE_RECV_ERROR, PHASE_BODY, .chunked = true,
          .text = "Illegal or missing hexadecimal sequence in chunked-encoding"},
         TASK_HTTP_PROTOCOL},
        {{CURLE_RECV_ERROR, PHASE_BODY, .chunked = true,
          .text = "Out of memory in chunked-encoding"},
         TASK_HEADER_TOO_LARGE},
        {{CURLE_PARTIAL_FILE, PHASE_BODY}, TASK_TRUNCATED_BODY},
        {{CURLE_HTTP2_STREAM, PHASE_BODY, .https = true}, TASK_TRUNCATED_BODY},
        {{CURLE_HTTP2_STREAM, PHASE_WAIT, .https = true, .received = 900}, TASK_CONNECTION_RESET},
        {{CURLE_HTTP2, PHASE_WAIT, .https = true}, TASK_HTTP_PROTOCOL},
        {{CURLE_WEIRD_SERVER_REPLY, PHASE_HEAD}, TASK_HTTP_PROTOCOL},
        {{CURLE_UNSUPPORTED_PROTOCOL, PHASE_WAIT}, TASK_HTTP_PROTOCOL},
        {{CURLE_UNSUPPORTED_PROTOCOL, PHASE_CONNECT}, TASK_INTERNAL},
        {{CURLE_BAD_CONTENT_ENCODING, PHASE_BODY}, TASK_HTTP_PROTOCOL},
        {{CURLE_FILESIZE_EXCEEDED, PHASE_BODY}, TASK_BODY_TOO_LARGE},
        {{CURLE_OUT_OF_MEMORY, PHASE_HEAD, .received = 102400}, TASK_HEADER_TOO_LARGE},
        {{CURLE_OUT_OF_MEMORY, PHASE_WAIT, .received = 102400}, TASK_HEADER_TOO_LARGE},
        {{CURLE_URL_MALFORMAT, PHASE_CONNECT}, TASK_INTERNAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(&rows[i].fault, rows[i].error, false);
    }
}

static void what_this_machine_lacks_is_not_the_origins_fault(void **state)
{
    (void)state;
    static const int lacking[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EADDRNOTAVAIL};
    for (size_t i = 0; i < sizeof(lacking) / sizeof(lacking[0]); i++) {
        struct fault f = {.code = CURLE_COULDNT_CONNECT, .os_errno = lacking[i], .text = ""};
        expect(&f, TASK_INTERNAL, true);
        f = (struct fault){
            .code = CURLE_RECV_ERROR, .phase = PHASE_BODY, .os_errno = lacking[i], .text = ""};
        expect(&f, TASK_INTERNAL, true);
    }
    struct fault f = {.code = CURLE_OUT_OF_MEMORY, .phase = PHASE_CONNECT};
    expect(&f, TASK_INTERNAL, true);
    f = (struct fault){.code = CURLE_OUT_OF_MEMORY, .phase = PHASE_HEAD, .received = 500};
    expect(&f, TASK_INTERNAL, true);
    f = (struct fault){.code = CURLE_OUT_OF_MEMORY, .phase = PHASE_BODY, .received = 1000000};
    expect(&f, TASK_INTERNAL, true);
}

static void every_code_of_libcurl_is_named(void **state)
{
    (void)state;
    for (int code = 1; code < CURL_LAST; code++) {
        for (int phase = PHASE_CONNECT; phase <= PHASE_BODY; phase++) {
            struct fault f = {.code = (CURLcode)code, .phase = (enum phase)phase};
            assert_int_not_equal(classify_fault(&f).error, TASK_OK);
        }
    }
}

static void limits_are_named_by_where_the_exchange_stood(void **state)
{
    (void)state;
    static const struct {
        enum limit limit;
        enum phase phase;
        bool slow;
        enum task_error error;
    } rows[] = {
        {LIMIT_TOTAL, PHASE_CONNECT, false, TASK_CONNECT_TIMEOUT},
        {LIMIT_TOTAL, PHASE_TLS, false, TASK_CONNECT_TIMEOUT},
        {LIMIT_TOTAL, PHASE_WAIT, false, TASK_TIMEOUT_FIRST_BYTE},
        {LIMIT_TOTAL, PHASE_HEAD, true, TASK_TIMEOUT_STALL},
        {LIMIT_TOTAL, PHASE_BODY, true, TASK_TIMEOUT_STALL},
        {LIMIT_TOTAL, PHASE_BODY, false, TASK_TIMEOUT_TOTAL},
        {LIMIT_FIRST_BYTE, PHASE_WAIT, false, TASK_TIMEOUT_FIRST_BYTE},
        {LIMIT_FIRST_BYTE, PHASE_HEAD, false,
         TASK_TIMEOUT_FIRST_BYTE}, // behind an interim response
        {LIMIT_STALL, PHASE_HEAD, true, TASK_TIMEOUT_STALL},
        {LIMIT_STALL, PHASE_BODY, true, TASK_TIMEOUT_STALL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(classify_limit(rows[i].limit, rows[i].phase, rows[i].slow), rows[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_named_by_code_phase_and_errno),
        cmocka_unit_test(what_this_machine_lacks_is_not_the_origins_fault),
        cmocka_unit_test(every_code_of_libcurl_is_named),
        cmocka_unit_test(limits_are_named_by_where_the_exchange_stood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
