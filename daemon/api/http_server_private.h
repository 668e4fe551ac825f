// SPDX-License-Identifier: MIT
// What the http_server_*.c files share; nobody else includes it. Main thread.
//
// http_server.c          the server: configuration, listeners, drain, free
// http_server_evhtp.c    all that touches libevhtp: accepting, its connection and request objects
// http_server_conn.c     a connection: bufferevent callbacks, deadlines, the client's departure,
// its end http_server_step.c     what a connection does next: read a head, call the handler, feed
// it the body, fail http_server_exchange.c the functions a handler calls
//
// libevhtp accepts, makes the bufferevent, and keeps connection and request objects. Our callbacks
// stand before its own on the bufferevent. The bytes of a client stay in the bufferevent's input
// until head_guard.c has found a whole, valid head; then libevhtp reads one request line of ours in
// its place, without fields or body, and nothing else ever. So its parser sees one request at a
// time, in one piece, of known form; bodies go from http_body.c to the handler.
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/list.h"
#include "daemon/api/head_guard.h"
#include "daemon/api/http_body.h"
#include "daemon/api/http_reply.h"
#include "daemon/api/http_server.h"
#include "daemon/loop/loop.h"

// Fewer bytes than this waiting to be sent: the handler of a stream may write on.
#define HTTP_OUTPUT_LOW 65536
// Reading pauses while this many bytes of a client wait to be understood.
#define HTTP_INPUT_HIGH 65536

struct evhtp;
struct evhtp_connection;
struct sockaddr;

struct http_listener {
    struct list link;
    struct http_server *server;
    struct evhtp *evhtp;
    char *path; // of a unix socket we made: removed at the end, if it is still ours
    unsigned long device, inode;
};

// Bytes of large bodies that wait to be sent, on all connections. It outlives the server, because
// libevent frees the buffers of a connection some time after it.
struct http_unsent {
    size_t bytes;
    unsigned users; // the server, and each such body
};
void http_unsent_release(struct http_unsent *u);

struct http_server {
    struct loop *loop;
    struct http_server_config config;
    struct head_limits limits;
    http_on_request_fn *on_request;
    void *ctx;
    struct list listeners;
    struct list conns;
    unsigned n_conns;   // those that are served
    unsigned n_refused; // those that only hear 503
    bool draining;
    struct event *accept_again; // pending while accepting rests after a failed accept
    int64_t accept_warned_ms;
    struct http_date date;
    struct buf scratch; // the answer under construction
    struct http_unsent *unsent;
};

// Where a connection stands.
//
//          ┌──────────── kept alive ───────────┐
//          ▼                                   │
//        HEAD ──head valid──► EXCHANGE ──answered──► FLUSH ──closing──► LINGER
//          │ └───────── head refused ─────────────────►│                   │
//          └──────────────┴────────────────────────────┴──────► CLOSED ◄───┘
enum conn_state {
    CONN_HEAD,     // waits for a request head
    CONN_EXCHANGE, // a handler owns the exchange
    CONN_FLUSH,    // the answer is complete and goes out
    CONN_LINGER,   // half-closed: what the client still sends is thrown away
    CONN_CLOSED,   // to be destroyed as soon as no callback of it runs
    CONN_STATE__COUNT
};

enum body_phase { BODY_UNASKED, BODY_READING, BODY_DONE };
enum answer_phase { ANSWER_NONE, ANSWER_STREAM, ANSWER_DONE };

struct http_exchange {
    struct http_conn *conn; // the one it is part of
    enum body_phase body_phase;
    bool body_paused;
    struct http_body body;
    struct http_body_ops ops;
    void *ops_ctx;
    int64_t body_since_ms; // moved on by the time spent paused
    int64_t paused_at_ms;
    uint64_t body_received;

    enum answer_phase answer;
    bool chunked;        // the answer
    bool bodyless;       // the answer to HEAD, or a status without body
    int64_t length_left; // of an answer of stated length; -1: not stated
    bool drained_due;    // on_drained is to be called
    void (*on_drained)(void *ctx, struct http_exchange *x);
    void *drained_ctx;

    void (*on_gone)(void *ctx, struct http_exchange *x);
    void *gone_ctx;
    enum err_code failure; // to be answered by the server instead of the handler
    const char *failure_detail;
};

struct http_conn {
    struct list link;
    struct http_server *server;
    enum conn_state state;
    unsigned busy; // callbacks of this connection on the stack
    bool refused;  // beyond max_connections
    bool is_unix, is_local;
    bool close;   // after the answer under way
    bool dirty;   // the client may still be sending: linger before closing
    bool eof;     // the client has shut down its side
    bool broken;  // no memory for an answer: to be closed
    bool stalled; // reading is off, since HTTP_INPUT_HIGH bytes wait to be taken

    struct evhtp_connection *evhtp; // NULL once libevhtp has freed it
    struct bufferevent *bev;        // owned by `evhtp`
    bufferevent_data_cb evhtp_read, evhtp_write;

    struct event *tick;
    int64_t tick_at_ms; // when it is armed for; 0: not
    int64_t since_ms;   // start of the present wait: for a head, of lingering
    int64_t quiet_ms;   // since when neither side has sent, once `eof`
    uint64_t discarded; // bytes thrown away while lingering
    unsigned requests;  // answered on this connection
    bool head_begun;    // bytes of the present head have come

    struct head head;
    char *text; // the present head, terminated
    size_t text_cap;
    struct evbuffer *surplus; // bytes behind the head while libevhtp reads it
    struct http_exchange x;
};

static inline struct http_conn *conn_of(const struct http_exchange *x)
{
    return x->conn;
}

// http_server_conn.c
struct http_conn *conn_new(struct http_server *s, struct evhtp_connection *evhtp,
                           struct bufferevent *bev, const struct sockaddr *peer);
void conn_move(struct http_conn *c, enum conn_state to);
void conn_kick(struct http_conn *c);               // conn_run in a later turn of the loop
void conn_yield(struct http_conn *c, int64_t now); // conn_run after a look at all descriptors
void conn_settle(struct http_conn *c); // after any change from outside: destroys or arms the timer
void conn_close(struct http_conn *c);  // at once; an open exchange is told
void conn_destroy(struct http_conn *c);

// http_server_step.c
bool conn_step(struct http_conn *c, int64_t now); // true: call again
void conn_fail(struct http_conn *c, enum err_code code, const char *detail);
void conn_tell_gone(struct http_conn *c);

// http_server_exchange.c
int exchange_send_reply(struct http_conn *c, const struct http_reply *r, struct buf *body);
void exchange_finish(struct http_conn *c);

// http_server_evhtp.c
int engine_listen(struct http_server *s, int fd, int backlog, struct err *e,
                  struct http_listener **ret);
void engine_stop_listening(struct http_listener *l);
void engine_pause_accepting(struct http_listener *l, bool pause);
int engine_begin_request(struct http_conn *c); // -1: libevhtp did not take it
void engine_end_request(struct http_conn *c);  // its output is flushed; ready for the next
void engine_close(struct http_conn *c);        // frees connection, bufferevent and socket
