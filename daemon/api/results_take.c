// SPDX-License-Identifier: MIT
// Rows of results rendered straight into the buffer that is sent. Main thread.
#include "daemon/api/attempts.h"
#include "daemon/api/results.h"

struct taking {
    const struct api_ports *ports;
    struct results_request *rq;
    const struct results_take *take;
    struct json_writer w;
    uint64_t n;
    bool more;
    struct err *e;
    bool failed;
};

// Whether the body is to be sent in pieces after the rest.
static bool in_pieces(const struct taking *t, const struct result_row *row)
{
    return t->take->body && t->rq->include & RESULTS_WITH_BODY && row->has_body && !row->body &&
           row->size <= RENDER_BODY_MAX;
}

// With the attempts asked for, they take the place of their number.
static void render_row(struct taking *t, const struct result_row *row)
{
    unsigned include = t->rq->include;
    include &= in_pieces(t, row) ? ~RESULTS_WITH_BODY : ~0u;
    jw_object(&t->w);
    render_result_members(&t->w, row, include);
    if (include & RESULTS_WITH_ATTEMPTS) {
        jw_key(&t->w, "attempts");
        uint64_t task = task_key(row->batch, row->index);
        t->failed = attempts_render(t->ports, task, row, &t->w, t->e) < 0;
    }
}

// A line of a stream. True if it was the last one to be taken now.
static bool render_line(struct taking *t, const struct result_row *row)
{
    t->w.comma = false;
    render_row(t, row);
    if (in_pieces(t, row)) {
        *t->take->body = (struct results_body){
            .open = true, .batch = row->batch, .index = row->index, .size = row->size};
        return true;
    }
    jw_object_end(&t->w);
    buf_append_char(t->take->out, '\n');
    // A stream looks again anyway: no need to read one more row, maybe a large one, just to know.
    return t->take->out->len >= t->take->max_bytes;
}

static int on_row(void *ctx, const struct result_row *row)
{
    struct taking *t = ctx;
    if (t->n == t->take->max_rows || (t->n > 0 && t->take->out->len >= t->take->max_bytes)) {
        t->more = true;
        return 1;
    }
    if (t->take->body) {
        t->more = render_line(t, row);
    } else {
        render_row(t, row);
        jw_object_end(&t->w);
    }
    t->rq->after = t->rq->by_index ? (int64_t)row->index : row->seq;
    t->n++;
    return t->more || t->failed || t->take->out->failed ? 1 : 0;
}

int64_t results_take(const struct api_ports *ports, uint64_t batch, struct results_request *rq,
                     const struct results_take *take, bool *ret_more, struct err *e)
{
    struct taking t = {.ports = ports, .rq = rq, .take = take, .w = JSON_WRITER(take->out), .e = e};
    struct results_query q = {
        .batch = batch,
        .by_index = rq->by_index,
        .after = rq->after,
        .limit = (unsigned)take->max_rows + 1, // one more tells whether there are more
        .states = rq->states,
        .include = rq->include & (RESULTS_WITH_HEADERS | RESULTS_WITH_BODY),
        .largest_body = take->body ? take->max_bytes : RENDER_BODY_MAX,
    };
    int n = ports->results(ports->reader, &q, on_row, &t, e);
    if (n < 0 || t.failed) {
        return -1;
    }
    if (take->out->failed) {
        return err_set(e, ERR_OVERLOADED, "out of memory");
    }
    *ret_more = t.more;
    return (int64_t)t.n;
}
