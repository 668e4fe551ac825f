// SPDX-License-Identifier: MIT
// A connection from accept to close: the bufferevent's callbacks, absolute deadlines, the client's
// departure. Main thread. Never calls a handler except through conn_step, and never frees a
// connection whose callback runs.
//
// Departure while a handler works on its answer. A reset is seen at once, by reading, which goes
// on; or, while HTTP_INPUT_HIGH bytes wait unread, by poll(2) twice a second. A FIN says less: a
// client that only shut down its sending side (SHUT_WR) wants its answer, one that closed does not,
// and TCP shows no difference until something is sent. So after a FIN the answer to GET or HEAD has
// DEPARTURE_GRACE_MS, counted anew whenever output went out; then the client counts as gone. Other
// methods change something and are always answered. On a unix socket the two differ (POLLHUP), and
// a half-closed client may wait for ever.
#include "daemon/api/http_server_private.h"

#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"

#define DEPARTURE_GRACE_MS 700
#define DEPARTURE_POLL_MS  250
#define LINGER_MS          3000
#define LINGER_BYTES       (64U << 20)
#define REFUSED_MAX        32 // beyond the limit that many hear 503; more are just closed

static const bool edges[CONN_STATE__COUNT][CONN_STATE__COUNT] = {
    [CONN_HEAD] = {[CONN_EXCHANGE] = true, [CONN_FLUSH] = true, [CONN_CLOSED] = true},
    [CONN_EXCHANGE] = {[CONN_FLUSH] = true, [CONN_CLOSED] = true},
    [CONN_FLUSH] = {[CONN_HEAD] = true, [CONN_LINGER] = true, [CONN_CLOSED] = true},
    [CONN_LINGER] = {[CONN_CLOSED] = true},
};

void conn_move(struct http_conn *c, enum conn_state to)
{
    assert(edges[c->state][to]);
    c->state = to;
}

void conn_close(struct http_conn *c)
{
    if (c->state == CONN_CLOSED) {
        return;
    }
    c->busy++;
    conn_tell_gone(c);
    c->busy--;
    if (c->state != CONN_CLOSED) { // on_gone may have closed it
        conn_move(c, CONN_CLOSED);
    }
    conn_settle(c);
}

void conn_destroy(struct http_conn *c)
{
    list_remove(&c->link);
    if (c->refused) {
        c->server->n_refused--;
    } else {
        c->server->n_conns--;
    }
    engine_close(c);
    if (c->tick) {
        event_free(c->tick);
    }
    if (c->surplus) {
        evbuffer_free(c->surplus);
    }
    free(c->text);
    free(c);
}

static size_t input_length(const struct http_conn *c)
{
    return evbuffer_get_length(bufferevent_get_input(c->bev));
}

// When the body will have been too slow, if not one more byte comes.
static int64_t body_deadline(const struct http_conn *c)
{
    const struct http_server_config *config = &c->server->config;
    int64_t earned = (int64_t)(c->x.body_received * 1000 / (uint64_t)config->body_min_rate);
    int64_t grace = config->body_grace_ms;
    return c->x.body_since_ms + (earned > grace ? earned : grace);
}

static bool times_body(const struct http_conn *c)
{
    return c->x.body_phase == BODY_READING && !c->x.body_paused && !c->eof &&
           c->server->config.body_min_rate > 0;
}

// True if silence after a FIN means that the client is gone; see the top.
static bool fin_is_departure(const struct http_conn *c)
{
    return !c->is_unix && (c->head.method == HTTP_GET || c->head.method == HTTP_HEAD);
}

// The next moment at which something must happen though no byte comes or goes; 0: none. Sending is
// timed by the bufferevent.
static int64_t deadline(const struct http_conn *c, int64_t now)
{
    const struct http_server_config *config = &c->server->config;
    switch (c->state) {
    case CONN_HEAD:
        return c->since_ms + (c->head_begun || c->requests == 0 ? config->head_timeout_ms
                                                                : config->idle_timeout_ms);
    case CONN_EXCHANGE:
        if (c->eof && fin_is_departure(c) && now < c->quiet_ms + DEPARTURE_GRACE_MS) {
            return c->quiet_ms + DEPARTURE_GRACE_MS;
        }
        if (c->eof || input_length(c) >= HTTP_INPUT_HIGH) {
            return now + DEPARTURE_POLL_MS;
        }
        return times_body(c) ? body_deadline(c) : 0;
    case CONN_LINGER: return c->since_ms + LINGER_MS;
    default: return 0;
    }
}

// The timer is only ever moved forward in time when it fires: a busy connection costs no heap
// operation per request.
static void arm(struct http_conn *c)
{
    int64_t now = clock_monotonic_ms();
    int64_t at = deadline(c, now);
    if (at == 0 || (c->tick_at_ms != 0 && c->tick_at_ms <= at)) {
        return;
    }
    int64_t wait = at > now ? at - now : 1;
    struct timeval tv = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
    event_add(c->tick, &tv);
    c->tick_at_ms = at;
}

// libevent calls on_read over and over while the input is at its watermark and reading is enabled:
// a body that waits for its handler would keep the loop spinning.
static void balance_reading(struct http_conn *c)
{
    if (!c->bev) {
        return;
    }
    bool full = input_length(c) >= HTTP_INPUT_HIGH;
    if (full && !c->stalled) {
        c->stalled = true;
        bufferevent_disable(c->bev, EV_READ);
    } else if (!full && c->stalled) {
        c->stalled = false;
        if (c->state != CONN_FLUSH || !c->close) {
            bufferevent_enable(c->bev, EV_READ);
        }
    }
}

