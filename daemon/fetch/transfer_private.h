// SPDX-License-Identifier: MIT
// The inside of a transfer, shared by transfer*.c and by nobody else.
//
//   transfer.c            engine, start, end, abort
//   transfer_setup.c      a request -> options of a curl handle
//   transfer_callbacks.c  what libcurl calls while it runs: addresses, head
//   transfer_body.c       and the body
//   transfer_result.c     what came of it -> struct transfer_result
//   transfer_watch.c      time-outs, stalls, and waiting for the byte budget
//
// State that says how far an exchange got is not kept twice: the phase is derived (transfer_phase)
// from the head, from `request_ms` and from what libcurl has measured.
#pragma once

#include <curl/curl.h>
#include <openssl/evp.h>

#include "common/heap.h"
#include "common/list.h"
#include "daemon/fetch/chunked.h"
#include "daemon/fetch/classify.h"
#include "daemon/fetch/curl_loop.h"
#include "daemon/fetch/decoder.h"
#include "daemon/fetch/response_head.h"
#include "daemon/fetch/sink.h"
#include "daemon/fetch/transfer.h"

#define WATCH_SAMPLES 8
// A redirect's body is read to keep the connection, but only if it is about as small as they are.
#define TRANSFER_MAX_DROPPED ((uint64_t)64 * 1024)
// What a callback returns for at least one byte to end the transfer: CURLE_WRITE_ERROR.
#define TRANSFER_STOP ((size_t)0)

struct watch {
    struct heap_node due; // in engine->due while the transfer runs
    int64_t started_ms;
    int64_t deadline_ms; // of the whole hop; moved by the time spent paused
    int64_t paused_ms;   // since when paused; 0: running
    int64_t answered_ms; // when the answer's first byte was noticed; 0: not yet
    int64_t head_ms;     // since when a head was seen unfinished; 0: it is not
    int64_t moved_ms;    // when the request was last seen to move, or an interim response came
    uint64_t moved;      // bytes of both then
    unsigned n_samples;  // taken; the last WATCH_SAMPLES are kept, in a ring
    struct {
        int64_t at_ms;
        uint64_t bytes;
    } samples[WATCH_SAMPLES];
};

struct transfer {
    struct transfer_engine *engine;
    struct list link; // in engine->running, or engine->idle
    CURL *easy;
    CURLU *target; // the request's URL; `easy` points to it
    char error_text[CURL_ERROR_SIZE];
    struct curl_slist *resolve;
    struct buf unpin; // takes out what the last pin put into libcurl's table; empty: nothing
    struct curl_slist *fields; // kept with the handle's options
    // For which settings and scheme `easy` is set up for a request of which only the target
    // differs; 0: it must be set up anew.
    uint64_t plain_for;

    // the request
    const struct task_options *options;
    const struct address_policy *policy;
    enum fetch_method method;
    bool https, literal, may_redirect, keep_beginning, sends_body;
    bool proxy_literal; // the proxy is named by its address: libcurl asks nobody for it
    struct sockaddr_storage addresses[TRANSFER_MAX_ADDRESSES];
    size_t n_addresses;
    transfer_done_fn *on_done;
    transfer_sent_fn *on_sent; // or NULL
    void *ctx;

    // the exchange
    int sockets[TRANSFER_MAX_ADDRESSES]; // opened for it; the last ones
    unsigned n_sockets;
    int connected;         // the one the request went over; -1: none yet, or a kept connection
    int64_t request_ms;    // when the request was about to be sent; 0: not yet
    int64_t first_line_ms; // when the first line of the answer was complete; 0: it is not
    struct list sent;      // in engine->sent until on_sent is called
    char remote_ip[INET6_ADDRSTRLEN];
    uint64_t n_progress; // calls of libcurl's before the request, which is sent through a tunnel
    bool blocked;        // an address was refused
    bool shortage;       // a socket could not be had
    bool stale;          // what libcurl has at hand cannot be used: once more, on a new connection
    bool again;          // that was done
    struct response_head head;
    struct sink sink;
    bool is_chunked;
    struct chunked chunked;
    struct buf trailer; // the line of it that is being read
    struct decoder *decoder;
    struct codings codings;
    uint64_t windows;   // taken of the byte budget for what `decoder` keeps
    bool drop_body;     // of a redirect that will be followed
    uint64_t wire;      // body bytes received
    size_t redelivered; // bytes that were used already of those libcurl will deliver again after a
                        // pause
    const void *piece;  // decoded, not yet in the sink
    size_t piece_n;
    struct watch watch;

    // Set where something other than libcurl decides the end; the first one stays. TASK_OK: the
    // head is all that is wanted.
    bool decided;
    struct verdict verdict;
    const char *why;
};

struct transfer_engine {
    struct curl_loop *curl;
    struct metrics *metrics;
    struct transfer_settings settings; // strings owned
    uint64_t generation;               // of the settings; never 0
    EVP_MD *sha256;
    struct buf scratch;
    struct list running, idle;
    struct list sent;  // whose owners are to be told that their requests left
    struct timer tell; // that, outside libcurl
    unsigned n_idle;
    struct heap due;
    struct timer timer;
    int64_t timer_ms; // when `timer` fires; 0: not
};

// transfer.c
enum phase transfer_phase(struct transfer *t);
// Decides the end from outside libcurl (first caller wins). `why` is constant or NULL.
void transfer_decide(struct transfer *t, enum task_error error, const char *why);
void transfer_decide_shortage(struct transfer *t, const char *why);
// Takes the transfer out of libcurl and ends it as decided. Never from inside a libcurl callback.
void transfer_end_now(struct transfer *t);

// transfer_setup.c: -1 without memory.
int transfer_setup(struct transfer *t, const struct transfer_request *r);

// transfer_callbacks.c
void transfer_callbacks_install(struct transfer *t);
// Bytes behind this answer might be taken for the next one: its connection is not used again.
void transfer_distrust(struct transfer *t);
int transfer_take_line(struct transfer *t, const char *p, size_t n); // -1: refused, and decided

// transfer_body.c: CURLOPT_WRITEFUNCTION
size_t transfer_on_body(char *p, size_t size, size_t n, void *arg);

// transfer_result.c: what `code` and the decided verdict come to.
void transfer_result_make(struct transfer *t, CURLcode code, struct transfer_result *ret);

// transfer_watch.c
int transfer_watch_init(struct transfer_engine *e, struct loop *loop, struct err *err);
void transfer_watch_done(struct transfer_engine *e);
int transfer_watch_start(struct transfer *t, int64_t total_timeout_ms); // -1 without memory
void transfer_watch_stop(struct transfer *t);
void transfer_watch_paused(struct transfer *t); // the byte budget has no room
