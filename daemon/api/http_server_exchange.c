// SPDX-License-Identifier: MIT
// The functions a handler calls with an exchange. Main thread. None of them calls a handler: what
// they cause happens when the handler has returned, or in a later turn of the loop. None frees the
// connection under a running callback.
#include "daemon/api/http_server_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "daemon/api/problem.h"

// A larger body goes to the kernel from the handler's own memory instead of through a copy.
#define BODY_COPY_MAX 8192

enum http_method http_method(const struct http_exchange *x)
{
    return conn_of(x)->head.method;
}

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
        [HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
        [HTTP_OPTIONS] = "OPTIONS",
    };
    return names[method];
}

const char *http_path(const struct http_exchange *x)
{
    const struct http_conn *c = conn_of(x);
    return c->head.path.len > 0 ? c->text + c->head.path.at : "/";
}

const char *http_query(const struct http_exchange *x)
{
    const struct http_conn *c = conn_of(x);
    return c->head.has_query ? c->text + c->head.query.at : NULL;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    unsigned count;
    return head_field(&conn_of(x)->head, conn_of(x)->text, name, &count);
}

const char *http_header_list(const struct http_exchange *x, const char *name,
                             char space[HTTP_LIST_SIZE])
{
    unsigned count;
    const char *first = head_field(&conn_of(x)->head, conn_of(x)->text, name, &count);
    if (count <= 1) {
        return first;
    }
    struct buf list = {.data = space, .cap = HTTP_LIST_SIZE, .max = HTTP_LIST_SIZE - 1};
    head_field_list(&conn_of(x)->head, conn_of(x)->text, name, &list);
    return space;
}

unsigned http_header_count(const struct http_exchange *x, const char *name)
{
    unsigned count;
    head_field(&conn_of(x)->head, conn_of(x)->text, name, &count);
    return count;
}

int64_t http_content_length(const struct http_exchange *x)
{
    return conn_of(x)->head.content_length;
}

bool http_peer_is_local(const struct http_exchange *x)
{
    return conn_of(x)->is_local;
}

bool http_peer_is_unix(const struct http_exchange *x)
{
    return conn_of(x)->is_unix;
}

// What a handler asked for happens after it returned.
static void wake(struct http_conn *c)
{
    if (c->busy == 0) {
        conn_kick(c);
    }
}

static void mark_broken(struct http_conn *c)
{
    c->broken = true;
    wake(c);
}

void http_read_body(struct http_exchange *x, uint64_t max, const struct http_body_ops *ops,
                    void *ctx)
{
    struct http_conn *c = conn_of(x);
    assert(x->body_phase == BODY_UNASKED && x->answer == ANSWER_NONE);
    uint64_t most = c->server->config.max_body;
    most = max < most ? max : most;
    wake(c);
    if (c->head.lengthless) {
        x->failure = ERR_LENGTH_REQUIRED;
        x->failure_detail = "a body needs Content-Length or chunked coding (curl: -d '' for none)";
        return;
    }
    if (!c->head.chunked && (uint64_t)c->head.content_length > most) {
        x->failure = ERR_PAYLOAD_TOO_LARGE;
        x->failure_detail = "the body is larger than this resource takes";
        return;
    }
    x->body.max = most;
    x->ops = *ops;
    x->ops_ctx = ctx;
    x->body_phase = BODY_READING;
    x->body_since_ms = clock_monotonic_ms();
    if (c->head.expect_continue && !http_body_is_done(&x->body) &&
        evbuffer_get_length(bufferevent_get_input(c->bev)) == 0) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (bufferevent_write(c->bev, go_on, sizeof(go_on) - 1) != 0) {
            mark_broken(c);
        }
    }
    conn_settle(c);
}

void http_pause_body(struct http_exchange *x)
{
    if (!x->body_paused) {
        x->body_paused = true;
        x->paused_at_ms = clock_monotonic_ms();
    }
}

void http_resume_body(struct http_exchange *x)
{
    if (x->body_paused) {
        x->body_paused = false;
        x->body_since_ms += clock_monotonic_ms() - x->paused_at_ms;
        wake(conn_of(x));
    }
}

