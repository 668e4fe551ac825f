// SPDX-License-Identifier: MIT
// Mailboxes: the only thing threads share. A message owns what it carries; posting gives it away.
// The list is detached under the lock and handled unlocked; one eventfd write wakes the receiver on
// empty -> non-empty.
//
// Posting never blocks and never fails. What bounds a mailbox is the protocol of its senders: every
// kind of message is either an answer, or one of a limited number that its sender may have under
// way (claims per host, pieces per upload, outcomes per slot).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/list.h"

struct message {
    struct list link;
    unsigned kind;                   // meaning is the receiver's; see daemon/task/ring.h
    void (*free)(struct message *m); // destroys an unhandled message; never NULL
};

struct mailbox;

int mailbox_new(struct err *e, struct mailbox **ret);
void mailbox_free(
    struct mailbox **mb); // frees what is still in it; no other thread may post any more

// Any thread. Takes `m`.
void mailbox_post(struct mailbox *mb, struct message *m);

// Any thread. Takes all of `list` in order with one wake-up.
void mailbox_post_list(struct mailbox *mb, struct list *messages);

// Any thread: the receiver finds its mailbox readable, even if nothing is in it. Needs no memory.
void mailbox_wake(struct mailbox *mb);

// Receiver's thread: moves everything to the end of `ret` (initialised) and re-arms the wake-up.
void mailbox_take(struct mailbox *mb, struct list *ret);

// Readable when there may be messages (for poll or an event).
int mailbox_fd(const struct mailbox *mb);

// Receiver's thread: so many of the messages it took wait on with it, until it says otherwise.
void mailbox_keep(struct mailbox *mb, size_t n);

// Any thread: messages waiting now, those that the receiver keeps included. By it senders see that
// the receiver does not keep up.
size_t mailbox_length(struct mailbox *mb);

// For watchdog and readiness, any thread: whether the receiver turns. Wakes it, and returns since
// when it has been asked without taking its mailbox (monotonic ms): the present time if it owed no
// answer. So a receiver that turns never looks old to whoever asks now and then, and an idle one is
// woken by nobody else.
int64_t mailbox_beat_ms(struct mailbox *mb);
