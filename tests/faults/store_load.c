// SPDX-License-Identifier: MIT
// See store_load.h. The thread of the test plays the API and the workers.
#include "tests/faults/store_load.h"

#include <inttypes.h>
#include <sqlite3.h>

#define STUCK_MS 400 // of silence after a fault; without one the store is only slow
#define HOSTS    3

uint64_t load_random(struct load *l, uint64_t n)
{
    l->random = l->random * 6364136223846793005U + 1442695040888963407U;
    return (l->random >> 33) % n;
}

static const char *random_host(struct load *l)
{
    static const char *const names[HOSTS] = {"a.test", "b.test", "c.test"};
    return names[load_random(l, HOSTS)];
}

// ---- opening ----

struct load *load_new(uint64_t seed, bool full_sync)
{
    struct load *l = calloc(1, sizeof(*l));
    assert_non_null(l);
    l->f = fixture_new();
    l->f->config.store.synchronous = full_sync ? STORE_SYNCHRONOUS_FULL : STORE_SYNCHRONOUS_NORMAL;
    l->random = seed;
    l->body_max = 3000;
    return l;
}

void load_free(struct load **l)
{
    fixture_remove((*l)->f);
    free(*l);
    *l = NULL;
}

bool load_open(struct load *l)
{
    struct fixture *f = l->f;
    f->fatal = 0;
    l->stuck = false;
    inbox_init(&f->api);
    for (int i = 0; i < WORKERS; i++) {
        inbox_init(&f->worker[i]);
        f->workers[i] = f->worker[i].mailbox;
    }
    struct store_ports ports = {.api = f->api.mailbox,
                                .workers = f->workers,
                                .n_workers = WORKERS,
                                .metrics = &f->metrics,
                                .on_fatal = fixture_on_fatal,
                                .ctx = f};
    struct err e = {0};
    if (store_open(&f->config, &ports, &e, &f->store) < 0) {
        return false;
    }
    assert_int_equal(store_start(f->store, &e), 0);
    return reader_open(f->path, &e, &f->reader) == 0;
}

void load_close(struct load *l)
{
    load_collect(l);
    reader_close(&l->f->reader);
    store_close(&l->f->store);
    inbox_done(&l->f->api);
    for (int i = 0; i < WORKERS; i++) {
        inbox_done(&l->f->worker[i]);
    }
}

// ---- what is answered ----

static struct noted *noted_of(struct load *l, uint64_t batch)
{
    for (int i = 0; i < l->n; i++) {
        if (l->v[i].batch == batch) {
            return &l->v[i];
        }
    }
    return NULL;
}

static void note_changed(struct load *l, const struct changed *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct noted *b = noted_of(l, c->v[i].batch);
        int64_t done = batch_counts_done(&c->v[i].counts);
        if (b != NULL && !c->v[i].deleted && done > b->told_done) {
            b->told_done = done;
        }
    }
}

static void note_upload(struct load *l, const struct upload_reply *r)
{
    l->answered += r->status == 0;
    l->refused += r->status != 0;
    if (r->status == 0 && r->last && l->n < LOAD_BATCHES_MAX) {
        struct noted *b = &l->v[l->n++];
        *b = (struct noted){.batch = r->batch->now.batch, .total = r->batch->now.counts.total};
        memcpy(b->id, r->batch->now.id, UUID_SIZE);
    }
}

static void note(struct load *l, const struct message *m)
{
    if (m->kind == RING_CHANGED) {
        note_changed(l, (const struct changed *)m);
    } else if (m->kind == RING_UPLOAD_REPLY) {
        note_upload(l, (const struct upload_reply *)m);
    }
}

// The next message of `kind`; NULL when the store has failed or is stuck. Of the API's messages
// each is noted.
static void *next(struct load *l, struct inbox *in, unsigned kind)
{
    int64_t began = clock_monotonic_ms();
    bool dead = false;
    for (;;) {
        mailbox_take(in->mailbox, &in->list);
        for (struct list *at = list_pop_front(&in->list); at != NULL;
             at = list_pop_front(&in->list)) {
            struct message *m = list_entry(at, struct message, link);
            note(l, m);
            if (m->kind == kind) {
                return m;
            }
            release_message(m);
        }
        int64_t patience_ms = l->faults == NULL || l->faults() > 0 ? STUCK_MS : WAIT_MS;
        if (dead || clock_monotonic_ms() - began >= patience_ms) {
            l->stuck = !dead;
            return NULL;
        }
        dead = l->f->fatal != 0; // what it answered before is in the mailbox: one more look
        struct pollfd p = {.fd = mailbox_fd(in->mailbox), .events = POLLIN};
        poll(&p, 1, dead ? 0 : 5);
    }
}

