// SPDX-License-Identifier: MIT
// Keeps the windows filled: hears of hosts with work, looks for more of them, claims tasks and
// takes them in. It starts nothing. Worker's thread only.
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/fetch/flight.h"
#include "daemon/fetch/worker.h"

#define SCAN_ROOM          (WORKER_MAX_HOSTS / 4 * 3) // hosts held, above which scanning slows down
#define CROWDED_PAUSE_MS   10000
#define SCAN_PORTION       256
#define EMPTY_PAUSE_MS     50
#define NO_MEMORY_PAUSE_MS 100
#define WINDOW_BYTES       (1024 * 1024) // of one host's tasks, about

struct queued_task *queued_task_new(const struct claimed_task *t, struct batch_share *batch)
{
    size_t url = strlen(t->url) + 1;
    size_t spec = t->spec ? strlen(t->spec) + 1 : 0;
    struct queued_task *q = calloc(1, sizeof *q + url + spec);
    if (!q) {
        return NULL;
    }
    memcpy(q->url, t->url, url);
    if (t->spec) {
        memcpy(q->url + url, t->spec, spec);
        q->spec = q->url + url;
    }
    q->ref = t->ref;
    q->attempts = t->attempts;
    q->queued_at = t->queued_at;
    q->size = sizeof *q + url + spec;
    q->batch = batch;
    list_init(&q->link);
    list_init(&q->in_batch);
    list_push_back(&batch->tasks, &q->in_batch);
    return q;
}

void queued_task_free(struct queued_task **t)
{
    if (*t) {
        list_remove(&(*t)->in_batch);
        free(*t);
        *t = NULL;
    }
}

void worker_count_window(struct worker *w, int32_t n)
{
    w->n_window = (uint32_t)((int64_t)w->n_window + n);
    metrics_add(w->shared->metrics, METRIC_TASKS_IN_WINDOWS, n);
}

// ---- claiming

static uint32_t how_many(const struct worker *w, const struct host *h, const struct host_clock *now)
{
    uint32_t n = host_queue_wants(&h->queue, now->us);
    if (h->task_bytes > 0 && n > WINDOW_BYTES / h->task_bytes) {
        n = WINDOW_BYTES / h->task_bytes;
        n = n > 0 || h->queue.n_tasks > 0 ? n : 1;
    }
    if (w->n_window >= WORKER_MAX_WINDOW) {
        return n > 0 && h->queue.n_tasks == 0 ? 1 : 0;
    }
    return n;
}

void worker_claim(struct worker *w, struct host *h, const struct host_clock *now)
{
    struct host_wait wait;
    if (w->draining || h->work != HOST_WORK || h->claim_after_ms > now->us / 1000) {
        return;
    }
    // Of a host that is left alone nothing is taken from the store, where it can still be cancelled
    // and counted for nothing.
    if (host_queue_gate(&h->queue, now->us, &wait) == HOST_WAIT &&
        (wait.reason == WAIT_HOST_BLOCKED || wait.reason == WAIT_HOST_PAUSED)) {
        return;
    }
    uint32_t n = how_many(w, h, now);
    if (n == 0) {
        return;
    }
    struct claim *m = claim_new(w->number, h->id);
    if (!m) {
        h->claim_after_ms = now->us / 1000 + NO_MEMORY_PAUSE_MS;
        return;
    }
    m->n = n;
    m->slots = host_queue_free_slots(&h->queue);
    h->work = HOST_ASKED;
    outbox_put(&w->outbox, &m->msg);
}

// False without memory.
static bool take_in(struct worker *w, struct host *h, const struct claimed *m,
                    const struct claimed_task *t, size_t *size)
{
    const struct claimed_batch *from = &m->batches[t->batch_at];
    struct batch_share *batch = batch_shares_get(&w->batches, from->batch, from->defaults);
    struct queued_task *q = batch ? queued_task_new(t, batch) : NULL;
    if (!q) {
        if (batch) {
            batch_shares_review(&w->batches, batch);
        }
        return false;
    }
    q->host = h;
    host_queue_add_task(&h->queue, &q->link);
    *size += q->size;
    return true;
}

// Takes what it can into the window; the others are in `back`.
static uint32_t fill_window(struct worker *w, struct host *h, struct claimed *m)
{
    size_t size = 0;
    uint32_t n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (h && !w->draining && take_in(w, h, m, &m->tasks[i], &size)) {
            n++;
        } else {
            m->back->v[m->back->n++] = m->tasks[i].ref;
        }
    }
    worker_count_window(w, (int32_t)n);
    if (n > 0) {
        h->task_bytes = (uint32_t)(size / n);
    }
    return n;
}

