// SPDX-License-Identifier: MIT
// The outbox of one worker. It decides nothing and keeps nothing after a flush.
#include "daemon/fetch/outbox.h"

#include "daemon/task/ring.h"

void outbox_init(struct outbox *o)
{
    list_init(&o->messages);
}

void outbox_done(struct outbox *o)
{
    struct list *link;
    while ((link = list_pop_front(&o->messages))) {
        struct message *m = list_entry(link, struct message, link);
        m->free(m);
    }
}

void outbox_put(struct outbox *o, struct message *m)
{
    list_init(&m->link);
    list_push_back(&o->messages, &m->link);
}

static void put_progress(struct outbox *o, struct batch_shares *batches)
{
    size_t n = batch_shares_n_changed(batches);
    struct progress *p = n > 0 ? progress_new(n) : NULL;
    if (!p) {
        return;
    }
    p->n = 0;
    while (p->n < n && batch_shares_pop_changed(batches, &p->v[p->n].batch, &p->v[p->n].delta)) {
        p->n++;
    }
    list_init(&p->msg.link);
    list_push_front(&o->messages, &p->msg.link);
}

void outbox_flush(struct outbox *o, struct batch_shares *batches, struct mailbox *store)
{
    put_progress(o, batches);
    mailbox_post_list(store, &o->messages);
}
