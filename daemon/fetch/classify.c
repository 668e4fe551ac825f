// SPDX-License-Identifier: MIT
// The failure classifier, made for libcurl 7.88. Pure. It reads libcurl's error text in four
// places only, where one code stands for unrelated failures and nothing else tells them apart; each
// is marked. In classify_detail the text decides about the words alone.
#include "daemon/fetch/classify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

// libcurl gives up on a header line beyond 100 KiB with CURLE_OUT_OF_MEMORY. Memory may really be
// short, but not for an answer that has not sent that much.
#define LONG_LINE ((uint64_t)64 * 1024)

static struct verdict ends_as(enum task_error error)
{
    return (struct verdict){.error = error};
}

static struct verdict shortage(void)
{
    return (struct verdict){.error = TASK_INTERNAL, .local_shortage = true};
}

static bool says(const struct fault *f, const char *words)
{
    return f->text && strstr(f->text, words);
}

bool classify_is_shortage(int errnum)
{
    switch (errnum) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EADDRNOTAVAIL: // no free local port
        return true;
    default: return false;
    }
}

static struct verdict could_not_connect(const struct fault *f)
{
    if (classify_is_shortage(f->os_errno)) {
        return shortage();
    }
    if (f->proxy) {
        return ends_as(TASK_PROXY);
    }
    switch (f->os_errno) {
    case ECONNREFUSED: return ends_as(TASK_CONNECT_REFUSED);
    case ETIMEDOUT: return ends_as(TASK_CONNECT_TIMEOUT);
    case ECONNRESET: return ends_as(TASK_CONNECTION_RESET);
    default: return ends_as(TASK_CONNECT_FAILED);
    }
}

static struct verdict timed_out(const struct fault *f)
{
    // The watch limits what comes after the handshake, so libcurl's own timer is that of the
    // connection.
    if (f->phase <= PHASE_TLS && f->proxy && !f->tunnelled) {
        return ends_as(TASK_PROXY);
    }
    return ends_as(f->phase <= PHASE_TLS ? TASK_CONNECT_TIMEOUT : TASK_TIMEOUT_TOTAL);
}

// The connection ended where more was due.
static struct verdict ended_early(const struct fault *f)
{
    switch (f->phase) {
    case PHASE_CONNECT: return ends_as(f->proxy ? TASK_PROXY : TASK_CONNECT_FAILED);
    case PHASE_TLS: return ends_as(TASK_TLS_HANDSHAKE);
    case PHASE_WAIT:
        // Over TLS the handshake's own bytes are among those received.
        return ends_as(!f->https && !f->proxy && f->received > 0 ? TASK_TRUNCATED_BODY
                                                                 : TASK_EMPTY_REPLY);
    case PHASE_HEAD:
    case PHASE_BODY: break;
    }
    return ends_as(TASK_TRUNCATED_BODY);
}

static struct verdict receive_failed(const struct fault *f)
{
    if (f->phase <= PHASE_TLS && f->proxy) {
        return ends_as(TASK_PROXY); // CONNECT was refused
    }
    if (f->phase == PHASE_TLS) {
        return ends_as(TASK_TLS_HANDSHAKE);
    }
    if (f->os_errno == ECONNRESET || f->os_errno == EPIPE || f->os_errno == ECONNABORTED) {
        return ends_as(TASK_CONNECTION_RESET);
    }
    if (f->os_errno == ETIMEDOUT) {
        return ends_as(TASK_TIMEOUT_STALL);
    }
    if (classify_is_shortage(f->os_errno)) {
        return shortage();
    }
    if (f->chunked && says(f, "chunked-encoding")) { // by text: TLS and chunk errors share the code
        // By text: a trailer line beyond libcurl's 4 KiB is reported as lack of memory.
        return ends_as(says(f, "Out of memory") ? TASK_HEADER_TOO_LARGE : TASK_HTTP_PROTOCOL);
    }
    if (f->https && f->phase == PHASE_WAIT &&
        says(f, "alert")) { // by text: TLS 1.3 refuses clients this late
        return ends_as(TASK_TLS_HANDSHAKE);
    }
    return ended_early(f);
}

static struct verdict out_of_memory(const struct fault *f)
{
    bool mid_head = f->phase == PHASE_WAIT || f->phase == PHASE_HEAD;
    return mid_head && f->received >= LONG_LINE ? ends_as(TASK_HEADER_TOO_LARGE) : shortage();
}

static struct verdict protocol_error(const struct fault *f)
{
    return ends_as(f->phase >= PHASE_WAIT ? TASK_HTTP_PROTOCOL : TASK_INTERNAL);
}

