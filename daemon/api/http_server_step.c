// SPDX-License-Identifier: MIT
// What a connection does next with the bytes it has: reads a head, calls the handler, feeds it the
// body, sends, ends. Main thread. Only conn_step calls handlers (and conn_tell_gone their on_gone),
// so no handler is ever re-entered by what it calls.
#include "daemon/api/http_server_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/api/problem.h"

// A head buffer larger than this is not kept between requests.
#define TEXT_KEEP 4096

static struct evbuffer *input_of(const struct http_conn *c)
{
    return bufferevent_get_input(c->bev);
}

static struct evbuffer *output_of(const struct http_conn *c)
{
    return bufferevent_get_output(c->bev);
}

void conn_tell_gone(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    if (c->state == CONN_EXCHANGE && x->on_gone) {
        void (*on_gone)(void *, struct http_exchange *) = x->on_gone;
        x->on_gone = NULL;
        on_gone(x->gone_ctx, x);
    }
}

// The server answers by itself, and closes: what is wrong leaves no way to know where the next
// request begins, or no trust in it.
void conn_fail(struct http_conn *c, enum err_code code, const char *detail)
{
    c->busy++;
    bool begun = c->state == CONN_EXCHANGE && c->x.answer == ANSWER_STREAM;
    conn_tell_gone(c);
    c->busy--;
    if (begun || c->state == CONN_CLOSED) {
        conn_close(c); // the answer under way stays visibly cut
        return;
    }
    c->close = true;
    c->dirty = true;
    struct err e;
    err_set(&e, code, "%s", detail);
    struct buf body = BUF_INIT(4096);
    problem_render(&e, NULL, &body);
    int status = err_info(code)->http_status;
    struct http_field retry = {"Retry-After", "1"};
    struct http_reply reply = {
        .status = status,
        .content_type = PROBLEM_CONTENT_TYPE,
        .fields = &retry,
        .n_fields = status == 503 ? 1 : 0,
        .content_length = (int64_t)body.len,
        .connection = "close",
    };
    bool head_only = c->head.has_request && c->head.method == HTTP_HEAD;
    if (body.failed || exchange_send_reply(c, &reply, head_only ? NULL : &body) != 0) {
        c->broken = true;
    }
    buf_done(&body);
    exchange_finish(c);
}

// Keeps a terminated copy of the head p, and takes it from the input.
static int keep_head(struct http_conn *c, const char *p)
{
    size_t n = c->head.length;
    if (c->text_cap < n + 1) {
        char *text = malloc(n + 1);
        if (!text) {
            return -1;
        }
        free(c->text);
        c->text = text;
        c->text_cap = n + 1;
    }
    memcpy(c->text, p, n);
    c->text[n] = '\0';
    head_terminate(&c->head, c->text);
    return evbuffer_drain(input_of(c), n);
}

static void open_exchange(struct http_conn *c, const char *p)
{
    if (keep_head(c, p) != 0 || engine_begin_request(c) != 0) {
        conn_close(c);
        return;
    }
    struct http_exchange *x = &c->x;
    *x = (struct http_exchange){.conn = c, .length_left = -1};
    if (c->head.chunked) {
        http_body_init_chunked(&x->body, c->server->config.max_body);
    } else {
        http_body_init_length(&x->body, (uint64_t)c->head.content_length);
    }
    conn_move(c, CONN_EXCHANGE);
    c->server->on_request(c->server->ctx, x);
}

static bool step_head(struct http_conn *c, int64_t now)
{
    size_t n = evbuffer_get_length(input_of(c));
    if (n == 0) {
        if (c->eof || c->server->draining) {
            conn_close(c);
        }
        return false;
    }
    if (!c->head_begun) {
        c->head_begun = true;
        c->since_ms = now;
    }
    size_t most = c->server->limits.max_head + 1;
    size_t look = n < most ? n : most;
    const void *p = evbuffer_pullup(input_of(c), (ev_ssize_t)look);
    if (!p) {
        conn_close(c);
        return false;
    }
    switch (head_guard_parse(&c->head, &c->server->limits, p, look)) {
    case HEAD_DONE: open_exchange(c, p); return true;
    case HEAD_BAD: conn_fail(c, c->head.error, c->head.detail); return true;
    case HEAD_MORE:
        if (c->eof) {
            conn_fail(c, ERR_BAD_REQUEST, "the request head ends too early");
            return true;
        }
    }
    return false;
}

