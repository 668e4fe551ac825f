// SPDX-License-Identifier: MIT
// What libcurl calls while a transfer runs: to open a socket, before the request is sent, and with
// each header line; with the body it calls transfer_body.c. Worker thread only, inside libcurl:
// nothing here may end a transfer directly or call the owner; it decides (transfer_decide) and
// makes libcurl stop.
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/fetch/transfer_private.h"

// Heads are of some hundred bytes, and pages that say why a proxy refuses of some thousand.
#define MAX_TUNNEL_ANSWER ((uint64_t)32 * 1024)

// Messages of a handshake and behind it: seven make the longest, and a ticket or two follow.
#define TLS_MESSAGES 16

static bool same_address(const struct sockaddr *a, const struct sockaddr_storage *b)
{
    if (a->sa_family != b->ss_family) {
        return false;
    }
    // Copied, since libcurl's structure does not promise the alignment of the real type.
    if (a->sa_family == AF_INET) {
        struct sockaddr_in x, y;
        memcpy(&x, a, sizeof(x));
        memcpy(&y, b, sizeof(y));
        return x.sin_addr.s_addr == y.sin_addr.s_addr;
    }
    struct sockaddr_in6 x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return memcmp(&x.sin6_addr, &y.sin6_addr, sizeof(x.sin6_addr)) == 0;
}

// One of the addresses that were vetted for this transfer, and still allowed; a proxy is the user's
// own choice.
static bool may_connect(const struct transfer *t, const struct sockaddr *sa)
{
    if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6) {
        return false;
    }
    bool known = t->n_addresses == 0;
    for (size_t i = 0; i < t->n_addresses && !known; i++) {
        known = same_address(sa, &t->addresses[i]);
    }
    return known && (t->options->proxy || address_policy_allows_sockaddr(t->policy, sa));
}

// Whether libcurl has words of an error before this transfer has a connection. Once a second it
// looks at all kept connections in the name of a transfer that begins, and what it finds wrong with
// them stands for all that it would have to say of this transfer.
static bool words_are_of_others(const struct transfer *t)
{
    return t->n_sockets == 0 && !t->blocked && !t->shortage && t->error_text[0];
}

// CURLOPT_OPENSOCKETFUNCTION
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct transfer *t = arg;
    (void)purpose;
    if (words_are_of_others(t)) {
        t->stale = true;
        return CURL_SOCKET_BAD;
    }
    if (t->n_addresses > 1) {
        curl_loop_call_again(t->engine->curl, t->easy);
    }
    if (!may_connect(t, &a->addr)) {
        t->blocked = true;
        return CURL_SOCKET_BAD;
    }
    int fd = curl_loop_open_socket(t->engine->curl, a->family, a->socktype, a->protocol);
    if (fd < 0) {
        t->shortage = t->shortage || classify_is_shortage(errno);
        return CURL_SOCKET_BAD;
    }
    t->sockets[t->n_sockets++ % TRANSFER_MAX_ADDRESSES] = fd;
    return fd;
}

static bool may_use(const struct transfer *t, const char *ip)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, ip, &in.sin_addr) == 1) {
        return address_policy_allows_sockaddr(t->policy, (const struct sockaddr *)&in);
    }
    return inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1 &&
           address_policy_allows_sockaddr(t->policy, (const struct sockaddr *)&in6);
}

