// SPDX-License-Identifier: MIT
// What happens by the clock: retries and batches that come due, deadlines, retention, idempotency
// keys. All times are in indexed columns, so that the next one is one seek away whatever is stored.
// On the store's thread.
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/store/store_internal.h"

#define KEY_GRACE_MS  60000 // so that many keys are forgotten with one commit
#define KEYS_AT_ONCE  500
#define HOSTS_AT_ONCE 250
// A worker that knows the host claims a retry when it is due; being told is for one that forgot it.
#define RETRY_GRACE_MS 1000
// Less is the clock being steered, or this thread having been slow between two readings.
#define CLOCK_STEP_MS 1000
#define FAR_MS        (365LL * 86400 * 1000)

enum {
    SQL_NEXT_RETRY,
    SQL_NEXT_START,
    SQL_NEXT_DEADLINE,
    SQL_NEXT_EXPIRY,
    SQL_NEXT_KEY,
    SQL_NEXT_HOST,
    SQL_DEADLINES,
    SQL_OLD,
    SQL_KEYS,
    SQL_HOSTS,
    SQL_MOVE_RETRIES,
    SQL_MOVE_BLOCKS,
    SQL__N
};

// To which no task, no result and no limit refers. As the index of that name has it.
#define UNUSED_HOSTS                                                                               \
    "host INDEXED BY host_unused WHERE queued = 0 AND kept = 0 AND max_concurrency = -1"           \
    " AND delay_ms = -1 AND rate_per_s = -1 AND paused = 0"

// Where an index is named SQLite would take that of the state, and walk over all finished batches.
static const char *const sql[SQL__N] = {
    [SQL_NEXT_RETRY] = "SELECT not_before FROM ready WHERE not_before > 0 AND not_before > ?"
                       " ORDER BY not_before LIMIT 1",
    [SQL_NEXT_START] =
        "SELECT not_before_at FROM batch WHERE not_before_at > 0 AND not_before_at > ?"
        " ORDER BY not_before_at LIMIT 1",
    [SQL_NEXT_DEADLINE] = "SELECT deadline_at FROM batch WHERE deadline_at > 0 AND halt = 0"
                          " AND state < 3 ORDER BY deadline_at LIMIT 1",
    [SQL_NEXT_EXPIRY] = "SELECT finished_at FROM batch INDEXED BY batch_finished WHERE state = 3"
                        " ORDER BY finished_at LIMIT 1",
    [SQL_NEXT_KEY] = "SELECT expires_at FROM idempotency ORDER BY expires_at LIMIT 1",
    [SQL_NEXT_HOST] = "SELECT used_at FROM " UNUSED_HOSTS " ORDER BY used_at LIMIT 1",
    [SQL_DEADLINES] = "SELECT id FROM batch WHERE deadline_at > 0 AND halt = 0 AND state < 3"
                      " AND deadline_at <= ? ORDER BY deadline_at LIMIT ?",
    [SQL_OLD] = "SELECT id FROM batch INDEXED BY batch_finished WHERE state = 3"
                " AND finished_at <= ? ORDER BY finished_at LIMIT ?",
    [SQL_KEYS] = "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency"
                 " WHERE expires_at <= ? LIMIT ?)",
    [SQL_HOSTS] = "DELETE FROM host WHERE id IN (SELECT id FROM " UNUSED_HOSTS
                  " AND used_at <= ? ORDER BY used_at LIMIT ?) RETURNING name",
    [SQL_MOVE_RETRIES] = "UPDATE ready SET not_before = max(not_before - ?, 1) WHERE not_before > 0"
                         " AND not_before > ?",
    [SQL_MOVE_BLOCKS] =
        "UPDATE host SET blocked_until = max(blocked_until - ?, 1) WHERE blocked_until > ?",
};

int timers_open(struct store *s, struct err *e)
{
    s->timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (s->timer_fd < 0) {
        return err_set_errno(e, errno, "cannot create a timer");
    }
    return db_prepare(&s->db, sql, SQL__N, e, &s->timer_sql);
}