void load_collect(struct load *l)
{
    struct list taken;
    list_init(&taken);
    mailbox_take(l->f->api.mailbox, &taken);
    for (struct list *at = list_pop_front(&taken); at != NULL; at = list_pop_front(&taken)) {
        struct message *m = list_entry(at, struct message, link);
        note(l, m);
        release_message(m);
    }
}

// ---- what is asked ----

static void submit_some(struct load *l)
{
    int pieces = load_random(l, 12) == 0 ? 3 : 1;
    int n = pieces > 1 ? 500 : 1 + (int)load_random(l, 30);
    const struct submit s = {
        .n = n * pieces, .host = random_host(l), .priority = (int)load_random(l, 10)};
    uint64_t upload = ++l->f->next_upload;
    for (int i = 0; i < pieces; i++) {
        post_piece(l->f, upload, &s, i * n, n, i == pieces - 1);
    }
    for (int i = 0; i < pieces; i++) {
        struct upload_reply *r = next(l, &l->f->api, RING_UPLOAD_REPLY);
        if (r == NULL) {
            return;
        }
        release_message(r);
    }
}

static uint64_t look_up(struct load *l, const char *name, unsigned *ret_worker)
{
    *ret_worker = store_worker_of(name, WORKERS);
    struct host_lookup *m = host_lookup_new(*ret_worker, name);
    assert_non_null(m);
    mailbox_post(store_mailbox(l->f->store), &m->msg);
    uint64_t id = 0;
    while (id == 0) {
        struct work *w = next(l, &l->f->worker[*ret_worker], RING_WORK);
        if (w == NULL) {
            return 0;
        }
        for (size_t i = 0; i < w->n; i++) {
            id = strcmp(w->v[i].name, name) == 0 ? w->v[i].host : id;
        }
        release_message(w);
    }
    return id;
}

static struct claimed *claim_some(struct load *l, const char *name, uint32_t n)
{
    unsigned worker;
    uint64_t host = look_up(l, name, &worker);
    if (host == 0) {
        return NULL;
    }
    struct claim *c = claim_new(worker, host);
    assert_non_null(c);
    c->n = c->slots = n;
    mailbox_post(store_mailbox(l->f->store), &c->msg);
    return next(l, &l->f->worker[worker], RING_CLAIMED);
}

static void report_success(struct load *l, const struct claimed_task *t)
{
    struct outcome *o = outcome_new(&t->ref);
    assert_non_null(o);
    o->state = TASK_SUCCEEDED;
    o->last.number = t->attempts + 1;
    o->last.status = 200;
    o->complete = o->has_body = true;
    size_t most = load_random(l, 200) == 0 ? l->body_max * 20 : l->body_max;
    o->size = o->bytes_received = o->body.size = load_random(l, most);
    o->body.data = malloc(o->size + 1);
    assert_non_null(o->body.data);
    memset(o->body.data, (int)load_random(l, 256), o->size);
    mailbox_post(store_mailbox(l->f->store), &o->msg);
}

static void work_some(struct load *l)
{
    struct claimed *c = claim_some(l, random_host(l), 1 + (uint32_t)load_random(l, 60));
    for (size_t i = 0; c != NULL && i < c->n; i++) {
        switch (load_random(l, 10)) {
        case 0: post_outcome(l->f, &c->tasks[i], TASK_FAILED); break;
        case 1: post_retry(l->f, &c->tasks[i], clock_wall_at() + 1); break;
        case 2: break; // never reported: claimed anew after the restart
        default: report_success(l, &c->tasks[i]);
        }
    }
    if (c != NULL) {
        release_message(c);
    }
}

static void control_some(struct load *l)
{
    static const enum control_verb verbs[] = {CONTROL_CANCEL, CONTROL_PAUSE, CONTROL_PAUSE,
                                              CONTROL_RESUME, CONTROL_DELETE};
    if (l->n == 0) {
        return;
    }
    struct noted *b = &l->v[load_random(l, (uint64_t)l->n)];
    enum control_verb verb = verbs[load_random(l, sizeof(verbs) / sizeof(verbs[0]))];
    struct control *c = control_new(verb, ++l->token);
    assert_non_null(c);
    memcpy(c->id, b->id, UUID_SIZE);
    c->force = true;
    b->delete_asked = b->delete_asked || verb == CONTROL_DELETE;
    mailbox_post(store_mailbox(l->f->store), &c->msg);
    struct control_reply *r = next(l, &l->f->api, RING_CONTROL_REPLY);
    if (r == NULL) {
        return;
    }
    b->cancelled = b->cancelled || (verb == CONTROL_CANCEL && r->status == 0);
    b->deleted = b->deleted || (verb == CONTROL_DELETE && r->status == 0);
    release_message(r);
}

