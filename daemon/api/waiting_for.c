// SPDX-License-Identifier: MIT
// The order in which reasons are given: the one whose removal would have to come first stands
// first. Pure.
#include "daemon/api/waiting_for.h"

static struct waiting waits(enum wait_reason reason, int64_t until_at)
{
    return (struct waiting){reason, until_at};
}

static struct waiting for_host(const struct waiting_facts *f)
{
    const struct host_status *h = f->host;
    if (f->limits->paused) {
        return waits(WAIT_HOST_PAUSED, 0);
    }
    if (h->blocked_until > f->now_at) {
        return waits(WAIT_HOST_BLOCKED, h->blocked_until);
    }
    const struct batch_info *b = f->batch;
    if (b->concurrency > 0 && b->now.counts.running >= b->concurrency) {
        return waits(WAIT_BATCH_CONCURRENCY, 0);
    }
    if (h->known && h->reason != WAIT_NONE) {
        return waits(h->reason, h->next_start_at > f->now_at ? h->next_start_at : 0);
    }
    return waits(WAIT_QUEUE, 0);
}

struct waiting waiting_for(const struct waiting_facts *f)
{
    if (f->in_flight || f->task->result || f->task->state >= TASK_SUCCEEDED) {
        return waits(WAIT_NONE, 0);
    }
    if (f->batch->now.state == BATCH_PAUSED) {
        return waits(WAIT_PAUSED, 0);
    }
    if (f->batch->not_before_at > f->now_at) {
        return waits(WAIT_NOT_BEFORE, f->batch->not_before_at);
    }
    if (f->task->not_before_at > f->now_at) {
        return waits(WAIT_RETRY, f->task->not_before_at);
    }
    return for_host(f);
}

void waiting_render(struct json_writer *w, const struct waiting *waiting, const char *host)
{
    if (waiting->reason == WAIT_NONE) {
        jw_null(w);
        return;
    }
    jw_object(w);
    jw_key_str(w, "reason", wait_reason_name(waiting->reason));
    if (waiting->reason == WAIT_RETRY) {
        jw_key_time(w, "at", waiting->until_at);
    } else if (waiting->until_at > 0) {
        jw_key_time(w, "until", waiting->until_at);
    }
    jw_key_str(w, "host", host);
    jw_object_end(w);
}
