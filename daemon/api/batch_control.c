// SPDX-License-Identifier: MIT
// What changes a batch: cancel, pause, resume, retry, delete. Main thread. The store decides and
// answers; here requests become messages, and replies become answers.
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/api/context.h"
#include "daemon/api/pending.h"
#include "daemon/api/render.h"

// Puts the reply's batch into the cache; NULL if there is none or no memory.
static const struct batch_info *take_batch(struct api *api, struct control_reply *reply)
{
    struct batch_info *info = reply->batch;
    reply->batch = NULL;
    return info ? snapshot_cache_put(api->cache, info) : NULL;
}

static void on_changed(struct pending *p, struct control_reply *reply)
{
    const struct batch_info *b = take_batch(p->api, reply);
    char etag[RENDER_ETAG_SIZE];
    if (!b) {
        answer_out_of_memory(p->api, p->x);
        return;
    }
    struct answer a = answer_json(200);
    struct json_writer w = JSON_WRITER(&a.body);
    render_etag(&b->now, etag);
    answer_field(&a, "ETag", etag);
    render_batch(&w, b);
    answer_send(p->api, p->x, &a);
}

static void on_retried(struct pending *p, struct control_reply *reply)
{
    const struct batch_info *b = take_batch(p->api, reply);
    char location[64], id[UUID_TEXT_SIZE];
    if (!b) {
        answer_out_of_memory(p->api, p->x);
        return;
    }
    struct answer a = answer_json(202);
    struct json_writer w = JSON_WRITER(&a.body);
    uuid_format(b->now.id, id);
    snprintf(location, sizeof(location), "/v1/batches/%s", id);
    answer_field(&a, "Location", location);
    render_batch(&w, b);
    answer_send(p->api, p->x, &a);
}

static void on_deleted(struct pending *p, struct control_reply *reply)
{
    struct answer a = {.status = 204, .body = BUF_INIT(0)};
    const struct batch_info *known = snapshot_cache_get(p->api->cache, p->params.id);
    (void)reply;
    if (known) {
        // The store's own word of it may come after this reply, and so after the client's next
        // request.
        struct batch_snapshot gone = known->now;
        gone.deleted = true;
        snapshot_cache_change(p->api->cache, &gone);
        waiters_change(p->api->waiters, &gone);
    }
    answer_send(p->api, p->x, &a);
}

// The message for the request, registered; NULL if it was answered already.
static struct control *begin(struct request *r, enum control_verb verb,
                             pending_control_fn *on_reply, struct pending **ret)
{
    struct pending *p = pending_new(r);
    struct control *c = p ? control_new(verb, p->token) : NULL;
    if (!c) {
        if (p) {
            pending_drop(p);
        }
        answer_out_of_memory(r->api, r->x);
        return NULL;
    }
    p->on_control = on_reply;
    memcpy(c->id, r->params.id, UUID_SIZE);
    *ret = p;
    return c;
}

static void simple_control(struct request *r, enum control_verb verb)
{
    struct pending *p;
    struct control *c = begin(r, verb, on_changed, &p);
    if (c) {
        pending_post_control(p, c);
    }
}

void handle_batch_cancel(struct request *r)
{
    simple_control(r, CONTROL_CANCEL);
}

void handle_batch_pause(struct request *r)
{
    simple_control(r, CONTROL_PAUSE);
}

void handle_batch_resume(struct request *r)
{
    simple_control(r, CONTROL_RESUME);
}

// "failed", or several states separated by commas; without any: all that did not succeed.
static int parse_retry_states(const char *text, unsigned *ret, struct err *e)
{
    const unsigned all = 1u << TASK_FAILED | 1u << TASK_STATE_CANCELLED | 1u << TASK_STATE_EXPIRED;
    char name[16];
    *ret = text ? 0 : all;
    while (text) {
        size_t n = strcspn(text, ",");
        enum task_state state = TASK_QUEUED;
        if (n < sizeof(name)) {
            memcpy(name, text, n);
            name[n] = '\0';
        }
        if (n >= sizeof(name) || task_state_parse(name, &state) < 0 || !(all & 1u << state)) {
            return err_set(e, ERR_BAD_REQUEST, "state must be failed, cancelled or expired");
        }
        *ret |= 1u << state;
        text = text[n] ? text + n + 1 : NULL;
    }
    return 0;
}

void handle_batch_retry(struct request *r)
{
    struct err e;
    struct pending *p;
    unsigned states;
    if (parse_retry_states(query_get(&r->query, "state"), &states, &e) < 0 ||
        api_check_room(r->api, &e) < 0) {
        answer_error(r->api, r->x, &e);
        return;
    }
    struct control *c = begin(r, CONTROL_RETRY, on_retried, &p);
    if (c) {
        c->retry_states = states;
        uuid_v7(clock_wall_at(), c->new_id);
        pending_post_control(p, c);
    }
}

void handle_batch_delete(struct request *r)
{
    struct err e;
    struct pending *p;
    bool force = false;
    if (query_flag(&r->query, "force", &force, &e) < 0) {
        answer_error(r->api, r->x, &e);
        return;
    }
    struct control *c = begin(r, CONTROL_DELETE, on_deleted, &p);
    if (c) {
        c->force = force;
        pending_post_control(p, c);
    }
}