void load_leave_unfinished(struct load *l)
{
    submit_some(l);
    struct claimed *c = NULL;
    for (int i = 0; i < 100 && (c == NULL || c->n == 0); i++) {
        if (c != NULL) {
            release_message(c);
        }
        c = claim_some(l, random_host(l), 1);
    }
    assert_true(c != NULL && c->n == 1);
    unsigned worker = 0;
    struct mark_sent *m = mark_sent_new(worker, &c->tasks[0].ref);
    assert_non_null(m);
    mailbox_post(store_mailbox(l->f->store), &m->msg);
    release_message(next(l, &l->f->worker[worker], RING_SENT_MARKED));
    release_message(c);
    const struct submit s = {.n = 1000, .host = random_host(l)};
    post_piece(l->f, ++l->f->next_upload, &s, 0, 500, false);
    release_message(next(l, &l->f->api, RING_UPLOAD_REPLY));
}

void load_run(struct load *l, int steps)
{
    for (int i = 0; i < steps && l->f->fatal == 0 && !l->stuck; i++) {
        uint64_t what = load_random(l, 10);
        if (what < 4) {
            submit_some(l);
        } else if (what < 8) {
            work_some(l);
        } else {
            control_some(l);
        }
    }
    load_collect(l);
}

// ---- what must hold ----

static void lose(struct load *l, const struct noted *b, const char *what)
{
    l->lost++;
    if (!l->tolerant) {
        fail_msg("batch %" PRIu64 " of %" PRId64 " tasks: %s", b->batch, b->total, what);
    }
}

static void check_noted(struct load *l, struct noted *b)
{
    struct err e;
    struct batch_info *info = NULL;
    int found = reader_batch(l->f->reader, b->id, &e, &info);
    assert_true(found >= 0);
    if (found == 0) {
        if (!b->delete_asked) {
            lose(l, b, "it was accepted and is not there");
        }
        b->deleted = true;
        return;
    }
    if (b->deleted) {
        lose(l, b, "it was deleted and is there");
    }
    assert_int_equal(info->now.counts.total, b->total); // whole or not at all, whatever the sync
    if (batch_counts_done(&info->now.counts) < b->told_done) {
        lose(l, b, "results were told that are not there");
    }
    if (b->cancelled && info->now.cancel_requested_at == 0 && info->now.state != BATCH_FINISHED) {
        lose(l, b, "it was cancelled and goes on");
    }
    batch_info_free(&info);
}

// Bodies of which a part is missing, in batches that are not being removed; and parts that belong
// to no body, or to one that is not marked as begun.
#define PARTS "(r.size + 262143) / 262144"
static const char *const contradictions[] = {
    "SELECT 1 FROM result r JOIN batch b ON b.id = r.id >> 24"
    " WHERE b.state IN (1, 2, 3) AND r.body > 0 AND " PARTS
    " <> (SELECT count(*) FROM body p WHERE p.id >= r.body AND p.id < r.body + " PARTS ")",
    "WITH span AS (SELECT body AS first, body + " PARTS " AS end FROM result r WHERE body > 0"
    " UNION ALL SELECT first, first + parts FROM body_begun),"
    " place AS (SELECT first AS id, end, 0 AS part FROM span UNION ALL SELECT id, 0, 1 FROM body)"
    " SELECT 1 FROM (SELECT id, part, max(end) OVER (ORDER BY id, part) AS end FROM place)"
    " WHERE part AND id >= end",
};

static void check_sound(struct load *l)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open_v2(l->f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    sqlite3_finalize(st);
    for (size_t i = 0; i < sizeof(contradictions) / sizeof(contradictions[0]); i++) {
        assert_int_equal(sqlite3_prepare_v2(db, contradictions[i], -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_DONE);
        sqlite3_finalize(st);
    }
    sqlite3_close(db);
}

static bool all_finished(struct load *l)
{
    for (int i = 0; i < l->n; i++) {
        struct err e;
        struct batch_info *info = NULL;
        if (reader_batch(l->f->reader, l->v[i].id, &e, &info) != 1) {
            continue;
        }
        bool finished = info->now.state == BATCH_FINISHED;
        if (finished) {
            assert_int_equal(batch_counts_done(&info->now.counts), l->v[i].total);
        }
        batch_info_free(&info);
        if (!finished) {
            release_message(control_batch(l->f, CONTROL_RESUME, l->v[i].id, false));
            return false;
        }
    }
    return true;
}

void load_check(struct load *l)
{
    check_sound(l);
    for (int i = 0; i < l->n; i++) {
        check_noted(l, &l->v[i]);
    }
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (!all_finished(l)) {
        assert_true(clock_monotonic_ms() < end);
        work_off(l->f, "a.test", TASK_SUCCEEDED);
        work_off(l->f, "b.test", TASK_SUCCEEDED);
        work_off(l->f, "c.test", TASK_SUCCEEDED);
    }
    check_sound(l);
}
