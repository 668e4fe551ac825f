// SPDX-License-Identifier: MIT
// A curl multi handle on a worker's libevent loop: its sockets, its timer and the draining of what
// is done. It knows nothing of requests. Worker thread only.
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "daemon/loop/loop.h"

struct curl_loop;

// Called for each transfer that libcurl has ended, from the loop and never from inside a libcurl
// callback; the handle is removed from the multi already.
typedef void curl_loop_done_fn(void *ctx, CURL *easy, CURLcode code);

int curl_loop_new(struct loop *loop, curl_loop_done_fn *on_done, void *ctx, struct err *e,
                  struct curl_loop **ret);
void curl_loop_free(struct curl_loop **cl); // every handle must have been removed

void curl_loop_set_max_idle(struct curl_loop *cl, unsigned n); // connections kept though unused
int curl_loop_add(struct curl_loop *cl, CURL *easy);           // -1: out of memory
void curl_loop_remove(struct curl_loop *cl, CURL *easy);       // no call back for it any more

// Has libcurl look at the handle once more as soon as it returns, unless it is connected by then.
// When a connection fails, libcurl 7.88 takes the next address only then, and does not ask to be
// called: what is done here when a socket is closed is to be done when one is opened, which may
// fail at once. Inside a libcurl callback.
void curl_loop_call_again(struct curl_loop *cl, CURL *easy);

// What CURLOPT_CLOSESOCKETFUNCTION and its data must be for handles added here, and the way to open
// a socket for them: non-blocking, close-on-exec; -1 with errno.
int curl_loop_open_socket(struct curl_loop *cl, int family, int type, int protocol);
int curl_loop_close_socket(void *cl, curl_socket_t fd);

// libcurl names a connection by its local port alone. The first is to be called for the sockets
// that were opened for a request about to be sent from `port`; true for the one that is connected.
// The others may be closed by then, their descriptors anybody's. The second tells whether there is
// something to read on a connection, or its end; false for a port that is not known.
bool curl_loop_learn_port(struct curl_loop *cl, int fd, unsigned port);
bool curl_loop_has_input(const struct curl_loop *cl, unsigned port);

// Bytes that had arrived on the TCP connection whose descriptor was `fd` when it was last closed.
uint64_t curl_loop_received_at_close(const struct curl_loop *cl, int fd);
