// SPDX-License-Identifier: MIT
// Which hosts a worker holds and when each is looked at again. A host that nothing waits for is
// forgotten as soon as its pace allows, so that limits cannot be evaded by being forgotten; its
// back-off is the store's to keep. A host is its name; its number is for claims. Worker's thread
// only.
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/fetch/flight.h"
#include "daemon/fetch/worker.h"

#define MAX_EVICTION_LOOKS 64
#define LONG_BLOCK_US      (60 * INT64_C(1000000))
#define KEEP_REPORTED_MS   5000

struct host *worker_find_host(struct worker *w, uint64_t id)
{
    struct host *h;
    HASH_FIND(by_id, w->hosts_by_id, &id, sizeof id, h);
    return h;
}

struct host *worker_find_host_by_name(struct worker *w, const char *name)
{
    struct host *h;
    HASH_FIND(by_name, w->hosts_by_name, name, (unsigned)strlen(name), h);
    return h;
}

static void leave_number(struct worker *w, struct host *h)
{
    if (TABLE_ADDED(h, by_id)) {
        HASH_DELETE(by_id, w->hosts_by_id, h);
        h->by_id.tbl = NULL;
    }
}

static void forget(struct worker *w, struct host *h)
{
    list_remove(&h->ready);
    list_remove(&h->touched);
    list_remove(&h->by_age);
    heap_remove(&w->wakes, &h->wake);
    leave_number(w, h);
    HASH_DELETE(by_name, w->hosts_by_name, h);
    metrics_add(w->shared->metrics, METRIC_HOSTS_ACTIVE, -1);
    metrics_add(w->shared->metrics, METRIC_HOSTS_BLOCKED, h->counted_blocked ? -1 : 0);
    free(h);
}

void worker_drop_hosts(struct worker *w)
{
    while (!list_empty(&w->hosts)) {
        struct host *h = list_entry(w->hosts.next, struct host, by_age);
        struct list *link;
        while ((link = list_pop_front(&h->queue.tasks))) {
            struct queued_task *t = list_entry(link, struct queued_task, link);
            worker_count_window(w, -1);
            queued_task_free(&t);
        }
        forget(w, h);
    }
}

static bool is_asked(const struct host *h)
{
    return h->work == HOST_ASKED || h->work == HOST_ASKED_TOLD;
}

// Whether giving the host up now loses nothing that scanning will not find again. A host that is
// only waiting for a while is worth less than one that is needed, but not less than one that may
// just have work.
static bool may_evict(const struct host *h, int64_t now_us, bool needed)
{
    const struct host_queue *q = &h->queue;
    struct host_wait wait;
    if (q->in_flight > 0 || q->n_hops > 0 || q->n_parked > 0 || is_asked(h) ||
        !host_pace_rested(&q->pace, now_us)) {
        return false;
    }
    if (host_queue_gate(q, now_us, &wait) == HOST_START) {
        return q->n_tasks == 0 && h->work == HOST_DRY;
    }
    return needed || wait.until_us - now_us > LONG_BLOCK_US;
}

static bool make_room(struct worker *w, bool needed)
{
    int64_t now_us = worker_clock().us;
    int looks = 0;
    list_for_each_safe (it, next, &w->hosts) {
        struct host *h = list_entry(it, struct host, by_age);
        if (looks++ == MAX_EVICTION_LOOKS) {
            break;
        }
        if (!may_evict(h, now_us, needed) || worker_release_window(w, h) < 0) {
            continue;
        }
        if (h->work != HOST_DRY && w->scan == SCAN_NONE) {
            w->scan = SCAN_WANTED;
            w->scan_after = 0;
            worker_scan_later(w);
        }
        forget(w, h);
        return true;
    }
    return needed; // what flights wait for is bounded by them
}

static struct host *host_new(struct worker *w, const struct host_record *r)
{
    size_t size = strlen(r->name) + 1;
    struct host *h = calloc(1, sizeof *h + size);
    if (!h) {
        return NULL;
    }
    memcpy(h->name, r->name, size);
    h->worker = w;
    h->id = r->host;
    h->admin = r->limits;
    list_init(&h->ready);
    list_init(&h->touched);
    list_init(&h->by_age);
    struct host_clock now = worker_clock();
    host_queue_init(&h->queue, &now);
    host_backoff_init(&h->queue.backoff, r->blocked_until, r->backoff_level, &now);
    return h;
}

// Its row was deleted and made anew. The host goes on with its pace and its back-off; an answer to
// a claim by the old number finds nobody, and gives no task.
static struct host *renumber(struct worker *w, struct host *h, uint64_t id)
{
    leave_number(w, h);
    h->id = id;
    h->work = HOST_DRY;
    HASH_ADD(by_id, w->hosts_by_id, id, sizeof h->id, h);
    return TABLE_ADDED(h, by_id) ? h : NULL;
}

struct host *worker_add_host(struct worker *w, const struct host_record *r, bool needed)
{
    struct host *h = worker_find_host_by_name(w, r->name);
    if (h) { // what is known here is newer than what the store has
        return h == worker_find_host(w, r->host) ? h : renumber(w, h, r->host);
    }
    if (HASH_CNT(by_id, w->hosts_by_id) >= WORKER_MAX_HOSTS && !make_room(w, needed)) {
        return NULL;
    }
    h = host_new(w, r);
    if (!h) {
        return NULL;
    }
    HASH_ADD(by_id, w->hosts_by_id, id, sizeof h->id, h);
    if (!TABLE_ADDED(h, by_id)) {
        free(h);
        return NULL;
    }
    HASH_ADD_KEYPTR(by_name, w->hosts_by_name, h->name, (unsigned)strlen(h->name), h);
    if (!TABLE_ADDED(h, by_name)) {
        HASH_DELETE(by_id, w->hosts_by_id, h);
        free(h);
        return NULL;
    }
    list_push_back(&w->hosts, &h->by_age);
    metrics_add(w->shared->metrics, METRIC_HOSTS_ACTIVE, 1);
    worker_apply_limits(w, h);
    return h;
}

