// SPDX-License-Identifier: MIT
// Reading batches: one, with waiting and conditions, and the list. Main thread. Never shows
// results.
#include <stdlib.h>
#include <string.h>

#include "daemon/api/context.h"
#include "daemon/api/cursor.h"
#include "daemon/api/fields.h"
#include "daemon/api/render.h"

#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX     1000

// ---- one batch
// --------------------------------------------------------------------------------------------------

const struct batch_info *batch_find(struct api *api, const uint8_t id[UUID_SIZE], struct err *e)
{
    const struct batch_info *known = snapshot_cache_get(api->cache, id);
    if (known) {
        return known;
    }
    struct batch_info *info = NULL;
    int found = api->ports.batch(api->ports.reader, id, e, &info);
    if (found < 0) {
        return NULL;
    }
    if (found == 0) {
        err_set(e, ERR_NOT_FOUND, "there is no such batch");
        return NULL;
    }
    known = snapshot_cache_put(api->cache, info);
    if (!known) {
        err_set(e, ERR_OVERLOADED, "out of memory");
    }
    return known;
}

int batch_check_kept(struct api *api, const uint8_t id[UUID_SIZE], struct err *e)
{
    struct batch_info *info = NULL;
    int found = api->ports.batch(api->ports.reader, id, e, &info);
    batch_info_free(&info);
    if (found == 0) {
        return err_set(e, ERR_NOT_FOUND, "the batch was deleted");
    }
    return found < 0 ? -1 : 0;
}

// Rendered once for all who wait for it.
static void put_batch(struct batch_text *last, const struct batch_info *b, const char *etag,
                      struct buf *out)
{
    if (last->json.len == 0 || memcmp(last->id, b->now.id, UUID_SIZE) != 0 ||
        strcmp(last->etag, etag) != 0) {
        buf_reset(&last->json);
        struct json_writer w = JSON_WRITER(&last->json);
        render_batch(&w, b);
        memcpy(last->id, b->now.id, UUID_SIZE);
        memcpy(last->etag, etag, strlen(etag) + 1);
    }
    buf_append(out, last->json.data, last->json.len);
    if (last->json.failed) {
        out->failed = true;
        buf_reset(&last->json);
    }
}

static void answer_batch(struct api *api, struct http_exchange *x, const struct batch_info *b,
                         uint64_t wait_s)
{
    char etag[RENDER_ETAG_SIZE], preference[PREFERENCE_SIZE], space[HTTP_LIST_SIZE];
    struct answer a = answer_json(200);
    render_etag(&b->now, etag);
    answer_field(&a, "ETag", etag);
    answer_field(&a, "Cache-Control", "no-cache");
    if (wait_s > 0) {
        preference_applied(wait_s, preference);
        answer_field(&a, "Preference-Applied", preference);
    }
    if (if_none_match(http_header_list(x, "If-None-Match", space), etag)) {
        a.status = 304;
        a.content_type = NULL;
    } else {
        put_batch(&api->last_batch, b, etag, &a.body);
    }
    answer_send(api, x, &a);
}

// ---- waiting for one
// ----------------------------------------------------------------------------------------------

enum return_when { ALL_COMPLETED, FIRST_COMPLETED, FIRST_FAILED };

// What a request waits for.
struct condition {
    enum return_when when;
    uint64_t after_seq;
    uint64_t wait_s;
};

struct batch_wait {
    struct waiter waiter;
    struct api *api;
    struct http_exchange *x;
    uint8_t id[UUID_SIZE];
    struct condition condition;
};

static bool has_come(const struct condition *c, const struct batch_snapshot *now)
{
    if (now->state == BATCH_FINISHED) {
        return true;
    }
    switch (c->when) {
    case FIRST_COMPLETED: return (uint64_t)batch_counts_done(&now->counts) > c->after_seq;
    case FIRST_FAILED: return now->counts.failed > 0;
    default: return false;
    }
}

static void batch_wait_answer(struct batch_wait *w)
{
    struct err e;
    const struct batch_info *b = batch_find(w->api, w->id, &e);
    if (b) {
        answer_batch(w->api, w->x, b, w->condition.wait_s);
    } else {
        answer_error(w->api, w->x, &e);
    }
    free(w);
}

static void batch_wait_on_wake(struct waiter *waiter, enum wake why,
                               const struct batch_snapshot *now)
{
    struct batch_wait *w = list_entry(waiter, struct batch_wait, waiter);
    if (why == WAKE_CHANGED && !has_come(&w->condition, now)) {
        return;
    }
    api_unwait(w->api, waiter);
    batch_wait_answer(w);
}

static void batch_wait_on_gone(void *ctx, struct http_exchange *x)
{
    struct batch_wait *w = ctx;
    (void)x;
    api_unwait(w->api, &w->waiter);
    free(w);
}