void conn_settle(struct http_conn *c)
{
    if (c->busy > 0) {
        return;
    }
    if (c->state == CONN_CLOSED) {
        conn_destroy(c);
        return;
    }
    balance_reading(c);
    arm(c);
}

void conn_kick(struct http_conn *c)
{
    event_active(c->tick, EV_TIMEOUT, 0);
}

// A timer, since libevent looks at no descriptor while it finds an active event.
void conn_yield(struct http_conn *c, int64_t now)
{
    struct timeval at_once = {0};
    event_add(c->tick, &at_once);
    c->tick_at_ms = now;
}

// Runs the connection as far as it goes; c may be freed afterwards.
static void conn_run(struct http_conn *c, int64_t now)
{
    c->busy++;
    while (conn_step(c, now)) {}
    if (c->state == CONN_LINGER && (c->eof || c->discarded > LINGER_BYTES)) {
        conn_close(c);
    }
    c->busy--;
    conn_settle(c);
}

// True if the client of an open exchange is gone for good.
static bool has_departed(const struct http_conn *c, int64_t now)
{
    struct pollfd p = {.fd = bufferevent_getfd(c->bev)};
    if (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0) {
        return true;
    }
    return c->eof && fin_is_departure(c) && now >= c->quiet_ms + DEPARTURE_GRACE_MS &&
           evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;
}

static void on_deadline(struct http_conn *c, int64_t now)
{
    switch (c->state) {
    case CONN_HEAD:
        if (now < deadline(c, now)) {
            return;
        }
        if (c->head_begun) {
            conn_fail(c, ERR_REQUEST_TIMEOUT, "the request head did not arrive in time");
        } else {
            conn_close(c);
        }
        return;
    case CONN_EXCHANGE:
        if (has_departed(c, now)) {
            conn_close(c);
        } else if (times_body(c) && now >= body_deadline(c)) {
            conn_fail(c, ERR_REQUEST_TIMEOUT, "the request body arrived too slowly");
        }
        return;
    case CONN_LINGER:
        if (now >= deadline(c, now)) {
            conn_close(c);
        }
        return;
    default: return;
    }
}

// What an event brought about, as a callback of the loop.
static void turn(struct http_conn *c, int64_t now)
{
    struct loop *loop = c->server->loop; // the connection may be gone afterwards
    int64_t since = loop_callback_begin();
    conn_run(c, now);
    loop_callback_end(loop, since, "http");
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct http_conn *c = ctx;
    int64_t now = clock_monotonic_ms();
    bool due = c->tick_at_ms != 0 && now >= c->tick_at_ms;
    c->tick_at_ms = 0; // a kick disarms the timer too
    c->busy++;
    if (due) {
        on_deadline(c, now);
    }
    c->busy--;
    turn(c, now);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    turn(ctx, clock_monotonic_ms());
}

// Fewer than HTTP_OUTPUT_LOW bytes wait to be sent.
static void on_write(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    struct http_conn *c = ctx;
    int64_t now = clock_monotonic_ms();
    c->quiet_ms = now;
    if (c->state == CONN_EXCHANGE && c->x.answer == ANSWER_STREAM) {
        c->x.drained_due = true;
    }
    turn(c, now);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    struct http_conn *c = ctx;
    if (what != (BEV_EVENT_READING | BEV_EVENT_EOF)) {
        conn_close(c); // an error, or nothing was taken for too long
        return;
    }
    int64_t now = clock_monotonic_ms();
    c->eof = true;
    c->quiet_ms = now;
    turn(c, now);
}

static void read_peer(struct http_conn *c, const struct sockaddr *peer)
{
    const void *any = peer;
    c->is_unix = peer->sa_family == AF_UNIX;
    c->is_local = c->is_unix;
    if (peer->sa_family == AF_INET) {
        const struct sockaddr_in *in = any;
        c->is_local = ntohl(in->sin_addr.s_addr) >> 24 == 127;
    } else if (peer->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)any)->sin6_addr;
        c->is_local = IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
    }
}

struct http_conn *conn_new(struct http_server *s, struct evhtp_connection *evhtp,
                           struct bufferevent *bev, const struct sockaddr *peer)
{
    bool full = s->n_conns >= s->config.max_connections;
    if (full && s->n_refused >= REFUSED_MAX) {
        return NULL;
    }
    struct http_conn *c = calloc(1, sizeof(*c));
    struct event *tick = c ? event_new(loop_base(s->loop), -1, 0, on_tick, c) : NULL;
    if (!tick) {
        free(c);
        return NULL;
    }
    c->server = s;
    c->tick = tick;
    c->evhtp = evhtp;
    c->bev = bev;
    c->since_ms = clock_monotonic_ms();
    c->refused = full;
    read_peer(c, peer);
    list_push_back(&s->conns, &c->link);
    *(full ? &s->n_refused : &s->n_conns) += 1;
    bufferevent_getcb(bev, &c->evhtp_read, &c->evhtp_write, NULL, NULL);
    bufferevent_setcb(bev, on_read, on_write, on_event, c);
    bufferevent_setwatermark(bev, EV_READ, 0, HTTP_INPUT_HIGH);
    bufferevent_setwatermark(bev, EV_WRITE, HTTP_OUTPUT_LOW - 1, 0);
    int64_t wait = s->config.write_timeout_ms;
    struct timeval tv = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
    bufferevent_set_timeouts(bev, NULL, &tv);
    if (full) {
        conn_fail(c, ERR_OVERLOADED, "too many connections");
    }
    arm(c);
    return c;
}