// Collects up to `max` batches of a statement bound with a time: the number, or -1.
static int due_batches(struct store *s, int which, int64_t until, uint64_t *ret, int max)
{
    sqlite3_stmt *st = s->timer_sql.v[which];
    db_bind(st, "ii", until, (int64_t)max);
    int n = 0, r;
    while ((r = db_step(&s->db, st)) == 1) {
        ret[n++] = (uint64_t)db_int(st, 0);
    }
    return r < 0 ? -1 : n;
}

static int expire_batches(struct store *s)
{
    uint64_t due[100];
    int n = due_batches(s, SQL_DEADLINES, s->now_at, due, 100);
    for (int i = 0; i < n && s->ops < BACKGROUND_OPS; i++) { // the others are still due then
        struct live_batch *b = live_require(&s->live, &s->db, due[i]);
        if (b == NULL) {
            return -1;
        }
        // What this very group did to it is not in its row yet.
        bool over = b->halt != 0 || b->state >= BATCH_FINISHED;
        if (!over && halt_soon(s, b, TASK_STATE_EXPIRED) < 0) {
            return -1;
        }
    }
    return n < 0 ? -1 : 0;
}

static int forget_batches(struct store *s)
{
    if (s->settings.retention_ms == 0) {
        return 0;
    }
    uint64_t old[100];
    int n = due_batches(s, SQL_OLD, s->now_at - s->settings.retention_ms, old, 100);
    for (int i = 0; i < n; i++) {
        struct live_batch *b = live_require(&s->live, &s->db, old[i]);
        if (b == NULL) {
            return -1;
        }
        bool over = b->state == BATCH_REMOVED || copy_reads(s, b->batch);
        if (!over && batch_remove(s, b) < 0) {
            return -1;
        }
    }
    return n < 0 ? -1 : 0;
}

// Tasks of an upload under way are counted with their ready rows, so hosts stay while it holds some
// back.
static bool hosts_may_go(const struct store *s)
{
    return s->settings.retention_ms > 0 && upload_buffered(s) == 0;
}

// Workers need not be asked: they know hosts by name, and no number is given twice.
static int forget_hosts(struct store *s)
{
    if (!hosts_may_go(s)) {
        return 0;
    }
    if (hosts_flush(s) < 0) { // what this very group counted
        return -1;
    }
    sqlite3_stmt *st = s->timer_sql.v[SQL_HOSTS];
    db_bind(st, "ii", s->now_at - s->settings.retention_ms, (int64_t)HOSTS_AT_ONCE);
    int r;
    while ((r = db_step(&s->db, st)) == 1) {
        const char *name = db_text(st, 0);
        if (name == NULL) {
            db_reset(st);
            return db_fail(&s->db, SQLITE_NOMEM);
        }
        hosts_forget_name(s, name);
        s->back.have_free = true;
    }
    return r;
}

// Times that come again are due again: what was told by the old clock says nothing of what has been
// stored since. Without this a batch would wait for ever for a `not_before` of the last second.
static void untell(struct store *s)
{
    struct background *b = &s->back;
    if (s->now_at < b->retries_told_at || s->now_at < b->starts_told_at) {
        b->retries_told_at = s->now_at < b->retries_told_at ? s->now_at : b->retries_told_at;
        b->starts_told_at = s->now_at < b->starts_told_at ? s->now_at : b->starts_told_at;
        s->wake_at = s->now_at;
    }
}

void timers_look_at_clock(struct store *s)
{
    uint64_t fired;
    if (read(s->timer_fd, &fired, sizeof(fired)) > 0 || errno == ECANCELED) {
        s->armed_at = -1;
    }
    s->now_at = clock_wall_at();
    int64_t ahead_ms = s->now_at - clock_monotonic_ms();
    if (s->clock_ms != 0 && ahead_ms < s->clock_ms - CLOCK_STEP_MS) {
        s->back.set_back_ms += s->clock_ms - ahead_ms;
    }
    s->clock_ms = ahead_ms;
    untell(s);
}

