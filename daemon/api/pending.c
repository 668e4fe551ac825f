// SPDX-License-Identifier: MIT
// The table of exchanges that wait for a message. Main thread.
#define HASH_NONFATAL_OOM 1
#include "daemon/api/pending.h"

#include <stdlib.h>

static void pending_on_gone(void *ctx, struct http_exchange *x)
{
    (void)x;
    pending_drop(ctx);
}

struct pending *pending_new(struct request *r)
{
    struct pending *p = calloc(1, sizeof(*p));
    if (!p) {
        return NULL;
    }
    p->api = r->api;
    p->x = r->x;
    p->token = r->api->next_number++;
    p->params = r->params;
    HASH_ADD(hh, r->api->pending, token, sizeof(p->token), p);
    if (!p->hh.tbl) {
        free(p);
        return NULL;
    }
    http_on_gone(r->x, pending_on_gone, p);
    return p;
}

void pending_drop(struct pending *p)
{
    HASH_DEL(p->api->pending, p);
    free(p);
}

void pending_post_control(struct pending *p, struct control *c)
{
    mailbox_post(p->api->ports.store, &c->msg);
}

// Takes the entry out of the table.
static struct pending *take(struct api *api, uint64_t token)
{
    struct pending *p;
    HASH_FIND(hh, api->pending, &token, sizeof(token), p);
    if (p) {
        HASH_DEL(api->pending, p);
        http_on_gone(p->x, NULL, NULL);
    }
    return p;
}

void pending_on_control_reply(struct api *api, struct control_reply *reply)
{
    struct pending *p = take(api, reply->token);
    if (!p) {
        return;
    }
    if (reply->status < 0) {
        answer_error(api, p->x, &reply->err);
    } else {
        p->on_control(p, reply);
    }
    free(p);
}

void pending_on_host_query(struct api *api, struct host_query *q)
{
    struct pending *p = take(api, q->token);
    if (p) {
        p->on_hosts(p, q);
        free(p);
    }
}
