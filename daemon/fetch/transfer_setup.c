// SPDX-License-Identifier: MIT
// From a request to the options of a curl handle. Worker thread only. Everything libcurl would take
// from its surroundings is switched off here: proxies and credentials from the environment,
// cookies, redirects, name resolution.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/fetch/transfer_private.h"

// A pin is used within moments. libcurl walks its table of them after every transfer; this bounds
// how long one stays there that nobody takes out.
#define PIN_SECONDS 10L
// libcurl allocates this for each transfer anew. 7.88 never finishes an HTTP/2 answer whose head
// exceeds it, and nghttp2 takes heads of up to 64 KiB; without TLS there is no HTTP/2.
#define BUFFER_SIZE     (64 * 1024L)
#define TLS_BUFFER_SIZE 102400L

#define ACCEPT_ENCODING "Accept-Encoding: gzip, deflate, br, zstd"

static int check(CURLcode code)
{
    return code == CURLE_OK ? 0 : -1;
}

static int append_field(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer) {
        return -1;
    }
    *list = longer;
    return 0;
}

// ---- where to

// Appends the addresses as libcurl's list of pins wants them: "1.2.3.4,[2001:db8::1]".
static int append_addresses(struct buf *out, const struct transfer *t)
{
    for (size_t i = 0; i < t->n_addresses; i++) {
        char text[INET6_ADDRSTRLEN];
        const struct sockaddr_storage *a = &t->addresses[i];
        bool v4 = a->ss_family == AF_INET;
        const void *bytes = v4 ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
                               : (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr;
        if (!inet_ntop(a->ss_family, bytes, text, sizeof(text))) {
            return -1;
        }
        buf_printf(out, v4 ? "%s%s" : "%s[%s]", i ? "," : "", text);
    }
    return out->failed ? -1 : 0;
}

// "+": unlike other pins this one expires, and takes the place of one for the same host.
static int pin(struct transfer *t, const char *host, unsigned port)
{
    struct buf *line = &t->engine->scratch;
    buf_reset(line);
    buf_printf(line, "-%s:%u", host, port);
    if (line->failed) {
        return -1;
    }
    if (t->unpin.len > 0 && strcmp(t->unpin.data, line->data) != 0 &&
        append_field(&t->resolve, t->unpin.data) < 0) {
        return -1;
    }
    buf_reset(&t->unpin);
    buf_append(&t->unpin, line->data, line->len);
    line->data[0] = '+';
    buf_append_char(line, ':');
    if (append_addresses(line, t) < 0 || append_field(&t->resolve, line->data) < 0) {
        return -1;
    }
    return check(curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolve));
}

static bool is_literal(const char *host)
{
    struct in_addr v4;
    return host[0] == '[' || inet_pton(AF_INET, host, &v4) == 1;
}

// The proxy's host and port as libcurl will read them.
static int pin_proxy(struct transfer *t)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL, *scheme = NULL;
    int r = -1;
    if (u &&
        curl_url_set(u, CURLUPART_URL, t->options->proxy,
                     CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK) {
        long default_port = strcmp(scheme, "https") == 0 ? 443 : 1080;
        bool has_port = curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK;
        t->proxy_literal = is_literal(host);
        r = t->proxy_literal
                ? 0
                : pin(t, host, (unsigned)(has_port ? strtol(port, NULL, 10) : default_port));
    }
    curl_free(host);
    curl_free(port);
    curl_free(scheme);
    curl_url_cleanup(u);
    return r;
}

// As text and in parts: with the text alone libcurl takes it apart, puts it together again, and
// keeps that.
static int set_url(struct transfer *t, const char *text)
{
    CURLUcode code = curl_url_set(t->target, CURLUPART_URL, text, CURLU_PATH_AS_IS);
    curl_easy_setopt(t->easy, CURLOPT_CURLU, code == CURLUE_OK ? t->target : NULL);
    return check(curl_easy_setopt(t->easy, CURLOPT_URL, text));
}

static int set_target(struct transfer *t, const struct transfer_request *r)
{
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)t->options->connect_timeout_ms);
    if (set_url(t, r->url_text) < 0) {
        return -1;
    }
    if (t->options->proxy) {
        return t->n_addresses > 0 ? pin_proxy(t) : 0;
    }
    return t->literal || t->n_addresses == 0 ? 0 : pin(t, r->url->host, r->url->port);
}

static int set_route(struct transfer *t)
{
    const char *proxy = t->options->proxy;
    curl_easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(t->easy, CURLOPT_DNS_CACHE_TIMEOUT, PIN_SECONDS);
    // "": none, whatever the environment says
    if (check(curl_easy_setopt(t->easy, CURLOPT_PROXY, proxy ? proxy : "")) < 0) {
        return -1;
    }
    return check(curl_easy_setopt(t->easy, CURLOPT_NOPROXY, ""));
}

// ---- how

static int set_protocol(struct transfer *t, bool send_body)
{
    const struct transfer_settings *s = &t->engine->settings;
    CURL *easy = t->easy;
    bool verify = t->options->verify_tls;
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_TRANSFER_DECODING, 0L); // transfer_body.c does it
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, t->https ? TLS_BUFFER_SIZE : BUFFER_SIZE);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    // A body goes by HTTP/1.1: it cannot be sent twice when an HTTP/2 server refuses the stream
    // half-way.
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long)(send_body ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS));
    // Without a directory of certificates libcurl reads the file once and shares it among
    // connections.
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAPATH, NULL);
    // A proxy that is reached over TLS must prove itself, whatever the task says of the origin.
    curl_easy_setopt(easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (s->ca_file[0] && (check(curl_easy_setopt(easy, CURLOPT_CAINFO, s->ca_file)) < 0 ||
                          check(curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, s->ca_file)) < 0)) {
        return -1;
    }
    return check(curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https"));
}