static void wait_for_batch(struct request *r, const struct batch_info *b, const struct condition *c)
{
    struct batch_wait *w = calloc(1, sizeof(*w));
    if (!w) {
        answer_out_of_memory(r->api, r->x);
        return;
    }
    w->waiter.wake = batch_wait_on_wake;
    w->api = r->api;
    w->x = r->x;
    w->condition = *c;
    memcpy(w->id, b->now.id, UUID_SIZE);
    if (api_wait(r->api, &w->waiter, b->now.batch, c->wait_s) < 0) {
        free(w);
        answer_out_of_memory(r->api, r->x);
        return;
    }
    http_on_gone(r->x, batch_wait_on_gone, w);
}

static int parse_condition(const struct query *q, struct condition *c, struct err *e)
{
    static const char *const names[] = {"all_completed", "first_completed", "first_failed"};
    const char *when = query_get(q, "return_when");
    struct query_range any = {0, INT64_MAX};
    if (query_seconds(q, "wait", WAIT_MAX_S, &c->wait_s, e) < 0 ||
        query_uint(q, "after_seq", any, &c->after_seq, e) < 0) {
        return -1;
    }
    for (unsigned i = 0; when && i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(when, names[i]) == 0) {
            c->when = (enum return_when)i;
            return 0;
        }
    }
    return !when ? 0
                 : err_set(e, ERR_BAD_REQUEST,
                           "return_when must be all_completed, "
                           "first_completed or first_failed");
}

void handle_batch(struct request *r)
{
    struct err e;
    struct condition c = {.when = ALL_COMPLETED};
    const struct batch_info *b = NULL;
    if (parse_condition(&r->query, &c, &e) == 0) {
        b = batch_find(r->api, r->params.id, &e);
    }
    if (!b) {
        answer_error(r->api, r->x, &e);
    } else if (c.wait_s > 0 && !r->api->draining && !has_come(&c, &b->now)) {
        wait_for_batch(r, b, &c);
    } else {
        answer_batch(r->api, r->x, b, c.wait_s);
    }
}

// ---- the list
// -----------------------------------------------------------------------------------------------------

struct list_page {
    struct api *api;
    struct json_writer w;
    unsigned n, limit;
    uint64_t last; // row number of the last batch shown
    bool more;
};

static int on_batch(void *ctx, const struct batch_info *b)
{
    struct list_page *page = ctx;
    if (page->n == page->limit || (page->n > 0 && page->w.out->len >= PAGE_BYTES)) {
        page->more = true;
        return 1;
    }
    // The cache knows the running count, which the store does not write.
    const struct batch_info *known = snapshot_cache_get(page->api->cache, b->now.id);
    struct batch_info shown = *b;
    if (known && known->now.version >= b->now.version) {
        shown.now = known->now;
    }
    render_batch(&page->w, &shown);
    page->last = b->now.batch;
    page->n++;
    return 0;
}

static int parse_list_filter(const struct query *q, struct batch_filter *f, struct err *e)
{
    static const struct cursor_scope scope = {.kind = CURSOR_BATCHES};
    uint64_t limit = LIST_LIMIT_DEFAULT;
    struct query_range range = {1, LIST_LIMIT_MAX};
    enum batch_state state;
    *f = (struct batch_filter){.state = -1, .name = query_get(q, "name")};
    if (query_uint(q, "limit", range, &limit, e) < 0) {
        return -1;
    }
    f->limit = (unsigned)limit;
    const char *name = query_get(q, "state"), *after = query_get(q, "after");
    if (name) {
        if (batch_state_parse(name, &state) < 0 || state == BATCH_LOADING) {
            return err_set(e, ERR_BAD_REQUEST, "state must be running, paused or finished");
        }
        f->state = (int)state;
    }
    return after ? cursor_decode_number(&scope, after, &f->before, e) : 0;
}

static void end_list(struct json_writer *w, const struct list_page *page)
{
    static const struct cursor_scope scope = {.kind = CURSOR_BATCHES};
    char next[CURSOR_TEXT_SIZE];
    jw_array_end(w);
    if (page->more) {
        cursor_encode_number(&scope, page->last, next);
    }
    jw_key_str(w, "next", page->more ? next : NULL);
    jw_key_bool(w, "more", page->more);
    jw_object_end(w);
}

void handle_batch_list(struct request *r)
{
    struct err e;
    struct batch_filter filter;
    if (parse_list_filter(&r->query, &filter, &e) < 0 || api_check_unsent(r->api, &e) < 0) {
        answer_error(r->api, r->x, &e);
        return;
    }
    struct answer a = answer_json(200);
    struct list_page page = {.api = r->api, .w = JSON_WRITER(&a.body), .limit = filter.limit};
    filter.limit++; // one more tells whether there are more
    jw_object(&page.w);
    jw_key(&page.w, "batches");
    jw_array(&page.w);
    if (r->api->ports.batches(r->api->ports.reader, &filter, on_batch, &page, &e) < 0) {
        buf_done(&a.body);
        answer_error(r->api, r->x, &e);
        return;
    }
    end_list(&page.w, &page);
    answer_send(r->api, r->x, &a);
}
