// SPDX-License-Identifier: MIT
// One group: a transaction with everything that writes, and what follows from its end. Nothing is
// answered that is not committed: answers wait in lists until the commit is made. When it fails the
// group is rolled back, what asked is answered with the error, and what reported (outcomes) is kept
// and tried again. On the store's thread.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/store/store_internal.h"

#define STALL_MS 1000

void store_fatal(struct store *s, const char *format, ...)
{
    if (s->dead) {
        return;
    }
    char text[384];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    s->dead = true;
    running_leave_all(s->running); // it is no task's fault
    log_error("the store has failed reason=%s", log_value(text));
    s->ports.on_fatal(s->ports.ctx, text);
}

static void out(struct store *s, struct list *to, void *message)
{
    struct message *m = message;
    if (m == NULL) {
        store_fatal(s, "out of memory");
        return;
    }
    list_push_back(to, &m->link);
}

void store_to_api(struct store *s, void *message)
{
    out(s, &s->to_api, message);
}

void store_to_worker(struct store *s, unsigned worker, void *message)
{
    out(s, &s->to_workers[worker], message);
}

void store_halt_workers(struct store *s, uint64_t batch, bool pause)
{
    for (unsigned i = 0; i < s->ports.n_workers; i++) {
        store_to_worker(s, i, batch_halt_new(batch, pause));
    }
}

int store_settle(struct store *s, uint64_t task)
{
    if (s->n_settled == s->cap_settled) {
        size_t cap = s->cap_settled == 0 ? 1024 : s->cap_settled * 2;
        uint64_t *v = reallocarray(s->settled, cap, sizeof(*v));
        if (v == NULL) {
            return db_fail(&s->db, SQLITE_NOMEM);
        }
        s->settled = v;
        s->cap_settled = cap;
    }
    s->settled[s->n_settled++] = task;
    return 0;
}

void store_count(struct store *s, enum metric id, int64_t n)
{
    s->counted[id] += n;
}

void store_free_list(struct list *l)
{
    for (struct list *link = list_pop_front(l); link != NULL; link = list_pop_front(l)) {
        struct message *m = list_entry(link, struct message, link);
        m->free(m);
    }
}

void store_post_answers(struct store *s)
{
    mailbox_post_list(s->ports.api, &s->to_api);
    for (unsigned i = 0; i < s->ports.n_workers; i++) {
        mailbox_post_list(s->workers[i], &s->to_workers[i]);
    }
}

void store_drop_answers(struct store *s)
{
    store_free_list(&s->to_api);
    for (unsigned i = 0; i < s->ports.n_workers; i++) {
        store_free_list(&s->to_workers[i]);
    }
}

void store_no_longer_out(struct store *s, uint64_t task, bool released)
{
    bool was = released ? ledger_release(&s->ledger, task) : ledger_remove(&s->ledger, task);
    struct live_batch *b = was ? live_find(&s->live, task_key_batch(task)) : NULL;
    if (b != NULL) {
        b->outstanding--;
    }
}

static int handle(struct store *s, struct message *m)
{
    switch (m->kind) {
    case RING_OUTCOME: return record_outcome(s, (struct outcome *)m) < 0 ? -1 : 0;
    case RING_RETRY: return record_retry(s, (struct retry_later *)m);
    case RING_MARK_SENT: return record_sent(s, (struct mark_sent *)m);
    case RING_HOST_STATE: return hosts_state(s, (struct host_state *)m);
    case RING_LOOKUP: return hosts_lookup(s, (struct host_lookup *)m);
    case RING_CONTROL: return control_handle(s, (struct control *)m);
    case RING_UPLOAD: return upload_piece(s, (struct upload_piece *)m);
    default: log_error("the store got a message of unknown kind kind=%u", m->kind); return 0;
    }
}

// Handles messages of one list up to the bound for one kind of work.
static int fill_from(struct store *s, struct list *from)
{
    s->ops = 0;
    while (s->ops < GROUP_OPS) {
        struct list *link = list_pop_front(from);
        if (link == NULL) {
            break;
        }
        list_push_back(&s->group, link); // also when it fails: then it is what the error is about
        if (handle(s, list_entry(link, struct message, link)) < 0) {
            return -1;
        }
    }
    return 0;
}

bool store_background_wanted(const struct store *s)
{
    return s->back.have_halting || s->back.have_removed || s->back.have_dead || s->back.have_free ||
           !list_empty(&s->copies) || upload_wanted(s);
}

static int fill_background(struct store *s)
{
    s->ops = 0;
    if (timers_wanted(s) && timers_step(s) < 0) {
        return -1;
    }
    s->ops = 0;
    if (upload_step(s) < 0 || upload_discards(s) < 0) {
        return -1;
    }
    if (!list_empty(&s->copies) && copy_step(s) < 0) {
        return -1;
    }
    while (s->back.have_halting && s->ops < BACKGROUND_OPS) {
        if (halt_step(s) < 0) {
            return -1;
        }
    }
    while (s->back.have_removed && s->ops < BACKGROUND_OPS) {
        if (purge_step(s) < 0) {
            return -1;
        }
    }
    while (s->back.have_dead && s->ops < BACKGROUND_OPS) {
        if (body_dead_step(s) < 0) {
            return -1;
        }
    }
    bool all_deleted = !s->back.have_removed && !s->back.have_dead;
    return s->back.have_free && all_deleted ? shrink_step(s) : 0;
}