static int set_method(struct transfer *t, bool send_body)
{
    CURL *easy = t->easy;
    const struct task_options *o = t->options;
    bool expects_body =
        t->method == METHOD_POST || t->method == METHOD_PUT || t->method == METHOD_PATCH;
    if (!fetch_method_is_idempotent(t->method)) {
        // On a kept connection that turns out to be dead libcurl would send the request a second
        // time.
        curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    }
    if (send_body || expects_body) { // "Content-Length: 0" if there is none
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t)(send_body ? o->body_len : 0));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, send_body ? o->body : "");
    } else if (t->method == METHOD_HEAD) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (t->method == METHOD_GET || t->method == METHOD_HEAD || t->method == METHOD_POST) {
        return 0;
    }
    return check(curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, fetch_method_name(t->method)));
}

// ---- header fields

static bool is_credential(const char *name)
{
    return strcasecmp(name, "authorization") == 0 || strcasecmp(name, "cookie") == 0;
}

// RFC 9110 §15.4: fields that describe a body, which the GET that a redirect made of the request
// does not have.
static bool is_of_body(const char *name)
{
    return strncasecmp(name, "content-", 8) == 0 || strcasecmp(name, "digest") == 0 ||
           strcasecmp(name, "last-modified") == 0;
}

static bool has_field(const struct task_options *o, const char *name)
{
    for (size_t i = 0; i < o->n_headers; i++) {
        if (strcasecmp(o->headers[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int append_own_fields(struct transfer *t, bool drop_credentials)
{
    struct buf *line = &t->engine->scratch;
    bool lost_body = t->method == METHOD_GET && t->options->method != METHOD_GET;
    for (size_t i = 0; i < t->options->n_headers; i++) {
        const struct header_field *f = &t->options->headers[i];
        if ((drop_credentials && is_credential(f->name)) || (lost_body && is_of_body(f->name))) {
            continue;
        }
        buf_reset(line);
        // libcurl takes "Name:" as an order to leave its own field out; ";" sends it empty.
        buf_printf(line, f->value[0] ? "%s: %s" : "%s;", f->name, f->value);
        if (line->failed || append_field(&t->fields, line->data) < 0) {
            return -1;
        }
    }
    return 0;
}

// Of a plain request. libcurl formats the field of CURLOPT_USERAGENT twice for each request, and
// one of the list once.
static int set_plain_fields(struct transfer *t)
{
    struct buf *line = &t->engine->scratch;
    buf_reset(line);
    buf_printf(line, "User-Agent: %s", t->engine->settings.user_agent);
    if (line->failed || append_field(&t->fields, line->data) < 0 ||
        append_field(&t->fields, ACCEPT_ENCODING) < 0) {
        return -1;
    }
    return check(curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->fields));
}

static int set_fields(struct transfer *t, const struct transfer_request *r)
{
    const struct task_options *o = t->options;
    bool sends = r->send_body || t->method == METHOD_POST || t->method == METHOD_PUT ||
                 t->method == METHOD_PATCH;
    if (check(curl_easy_setopt(t->easy, CURLOPT_USERAGENT, t->engine->settings.user_agent)) < 0 ||
        append_own_fields(t, r->drop_credentials) < 0) {
        return -1;
    }
    if (!has_field(o, "accept-encoding") && append_field(&t->fields, ACCEPT_ENCODING) < 0) {
        return -1;
    }
    // libcurl would call any body a form, and would wait for a 100 before a large one.
    if (sends &&
        ((!has_field(o, "content-type") && append_field(&t->fields, "Content-Type:") < 0) ||
         append_field(&t->fields, "Expect:") < 0)) {
        return -1;
    }
    return check(curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->fields));
}

// ---- all of it

// What nearly all requests look like: nothing of them but the target is in the handle's options.
static bool is_plain(const struct transfer *t)
{
    const struct task_options *o = t->options;
    return t->method == METHOD_GET && !o->body && !o->proxy && o->n_headers == 0 && o->verify_tls;
}

static int set_up_anew(struct transfer *t, const struct transfer_request *r, bool plain)
{
    bool send_body = r->send_body && t->options->body;
    curl_easy_reset(t->easy);
    curl_slist_free_all(t->fields);
    t->fields = NULL;
    transfer_callbacks_install(t);
    if (set_route(t) < 0 || set_target(t, r) < 0 || set_protocol(t, send_body) < 0 ||
        set_method(t, send_body) < 0) {
        return -1;
    }
    return plain ? set_plain_fields(t) : set_fields(t, r);
}

int transfer_setup(struct transfer *t, const struct transfer_request *r)
{
    bool plain = is_plain(t);
    uint64_t set_for = t->plain_for;
    uint64_t wanted = t->engine->generation << 1 | (t->https ? 1 : 0);
    t->plain_for = 0;
    if (plain && set_for == wanted) {
        if (set_target(t, r) < 0) {
            return -1;
        }
    } else if (set_up_anew(t, r, plain) < 0) {
        return -1;
    }
    t->plain_for = plain ? wanted : 0;
    return 0;
}
