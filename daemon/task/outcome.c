// SPDX-License-Identifier: MIT
// Constructors and destructors of outcomes. Pure but for closing a spilled body's file.
#include "daemon/task/outcome.h"

#include <stdlib.h>
#include <unistd.h>

#include "daemon/task/ring.h"

void body_init(struct body *b)
{
    *b = (struct body){.fd = -1};
}

void body_done(struct body *b)
{
    free(b->data);
    if (b->fd >= 0) {
        close(b->fd);
    }
    body_init(b);
}

void attempt_done(struct attempt *a)
{
    free(a->message);
    free(a->remote_ip);
    a->message = NULL;
    a->remote_ip = NULL;
}

static void free_outcome_message(struct message *m)
{
    struct outcome *o = list_entry(&m->link, struct outcome, msg.link);
    outcome_free(&o);
}

struct outcome *outcome_new(const struct task_ref *ref)
{
    struct outcome *o = calloc(1, sizeof(*o));
    if (o == NULL) {
        return NULL;
    }
    o->msg.kind = RING_OUTCOME;
    o->msg.free = free_outcome_message;
    list_init(&o->msg.link);
    o->ref = *ref;
    body_init(&o->body);
    return o;
}

void outcome_free(struct outcome **o)
{
    if (*o == NULL) {
        return;
    }
    attempt_done(&(*o)->last);
    free((*o)->final_url);
    free((*o)->redirects);
    free((*o)->http_version);
    free((*o)->content_type);
    free((*o)->headers);
    body_done(&(*o)->body);
    free(*o);
    *o = NULL;
}