void worker_on_claimed(struct worker *w, struct claimed *m)
{
    struct host *h = worker_find_host(w, m->host);
    uint32_t n = fill_window(w, h, m);
    bool gives_back = n < m->n;
    if (gives_back) {
        outbox_put(&w->outbox, &m->back->msg);
        m->back = NULL;
        worker_want_turn(w);
    }
    if (!h) {
        return;
    }
    int64_t now_ms = clock_monotonic_ms();
    bool told = h->work == HOST_ASKED_TOLD;
    h->work = told || m->more || gives_back ? HOST_WORK : HOST_DRY;
    h->claim_after_ms = gives_back        ? now_ms + NO_MEMORY_PAUSE_MS
                        : n == 0 && !told ? now_ms + EMPTY_PAUSE_MS
                                          : 0;
    if (m->next_due_at > 0) {
        worker_expect_retry(w, h, m->next_due_at);
    }
    worker_touch(w, h);
}

// A time already expected stays, if it is earlier: this answer may have been written before the
// store took that retry. At worst it costs an empty claim.
void worker_expect_retry(struct worker *w, struct host *h, int64_t at)
{
    int64_t in_ms = at - clock_wall_at();
    int64_t due_ms = clock_monotonic_ms() + (in_ms > 0 ? in_ms : 1);
    if (h->next_due_ms == 0 || due_ms < h->next_due_ms) {
        h->next_due_ms = due_ms;
        worker_touch(w, h);
    }
}

int worker_release_window(struct worker *w, struct host *h)
{
    uint32_t n = h->queue.n_tasks;
    struct release *m = n > 0 ? release_new(n) : NULL;
    if (n == 0) {
        return 0;
    }
    if (!m) {
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct queued_task *t = list_entry(h->queue.tasks.next, struct queued_task, link);
        struct batch_share *batch = t->batch;
        m->v[i] = t->ref;
        host_queue_remove_task(&h->queue, &t->link);
        queued_task_free(&t);
        batch_shares_review(&w->batches, batch);
    }
    worker_count_window(w, -(int32_t)n);
    outbox_put(&w->outbox, &m->msg);
    return 0;
}

// ---- hosts with work

void worker_note_work(struct host *h)
{
    if (h->work == HOST_DRY) {
        h->work = HOST_WORK;
    } else if (h->work == HOST_ASKED) {
        h->work = HOST_ASKED_TOLD; // the answer may have been written before this work came
    }
}

static void told_of_work(struct worker *w, struct host *h)
{
    worker_note_work(h);
    h->claim_after_ms = 0;
    worker_touch(w, h);
}

// While many hosts are held, the next scan waits for a while, or until there is room.
void worker_scan_later(struct worker *w)
{
    w->scan_next_ms = clock_monotonic_ms() + CROWDED_PAUSE_MS;
}

// What a message says of further hosts. `missed_after`: the last host before one that there was no
// room for.
static void note_scan(struct worker *w, const struct work *m, bool missed, uint64_t missed_after)
{
    if (m->scan_answer) {
        bool again = w->scan == SCAN_ASKED_AGAIN;
        bool go_on = m->more && m->n > 0;
        w->scan = missed || go_on || again ? SCAN_WANTED : SCAN_NONE;
        w->scan_after = missed ? missed_after : go_on ? m->v[m->n - 1].host : 0;
        return;
    }
    if (!m->more && !missed) {
        return;
    }
    if (w->scan == SCAN_ASKED) {
        w->scan = SCAN_ASKED_AGAIN; // what is new may lie before the place reached
    } else if (w->scan == SCAN_NONE) {
        w->scan = SCAN_WANTED;
        w->scan_after = 0;
    }
}

void worker_on_work(struct worker *w, const struct work *m)
{
    bool missed = false;
    uint64_t missed_after = w->scan_after;
    for (size_t i = 0; i < m->n; i++) {
        const struct host_record *r = &m->v[i];
        struct host *h = worker_add_host(w, r, flight_host_wanted(w, r->name));
        if (!h) {
            missed = true;
            flight_host_known(w, r->name, NULL);
            continue;
        }
        if (!missed) {
            missed_after = r->host;
        }
        told_of_work(w, h);
        flight_host_known(w, r->name, h);
    }
    note_scan(w, m, missed, missed_after);
    if (missed) {
        worker_scan_later(w);
    }
    worker_want_turn(w);
}

void worker_scan(struct worker *w)
{
    int64_t now_ms = clock_monotonic_ms();
    bool crowded = HASH_CNT(by_id, w->hosts_by_id) > SCAN_ROOM;
    if (w->scan != SCAN_WANTED || w->draining || (crowded && now_ms < w->scan_next_ms)) {
        return;
    }
    worker_scan_later(w);
    struct host_scan *m = host_scan_new(w->number, w->scan_after, SCAN_PORTION);
    if (m) {
        w->scan = SCAN_ASKED;
        outbox_put(&w->outbox, &m->msg);
    } else {
        w->scan_next_ms = now_ms + NO_MEMORY_PAUSE_MS;
    }
}