void http_on_gone(struct http_exchange *x, void (*on_gone)(void *ctx, struct http_exchange *x),
                  void *ctx)
{
    x->on_gone = on_gone;
    x->gone_ctx = ctx;
}

// A body that waits in an output.
struct stolen {
    struct http_unsent *of;
    char *data;
};

static void free_stolen(const void *data, size_t n, void *ctx)
{
    struct stolen *body = ctx;
    (void)data;
    body->of->bytes -= n;
    http_unsent_release(body->of);
    free(body->data);
    free(body);
}

// A large body is handed to the output as it is; it is freed in any case.
static int send_stolen(struct http_conn *c, struct buf *body)
{
    size_t n;
    struct stolen *s = calloc(1, sizeof(*s));
    char *data = s ? buf_steal(body, &n) : NULL;
    if (!data) {
        free(s);
        return -1;
    }
    *s = (struct stolen){.of = c->server->unsent, .data = data};
    s->of->bytes += n;
    s->of->users++;
    if (evbuffer_add_reference(bufferevent_get_output(c->bev), data, n, free_stolen, s) != 0) {
        free_stolen(data, n, s);
        return -1;
    }
    return 0;
}

// Hands the kernel at once what it takes; the rest, and any error, is left to the bufferevent.
// Waiting for its turn to write would cost two changes of what epoll watches for each answer.
static size_t send_at_once(struct http_conn *c, const struct buf *b)
{
    if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0) {
        return 0;
    }
    ssize_t sent = send(bufferevent_getfd(c->bev), b->data, b->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent > 0 ? (size_t)sent : 0;
}

// Head and body in one piece, so that they leave in one write.
int exchange_send_reply(struct http_conn *c, const struct http_reply *r, struct buf *body)
{
    struct http_server *s = c->server;
    struct evbuffer *output = bufferevent_get_output(c->bev);
    buf_reset(&s->scratch);
    http_reply_head(r, http_date_text(&s->date, clock_wall_at() / 1000), &s->scratch);
    bool copy = body && body->len <= BODY_COPY_MAX;
    if (copy && body->len > 0) {
        buf_append(&s->scratch, body->data, body->len);
    }
    if (s->scratch.failed) {
        return -1;
    }
    size_t sent = copy ? send_at_once(c, &s->scratch) : 0;
    size_t left = s->scratch.len - sent;
    if (left > 0 && evbuffer_add(output, s->scratch.data + sent, left) != 0) {
        return -1;
    }
    return body && !copy ? send_stolen(c, body) : 0;
}

// The answer is complete: the rest is sending it.
void exchange_finish(struct http_conn *c)
{
    c->x.answer = ANSWER_DONE;
    c->x.on_gone = NULL;
    conn_move(c, CONN_FLUSH);
    if (c->close) {
        bufferevent_disable(c->bev, EV_READ);
    }
    if (c->broken || evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) {
        wake(c); // no write will report that all is sent
    }
    conn_settle(c);
}

// Decides, when the head of an answer is written, what becomes of the connection after it.
static const char *decide_connection(struct http_conn *c)
{
    const struct http_server *s = c->server;
    bool whole = http_body_is_done(&c->x.body);
    bool last = s->config.max_keepalive > 0 && c->requests + 1 >= s->config.max_keepalive;
    bool keep = c->head.keep_alive && whole && !c->head.chunked && !last && !s->draining;
    c->close = !keep;
    c->dirty = !whole || c->head.keep_alive; // then the client may send more: it does not know yet
    if (keep) {
        return c->head.minor == 0 ? "keep-alive" : NULL;
    }
    return "close";
}