static void end_body(struct http_exchange *x)
{
    x->body_phase = BODY_DONE;
    x->ops.on_end(x->ops_ctx, x);
}

// Gives the handler one piece of the body.
static bool step_body(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    if (http_body_is_done(&x->body)) {
        end_body(x);
        return true;
    }
    size_t all = evbuffer_get_length(input_of(c));
    if (all == 0) {
        if (c->eof) {
            conn_fail(c, ERR_BAD_REQUEST, "the request body ends too early");
        }
        return c->eof;
    }
    size_t n = evbuffer_get_contiguous_space(input_of(c));
    n = n > 0 ? n : all; // a first link may be empty
    const void *p = evbuffer_pullup(input_of(c), (ev_ssize_t)n);
    if (!p) {
        conn_close(c);
        return false;
    }
    struct http_body_piece piece;
    switch (http_body_feed(&x->body, p, n, &piece)) {
    case HTTP_BODY_BAD: conn_fail(c, x->body.error, x->body.detail); return true;
    case HTTP_BODY_DATA:
        x->body_received += piece.n;
        x->ops.on_data(x->ops_ctx, x, piece.data, piece.n);
        break;
    case HTTP_BODY_MORE:
    case HTTP_BODY_END: break;
    }
    if (c->bev) {
        evbuffer_drain(input_of(c), piece.consumed);
    }
    return true;
}

static bool step_exchange(struct http_conn *c)
{
    struct http_exchange *x = &c->x;
    if (x->failure) {
        conn_fail(c, x->failure, x->failure_detail);
        return true;
    }
    if (x->drained_due && evbuffer_get_length(output_of(c)) < HTTP_OUTPUT_LOW) {
        x->drained_due = false;
        x->on_drained(x->drained_ctx, x);
        return true;
    }
    return x->body_phase == BODY_READING && !x->body_paused && step_body(c);
}

// The answer is with the kernel.
static bool step_flush(struct http_conn *c, int64_t now)
{
    if (evbuffer_get_length(output_of(c)) > 0) {
        return false;
    }
    if (c->close) {
        bool more = c->dirty || evbuffer_get_length(input_of(c)) > 0;
        if (!more || c->eof) {
            conn_close(c);
            return false;
        }
        conn_move(c, CONN_LINGER);
        c->since_ms = now;
        shutdown(bufferevent_getfd(c->bev), SHUT_WR);
        bufferevent_enable(c->bev, EV_READ);
        return true;
    }
    engine_end_request(c);
    if (!c->bev) {
        conn_close(c);
        return false;
    }
    conn_move(c, CONN_HEAD);
    head_reset(&c->head);
    c->requests++;
    c->head_begun = false;
    c->since_ms = now;
    if (c->text_cap > TEXT_KEEP) {
        free(c->text);
        c->text = NULL;
        c->text_cap = 0;
    }
    if (evbuffer_get_length(input_of(c)) > 0) {
        conn_yield(c, now); // others come first
        return false;
    }
    return true;
}

bool conn_step(struct http_conn *c, int64_t now)
{
    if (c->broken && c->state != CONN_CLOSED) {
        conn_close(c);
    }
    switch (c->state) {
    case CONN_HEAD: return step_head(c, now);
    case CONN_EXCHANGE: return step_exchange(c);
    case CONN_FLUSH: return step_flush(c, now);
    case CONN_LINGER:
        c->discarded += evbuffer_get_length(input_of(c));
        evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
        return false;
    default: return false;
    }
}
