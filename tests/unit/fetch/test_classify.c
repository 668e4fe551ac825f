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

static const struct {
    struct fault fault;
    enum task_error error;
} faults[] = {
    {{.code = CURLE_COULDNT_CONNECT, .phase = PHASE_CONNECT, .os_errno = ECONNREFUSED, .text = ""},
     TASK_CONNECT_REFUSED},
    {{.code = CURLE_COULDNT_CONNECT, .phase = PHASE_CONNECT, .os_errno = ETIMEDOUT, .text = ""},
     TASK_CONNECT_TIMEOUT},
    {{.code = CURLE_COULDNT_CONNECT, .phase = PHASE_CONNECT, .os_errno = EHOSTUNREACH, .text = ""},
     TASK_CONNECT_FAILED},
    {{.code = CURLE_COULDNT_CONNECT, .phase = PHASE_CONNECT, .os_errno = ENETUNREACH, .text = ""},
     TASK_CONNECT_FAILED},
    {{.code = CURLE_COULDNT_CONNECT, .phase = PHASE_CONNECT, .os_errno = EACCES, .text = ""},
     TASK_CONNECT_FAILED},
    {{.code = CURLE_COULDNT_CONNECT, .phase = PHASE_CONNECT, .os_errno = ECONNRESET, .text = ""},
     TASK_CONNECTION_RESET},
    {{.code = CURLE_COULDNT_CONNECT,
      .phase = PHASE_CONNECT,
      .os_errno = ECONNREFUSED,
      .proxy = true},
     TASK_PROXY},
    {{.code = CURLE_COULDNT_RESOLVE_PROXY, .phase = PHASE_CONNECT, .proxy = true}, TASK_PROXY},
    {{.code = CURLE_COULDNT_RESOLVE_HOST, .phase = PHASE_CONNECT}, TASK_CONNECTION_RESET},
    {{.code = CURLE_PROXY, .phase = PHASE_CONNECT, .proxy = true}, TASK_PROXY},
    {{.code = CURLE_RECV_ERROR,
      .phase = PHASE_CONNECT,
      .proxy = true,
      .text = "CONNECT tunnel failed, response 407"},
     TASK_PROXY},
    {{.code = CURLE_OPERATION_TIMEDOUT, .phase = PHASE_CONNECT}, TASK_CONNECT_TIMEOUT},
    {{.code = CURLE_OPERATION_TIMEDOUT, .phase = PHASE_TLS, .https = true}, TASK_CONNECT_TIMEOUT},
    {{.code = CURLE_OPERATION_TIMEDOUT, .phase = PHASE_CONNECT, .proxy = true}, TASK_PROXY},
    {{.code = CURLE_OPERATION_TIMEDOUT, .phase = PHASE_TLS, .https = true, .proxy = true},
     TASK_PROXY},
    {{.code = CURLE_OPERATION_TIMEDOUT,
      .phase = PHASE_TLS,
      .https = true,
      .proxy = true,
      .tunnelled = true},
     TASK_CONNECT_TIMEOUT},
    {{.code = CURLE_SSL_CONNECT_ERROR, .phase = PHASE_TLS, .https = true}, TASK_TLS_HANDSHAKE},
    {{.code = CURLE_SSL_CONNECT_ERROR, .phase = PHASE_TLS, .os_errno = ECONNRESET, .https = true},
     TASK_TLS_HANDSHAKE},
    {{.code = CURLE_RECV_ERROR,
      .phase = PHASE_TLS,
      .os_errno = ECONNRESET,
      .https = true,
      .text = ""},
     TASK_TLS_HANDSHAKE},
    {{.code = CURLE_RECV_ERROR,
      .phase = PHASE_WAIT,
      .https = true,
      .text = "SSL_read: tlsv13 alert certificate required"},
     TASK_TLS_HANDSHAKE},
    {{.code = CURLE_PEER_FAILED_VERIFICATION, .phase = PHASE_TLS, .https = true}, TASK_TLS_VERIFY},
    {{.code = CURLE_SSL_ISSUER_ERROR, .phase = PHASE_TLS, .https = true}, TASK_TLS_VERIFY},
    {{.code = CURLE_GOT_NOTHING, .phase = PHASE_WAIT}, TASK_EMPTY_REPLY},
    {{.code = CURLE_GOT_NOTHING, .phase = PHASE_WAIT, .received = 5}, TASK_TRUNCATED_BODY},
    {{.code = CURLE_GOT_NOTHING, .phase = PHASE_WAIT, .received = 5000, .https = true},
     TASK_EMPTY_REPLY},
    {{.code = CURLE_GOT_NOTHING, .phase = PHASE_HEAD}, TASK_TRUNCATED_BODY},
    {{.code = CURLE_RECV_ERROR, .phase = PHASE_WAIT, .os_errno = ECONNRESET, .text = ""},
     TASK_CONNECTION_RESET},
    {{.code = CURLE_RECV_ERROR, .phase = PHASE_HEAD, .os_errno = ECONNRESET, .text = ""},
     TASK_CONNECTION_RESET},
    {{.code = CURLE_RECV_ERROR,
      .phase = PHASE_BODY,
      .os_errno = ECONNRESET,
      .chunked = true,
      .text = ""},
     TASK_CONNECTION_RESET},
    {{.code = CURLE_SEND_ERROR, .phase = PHASE_WAIT, .os_errno = EPIPE, .text = ""},
     TASK_CONNECTION_RESET},
    {{.code = CURLE_RECV_ERROR, .phase = PHASE_BODY, .os_errno = ETIMEDOUT, .text = ""},
     TASK_TIMEOUT_STALL},
    {{.code = CURLE_RECV_ERROR,
      .phase = PHASE_BODY,
      .https = true,
      .text = "SSL_read: unexpected eof"},
     TASK_TRUNCATED_BODY},
    {{.code = CURLE_RECV_ERROR,
      .phase = PHASE_BODY,
      .chunked = true,
      .text = "Illegal or missing hexadecimal sequence in chunked-encoding"},
     TASK_HTTP_PROTOCOL},
    {{.code = CURLE_RECV_ERROR,
      .phase = PHASE_BODY,
      .chunked = true,
      .text = "Out of memory in chunked-encoding"},
     TASK_HEADER_TOO_LARGE},
    {{.code = CURLE_PARTIAL_FILE, .phase = PHASE_BODY}, TASK_TRUNCATED_BODY},
    {{.code = CURLE_HTTP2_STREAM, .phase = PHASE_BODY, .https = true}, TASK_TRUNCATED_BODY},
    {{.code = CURLE_HTTP2_STREAM,
      .phase = PHASE_BODY,
      .https = true,
      .text = "HTTP/2 stream 1 was not closed cleanly: PROTOCOL_ERROR (err 1)"},
     TASK_HTTP_PROTOCOL},
    {{.code = CURLE_HTTP2, .phase = PHASE_WAIT, .https = true, .text = ""}, TASK_CONNECTION_RESET},
    {{.code = CURLE_HTTP2, .phase = PHASE_WAIT, .https = true, .text = "Too large"},
     TASK_HTTP_PROTOCOL},
    {{.code = CURLE_HTTP2_STREAM, .phase = PHASE_WAIT, .https = true, .received = 900},
     TASK_CONNECTION_RESET},
    {{.code = CURLE_HTTP2, .phase = PHASE_WAIT, .https = true}, TASK_HTTP_PROTOCOL},
    {{.code = CURLE_WEIRD_SERVER_REPLY, .phase = PHASE_HEAD}, TASK_HTTP_PROTOCOL},
    {{.code = CURLE_UNSUPPORTED_PROTOCOL, .phase = PHASE_WAIT}, TASK_HTTP_PROTOCOL},
    {{.code = CURLE_UNSUPPORTED_PROTOCOL, .phase = PHASE_CONNECT}, TASK_INTERNAL},
    {{.code = CURLE_BAD_CONTENT_ENCODING, .phase = PHASE_BODY}, TASK_HTTP_PROTOCOL},
    {{.code = CURLE_FILESIZE_EXCEEDED, .phase = PHASE_BODY}, TASK_BODY_TOO_LARGE},
    {{.code = CURLE_OUT_OF_MEMORY, .phase = PHASE_HEAD, .received = 102400}, TASK_HEADER_TOO_LARGE},
    {{.code = CURLE_OUT_OF_MEMORY, .phase = PHASE_WAIT, .received = 102400}, TASK_HEADER_TOO_LARGE},
    {{.code = CURLE_URL_MALFORMAT, .phase = PHASE_CONNECT}, TASK_INTERNAL},
};

static void faults_are_named_by_code_phase_and_errno(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        expect(&faults[i].fault, faults[i].error, false);
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