struct verdict classify_fault(const struct fault *f)
{
    switch (f->code) {
    case CURLE_COULDNT_CONNECT: return could_not_connect(f);
    case CURLE_OPERATION_TIMEDOUT: return timed_out(f);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PROXY: return ends_as(TASK_PROXY);
    case CURLE_COULDNT_RESOLVE_HOST:
        // Addresses are pinned and libcurl may not look any up. It wants to only when a kept
        // connection died under a request and the pins have expired meanwhile.
        return ends_as(f->proxy ? TASK_PROXY : TASK_CONNECTION_RESET);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH: return ends_as(TASK_TLS_VERIFY);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CLIENTCERT: return ends_as(TASK_TLS_HANDSHAKE);
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE: return ended_early(f);
    case CURLE_HTTP2_STREAM: // the server reset this stream, or nghttp2 did since it is malformed
        if (says(f, "PROTOCOL_ERROR")) { // by text: the code of the reset is nowhere else
            return ends_as(TASK_HTTP_PROTOCOL);
        }
        return f->phase == PHASE_WAIT ? ends_as(TASK_CONNECTION_RESET) : ended_early(f);
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR: return receive_failed(f);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_BAD_FUNCTION_ARGUMENT: // a header line that libcurl's own header store cannot split
        return protocol_error(f);
    case CURLE_HTTP2:
        // Without a word: the server wound the connection down (GOAWAY) and left the request out.
        return f->phase == PHASE_WAIT && f->text && !f->text[0] ? ends_as(TASK_CONNECTION_RESET)
                                                                : protocol_error(f);
    case CURLE_FILESIZE_EXCEEDED: return ends_as(TASK_BODY_TOO_LARGE);
    case CURLE_OUT_OF_MEMORY: return out_of_memory(f);
    default: return ends_as(TASK_INTERNAL);
    }
}

enum task_error classify_limit(enum limit limit, enum phase phase, bool slow)
{
    if (phase <= PHASE_TLS) {
        return TASK_CONNECT_TIMEOUT;
    }
    if (limit == LIMIT_STALL) {
        return TASK_TIMEOUT_STALL;
    }
    if (limit == LIMIT_FIRST_BYTE || phase == PHASE_WAIT) {
        return TASK_TIMEOUT_FIRST_BYTE;
    }
    return slow ? TASK_TIMEOUT_STALL : TASK_TIMEOUT_TOTAL;
}

static const char *handshake_detail(const struct fault *f)
{
    if (says(f, "SSL_ERROR_SYSCALL")) {
        return "The server ended the connection within the TLS handshake";
    }
    if (says(f, "wrong version number")) {
        return "What the server sent is not TLS";
    }
    return says(f, "protocol version") ? "The server does not speak TLS 1.2 or later" : NULL;
}

const char *classify_detail(enum task_error error, const struct fault *f)
{
    switch (error) {
    case TASK_CONNECT_TIMEOUT:
        return f->phase == PHASE_TLS ? "The server did not finish the TLS handshake in time"
                                     : task_error_info(error)->message;
    case TASK_TRUNCATED_BODY:
        return f->phase < PHASE_BODY ? "The connection ended within the answer's headers"
                                     : task_error_info(error)->message;
    case TASK_TIMEOUT_STALL:
        return f->phase == PHASE_HEAD
                   ? "The server stopped or hardly moved within the answer's headers"
                   : NULL;
    case TASK_TLS_HANDSHAKE: return handshake_detail(f);
    case TASK_TLS_VERIFY: // libcurl's words name the host
        return says(f, "subject name") ? "The certificate is for another host name" : NULL;
    case TASK_PROXY: // libcurl's words name a port and a number of milliseconds
        return f->code == CURLE_COULDNT_CONNECT      ? "The proxy could not be connected to"
               : f->code == CURLE_OPERATION_TIMEDOUT ? "The proxy did not answer in time"
                                                     : NULL;
    case TASK_HTTP_PROTOCOL:
        return f->code == CURLE_UNSUPPORTED_PROTOCOL ? "The server's answer does not begin as HTTP"
                                                     : NULL;
    // Of these libcurl's words say no more, or name a port and a number of milliseconds.
    case TASK_CONNECT_REFUSED:
    case TASK_CONNECTION_RESET:
    case TASK_EMPTY_REPLY:
    case TASK_HEADER_TOO_LARGE: return task_error_info(error)->message;
    default: return NULL;
    }
}
