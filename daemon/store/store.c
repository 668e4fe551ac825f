// SPDX-License-Identifier: MIT
// The store's thread: takes the mailbox, sorts it, runs a group, answers claims, checkpoints. What
// a message means is in the other files.
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/store/store_internal.h"

#define FULL_MS          1000 // how often to look whether a full disk has space again
#define CHECKPOINT_PAGES 8000
#define IDLE_PAGES       256 // of the log may stay while nothing happens
#define IDLE_MS          3000
#define TAKE_UP_MS       100 // for a host to ask for what it was told of; a blocked one does not

struct config_message {
    struct message msg;
    struct settings settings;
};

// ---- messages that are no writing ----

static void on_progress(struct store *s, const struct progress *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct live_batch *b = live_get(&s->live, &s->db, m->v[i].batch);
        if (b != NULL) {
            live_progress(&s->live, b, m->v[i].delta, s->now_at);
        }
    }
}

// Takes a message from the mailbox to the list it waits in, or handles what needs no transaction.
static void sort_message(struct store *s, struct message *m)
{
    switch (m->kind) {
    case RING_UPLOAD: list_push_back(&s->uploads_in, &m->link); return;
    case RING_CLAIM:
    case RING_SCAN: list_push_back(&s->reads, &m->link); return;
    case RING_PROGRESS: on_progress(s, (struct progress *)m); break;
    case RING_RELEASE:
        for (size_t i = 0; i < ((struct release *)m)->n; i++) {
            store_no_longer_out(s, ((struct release *)m)->v[i].task, true);
        }
        break;
    case RING_CONFIG:
        s->settings = ((struct config_message *)m)->settings;
        s->wake_at = s->now_at; // what is due by them
        break;
    case RING_STOP: s->stopping = true; break;
    default: list_push_back(&s->urgent, &m->link); return;
    }
    m->free(m);
}

// ---- claims: they only read ----

static int answer_reads(struct store *s)
{
    if (list_empty(&s->reads)) {
        return 0;
    }
    int r = db_run(&s->db, "BEGIN");
    while (r == 0) {
        struct list *link = list_pop_front(&s->reads);
        if (link == NULL) {
            break;
        }
        struct message *m = list_entry(link, struct message, link);
        r = m->kind == RING_CLAIM ? claim_answer(s, (struct claim *)m)
                                  : hosts_scan(s, (struct host_scan *)m);
        m->free(m);
    }
    return db_run(&s->db, "COMMIT") < 0 ? -1 : r;
}

static void run_reads(struct store *s)
{
    // A claim that cannot be answered would leave its host waiting for ever, so a failure here is
    // fatal.
    if (s->dead || answer_reads(s) < 0 || notify_refused(s) < 0) {
        store_fatal(s, "%s", s->db.text);
        return;
    }
    struct changed *changed;
    if (live_take_changed(&s->live, &changed) < 0) {
        store_fatal(s, "out of memory");
        return;
    }
    if (changed != NULL) {
        store_to_api(s, changed);
    }
    store_post_answers(s);
    live_trim(&s->live);
}

// ---- the thread ----

// SQLite would go on writing to files that nobody can open again. What is in the log is written
// back, so that whatever is left of the database is whole.
static void look_for_files(struct store *s)
{
    const char *missing = disk_missing(&s->disk);
    if (missing != NULL && !s->dead) {
        db_checkpoint(&s->db, SQLITE_CHECKPOINT_PASSIVE);
        store_fatal(s, "%s was moved, replaced or deleted while in use", missing);
    }
}

static void look_at_disk(struct store *s)
{
    int64_t now = clock_monotonic_ms();
    if (now - s->disk_seen_ms < 1000) {
        return;
    }
    s->disk_seen_ms = now;
    look_for_files(s);
    uint64_t bytes;
    if (disk_free(&s->disk, &bytes) < 0) {
        return;
    }
    bool full = bytes < s->settings.min_free;
    if (full != atomic_load(&s->full)) {
        log_warn(full ? "the disk is nearly full: submissions are refused free=%llu"
                      : "there is space again: submissions are accepted free=%llu",
                 (unsigned long long)bytes);
        atomic_store(&s->full, full);
    }
    s->squeeze |= full;
    if (!full) {
        disk_take_ballast(&s->disk);
    }
    metrics_set(s->ports.metrics, METRIC_STORE_FREE_BYTES,
                bytes < INT64_MAX ? (int64_t)bytes : INT64_MAX);
    metrics_set(s->ports.metrics, METRIC_STORE_BYTES, disk_used(&s->disk));
}

