// SPDX-License-Identifier: MIT
// The HTTP/1.1 server behind which libevhtp lives. Main thread only; every callback runs on its
// loop.
//
// Life of an exchange: `on_request` is called once the head is complete and valid. The handler
// answers at once with http_respond, or asks for the body with http_read_body, or waits (long poll)
// and answers later, or begins a stream. After the answer is complete (http_respond,
// http_stream_end, http_abort) or after `on_gone`, the exchange is no longer the handler's to
// touch. An answer given before the body was read makes the server stop reading, send, linger a
// little and close (RFC 9112 §9.6).
//
// The server answers by itself, as problem+json, whatever is wrong with framing, sizes and time
// (400 408 411 413 414 417 431 501 505, 503 when full); handlers never see such requests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct http_server;
struct loop;
struct http_exchange;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
};

struct http_field {
    const char *name, *value;
};

struct http_server_config {
    unsigned max_connections; // one more is answered 503 + Retry-After and closed
    uint64_t max_body;        // bytes of any request body (limits.request_body)
    unsigned max_head;        // 16384
    unsigned max_fields;      // 100
    int64_t head_timeout_ms;  // 10000, absolute, from the first byte (or from accept)
    int64_t idle_timeout_ms;  // 60000, between requests of a kept connection
    int64_t body_min_rate;    // bytes/s a body must average after body_grace_ms, else 408
    int64_t body_grace_ms;    // 10000
    int64_t write_timeout_ms; // 30000 without any byte taken by the client: close
    unsigned max_keepalive;   // requests on one connection, then Connection: close
};

// Defaults of the fields above with the given two.
struct http_server_config http_server_config_default(unsigned max_connections, uint64_t max_body);

typedef void http_on_request_fn(void *ctx, struct http_exchange *x);

// `loop` must outlive the server. `config` is copied.
int http_server_new(struct loop *loop, const struct http_server_config *config,
                    http_on_request_fn *on_request, void *ctx, struct err *e,
                    struct http_server **ret);
// Closes all; on_gone is called for open exchanges. Not from inside a handler. libevent frees the
// connections' buffers in the next turn of the loop, which loop_free gives it.
void http_server_free(struct http_server **s);

// Of requests whose head comes from now on.
void http_server_set_max_body(struct http_server *s, uint64_t max_body);

// "127.0.0.1:7070", "[::1]:7070", ":7070" not allowed. Port 0 takes a free one; *ret_port is the
// real one.
int http_server_listen_tcp(struct http_server *s, const char *address, struct err *e,
                           unsigned *ret_port);
// Replaces a dead socket file, refuses a live one. Mode 0660.
int http_server_listen_unix(struct http_server *s, const char *path, struct err *e);
// A listening socket passed by the service manager; taken over.
int http_server_listen_fd(struct http_server *s, int fd, struct err *e);
// Stops accepting; open connections are closed as their exchanges end (answers carry Connection:
// close).
void http_server_drain(struct http_server *s);
unsigned http_server_connections(const struct http_server *s);
// Bytes of large answers (not of streams) that their clients have not taken yet.
size_t http_server_unsent(const struct http_server *s);

// The request. Strings live until the exchange ends.
enum http_method http_method(const struct http_exchange *x); // of a HEAD request: HTTP_HEAD
const char *http_method_name(enum http_method method);
// As sent, escapes kept: "/…" (an absolute form reduced to its path), or "*" for OPTIONS.
const char *http_path(const struct http_exchange *x);
// As sent, without "?"; NULL if there is none.
const char *http_query(const struct http_exchange *x);
// The first value of the field `name` (any case), or NULL.
const char *http_header(const struct http_exchange *x, const char *name);
// All values of the list field `name`, joined by commas (RFC 9110 §5.2); NULL if there is none.
// `space` holds them if there are several.
#define HTTP_LIST_SIZE 16384 // as much as a head may have
const char *http_header_list(const struct http_exchange *x, const char *name,
                             char space[HTTP_LIST_SIZE]);
unsigned http_header_count(const struct http_exchange *x, const char *name);
int64_t http_content_length(const struct http_exchange *x); // -1: chunked; 0 without body
bool http_peer_is_local(const struct http_exchange *x);     // unix socket or loopback address
bool http_peer_is_unix(const struct http_exchange *x);

// Reading the body. Sends 100 Continue if it was asked for. A POST that says nothing of a body is
// answered 411 here: whoever reads expects one. Others (curl -X POST) need none.
struct http_body_ops {
    // Bytes as they arrive, dechunked. `p` is borrowed for the call.
    void (*on_data)(void *ctx, struct http_exchange *x, const void *p, size_t n);
    void (*on_end)(void *ctx, struct http_exchange *x); // the whole body was given
};
void http_read_body(struct http_exchange *x, uint64_t max, const struct http_body_ops *ops,
                    void *ctx);
void http_pause_body(struct http_exchange *x);  // back-pressure: no on_data until resumed
void http_resume_body(struct http_exchange *x); // callable from inside on_data or any later turn

// Called once if the client leaves or the server answers by itself (timeout, 413) before the
// handler's answer is complete. `x` must not be used afterwards. NULL removes it.
void http_on_gone(struct http_exchange *x, void (*on_gone)(void *ctx, struct http_exchange *x),
                  void *ctx);

// What stands above the body of an answer. Strings are borrowed for the call.
struct http_answer {
    int status;
    const char *content_type; // or NULL
    const struct http_field *fields;
    size_t n_fields;
};

// A complete answer. `body` (may be NULL) is taken: emptied by the call. Content-Length, Date and
// Connection are added; for HEAD and 304 the body is not sent but its length is stated (HEAD).
void http_respond(struct http_exchange *x, const struct http_answer *a, struct buf *body);

// An answer written piece by piece: chunked, or with a length when content_length >= 0.
// `on_drained` is called (never from inside a call of this module) whenever less than 64 KiB wait
// to be sent, and once at the start.
void http_stream_start(struct http_exchange *x, const struct http_answer *a, int64_t content_length,
                       void (*on_drained)(void *ctx, struct http_exchange *x), void *ctx);
void http_stream_write(struct http_exchange *x, const void *p, size_t n); // copies
size_t http_stream_pending(const struct http_exchange *x); // bytes not yet with the kernel
void http_stream_end(struct http_exchange *x);
void http_abort(
    struct http_exchange *x); // closes the connection at once: the answer stays visibly cut