void http_respond(struct http_exchange *x, const struct http_answer *a, struct buf *body)
{
    struct http_conn *c = conn_of(x);
    assert(c->state == CONN_EXCHANGE && x->answer == ANSWER_NONE);
    struct http_answer answer = *a;
    struct buf excuse = BUF_INIT(1024);
    if (body && body->failed) { // the handler had no memory for its answer
        struct err e;
        err_set(&e, ERR_INTERNAL, "not enough memory for the answer");
        problem_render(&e, NULL, &excuse);
        buf_done(body);
        body = &excuse;
        answer = (struct http_answer){.status = 500, .content_type = PROBLEM_CONTENT_TYPE};
    }
    bool may = http_status_has_body(answer.status);
    struct http_reply reply = {
        .status = answer.status,
        .content_type = answer.content_type,
        .fields = answer.fields,
        .n_fields = answer.n_fields,
        .content_length = may ? (int64_t)(body ? body->len : 0) : -1,
        .connection = decide_connection(c),
    };
    bool send_body = may && c->head.method != HTTP_HEAD;
    if (exchange_send_reply(c, &reply, send_body ? body : NULL) != 0) {
        c->broken = true;
    }
    if (body) {
        buf_done(body);
    }
    exchange_finish(c);
}

void http_stream_start(struct http_exchange *x, const struct http_answer *a, int64_t content_length,
                       void (*on_drained)(void *ctx, struct http_exchange *x), void *ctx)
{
    struct http_conn *c = conn_of(x);
    assert(c->state == CONN_EXCHANGE && x->answer == ANSWER_NONE);
    bool may = http_status_has_body(a->status);
    x->chunked = may && content_length < 0 && c->head.minor > 0;
    x->bodyless = !may || c->head.method == HTTP_HEAD;
    x->length_left = may && !x->bodyless ? content_length : -1;
    const char *connection = decide_connection(c);
    if (may && content_length < 0 &&
        !x->chunked) { // HTTP/1.0: the end of the connection ends the answer
        c->close = true;
        connection = "close";
    }
    struct http_reply reply = {
        .status = a->status,
        .content_type = a->content_type,
        .fields = a->fields,
        .n_fields = a->n_fields,
        .content_length = may ? content_length : -1,
        .chunked = x->chunked,
        .connection = connection,
    };
    x->answer = ANSWER_STREAM;
    x->on_drained = on_drained;
    x->drained_ctx = ctx;
    x->drained_due = on_drained != NULL;
    if (exchange_send_reply(c, &reply, NULL) != 0) {
        mark_broken(c);
    }
    wake(c);
}

void http_stream_write(struct http_exchange *x, const void *p, size_t n)
{
    struct http_conn *c = conn_of(x);
    assert(x->answer == ANSWER_STREAM);
    struct evbuffer *output = bufferevent_get_output(c->bev);
    if (x->length_left >= 0) {
        assert(n <= (uint64_t)x->length_left);
        x->length_left -= (int64_t)n;
    }
    if (n == 0 || x->bodyless || c->broken) {
        return;
    }
    char size[20];
    int digits = x->chunked ? snprintf(size, sizeof(size), "%zx\r\n", n) : 0;
    if (evbuffer_add(output, size, (size_t)digits) != 0 || evbuffer_add(output, p, n) != 0 ||
        (x->chunked && evbuffer_add(output, "\r\n", 2) != 0)) {
        mark_broken(c);
    }
}

size_t http_stream_pending(const struct http_exchange *x)
{
    return evbuffer_get_length(bufferevent_get_output(conn_of(x)->bev));
}

void http_stream_end(struct http_exchange *x)
{
    struct http_conn *c = conn_of(x);
    assert(x->answer == ANSWER_STREAM);
    if (x->length_left > 0) { // less than promised: only a cut tells the client
        http_abort(x);
        return;
    }
    if (x->chunked && !x->bodyless &&
        evbuffer_add(bufferevent_get_output(c->bev), "0\r\n\r\n", 5) != 0) {
        c->broken = true;
    }
    exchange_finish(c);
}

void http_abort(struct http_exchange *x)
{
    struct http_conn *c = conn_of(x);
    x->on_gone = NULL;
    // A reset, since to HTTP/1.0 an orderly end would look like the end of the answer.
    struct linger reset = {.l_onoff = 1};
    (void)setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    conn_close(c);
}
