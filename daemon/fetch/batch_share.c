// SPDX-License-Identifier: MIT
// The table of batches of one worker. It links what belongs to a batch and never frees it; it sends
// nothing.
#include "daemon/fetch/batch_share.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "daemon/task/input_error.h"

#define MAX_IDLE 64

void batch_shares_init(struct batch_shares *s)
{
    *s = (struct batch_shares){.by_batch = NULL};
    list_init(&s->changed);
    list_init(&s->idle);
}

void batch_share_free(struct batch_share **b)
{
    if (!*b) {
        return;
    }
    assert(list_empty(&(*b)->tasks) && list_empty(&(*b)->flights));
    if ((*b)->parsed) {
        task_options_done(&(*b)->options);
    }
    free((*b)->defaults);
    free(*b);
    *b = NULL;
}

static void drop(struct batch_shares *s, struct batch_share *b)
{
    list_remove(&b->link);
    // One that found no memory to be put in is in no table.
    if (b->hh.tbl) {
        HASH_DEL(s->by_batch, b);
    }
    batch_share_free(&b);
}

void batch_shares_done(struct batch_shares *s)
{
    struct batch_share *b, *next;
    HASH_ITER(hh, s->by_batch, b, next)
    {
        drop(s, b);
    }
}

struct batch_share *batch_shares_find(struct batch_shares *s, uint64_t batch)
{
    struct batch_share *b;
    HASH_FIND(hh, s->by_batch, &batch, sizeof batch, b);
    return b;
}

struct batch_share *batch_share_new(uint64_t batch)
{
    struct batch_share *b = calloc(1, sizeof *b);
    if (b) {
        b->batch = batch;
        list_init(&b->tasks);
        list_init(&b->flights);
        list_init(&b->link);
    }
    return b;
}

static bool is_idle(const struct batch_share *b)
{
    return list_empty(&b->tasks) && list_empty(&b->flights) && b->running_delta == 0;
}

static void leave_idle(struct batch_shares *s, struct batch_share *b)
{
    if (is_idle(b) && list_linked(&b->link)) {
        list_remove(&b->link);
        s->n_idle--;
    }
}

struct batch_share *batch_shares_adopt(struct batch_shares *s, struct batch_share *b)
{
    struct batch_share *here = batch_shares_find(s, b->batch);
    if (here) {
        batch_share_free(&b);
        leave_idle(s, here);
        return here;
    }
    HASH_ADD(hh, s->by_batch, batch, sizeof b->batch, b);
    return b;
}

struct batch_share *batch_shares_get(struct batch_shares *s, uint64_t batch, const char *defaults)
{
    struct batch_share *b = batch_shares_find(s, batch);
    if (b) {
        leave_idle(s, b);
    } else {
        b = batch_share_new(batch);
        if (!b) {
            return NULL;
        }
        HASH_ADD(hh, s->by_batch, batch, sizeof b->batch, b);
        if (!TABLE_ADDED(b, hh)) {
            batch_share_free(&b);
            return NULL;
        }
    }
    if (!b->knows_defaults) {
        b->defaults = defaults ? strdup(defaults) : NULL;
        b->knows_defaults = !defaults || b->defaults;
    }
    if (!b->knows_defaults) {
        batch_shares_review(s, b);
        return NULL;
    }
    return b;
}

void batch_shares_running(struct batch_shares *s, struct batch_share *b, int32_t delta)
{
    leave_idle(s, b);
    b->running_delta += delta;
    if (b->running_delta == 0) {
        list_remove(&b->link);
    } else if (!list_linked(&b->link)) {
        list_push_back(&s->changed, &b->link);
    }
}

size_t batch_shares_n_changed(const struct batch_shares *s)
{
    size_t n = 0;
    list_for_each (it, &s->changed) {
        n++;
    }
    return n;
}

bool batch_shares_pop_changed(struct batch_shares *s, uint64_t *ret_batch, int32_t *ret_delta)
{
    struct list *link = list_pop_front(&s->changed);
    if (!link) {
        return false;
    }
    struct batch_share *b = list_entry(link, struct batch_share, link);
    *ret_batch = b->batch;
    *ret_delta = b->running_delta;
    b->running_delta = 0;
    batch_shares_review(s, b);
    return true;
}

void batch_shares_review(struct batch_shares *s, struct batch_share *b)
{
    if (!is_idle(b) || list_linked(&b->link)) {
        return;
    }
    if (!b->hh.tbl) {
        drop(s, b);
        return;
    }
    list_push_back(&s->idle, &b->link);
    if (++s->n_idle > MAX_IDLE) {
        s->n_idle--;
        drop(s, list_entry(s->idle.next, struct batch_share, link));
    }
}

static int apply(struct task_options *o, const char *text, const struct task_limits *limits,
                 struct input_error *ret_error)
{
    static const char *const skip[] = {NULL};
    struct err e;
    json_t *json = json_parse(text, strlen(text), &e);
    if (!json && e.code == ERR_OVERLOADED) {
        return -1;
    }
    if (!json) {
        *ret_error = (struct input_error){.code = "bad_json"};
        return 1;
    }
    int r = task_options_apply(o, json, skip, limits, ret_error);
    json_decref(json);
    if (r < 0 && input_error_is_memory(ret_error)) {
        ret_error->code = NULL;
        return -1;
    }
    return r < 0 ? 1 : 0;
}

static int parse_defaults(struct batch_share *b, const struct task_limits *limits,
                          struct input_error *ret_error)
{
    if (task_options_init(&b->options, limits) < 0) {
        return -1;
    }
    int r = b->defaults ? apply(&b->options, b->defaults, limits, ret_error) : 0;
    if (r != 0) {
        task_options_done(&b->options);
        return r;
    }
    b->parsed = true;
    return 0;
}

int batch_share_options(struct batch_share *b, const struct task_limits *limits, const char *spec,
                        struct task_options *ret, struct input_error *ret_error)
{
    if (!b->parsed) {
        int r = parse_defaults(b, limits, ret_error);
        if (r != 0) {
            return r;
        }
    }
    if (task_options_copy(ret, &b->options) < 0) {
        return -1;
    }
    int r = spec ? apply(ret, spec, limits, ret_error) : 0;
    if (r != 0) {
        task_options_done(ret);
    }
    return r;
}

void batch_shares_forget_options(struct batch_shares *s)
{
    for (struct batch_share *b = s->by_batch; b; b = b->hh.next) {
        if (b->parsed) {
            task_options_done(&b->options);
            b->parsed = false;
        }
    }
}
