// SPDX-License-Identifier: MIT
// Pieces on their way to the store. Main thread. Pieces that found no room in the window wait here;
// the one who fills is asked to pause (uplink_is_full), so that they are few.
#define HASH_NONFATAL_OOM 1
#include "daemon/api/uplink.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/api/context.h"
#include <uthash.h>

struct uplink {
    struct api *api;
    uint64_t number;
    struct batch_new *batch; // NULL once the first piece was sent
    const struct uplink_ops *ops;
    void *ctx;
    struct list waiting; // struct upload_piece
    unsigned unanswered;
    bool last_sent;
    UT_hash_handle hh;
};

int uplink_new(struct api *api, struct batch_new **batch, const struct uplink_ops *ops, void *ctx,
               struct uplink **ret)
{
    struct uplink *u = calloc(1, sizeof(*u));
    if (!u) {
        return -1;
    }
    u->api = api;
    u->number = api->next_number++;
    u->ops = ops;
    u->ctx = ctx;
    list_init(&u->waiting);
    HASH_ADD(hh, api->uplinks, number, sizeof(u->number), u);
    if (!u->hh.tbl) {
        free(u);
        return -1;
    }
    u->batch = *batch;
    *batch = NULL;
    *ret = u;
    return 0;
}

static void post_abort(struct uplink *u)
{
    struct upload_piece *p = upload_piece_new(u->number);
    if (!p) {
        // The store keeps the rows as `loading` until it is restarted; nobody ever sees them.
        log_warn("an upload could not be aborted: out of memory");
        return;
    }
    p->abort = true;
    mailbox_post(u->api->ports.store, &p->msg);
}

void uplink_free(struct uplink **uplink)
{
    struct uplink *u = *uplink;
    struct list *link;
    if (!u) {
        return;
    }
    bool begun = !u->batch;
    if (begun && !u->last_sent) { // also after an error: the store remembers it until then
        post_abort(u);
    }
    while ((link = list_pop_front(&u->waiting))) {
        struct message *m = list_entry(link, struct message, link);
        m->free(m);
    }
    HASH_DEL(u->api->uplinks, u);
    batch_new_free(&u->batch);
    free(u);
    *uplink = NULL;
}

static void send_waiting(struct uplink *u)
{
    while (u->unanswered < UPLINK_WINDOW && !list_empty(&u->waiting)) {
        struct message *m = list_entry(list_pop_front(&u->waiting), struct message, link);
        struct upload_piece *p = (struct upload_piece *)m;
        p->batch = u->batch;
        u->batch = NULL;
        u->last_sent = p->last;
        u->unanswered++;
        mailbox_post(u->api->ports.store, m);
    }
}

static int add(struct uplink *u, struct task_piece *piece, const uint8_t *hash)
{
    struct upload_piece *p = upload_piece_new(u->number);
    if (!p) {
        task_piece_done(piece);
        return -1;
    }
    p->tasks = *piece;
    *piece = (struct task_piece){.n = 0};
    if (hash) {
        p->last = true;
        memcpy(p->request_hash, hash, sizeof(p->request_hash));
    }
    list_push_back(&u->waiting, &p->msg.link);
    send_waiting(u);
    return 0;
}

int uplink_add(struct uplink *u, struct task_piece *piece)
{
    return add(u, piece, NULL);
}

int uplink_finish(struct uplink *u, struct task_piece *last, const uint8_t hash[32])
{
    return add(u, last, hash);
}

bool uplink_is_full(const struct uplink *u)
{
    return u->unanswered >= UPLINK_WINDOW;
}

void uplink_on_reply(struct api *api, struct upload_reply *reply)
{
    struct uplink *u;
    HASH_FIND(hh, api->uplinks, &reply->upload, sizeof(reply->upload), u);
    if (!u) {
        return; // its client left
    }
    bool was_full = uplink_is_full(u);
    u->unanswered--;
    if (reply->status < 0 || reply->last) {
        u->ops->on_reply(u->ctx, reply);
        return;
    }
    send_waiting(u);
    if (was_full && !uplink_is_full(u)) {
        u->ops->on_room(u->ctx);
    }
}
