// SPDX-License-Identifier: MIT
// The connection to the daemon: one HTTP exchange at a time over a unix socket or TCP. A problem
// document becomes a `struct err` with the daemon's own code. Interruptible by Ctrl-C. Never goes
// through a proxy.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/address.h"
#include "common/buf.h"
#include "common/err.h"

struct conn;

struct conn_options {
    const char *server; // --server; NULL: GATHER_SERVER, then the default socket, then loopback
    const char
        *token_file; // --token-file; NULL: GATHER_TOKEN_FILE, then GATHER_TOKEN, then no token
};

// A body that is sent as it is read.
struct source {
    ssize_t (*read)(struct source *s, char *to, size_t n); // 0 at the end, -1 on failure
    int (*rewind)(struct source *s); // back to the start; -1 if it cannot be read again
    int64_t size;                    // -1: not known before the end
};

// Takes the bytes of a successful answer as they arrive.
struct sink {
    int (*write)(struct sink *s, const char *from, size_t n); // -1 ends the transfer
};

struct request {
    const char *method; // "GET"
    const char *path;   // with its query
    const char *accept; // NULL: application/json
    const char *content_type;
    const char *idempotency_key;
    const char *const *headers; // more header lines, NULL-terminated; may be NULL
    const void *body;           // body_size bytes, or
    size_t body_size;
    struct source *source; // a body read piece by piece, or none at all
    struct sink *sink;     // NULL: the answer's body is kept in the reply
    bool raw;              // any status is a success: the caller looks at it
};

struct reply {
    long status;
    int64_t elapsed_us;
    int64_t server_at; // the Date field, wall clock in ms and whole seconds; -1 if there was none
    struct buf body;
};

// Reads the token file, finds the server; connects only with the first request.
int conn_open(const struct conn_options *options, struct conn **ret, struct err *e);
void conn_free(struct conn **c);

// "unix:/run/gatherd/gatherd.sock" or "http://127.0.0.1:7070", for messages.
const char *conn_server(const struct conn *c);

// The same with what named it; never NULL.
const struct address *conn_address(const struct conn *c);

// True once the daemon has answered anything: a failure now is a connection that was cut.
bool conn_reached(const struct conn *c);

// True if the last exchange sent anything: its request may have been acted on though no answer
// came.
bool conn_sent(const struct conn *c);

// The entries `errors` of the last problem document, or NULL; borrowed until the next request.
const json_t *conn_problem(const struct conn *c);

// One exchange. `reply` is initialised here; the caller calls reply_done in any case.
int conn_send(struct conn *c, const struct request *r, struct reply *reply, struct err *e);
void reply_done(struct reply *reply);

// An exchange without a body, whose answer is one JSON document (the caller's reference).
int conn_json(struct conn *c, const char *method, const char *path, json_t **ret, struct err *e);

// Parses a reply's JSON document; NULL with an error if it is none.
json_t *reply_json(const struct reply *reply, struct err *e);
