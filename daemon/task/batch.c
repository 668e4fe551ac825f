// SPDX-License-Identifier: MIT
// Constructors and names of batches and of pieces of a submission. Pure.
#include "daemon/task/batch.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/task/ring.h"

static const char *const batch_state_names[] = {
    [BATCH_LOADING] = "loading",
    [BATCH_RUNNING] = "running",
    [BATCH_PAUSED] = "paused",
    [BATCH_FINISHED] = "finished",
};

static const char *const task_state_names[] = {
    [TASK_QUEUED] = "queued",
    [TASK_RUNNING] = "running",
    [TASK_SUCCEEDED] = "succeeded",
    [TASK_FAILED] = "failed",
    [TASK_STATE_CANCELLED] = "cancelled",
    [TASK_STATE_EXPIRED] = "expired",
};

const char *batch_state_name(enum batch_state state)
{
    return batch_state_names[state];
}

const char *task_state_name(enum task_state state)
{
    return task_state_names[state];
}

int batch_state_parse(const char *name, enum batch_state *ret)
{
    for (int i = BATCH_RUNNING; i <= BATCH_FINISHED; i++) {
        if (strcmp(name, batch_state_names[i]) == 0) {
            *ret = (enum batch_state)i;
            return 0;
        }
    }
    return -1;
}

int task_state_parse(const char *name, enum task_state *ret)
{
    for (int i = TASK_QUEUED; i <= TASK_STATE_EXPIRED; i++) {
        if (strcmp(name, task_state_names[i]) == 0) {
            *ret = (enum task_state)i;
            return 0;
        }
    }
    return -1;
}

void batch_info_free(struct batch_info **b)
{
    if (*b == NULL) {
        return;
    }
    free((*b)->name);
    free((*b)->metadata);
    free((*b)->defaults);
    free(*b);
    *b = NULL;
}

void batch_new_free(struct batch_new **b)
{
    if (*b == NULL) {
        return;
    }
    free((*b)->name);
    free((*b)->metadata);
    free((*b)->defaults);
    free((*b)->idempotency_key);
    free(*b);
    *b = NULL;
}

int task_piece_init(struct task_piece *p)
{
    *p = (struct task_piece){.v = calloc(TASK_PIECE_MAX, sizeof(struct new_task)),
                             .arena = task_arena_new()};
    if (p->v == NULL || p->arena == NULL) {
        task_piece_done(p);
        return -1;
    }
    return 0;
}

void task_piece_done(struct task_piece *p)
{
    free(p->v);
    task_arena_free(p->arena);
    *p = (struct task_piece){0};
}

bool task_piece_full(const struct task_piece *p)
{
    return p->n >= TASK_PIECE_MAX || p->arena_bytes >= TASK_PIECE_BYTES;
}

const char *task_piece_copy(struct task_piece *p, const char *s, size_t n)
{
    if (s == NULL) {
        return NULL;
    }
    p->arena_bytes += n + 1;
    return task_arena_copy(p->arena, s, n);
}

void task_piece_add(struct task_piece *p, const struct new_task *t)
{
    p->v[p->n++] = *t;
}