void worker_apply_limits(struct worker *w, struct host *h)
{
    struct host_limits l = fetch_settings_limits(w->settings, h->name, &h->admin);
    host_queue_set_limits(&h->queue, &l, worker_clock().us);
    worker_touch(w, h);
}

void worker_touch(struct worker *w, struct host *h)
{
    if (list_linked(&h->touched)) {
        return;
    }
    list_push_back(&w->touched, &h->touched);
    worker_want_turn(w);
}

void worker_touch_due(struct worker *w, int64_t now_ms)
{
    struct heap_node *node;
    while ((node = heap_first(&w->wakes)) && node->key <= now_ms) {
        struct host *h = heap_entry(node, struct host, wake);
        heap_remove(&w->wakes, node);
        worker_touch(w, h);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t us_to_ms(int64_t us)
{
    return us > INT64_MAX - 999 ? INT64_MAX : (us + 999) / 1000;
}

// When a host that nothing waits for may be forgotten.
static int64_t rest_ms(const struct host *h, const struct host_clock *now)
{
    int64_t at = us_to_ms(host_pace_next_us(&h->queue.pace, 0, now->us)) + 1;
    int64_t probe_ms = us_to_ms(h->queue.backoff.probe_us);
    at = probe_ms > at ? probe_ms : at;
    return h->keep_until_ms > at ? h->keep_until_ms : at;
}

// When the host must be looked at again though nothing happens to it; INT64_MAX: never. A host that
// could start now but for the daemon's own limits is in `ready` and needs no wake.
static int64_t next_wake_ms(const struct host *h, const struct host_clock *now)
{
    struct host_wait wait;
    int64_t at = INT64_MAX;
    bool waits = h->queue.n_tasks > 0 || h->queue.n_hops > 0 || h->work != HOST_DRY;
    enum host_verdict gate = host_queue_gate(&h->queue, now->us, &wait);
    if (waits && gate == HOST_WAIT) {
        at = us_to_ms(wait.until_us);
    }
    if (h->work == HOST_WORK && h->claim_after_ms > now->us / 1000) {
        at = earlier(at, h->claim_after_ms);
    }
    if (h->next_due_ms > 0) {
        at = earlier(at, h->next_due_ms);
    }
    bool resting = !waits && h->next_due_ms == 0 && h->queue.in_flight == 0;
    return resting ? rest_ms(h, now) : at;
}

static bool may_forget(const struct host *h, const struct host_clock *now)
{
    return h->work == HOST_DRY && h->next_due_ms == 0 && h->keep_until_ms <= now->us / 1000 &&
           host_queue_forgettable(&h->queue, now->us);
}

static void count_blocked(struct worker *w, struct host *h, const struct host_clock *now)
{
    bool blocked = host_backoff_is_blocked(&h->queue.backoff, now->us);
    if (blocked != h->counted_blocked) {
        metrics_add(w->shared->metrics, METRIC_HOSTS_BLOCKED, blocked ? 1 : -1);
        h->counted_blocked = blocked;
    }
}

static void review(struct worker *w, struct host *h)
{
    struct host_clock now = worker_clock();
    struct host_wait wait;
    list_remove(&h->by_age);
    list_push_back(&w->hosts, &h->by_age);
    if (h->next_due_ms > 0 && h->next_due_ms <= now.us / 1000) {
        h->next_due_ms = 0;
        worker_note_work(h);
    }
    worker_claim(w, h, &now);
    count_blocked(w, h, &now);
    if (host_queue_next(&h->queue, now.us, &wait) != HOST_START) {
        list_remove(&h->ready);
    } else if (!list_linked(&h->ready)) {
        list_push_back(&w->ready, &h->ready);
    }
    if (may_forget(h, &now)) {
        forget(w, h);
        return;
    }
    int64_t at = next_wake_ms(h, &now);
    if (at == INT64_MAX) {
        heap_remove(&w->wakes, &h->wake);
    } else if (heap_put(&w->wakes, &h->wake, at) < 0) {
        worker_touch(w, h); // no memory to be woken by: look again next turn
    }
}

void worker_review_touched(struct worker *w)
{
    struct list now;
    list_init(&now);
    list_splice(&now, &w->touched);
    while (!list_empty(&now)) {
        review(w, list_entry(list_pop_front(&now), struct host, touched));
    }
}

void worker_report_host(struct worker *w, struct host *h)
{
    h->keep_until_ms = clock_monotonic_ms() + KEEP_REPORTED_MS;
    // Without memory the block still holds here; only a restart would not know of it.
    struct host_state *m = host_state_new(h->name);
    if (m) {
        m->needed_until = h->queue.backoff.blocked_until_at + HOST_BACKOFF_QUIET_MS;
        m->blocked_until = h->queue.backoff.blocked_until_at;
        m->backoff_level = h->queue.backoff.level;
        outbox_put(&w->outbox, &m->msg);
    }
}
