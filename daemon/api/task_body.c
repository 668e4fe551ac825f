// SPDX-License-Identifier: MIT
// A fetched body as bytes. Main thread. It comes from anywhere, so that it is served as something
// no browser runs or shows; it is read and sent in pieces as the client takes them.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/context.h"
#include "daemon/api/fields.h"
#include "daemon/api/render.h"

#define PIECE_SIZE ((size_t)65536)
#define TYPE_MAX   1024 // of the origin's Content-Type; many a client refuses much longer fields

// What is known of a body before it is sent.
struct body_facts {
    bool has_body;
    uint64_t size;
    char etag[2 * 32 + 3];
    char *content_type; // of the origin; owned, or NULL
};

struct body_stream {
    struct api *api;
    struct http_exchange *x;
    uint64_t batch;
    uint32_t index;
    uint64_t offset, end;
    struct buf piece;
};

static int on_row(void *ctx, const struct task_row *row)
{
    struct body_facts *f = ctx;
    const struct result_row *r = row->result;
    if (!r || !r->has_body) {
        return 0;
    }
    f->has_body = true;
    f->size = r->size;
    f->etag[0] = '"';
    render_hex(r->sha256, sizeof(r->sha256), f->etag + 1);
    memcpy(f->etag + 1 + 2 * sizeof(r->sha256), "\"", 2);
    bool plausible = r->content_type && strlen(r->content_type) <= TYPE_MAX;
    f->content_type = plausible ? strdup(r->content_type) : NULL;
    return 0;
}

static int find_body(struct request *r, uint64_t *ret_batch, struct body_facts *f, struct err *e)
{
    const struct api_ports *ports = &r->api->ports;
    const struct batch_info *b = batch_find(r->api, r->params.id, e);
    if (!b) {
        return -1;
    }
    *ret_batch = b->now.batch;
    int n = ports->task(ports->reader, b->now.batch, r->params.index, on_row, f, e);
    if (n < 0) {
        return -1;
    }
    return f->has_body ? 0
                       : err_set(e, ERR_NOT_FOUND,
                                 n ? "the task has no body (yet)" : "the batch has no such task");
}

// ---- sending
// -----------------------------------------------------------------------------------------------------

static void stream_free(struct body_stream *s)
{
    buf_done(&s->piece);
    free(s);
}

static void stream_on_gone(void *ctx, struct http_exchange *x)
{
    (void)x;
    stream_free(ctx);
}

static void stream_on_drained(void *ctx, struct http_exchange *x)
{
    struct body_stream *s = ctx;
    const struct api_ports *ports = &s->api->ports;
    struct err e = {.code = ERR_OK};
    uint64_t left = s->end - s->offset;
    size_t want = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
    buf_reset(&s->piece);
    if (want > 0) {
        int n = ports->body(ports->reader, s->batch, s->index, s->offset, want, &s->piece, &e);
        if (n <= 0 ||
            s->piece.len != want) { // deleted meanwhile, or unreadable: the cut must be seen
            log_warn("a body was cut short error=%s", log_value(n < 0 ? e.text : "it is gone"));
            http_on_gone(x, NULL, NULL);
            http_abort(x);
            stream_free(s);
            return;
        }
        http_stream_write(x, s->piece.data, want);
        s->offset += want;
    }
    if (s->offset == s->end) {
        http_on_gone(x, NULL, NULL);
        http_stream_end(x);
        stream_free(s);
    }
}

static void start_stream(struct request *r, struct answer *head, const struct body_stream *what)
{
    struct body_stream *s = malloc(sizeof(*s));
    if (!s) {
        answer_out_of_memory(r->api, r->x);
        return;
    }
    *s = *what;
    if (http_method(r->x) == HTTP_HEAD) {
        s->offset = s->end; // its length is stated, nothing is sent
    }
    buf_init(&s->piece, PIECE_SIZE);
    http_on_gone(r->x, stream_on_gone, s);
    struct http_answer above = {head->status, head->content_type, head->fields, head->n_fields};
    http_stream_start(r->x, &above, (int64_t)(what->end - what->offset), stream_on_drained, s);
}

// ---- the answer
// --------------------------------------------------------------------------------------------------

#define CONTENT_RANGE_SIZE 80
#define DISPOSITION_SIZE   48

static void answer_unsatisfiable(struct request *r, uint64_t size)
{
    struct err e;
    char range[CONTENT_RANGE_SIZE];
    struct answer fields = {.n_fields = 0};
    snprintf(range, sizeof(range), "bytes */%" PRIu64, size);
    answer_field(&fields, "Content-Range", range);
    err_set(&e, ERR_RANGE_NOT_SATISFIABLE, "the body has %" PRIu64 " bytes", size);
    answer_error_more(r->api, r->x, &e, &fields, NULL);
}

static void answer_body(struct request *r, uint64_t batch, const struct body_facts *f)
{
    char content_range[CONTENT_RANGE_SIZE], disposition[DISPOSITION_SIZE];
    struct answer head = {
        .status = 200, .content_type = "application/octet-stream", .body = BUF_INIT(0)};
    struct body_stream what = {.api = r->api, .x = r->x, .batch = batch, .index = r->params.index};
    uint64_t first = 0, last = 0;
    answer_field(&head, "ETag", f->etag);
    answer_field(&head, "X-Content-Type-Options", "nosniff");
    snprintf(disposition, sizeof(disposition), "attachment; filename=\"task-%" PRIu32 ".bin\"",
             r->params.index);
    answer_field(&head, "Content-Disposition", disposition);
    answer_field(&head, "Accept-Ranges", "bytes");
    if (f->content_type) {
        answer_field(&head, "X-Origin-Content-Type", f->content_type);
    }
    char space[HTTP_LIST_SIZE];
    if (if_none_match(http_header_list(r->x, "If-None-Match", space), f->etag)) {
        head.status = 304;
        head.content_type = NULL;
        answer_send(r->api, r->x, &head);
        return;
    }
    const char *if_range = http_header(r->x, "If-Range");
    bool ranged = http_method(r->x) == HTTP_GET && http_header_count(r->x, "Range") == 1 &&
                  (!if_range || strcmp(if_range, f->etag) == 0);
    switch (ranged ? range_parse(http_header(r->x, "Range"), f->size, &first, &last)
                   : RANGE_IGNORED) {
    case RANGE_UNSATISFIABLE: answer_unsatisfiable(r, f->size); return;
    case RANGE_OK:
        snprintf(content_range, sizeof(content_range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                 first, last, f->size);
        answer_field(&head, "Content-Range", content_range);
        head.status = 206;
        what.offset = first;
        what.end = last + 1;
        break;
    default: what.end = f->size; break;
    }
    start_stream(r, &head, &what);
}

void handle_task_body(struct request *r)
{
    struct body_facts facts = {.has_body = false};
    struct err e;
    uint64_t batch;
    if (find_body(r, &batch, &facts, &e) < 0) {
        answer_error(r->api, r->x, &e);
    } else {
        answer_body(r, batch, &facts);
    }
    free(facts.content_type);
}