static int run_transaction(struct store *s)
{
    if (db_run(&s->db, "BEGIN IMMEDIATE") < 0) {
        // Somebody else holds the database for longer than the busy time-out: whoever asked is
        // told.
        list_splice(&s->group, &s->urgent);
        list_splice(&s->group, &s->uploads_in);
        return -1;
    }
    if (fill_from(s, &s->urgent) < 0 || fill_from(s, &s->uploads_in) < 0 ||
        fill_background(s) < 0) {
        return -1;
    }
    if (live_flush(&s->live, &s->db) < 0 || hosts_flush(s) < 0) {
        return -1;
    }
    int64_t since = clock_monotonic_us();
    if (db_run(&s->db, "COMMIT") < 0) {
        return -1;
    }
    store_count(s, METRIC_STORE_COMMITS, 1);
    store_count(s, METRIC_STORE_COMMIT_US, clock_monotonic_us() - since);
    return 0;
}

// Frees the messages of the group, but for outcomes whose body goes on in the next one.
static void group_done(struct store *s)
{
    for (struct list *l = list_pop_front(&s->group); l != NULL; l = list_pop_front(&s->group)) {
        struct message *m = list_entry(l, struct message, link);
        struct outcome *o = m->kind == RING_OUTCOME ? (struct outcome *)m : NULL;
        if (o != NULL && body_goes_on(o)) {
            o->stored.committed = o->stored.bytes;
            list_push_back(&s->urgent, l);
        } else {
            m->free(m);
        }
    }
}

static void group_committed(struct store *s)
{
    live_committed(&s->live, &s->db);
    copy_committed(s);
    upload_committed(s);
    for (size_t i = 0; i < s->n_settled; i++) {
        store_no_longer_out(s, s->settled[i], false);
    }
    s->n_settled = 0;
    for (int i = 0; i < METRIC__COUNT; i++) {
        if (s->counted[i] != 0) {
            metrics_add(s->ports.metrics, (enum metric)i, s->counted[i]);
            s->counted[i] = 0;
        }
    }
    group_done(s);
    store_post_answers(s);
    if (timers_next(s) < 0) {
        store_fatal(s, "%s", s->db.text);
    }
}

// Gives each message of the failed group its end: what asked is answered, what reported is tried
// again.
static void group_refused(struct store *s, const struct err *why)
{
    struct list again;
    list_init(&again);
    for (struct list *l = list_pop_front(&s->group); l != NULL; l = list_pop_front(&s->group)) {
        struct message *m = list_entry(l, struct message, link);
        if (m->kind == RING_UPLOAD) {
            upload_failed(s, (struct upload_piece *)m, why);
            m->free(m);
        } else if (m->kind == RING_CONTROL) {
            control_refuse(s, ((struct control *)m)->token, why->code, why->text);
            m->free(m);
        } else {
            if (m->kind == RING_OUTCOME) {
                ((struct outcome *)m)->stored.bytes = ((struct outcome *)m)->stored.committed;
            }
            list_push_back(&again, l);
        }
    }
    list_splice(&again, &s->urgent);
    list_splice(&s->urgent, &again);
    store_post_answers(s);
}

static void group_failed(struct store *s)
{
    enum db_fault fault = db_fault(&s->db);
    if (sqlite3_get_autocommit(s->db.handle) == 0) {
        sqlite3_exec(s->db.handle, "ROLLBACK", NULL, NULL, NULL);
    }
    store_drop_answers(s);
    if (fault != DB_FULL && fault != DB_BUSY) {
        store_fatal(s, "%s", s->db.text);
        return;
    }
    struct err why;
    if (fault == DB_FULL) {
        err_set(&why, ERR_STORAGE_FULL, "the database's file system is full");
        atomic_store(&s->full, true);
    } else {
        err_set(&why, ERR_OVERLOADED, "the database could not be written: %s", s->db.text);
    }
    log_warn("a transaction failed and was rolled back reason=%s", log_value(s->db.text));
    db_clear(&s->db);
    s->back = s->saved;
    s->n_settled = 0;
    memset(s->counted, 0, sizeof(s->counted));
    hosts_rolled_back(s);
    live_rolled_back(&s->live, &s->db);
    copy_rolled_back(s, &why);
    upload_rolled_back(s, &why);
    group_refused(s, &why);
    s->squeeze = fault == DB_FULL;
    bool room = fault == DB_FULL && disk_give_ballast(&s->disk);
    s->stalled_ms = room ? 0 : clock_monotonic_ms() + STALL_MS;
}

void store_run_group(struct store *s)
{
    bool wanted = !list_empty(&s->urgent) || !list_empty(&s->uploads_in) ||
                  store_background_wanted(s) || timers_wanted(s);
    if (!wanted || s->dead || clock_monotonic_ms() < s->stalled_ms) {
        return;
    }
    s->saved = s->back;
    if (run_transaction(s) == 0) {
        group_committed(s);
    } else {
        group_failed(s);
    }
}
