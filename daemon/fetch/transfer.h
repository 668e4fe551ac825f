// SPDX-License-Identifier: MIT
// One HTTP exchange with an origin server: one hop of an attempt. Owned by a worker's loop and used
// on its thread only. It knows libcurl, framing, decoding and time-outs; it knows no hosts, limits,
// retries, redirects policy or store.
//
// A transfer ends in exactly one call of `on_done`, never from inside transfer_start or
// transfer_abort. What a failure is called is decided here (enum task_error); whether it is
// repeated or followed is the caller's business.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/url.h"
#include "daemon/loop/loop.h"
#include "daemon/loop/metrics.h"
#include "daemon/task/address_policy.h"
#include "daemon/task/options.h"
#include "daemon/task/outcome.h"

struct transfer_engine; // one per worker: the curl multi on the worker's loop
struct transfer;

struct transfer_settings {
    const char *user_agent;
    const char *ca_file;           // "" or NULL: the system's
    int64_t first_byte_timeout_ms; // 0: only the total time-out
    int64_t stall_timeout_ms; // an answer that hardly moves (body: under 100 bytes/s on average;
                              // head: unfinished) this long
    size_t max_header_bytes;  // 256 KiB: status line and fields, all interim responses and trailers
                              // together
    unsigned max_idle_connections; // kept for their next request
    size_t memory_body;            // 256 KiB, beyond it a temporary file
    const char *spill_dir;         // of the unlinked temporary files
};

// Holds bytes of bodies in memory or spilled against a daemon-wide budget (budget.h). Both may be
// called on this thread only; `take` returns false when there is no room: the transfer then waits
// (paused) and tries again.
struct body_budget_ops {
    bool (*take)(void *ctx, size_t n);
    void (*give)(void *ctx, size_t n);
    void *ctx;
};

int transfer_engine_new(struct loop *loop, const struct transfer_settings *s, struct metrics *m,
                        struct err *e, struct transfer_engine **ret);
void transfer_engine_configure(struct transfer_engine *t,
                               const struct transfer_settings *s); // for transfers started later
void transfer_engine_free(
    struct transfer_engine **t); // all transfers must have ended or been aborted

#define TRANSFER_MAX_ADDRESSES 8

// Called from the loop soon after the request has left, at `sent_ms` (monotonic), and with the ctx
// of `on_done`; again if it had to be sent on another connection. It must not end a transfer.
typedef void transfer_sent_fn(void *ctx, int64_t sent_ms);

struct transfer_request {
    const struct url *url; // parsed
    const char *url_text;  // its normal form
    const struct task_options
        *options;             // headers, body, verify_tls, proxy, connect time-out, max_body_bytes
    enum fetch_method method; // of this hop (a 303 turns POST into GET)
    bool send_body;           // of options; false after such a turn
    bool drop_credentials;    // leave out Authorization and Cookie: the hop went to another origin
    bool may_redirect;   // a 301 302 303 307 308 with a Location will be followed: do not keep its
                         // body
    bool keep_beginning; // of a body over max_body_bytes, keep as much; `complete` is false then
    int64_t total_timeout_ms; // what is left of the attempt's time
    // Vetted addresses to connect to, best first. Not used with a proxy (n == 0): then the proxy's
    // own are here.
    struct sockaddr_storage addresses[TRANSFER_MAX_ADDRESSES];
    size_t n_addresses;
    const struct address_policy
        *policy;               // checked again on each socket (rebinding, connection
                               // reuse); a proxy's addresses are vetted by the caller alone
    transfer_sent_fn *on_sent; // or NULL
};

// What came of it. Strings and body are owned by the result and may be moved out.
struct transfer_result {
    enum task_error error; // TASK_OK: a complete response (of any status)
    char *message;         // detail of the failure or NULL
    bool sent;             // request bytes may have reached the origin
    int64_t sent_ms;       // monotonic: when the request left; meaningful with `sent`
    bool local_shortage;   // out of descriptors or memory here: not the origin's fault, try again
                           // later
    int status;            // final status line seen, else 0
    char *http_version, *remote_ip, *content_type;
    char *
        headers; // JSON array text of the final response's fields (with errors after the head, too)
    char *location;         // raw Location value of a redirect, else NULL
    int64_t retry_after_at; // wall clock, from Retry-After (seconds or date); 0
    bool has_body, complete;
    uint64_t size, bytes_received;
    uint8_t sha256[32];
    struct body body;
    int32_t dns_ms, connect_ms, tls_ms, first_byte_ms,
        total_ms; // -1: did not happen; dns_ms is the caller's
};

void transfer_result_done(struct transfer_result *r);

// `r` is moved out of or done by the callee. All that the transfer took of the byte budget has been
// given back: who keeps the body accounts for it. A redirect that may be followed, and a failed
// transfer, has no body; `complete` is false if one was cut off.
typedef void transfer_done_fn(void *ctx, struct transfer_result *r);

// Copies what it needs of `r` except options and policy, which must outlive the transfer. -1: could
// not even begin (memory): try again later.
int transfer_start(struct transfer_engine *t, const struct transfer_request *r,
                   const struct body_budget_ops *budget, transfer_done_fn *on_done, void *ctx,
                   struct transfer **ret);
void transfer_abort(struct transfer **t); // no on_done; its connection is closed

// Resolves a Location value against the URL that was asked (RFC 3986 §5, fragment inherited is
// dropped), strictly: -1 with *ret_error one of TASK_REDIRECT_INVALID (unparsable, longer than
// URL_MAX), TASK_REDIRECT_SCHEME (not http or https). `normal` receives the normal form. Pure.
int location_resolve(const char *base, const char *location, struct url *ret, struct buf *normal,
                     enum task_error *ret_error);
