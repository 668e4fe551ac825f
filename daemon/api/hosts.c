// SPDX-License-Identifier: MIT
// Reading hosts: the page of hosts and a single one. Main thread. The rows come from the store;
// what happens now comes from the workers, asked by one message that returns filled in.
#include "daemon/api/hosts.h"

#include <stdio.h>
#include <string.h>

#include "daemon/api/context.h"
#include "daemon/api/cursor.h"
#include "daemon/api/pending.h"
#include "daemon/api/render.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000

// ---- asking
// ---------------------------------------------------------------------------------------------------------

struct names {
    struct host_query *query; // NULL while counting
    size_t n, max;
};

static int on_name(void *ctx, const struct host_row *row)
{
    struct names *names = ctx;
    if (names->n == names->max) {
        return 1;
    }
    struct host_status *status = &names->query->v[names->n++];
    snprintf(status->name, sizeof(status->name), "%s", row->record.name);
    return 0;
}

// Registers the request and makes a question about up to `n` hosts, whose names the caller puts in.
static struct host_query *ask(struct request *r, size_t n, pending_hosts_fn *on_answer,
                              struct pending **ret)
{
    struct pending *p = pending_new(r);
    struct host_query *q = p ? host_query_new(p->token, n) : NULL;
    if (!q) {
        if (p) {
            pending_drop(p);
        }
        answer_out_of_memory(r->api, r->x);
        return NULL;
    }
    p->on_hosts = on_answer;
    *ret = p;
    return q;
}

static void give_up(struct pending *p, struct host_query *q, const struct err *e)
{
    struct api *api = p->api;
    struct http_exchange *x = p->x;
    q->msg.free(&q->msg);
    pending_drop(p);
    answer_error(api, x, e);
}

// ---- answering
// --------------------------------------------------------------------------------------------------------

struct page {
    struct json_writer w;
    const struct api_settings *settings;
    const struct host_query *answer;
    unsigned n, limit;
    char last[HOST_MAX + 1];
    bool more;
};

static struct host_status status_of(const struct page *page, const struct host_row *row)
{
    struct host_status status = {.known = false};
    size_t n = page->answer->n;
    for (size_t i = 0; i < n; i++) {
        // The question was asked in the order of the rows, so the first look finds it mostly.
        const struct host_status *asked = &page->answer->v[(page->n + i) % n];
        if (strcmp(asked->name, row->record.name) == 0) {
            status = *asked;
            break;
        }
    }
    // By what was committed: the workers may learn of a change a moment after its client.
    status.effective =
        api_settings_host_limits(page->settings, row->record.name, &row->record.limits);
    return status;
}

static int on_row(void *ctx, const struct host_row *row)
{
    struct page *page = ctx;
    if (page->n == page->limit) {
        page->more = true;
        return 1;
    }
    struct host_status status = status_of(page, row);
    render_host(&page->w, row, &status);
    snprintf(page->last, sizeof(page->last), "%s", row->record.name);
    page->n++;
    return 0;
}

static void on_list_answer(struct pending *p, struct host_query *answer)
{
    static const struct cursor_scope scope = {.kind = CURSOR_HOSTS};
    struct api *api = p->api;
    struct err e;
    char next[CURSOR_TEXT_SIZE];
    struct answer a = answer_json(200);
    struct page page = {
        .w = JSON_WRITER(&a.body), .settings = api->settings, .answer = answer, .limit = p->limit};
    jw_object(&page.w);
    jw_key(&page.w, "hosts");
    jw_array(&page.w);
    if (api->ports.hosts(api->ports.reader, p->after, p->limit + 1, on_row, &page, &e) < 0) {
        buf_done(&a.body);
        answer_error(api, p->x, &e);
        return;
    }
    jw_array_end(&page.w);
    if (page.more) {
        cursor_encode(&scope, page.last, strlen(page.last), next);
    }
    jw_key_str(&page.w, "next", page.more ? next : NULL);
    jw_key_bool(&page.w, "more", page.more);
    jw_object_end(&page.w);
    answer_send(api, p->x, &a);
}

static void on_host_answer(struct pending *p, struct host_query *answer)
{
    struct api *api = p->api;
    struct err e;
    struct answer a = answer_json(200);
    struct page page = {
        .w = JSON_WRITER(&a.body), .settings = api->settings, .answer = answer, .limit = 1};
    int n = api->ports.host(api->ports.reader, p->params.host, on_row, &page, &e);
    if (n == 0) {
        err_set(&e, ERR_NOT_FOUND, "there is nothing of this host, or nothing any more");
    }
    if (n <= 0) {
        buf_done(&a.body);
        answer_error(api, p->x, &e);
        return;
    }
    answer_send(api, p->x, &a);
}

// ---- handlers
// -----------------------------------------------------------------------------------------------------------

static int parse_page(const struct query *q, char after[HOST_MAX + 1], uint64_t *limit,
                      struct err *e)
{
    static const struct cursor_scope scope = {.kind = CURSOR_HOSTS};
    struct query_range range = {1, PAGE_MAX};
    uint8_t data[CURSOR_DATA_MAX + 1];
    size_t n;
    after[0] = '\0';
    if (query_uint(q, "limit", range, limit, e) < 0) {
        return -1;
    }
    const char *text = query_get(q, "after");
    if (!text) {
        return 0;
    }
    if (cursor_decode(&scope, text, data, &n, e) < 0) {
        return -1;
    }
    if (n > HOST_MAX) {
        return err_set(e, ERR_BAD_REQUEST, "'after' is not a cursor of this list");
    }
    memcpy(after, data, n + 1);
    return 0;
}

void handle_host_list(struct request *r)
{
    struct err e;
    struct pending *p;
    char after[HOST_MAX + 1];
    uint64_t limit = PAGE_DEFAULT;
    if (parse_page(&r->query, after, &limit, &e) < 0) {
        answer_error(r->api, r->x, &e);
        return;
    }
    struct host_query *q = ask(r, (size_t)limit, on_list_answer, &p);
    if (!q) {
        return;
    }
    struct names names = {.query = q, .max = (size_t)limit};
    p->limit = (unsigned)limit;
    memcpy(p->after, after, sizeof(after));
    if (r->api->ports.hosts(r->api->ports.reader, after, p->limit, on_name, &names, &e) < 0) {
        give_up(p, q, &e);
        return;
    }
    q->n = names.n;
    r->api->ports.host_query(r->api->ports.ctx, q);
}

void handle_host(struct request *r)
{
    struct pending *p;
    struct host_query *q = ask(r, 1, on_host_answer, &p);
    if (q) {
        snprintf(q->v[0].name, sizeof(q->v[0].name), "%s", r->params.host);
        r->api->ports.host_query(r->api->ports.ctx, q);
    }
}

void host_answer_set(struct pending *p, struct control_reply *reply)
{
    struct request r = {.api = p->api, .x = p->x, .params = p->params};
    (void)reply;
    handle_host(&r);
}