// Whether the connection the request is about to be sent on says something already: a kept one on
// which more came than its last answer. That would be taken for the answer to this request; libcurl
// before 8.0 does not look. With HTTP/2 every frame names what it answers.
static bool speaks_unasked(struct transfer *t, unsigned local_port)
{
    struct curl_tlssessioninfo *tls = NULL;
    if (t->https && curl_easy_getinfo(t->easy, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls &&
        tls->backend == CURLSSLBACKEND_OPENSSL && tls->internals) {
        const unsigned char *protocol = NULL;
        unsigned n = 0;
        SSL_get0_alpn_selected(tls->internals, &protocol, &n);
        if (n == 2 && memcmp(protocol, "h2", 2) == 0) {
            return false;
        }
        if (SSL_pending(tls->internals) > 0) {
            return true;
        }
    }
    return curl_loop_has_input(t->engine->curl, local_port);
}

// CURLOPT_PREREQFUNCTION: on a new connection and on a kept one, which may have been made under
// another policy.
static int on_request(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    struct transfer *t = arg;
    (void)local_ip;
    (void)remote_port;
    size_t n = strnlen(remote_ip, sizeof(t->remote_ip) - 1);
    memcpy(t->remote_ip, remote_ip, n);
    t->remote_ip[n] = '\0';
    if (!t->options->proxy && !may_use(t, remote_ip)) {
        transfer_decide(t, TASK_BLOCKED_ADDRESS, NULL);
        return CURL_PREREQFUNC_ABORT;
    }
    if (t->n_sockets > 0) {
        for (unsigned i = 0; i < t->n_sockets && i < TRANSFER_MAX_ADDRESSES; i++) {
            if (curl_loop_learn_port(t->engine->curl, t->sockets[i], (unsigned)local_port)) {
                t->connected = t->sockets[i];
            }
        }
    } else if (words_are_of_others(t) || speaks_unasked(t, (unsigned)local_port)) {
        t->stale = true;
        return CURL_PREREQFUNC_ABORT;
    }
    t->request_ms = clock_monotonic_ms();
    if (t->on_sent && !list_linked(&t->sent)) {
        list_push_back(&t->engine->sent, &t->sent);
        timer_set_ms(&t->engine->tell, 0);
    }
    return CURL_PREREQFUNC_OK;
}

// CURLOPT_RESOLVER_START_FUNCTION: what is pinned or literal needs no look-up, and nothing else may
// be looked up here, but a proxy that came without addresses.
static int on_lookup(void *state, void *unused, void *arg)
{
    const struct transfer *t = arg;
    (void)state;
    (void)unused;
    bool proxy_known = t->proxy_literal || t->n_addresses == 0;
    return (t->options->proxy ? proxy_known : t->literal) ? 0 : 1;
}

// CURLOPT_XFERINFOFUNCTION. libcurl 7.88 reads what a proxy says to CONNECT byte by byte, for as
// long as there is some, and calls this for each: what does not end would hold the loop for ever.
static int on_progress(void *arg, curl_off_t u1, curl_off_t u2, curl_off_t u3, curl_off_t u4)
{
    struct transfer *t = arg;
    (void)u1;
    (void)u2;
    (void)u3;
    (void)u4;
    if (t->request_ms > 0 || ++t->n_progress <= MAX_TUNNEL_ANSWER) {
        return 0;
    }
    transfer_decide(t, TASK_PROXY, "The proxy's answer to CONNECT is too long");
    return 1;
}

// OpenSSL goes from one record that carries no data to the next (a new key, a new ticket) for as
// long as there is one, within one call. Behind more of them than an honest server has any use for
// it returns to the loop instead; not before, since what a server sent before it hung up is best
// read at once: the next write may be answered by a reset, which takes what was not yet read.
static void on_tls_message(int written, int version, int type, const void *p, size_t n, SSL *tls,
                           void *ctx)
{
    (void)version;
    (void)p;
    (void)n;
    (void)ctx;
    if (written || type != SSL3_RT_HANDSHAKE) {
        return;
    }
    SSL_CTX *context = SSL_get_SSL_CTX(tls); // of this connection alone
    uintptr_t seen = (uintptr_t)SSL_CTX_get_app_data(context) + 1;
    SSL_CTX_set_app_data(context, (void *)seen); // a number
    if (seen > TLS_MESSAGES) {
        SSL_clear_mode(tls, SSL_MODE_AUTO_RETRY);
    }
}

// CURLOPT_SSL_CTX_FUNCTION
static CURLcode on_tls_context(CURL *easy, void *context, void *arg)
{
    (void)easy;
    (void)arg;
    SSL_CTX_set_msg_callback(context, on_tls_message);
    return CURLE_OK;
}

static bool has_no_body(const struct transfer *t)
{
    return t->method == METHOD_HEAD || t->head.status == 204 || t->head.status == 304;
}

// Whether bytes behind this answer might be taken for the next one: it is chunked against RFC 9112
// §6.1 and §6.3, or announces a body where there can be none.
static bool is_doubtful(const struct response_head *h)
{
    bool has_length = h->length != RESPONSE_LENGTH_NONE;
    if (h->status == 204 || h->status == 304) {
        return h->chunked || (h->status == 204 && has_length && h->content_length > 0);
    }
    return h->chunked && (has_length || strcmp(h->version, "1.0") == 0);
}

static void on_head_complete(struct transfer *t)
{
    const struct response_head *h = &t->head;
    if (is_doubtful(h)) {
        transfer_distrust(t);
    }
    bool redirects = t->may_redirect && response_head_redirects(h);
    if (redirects && h->two_locations) { // an injected field, perhaps; browsers refuse it, too
        transfer_decide(t, TASK_REDIRECT_INVALID, "Two Location fields lead to different places");
        return;
    }
    if (has_no_body(t)) {
        return;
    }
    t->is_chunked = h->chunked;
    chunked_begin(&t->chunked);
    uint64_t max = (uint64_t)t->options->max_body_bytes;
    bool has_length = !h->chunked && h->length != RESPONSE_LENGTH_NONE;
    t->drop_body = redirects;
    if (t->drop_body) {
        if (has_length && h->content_length > TRANSFER_MAX_DROPPED) {
            transfer_decide(t, TASK_OK, NULL);
        }
        return;
    }
    if (has_length && h->content_length > max && !t->keep_beginning) {
        transfer_decide(t, TASK_BODY_TOO_LARGE, "The answer announces more than max_body_bytes");
        return;
    }
    codings_parse(h->content_encoding.data ? h->content_encoding.data : "", &t->codings);
    if (t->codings.unknown || h->status == 206) { // a part of a coded body cannot be decoded
        t->codings.n = 0;
    } else if (t->codings.too_many) {
        transfer_decide(t, TASK_CONTENT_ENCODING, "The body is encoded more than three times");
    }
}

void transfer_distrust(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
    t->plain_for = 0;
}

int transfer_take_line(struct transfer *t, const char *p, size_t n)
{
    if (response_head_line(&t->head, p, n) == 0) {
        return 0;
    }
    if (t->head.error == TASK_INTERNAL) {
        transfer_decide_shortage(t, t->head.why);
    } else {
        transfer_decide(t, t->head.error, t->head.why);
    }
    return -1;
}

// CURLOPT_HEADERFUNCTION: one line, of any response; of trailers with HTTP/2.
static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    n *= size;
    bool was_complete = t->head.state == RESPONSE_COMPLETE;
    t->first_line_ms = t->first_line_ms > 0 ? t->first_line_ms : clock_monotonic_ms();
    if (transfer_take_line(t, p, n) == 0 && !was_complete && t->head.state == RESPONSE_COMPLETE) {
        on_head_complete(t);
    }
    return t->decided ? TRANSFER_STOP : n;
}

void transfer_callbacks_install(struct transfer *t)
{
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error_text);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    // Kept by the connection, which outlives the transfer: so the engine's, not the transfer's.
    curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETFUNCTION, curl_loop_close_socket);
    curl_easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, t->engine->curl);
    curl_easy_setopt(t->easy, CURLOPT_RESOLVER_START_FUNCTION, on_lookup);
    curl_easy_setopt(t->easy, CURLOPT_RESOLVER_START_DATA, t);
    curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_request);
    curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
    bool tunnels = t->options->proxy && t->https;
    curl_easy_setopt(t->easy, CURLOPT_NOPROGRESS, tunnels ? 0L : 1L);
    curl_easy_setopt(t->easy, CURLOPT_XFERINFOFUNCTION, tunnels ? on_progress : NULL);
    curl_easy_setopt(t->easy, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, transfer_on_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
}