static void checkpoint(struct store *s)
{
    if (s->db.wal_pages < CHECKPOINT_PAGES) {
        s->checkpoint_at = CHECKPOINT_PAGES; // the log began anew
    }
    bool cut = s->cut && !s->back.have_free;
    if (s->dead || (s->db.wal_pages < s->checkpoint_at && !s->squeeze && !cut)) {
        return;
    }
    // On a full disk the log gives its space back: it holds pages many times over, and nobody else
    // will make room.
    int mode = s->squeeze ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    s->squeeze = false;
    s->cut = s->cut && !cut;
    int rc = db_checkpoint(&s->db, mode);
    // A reader in the way, or a full disk, is no failure here: the log grows until the next
    // attempt.
    if (rc != SQLITE_OK) {
        db_fail(&s->db, rc);
        if (db_fault(&s->db) == DB_FATAL) {
            store_fatal(s, "checkpoint: %s", s->db.text);
        }
        db_clear(&s->db);
    }
    if (rc == SQLITE_OK && mode == SQLITE_CHECKPOINT_TRUNCATE) {
        s->db.wal_pages = 0;
    }
    s->checkpoint_at = s->db.wal_pages + CHECKPOINT_PAGES;
}

static void turn(struct store *s)
{
    timers_look_at_clock(s);
    look_at_disk(s);
    struct list taken;
    list_init(&taken);
    metrics_set(s->ports.metrics, METRIC_STORE_MAILBOX, (int64_t)mailbox_length(s->mailbox));
    mailbox_take(s->mailbox, &taken);
    for (struct list *l = list_pop_front(&taken); l != NULL; l = list_pop_front(&taken)) {
        struct message *m = list_entry(l, struct message, link);
        if (s->dead && m->kind != RING_STOP) {
            m->free(m);
        } else {
            sort_message(s, m);
        }
    }
    if (db_fault(&s->db) != DB_FINE) {
        store_fatal(s, "%s", s->db.text);
    }
    store_run_group(s);
    run_reads(s); // after the group: a claim must see the retry that its worker told before it
    checkpoint(s);
    // While the disk is full or slow outcomes gather here, and workers must not make more of them.
    mailbox_keep(s->mailbox, list_length(&s->urgent) + list_length(&s->uploads_in));
    metrics_set(s->ports.metrics, METRIC_TASKS_UNFINISHED, s->back.unfinished);
}

// Until there is a message, a timer is due, the wall clock is set, or what could not be done is to
// be tried again.
static void wait_for_work(struct store *s)
{
    bool waiting =
        !list_empty(&s->urgent) || !list_empty(&s->uploads_in) || store_background_wanted(s);
    int64_t stalled_ms = s->stalled_ms - clock_monotonic_ms();
    bool stalled = s->dead || stalled_ms > 0;
    int timeout_ms = atomic_load(&s->full) ? FULL_MS : -1;
    if (s->dead) {
        timeout_ms = -1;
    } else if (stalled) {
        timeout_ms = (int)stalled_ms;
    } else if (waiting) {
        timeout_ms = 0;
    } else {
        timers_arm(s);
        if (s->refused_left) {
            timeout_ms = TAKE_UP_MS;
        } else if (timeout_ms < 0 && s->db.wal_pages > IDLE_PAGES) {
            timeout_ms = IDLE_MS;
        }
    }
    struct pollfd p[] = {{.fd = mailbox_fd(s->mailbox), .events = POLLIN},
                         {.fd = stalled ? -1 : s->timer_fd, .events = POLLIN}};
    int n = poll(p, 2, timeout_ms);
    if (n < 0 && errno != EINTR) {
        store_fatal(s, "poll: %s", strerror(errno));
    }
    // An idle daemon holds no log: its pages stand in the database, and its space is free.
    s->squeeze |= n == 0 && timeout_ms == IDLE_MS;
}

static bool may_end(const struct store *s)
{
    bool done = list_empty(&s->urgent) && list_empty(&s->uploads_in);
    return s->stopping && (done || s->dead || s->stalled_ms > clock_monotonic_ms());
}

static void *run(void *arg)
{
    struct store *s = arg;
    if (notify_hosts(s, NULL, 0, s->back.unfinished > 0) < 0 || timers_next(s) < 0) {
        store_fatal(s, "%s", s->db.text);
    }
    store_post_answers(s);
    for (turn(s); !may_end(s); turn(s)) {
        wait_for_work(s);
    }
    return NULL;
}

