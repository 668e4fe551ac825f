// SPDX-License-Identifier: MIT
// An intrusive doubly linked list. A `struct list` is a head or a link embedded in its element; a
// linked element is in exactly one list; list_remove leaves it unlinked (safe to remove twice).
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define list_for_each(it, head)        for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_each_const(it, head)                                                              \
    for (const struct list *it = (head)->next; it != (head); it = it->next)
#define list_for_each_safe(it, tmp, head)                                                          \
    for (struct list *it = (head)->next, *tmp = it->next; it != (head); it = tmp, tmp = it->next)

static inline void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

// True if `link` (initialised) is in a list.
static inline bool list_linked(const struct list *link)
{
    return link->next != link;
}

static inline void list_insert_before(struct list *position, struct list *link)
{
    link->prev = position->prev;
    link->next = position;
    position->prev->next = link;
    position->prev = link;
}

static inline void list_push_back(struct list *head, struct list *link)
{
    list_insert_before(head, link);
}

static inline void list_push_front(struct list *head, struct list *link)
{
    list_insert_before(head->next, link);
}

static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

// The first link removed from `head`, or NULL.
static inline struct list *list_pop_front(struct list *head)
{
    struct list *link = head->next;
    if (link == head) {
        return NULL;
    }
    list_remove(link);
    return link;
}

// How many are in it; walks the list.
static inline size_t list_length(const struct list *head)
{
    size_t n = 0;
    list_for_each_const(it, head)
    {
        n++;
    }
    return n;
}

// Moves all of `from` to the end of `to`; `from` is empty afterwards.
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    from->prev->next = to;
    to->prev->next = from->next;
    to->prev = from->prev;
    list_init(from);
}
