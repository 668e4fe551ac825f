// SPDX-License-Identifier: MIT
// Gathers a body of at most SMALL_BODY_MAX bytes. Main thread.
#include "daemon/api/small_body.h"

#include <stdlib.h>

#include "common/json.h"
#include "daemon/api/fields.h"

struct small_body {
    struct request r; // without the query
    small_body_fn *fn;
    struct buf text;
};

static void small_body_free(struct small_body *b)
{
    buf_done(&b->text);
    free(b);
}

static void on_gone(void *ctx, struct http_exchange *x)
{
    (void)x;
    small_body_free(ctx);
}

static void on_data(void *ctx, struct http_exchange *x, const void *p, size_t n)
{
    struct small_body *b = ctx;
    (void)x;
    buf_append(&b->text, p, n); // a failure is remembered
}

static void on_end(void *ctx, struct http_exchange *x)
{
    struct small_body *b = ctx;
    struct err e;
    if (b->text.failed) {
        answer_out_of_memory(b->r.api, x);
        small_body_free(b);
        return;
    }
    json_t *document = json_parse(b->text.len ? b->text.data : "", b->text.len, &e);
    if (document) {
        http_on_gone(x, NULL, NULL);
        b->fn(&b->r, document);
        json_decref(document);
    } else {
        answer_error(b->r.api, x, &e);
    }
    small_body_free(b);
}

void small_body_read(struct request *r, small_body_fn *fn)
{
    static const struct http_body_ops ops = {.on_data = on_data, .on_end = on_end};
    struct err e;
    if (!content_type_is_json(http_header(r->x, "Content-Type"))) {
        err_set(&e, ERR_UNSUPPORTED_MEDIA_TYPE, "send application/json in UTF-8");
        answer_error(r->api, r->x, &e);
        return;
    }
    struct small_body *b = calloc(1, sizeof(*b));
    if (!b) {
        answer_out_of_memory(r->api, r->x);
        return;
    }
    b->r = *r;
    b->r.query = (struct query){.n = 0};
    b->fn = fn;
    buf_init(&b->text, SMALL_BODY_MAX);
    http_on_gone(r->x, on_gone, b);
    http_read_body(r->x, SMALL_BODY_MAX, &ops, b);
}
