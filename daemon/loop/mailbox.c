// SPDX-License-Identifier: MIT
// The mailbox: a list under a mutex and an eventfd that is written only when the list was empty.
// Handling messages happens without the lock, so a slow receiver never delays a sender.
#include "daemon/loop/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"

struct mailbox {
    pthread_mutex_t lock;
    struct list messages;
    size_t length, kept;
    int fd;
    _Atomic int64_t asked_ms; // since when a beat has been asked for; 0: it was given
};

int mailbox_new(struct err *e, struct mailbox **ret)
{
    struct mailbox *mb = calloc(1, sizeof(*mb));
    if (mb == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    mb->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mb->fd < 0) {
        free(mb);
        return err_set_errno(e, errno, "cannot create an eventfd");
    }
    pthread_mutex_init(&mb->lock, NULL);
    list_init(&mb->messages);
    *ret = mb;
    return 0;
}

void mailbox_free(struct mailbox **mb)
{
    struct mailbox *m = *mb;
    if (m == NULL) {
        return;
    }
    for (struct list *link = list_pop_front(&m->messages); link != NULL;
         link = list_pop_front(&m->messages)) {
        struct message *message = list_entry(link, struct message, link);
        message->free(message);
    }
    pthread_mutex_destroy(&m->lock);
    close(m->fd);
    free(m);
    *mb = NULL;
}

void mailbox_wake(struct mailbox *mb)
{
    uint64_t one = 1;
    // The only failure is a counter that is full, and then the receiver is awake already.
    if (write(mb->fd, &one, sizeof(one)) < 0) {
        return;
    }
}

void mailbox_post(struct mailbox *mb, struct message *m)
{
    pthread_mutex_lock(&mb->lock);
    bool was_empty = list_empty(&mb->messages);
    list_push_back(&mb->messages, &m->link);
    mb->length++;
    pthread_mutex_unlock(&mb->lock);
    if (was_empty) {
        mailbox_wake(mb);
    }
}

void mailbox_post_list(struct mailbox *mb, struct list *messages)
{
    if (list_empty(messages)) {
        return;
    }
    size_t n = list_length(messages);
    pthread_mutex_lock(&mb->lock);
    bool was_empty = list_empty(&mb->messages);
    list_splice(&mb->messages, messages);
    mb->length += n;
    pthread_mutex_unlock(&mb->lock);
    if (was_empty) {
        mailbox_wake(mb);
    }
}

void mailbox_take(struct mailbox *mb, struct list *ret)
{
    uint64_t count;
    atomic_store(&mb->asked_ms, 0);
    // Re-arm first: a message posted after the read wakes again, one posted before it is taken
    // below.
    if (read(mb->fd, &count, sizeof(count)) < 0) {
        count = 0; // nothing was written: taken without a wake-up
    }
    pthread_mutex_lock(&mb->lock);
    list_splice(ret, &mb->messages);
    mb->length = 0;
    pthread_mutex_unlock(&mb->lock);
}

int mailbox_fd(const struct mailbox *mb)
{
    return mb->fd;
}

void mailbox_keep(struct mailbox *mb, size_t n)
{
    pthread_mutex_lock(&mb->lock);
    mb->kept = n;
    pthread_mutex_unlock(&mb->lock);
}

size_t mailbox_length(struct mailbox *mb)
{
    pthread_mutex_lock(&mb->lock);
    size_t n = mb->length + mb->kept;
    pthread_mutex_unlock(&mb->lock);
    return n;
}

int64_t mailbox_beat_ms(struct mailbox *mb)
{
    int64_t now = clock_monotonic_ms();
    int64_t asked = 0;
    if (atomic_compare_exchange_strong(&mb->asked_ms, &asked, now)) {
        mailbox_wake(mb);
        return now;
    }
    return asked;
}
