// SPDX-License-Identifier: MIT
// Streams of results, one JSON object a line: everything there is, and with follow=1 everything
// that comes until the batch is finished. Main thread. Rows are read as the client takes them, so
// that a slow reader costs one piece of memory and no open read transaction. A stream that cannot
// be completed is cut, never ended.
#include <stdlib.h>
#include <string.h>

#include "daemon/api/results.h"

#define PIECE_BYTES ((size_t)128 * 1024) // of text, after which a piece is sent
#define PIECE_ROWS  500
#define PENDING_MAX ((size_t)64 * 1024)

struct results_stream {
    struct waiter waiter; // while it follows and has sent all there is
    struct api *api;
    struct http_exchange *x;
    uint8_t id[UUID_SIZE];
    uint64_t batch;
    struct results_request rq;
    uint64_t left;            // rows it may still send
    struct results_body body; // of the line that is being sent
    struct buf piece;
};

static void stream_free(struct results_stream *s)
{
    api_unwait(s->api, &s->waiter);
    buf_done(&s->piece);
    free(s);
}

static void on_gone(void *ctx, struct http_exchange *x)
{
    (void)x;
    stream_free(ctx);
}

static void cut(struct results_stream *s, const char *why)
{
    log_info("a result stream was cut why=%s", log_value(why));
    http_on_gone(s->x, NULL, NULL);
    http_abort(s->x);
    stream_free(s);
}

static void finish(struct results_stream *s)
{
    http_on_gone(s->x, NULL, NULL);
    http_stream_end(s->x);
    stream_free(s);
}

// 1 if the batch had ended before the next rows are read, so that none can be missed; -1 if it is
// gone.
static int batch_ended(struct results_stream *s, struct err *e)
{
    const struct batch_info *b = batch_find(s->api, s->id, e);
    return !b ? -1 : b->now.state == BATCH_FINISHED;
}

// Sends a piece of the line that is not complete.
static void go_on_body(struct results_stream *s)
{
    struct err e;
    buf_reset(&s->piece);
    if (results_body_next(&s->api->ports, &s->body, &s->piece, &e) < 0) {
        cut(s, e.text);
        return;
    }
    http_stream_write(s->x, s->piece.data, s->piece.len);
    buf_done(&s->piece); // the most that escaping can make of it must not be kept
}

// Sends the next piece, or waits, or ends.
static void go_on(struct results_stream *s)
{
    if (s->body.open) {
        go_on_body(s);
        return;
    }
    struct err e;
    bool more = false;
    int ended = s->rq.follow ? batch_ended(s, &e) : 1;
    uint64_t rows = s->left < PIECE_ROWS ? s->left : PIECE_ROWS;
    struct results_take take = {
        .out = &s->piece, .max_rows = rows, .max_bytes = PIECE_BYTES, .body = &s->body};
    buf_reset(&s->piece);
    int64_t n = ended < 0 ? -1 : results_take(&s->api->ports, s->batch, &s->rq, &take, &more, &e);
    s->left -= n > 0 ? (uint64_t)n : 0;
    if (n > 0 && s->body.open && results_body_begin(&s->api->ports, &s->body, &s->piece, &e) < 0) {
        n = -1;
    }
    bool last = !s->body.open && (s->left == 0 || (!more && ended));
    if (n < 0 || (last && batch_check_kept(s->api, s->id, &e) < 0)) {
        cut(s, e.text);
        return;
    }
    if (n > 0) {
        http_stream_write(s->x, s->piece.data, s->piece.len);
    }
    if (last) {
        finish(s);
    }
}

static void on_drained(void *ctx, struct http_exchange *x)
{
    (void)x;
    go_on(ctx);
}

static void on_wake(struct waiter *waiter, enum wake why, const struct batch_snapshot *now)
{
    struct results_stream *s = list_entry(waiter, struct results_stream, waiter);
    (void)now;
    if (why == WAKE_SHUTDOWN) {
        cut(s, "the daemon is shutting down");
    } else if (why == WAKE_DELETED) {
        cut(s, "the batch was deleted");
    } else if (http_stream_pending(s->x) < PENDING_MAX) {
        go_on(s); // else on_drained will
    }
}

static struct results_stream *stream_new(struct request *r, const struct batch_info *b,
                                         const struct results_request *rq)
{
    struct results_stream *s = calloc(1, sizeof(*s));
    if (!s) {
        return NULL;
    }
    s->waiter.wake = on_wake;
    s->api = r->api;
    s->x = r->x;
    s->batch = b->now.batch;
    s->rq = *rq;
    s->left = rq->has_limit ? rq->limit : UINT64_MAX;
    memcpy(s->id, b->now.id, UUID_SIZE);
    buf_init(&s->piece, ANSWER_MAX_BODY);
    if (rq->follow && api_wait(r->api, &s->waiter, s->batch, UINT64_MAX) < 0) {
        free(s);
        return NULL;
    }
    return s;
}

void results_stream_start(struct request *r, const struct batch_info *b,
                          const struct results_request *rq)
{
    static const struct http_field fields[] = {{"Cache-Control", "no-cache"}, {"Vary", "Accept"}};
    static const struct http_answer head = {200, "application/x-ndjson", fields, 2};
    if (http_method(r->x) == HTTP_HEAD) {
        http_stream_start(r->x, &head, -1, NULL, NULL);
        http_stream_end(r->x);
        return;
    }
    struct err e;
    if (api_check_unsent(r->api, &e) < 0) {
        answer_error(r->api, r->x, &e);
        return;
    }
    struct results_stream *s = stream_new(r, b, rq);
    if (!s) {
        answer_out_of_memory(r->api, r->x);
        return;
    }
    http_on_gone(r->x, on_gone, s);
    http_stream_start(r->x, &head, -1, on_drained, s);
}
