// SPDX-License-Identifier: MIT
// Pages of results: GET /v1/batches/{id}/results as JSON, with waiting for new ones. Main thread.
//
// order=input of an unfinished batch gives what has a result, in the order of the index; a task
// that ends later with an index before the cursor is not seen by going on from there.
// order=completed has no such gap.
#include "daemon/api/results.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/api/fields.h"

// A request that waits for a first result after its cursor.
struct results_wait {
    struct waiter waiter;
    struct api *api;
    struct http_exchange *x;
    uint8_t id[UUID_SIZE];
    struct results_request rq;
    int64_t seen; // how many results there were at the last look
};

static void end_page(struct json_writer *w, const struct batch_info *b,
                     const struct results_request *rq, bool more)
{
    char next[CURSOR_TEXT_SIZE];
    results_cursor(rq, b->now.id, next);
    jw_array_end(w);
    jw_key_str(w, "next", next);
    jw_key_bool(w, "more", more);
    jw_key(w, "batch");
    render_batch(w, b);
    jw_object_end(w);
}

// Renders the page into `a`. The number of results, or -1. `b` stands for the batch as it was
// before they were read.
static int64_t render_page(struct api *api, const struct batch_info *b, struct results_request *rq,
                           struct answer *a, struct err *e)
{
    bool more = false;
    struct json_writer w = JSON_WRITER(&a->body);
    struct results_take take = {.out = &a->body, .max_rows = rq->limit, .max_bytes = PAGE_BYTES};
    jw_object(&w);
    jw_key(&w, "results");
    jw_array(&w);
    int64_t n = results_take(&api->ports, b->now.batch, rq, &take, &more, e);
    if (n >= 0) {
        end_page(&w, b, rq, more);
    }
    return n;
}

static void send_page(struct api *api, struct http_exchange *x, struct answer *a, uint64_t wait_s)
{
    char preference[PREFERENCE_SIZE];
    answer_field(a, "Cache-Control", "no-cache");
    answer_field(a, "Vary", "Accept");
    if (wait_s > 0) {
        preference_applied(wait_s, preference);
        answer_field(a, "Preference-Applied", preference);
    }
    answer_send(api, x, a);
}

static bool may_come(const struct batch_info *b)
{
    return b->now.state != BATCH_FINISHED;
}

// Answers if there is a page to show or none to come, or if ret_seen is NULL. False: nothing yet;
// *ret_seen is how many results were there.
static bool try_page(struct api *api, struct http_exchange *x, const uint8_t id[UUID_SIZE],
                     const struct results_request *asked, int64_t *ret_seen)
{
    struct err e;
    struct results_request rq = *asked;
    const struct batch_info *b = api_check_unsent(api, &e) == 0 ? batch_find(api, id, &e) : NULL;
    if (!b) {
        answer_error(api, x, &e);
        return true;
    }
    struct answer a = answer_json(200);
    int64_t n = render_page(api, b, &rq, &a, &e);
    if (n < 0 || batch_check_kept(api, id, &e) < 0) {
        buf_done(&a.body);
        answer_error(api, x, &e);
        return true;
    }
    if (n == 0 && may_come(b) && ret_seen) {
        *ret_seen = batch_counts_done(&b->now.counts);
        buf_done(&a.body);
        return false;
    }
    send_page(api, x, &a, asked->wait_s);
    return true;
}

static void on_wake(struct waiter *waiter, enum wake why, const struct batch_snapshot *now)
{
    struct results_wait *w = list_entry(waiter, struct results_wait, waiter);
    if (why == WAKE_CHANGED && now->state != BATCH_FINISHED &&
        batch_counts_done(&now->counts) == w->seen) {
        return;
    }
    // At the time-out an empty page is the answer.
    if (try_page(w->api, w->x, w->id, &w->rq, why == WAKE_CHANGED ? &w->seen : NULL)) {
        api_unwait(w->api, waiter);
        free(w);
    }
}

static void on_gone(void *ctx, struct http_exchange *x)
{
    struct results_wait *w = ctx;
    (void)x;
    api_unwait(w->api, &w->waiter);
    free(w);
}

static void wait_for_results(struct request *r, uint64_t batch, const struct results_request *rq,
                             int64_t seen)
{
    struct results_wait *w = calloc(1, sizeof(*w));
    if (!w) {
        answer_out_of_memory(r->api, r->x);
        return;
    }
    *w = (struct results_wait){
        .waiter.wake = on_wake, .api = r->api, .x = r->x, .rq = *rq, .seen = seen};
    memcpy(w->id, r->params.id, UUID_SIZE);
    if (api_wait(r->api, &w->waiter, batch, rq->wait_s) < 0) {
        free(w);
        answer_out_of_memory(r->api, r->x);
        return;
    }
    http_on_gone(r->x, on_gone, w);
}

static void page(struct request *r, uint64_t batch, const struct results_request *rq)
{
    int64_t seen = 0;
    bool wait = rq->wait_s > 0 && !r->api->draining;
    if (!try_page(r->api, r->x, r->params.id, rq, wait ? &seen : NULL)) {
        wait_for_results(r, batch, rq, seen);
    }
}

static int check_format(const struct api *api, enum accept_format format,
                        const struct results_request *rq, struct err *e)
{
    if (rq->follow && api->draining) {
        return err_set(e, ERR_DRAINING, "the daemon is shutting down");
    }
    if (format == ACCEPT_EVENT_STREAM) {
        return err_set(e, ERR_NOT_IMPLEMENTED,
                       "event streams are not there yet; use Accept: application/x-ndjson");
    }
    if (format == ACCEPT_JSON && rq->follow) {
        return err_set(e, ERR_BAD_REQUEST, "follow needs Accept: application/x-ndjson");
    }
    return 0;
}

void handle_results(struct request *r)
{
    struct err e;
    struct results_request rq;
    char space[HTTP_LIST_SIZE];
    enum accept_format format = accept_parse(http_header_list(r->x, "Accept", space));
    const struct batch_info *b = batch_find(r->api, r->params.id, &e);
    if (!b || results_request_parse(&r->query, r->params.id, &rq, &e) < 0 ||
        check_format(r->api, format, &rq, &e) < 0) {
        answer_error(r->api, r->x, &e);
    } else if (format == ACCEPT_NDJSON) {
        results_stream_start(r, b, &rq);
    } else {
        page(r, b->now.batch, &rq);
    }
}