// ---- public functions, on the main thread ----

static struct settings settings_of(const struct config *config)
{
    return (struct settings){.retention_ms = config->store.retention_ms,
                             .min_free = config->store.min_free,
                             .max_queued = config->fetch.max_queued};
}

static void store_free(struct store *s)
{
    store_drop_answers(s);
    store_free_list(&s->urgent);
    store_free_list(&s->uploads_in);
    store_free_list(&s->reads);
    store_free_list(&s->group);
    struct statements *sets[] = {&s->claim_sql, &s->record_sql, &s->control_sql, &s->halt_sql,
                                 &s->timer_sql, &s->notify_sql, &s->batch_sql,   &s->body_sql};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        db_finalize(sets[i]);
    }
    upload_close(s);
    copy_close(s);
    hosts_close(s);
    live_close(&s->live);
    ledger_done(&s->ledger);
    db_close(&s->db);
    running_close(&s->running);
    disk_done(&s->disk);
    if (s->timer_fd >= 0) {
        close(s->timer_fd);
    }
    mailbox_free(&s->mailbox);
    free(s->settled);
    free(s->to_workers);
    free(s->workers);
    free(s->path);
    free(s);
}

// The part of opening that only needs memory.
static struct store *store_new(const struct config *config, const struct store_ports *ports)
{
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return NULL;
    }
    s->ports = *ports;
    s->settings = settings_of(config);
    s->disk = (struct disk){.lock_fd = -1, .db_fd = -1};
    list_init(&s->urgent);
    list_init(&s->uploads_in);
    list_init(&s->reads);
    list_init(&s->group);
    list_init(&s->to_api);
    list_init(&s->copies);
    ledger_init(&s->ledger, 0);
    s->timer_fd = -1;
    s->armed_at = -1;
    s->disk_seen_ms = INT64_MIN / 2;
    s->path = strdup(config->store.path);
    s->to_workers = calloc(ports->n_workers, sizeof(struct list));
    s->workers = calloc(ports->n_workers, sizeof(struct mailbox *));
    if (s->path == NULL || s->to_workers == NULL || s->workers == NULL) {
        free(s->path);
        free(s->to_workers);
        free(s->workers);
        free(s);
        return NULL;
    }
    for (unsigned i = 0; i < ports->n_workers; i++) {
        list_init(&s->to_workers[i]);
        s->workers[i] = ports->workers[i];
    }
    return s;
}

int store_open(const struct config *config, const struct store_ports *ports, struct err *e,
               struct store **ret)
{
    struct store *s = store_new(config, ports);
    if (s == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    bool normal = config->store.synchronous == STORE_SYNCHRONOUS_NORMAL;
    if (mailbox_new(e, &s->mailbox) < 0 || disk_init(&s->disk, s->path, e) < 0 ||
        db_open_writer(&s->db, s->path, e) < 0 || store_prepare(s, normal, e) < 0 ||
        store_repair(s, e) < 0) {
        store_free(s);
        return -1;
    }
    *ret = s;
    return 0;
}

int store_start(struct store *s, struct err *e)
{
    int rc = pthread_create(&s->thread, NULL, run, s);
    if (rc != 0) {
        return err_set_errno(e, rc, "cannot start the store's thread");
    }
    pthread_setname_np(s->thread, "store");
    s->started = true;
    return 0;
}

struct mailbox *store_mailbox(struct store *s)
{
    return s->mailbox;
}

struct running *store_running(struct store *s)
{
    return s->running;
}

static void leave_message(struct message *m)
{
    (void)m;
}

void store_close(struct store **store)
{
    struct store *s = *store;
    if (s == NULL) {
        return;
    }
    if (s->started) {
        s->stop = (struct message){.kind = RING_STOP, .free = leave_message};
        mailbox_post(s->mailbox, &s->stop);
        pthread_join(s->thread, NULL);
    }
    store_free(s);
    *store = NULL;
}

static void free_message(struct message *m)
{
    free(m);
}

void store_post_config(struct store *s, const struct config *config)
{
    struct config_message *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        log_warn("the store keeps its old configuration: out of memory");
        return;
    }
    m->msg.kind = RING_CONFIG;
    m->msg.free = free_message;
    m->settings = settings_of(config);
    mailbox_post(s->mailbox, &m->msg);
}

int64_t store_last_beat_ms(struct store *s)
{
    return mailbox_beat_ms(s->mailbox);
}

bool store_is_full(struct store *s)
{
    return atomic_load_explicit(&s->full, memory_order_relaxed);
}
