// SPDX-License-Identifier: MIT
// What a turn has to say to the store, posted in one list: running counts first, so that a task
// that ended is never counted twice. Worker's thread only.
#pragma once

#include "common/list.h"
#include "daemon/fetch/batch_share.h"
#include "daemon/loop/mailbox.h"

struct outbox {
    struct list messages;
};

void outbox_init(struct outbox *o);
void outbox_done(struct outbox *o);                   // drops what was not posted
void outbox_put(struct outbox *o, struct message *m); // takes it

// Posts everything, after one RING_PROGRESS of the counts that changed. Without memory for that,
// the counts wait for the next time; what they are of is posted all the same.
void outbox_flush(struct outbox *o, struct batch_shares *batches, struct mailbox *store);