// A retry or a blocked host waits for a while, not for a date: when the clock is set back by a day
// it must not wait a day longer. Batches keep their dates, which are their owner's.
static int follow_clock(struct store *s)
{
    for (int which = SQL_MOVE_RETRIES; which <= SQL_MOVE_BLOCKS; which++) {
        sqlite3_stmt *st = s->timer_sql.v[which];
        db_bind(st, "ii", s->back.set_back_ms, s->now_at);
        if (db_exec(&s->db, st) < 0) {
            return -1;
        }
    }
    log_warn("the clock was set back: waiting retries move with it ms=%lld",
             (long long)s->back.set_back_ms);
    s->back.set_back_ms = 0;
    return 0;
}

int timers_start(struct store *s)
{
    int64_t ahead_ms = s->disk.written_at - s->now_at;
    if (ahead_ms < CLOCK_STEP_MS) {
        return 0;
    }
    s->back.set_back_ms = ahead_ms;
    return db_run(&s->db, "BEGIN IMMEDIATE") < 0 || follow_clock(s) < 0 ||
                   db_run(&s->db, "COMMIT") < 0
               ? -1
               : 0;
}

bool timers_wanted(struct store *s)
{
    return s->back.set_back_ms > 0 || (s->wake_at > 0 && s->now_at >= s->wake_at);
}

int timers_step(struct store *s)
{
    if (s->back.set_back_ms > 0 && follow_clock(s) < 0) {
        return -1;
    }
    db_bind(s->timer_sql.v[SQL_KEYS], "ii", s->now_at, (int64_t)KEYS_AT_ONCE);
    if (db_exec(&s->db, s->timer_sql.v[SQL_KEYS]) < 0) {
        return -1;
    }
    return expire_batches(s) < 0 || forget_batches(s) < 0 || forget_hosts(s) < 0 ||
                   notify_due(s) < 0
               ? -1
               : 0;
}

// Lowers *at to the statement's one value plus `add`.
static int sooner(struct store *s, int which, int64_t add, int64_t *at)
{
    sqlite3_stmt *st = s->timer_sql.v[which];
    int r = db_step(&s->db, st);
    if (r == 1) {
        int64_t t = db_int(st, 0) + add;
        *at = *at == 0 || t < *at ? t : *at;
        db_reset(st);
    }
    return r < 0 ? -1 : 0;
}

int timers_next(struct store *s)
{
    int64_t at = 0;
    db_bind(s->timer_sql.v[SQL_NEXT_RETRY], "i", s->back.retries_told_at);
    db_bind(s->timer_sql.v[SQL_NEXT_START], "i", s->back.starts_told_at);
    if (sooner(s, SQL_NEXT_RETRY, RETRY_GRACE_MS, &at) < 0 ||
        sooner(s, SQL_NEXT_START, 0, &at) < 0 || sooner(s, SQL_NEXT_DEADLINE, 0, &at) < 0 ||
        sooner(s, SQL_NEXT_KEY, KEY_GRACE_MS, &at) < 0) {
        return -1;
    }
    if (s->settings.retention_ms > 0 &&
        sooner(s, SQL_NEXT_EXPIRY, s->settings.retention_ms, &at) < 0) {
        return -1;
    }
    if (hosts_may_go(s) && sooner(s, SQL_NEXT_HOST, s->settings.retention_ms, &at) < 0) {
        return -1;
    }
    s->wake_at = at;
    return 0;
}

void timers_arm(struct store *s)
{
    if (s->armed_at == s->wake_at) {
        return;
    }
    // Without anything due it only waits for the clock to be set.
    int64_t at = s->wake_at > 0 ? s->wake_at : s->now_at + FAR_MS;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at / 1000), .tv_nsec = (long)(at % 1000 * 1000000)}};
    if (timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL) ==
        0) {
        s->armed_at = s->wake_at;
    }
}
