// SPDX-License-Identifier: MIT
// A task at which the daemon crashes would be fetched first thing after each start, and nothing
// else would ever be done. So a start counts for each task how often in a row the daemon ended
// while it was in flight. Most of them only happened to be there: after a few deaths they are
// started apart from each other, so that the next one tells which it was; after some more the task
// is given up as failed: crash_loop. On the main thread, before the store's exists.
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "daemon/store/store_internal.h"

#define DEATHS_SUSPECTED 3 // started apart from others then, and once more in the opposite order
#define DEATHS_GIVEN_UP  5
#define APART_MS         1000
#define APART_ALL_MS     30000 // the last of many waits no longer

static const char find_sql[] =
    "SELECT r.host, r.prio, r.attempt FROM task t CROSS JOIN batch b ON b.id = ?2 AND b.state < 3"
    " CROSS JOIN ready r ON r.host = t.host AND r.prio = 9 - b.priority AND r.batch = b.id"
    " AND r.idx = ?3 WHERE t.id = ?1";

struct found {
    struct task_ref ref;
    int attempts;
};

// 1, 0: it has ended.
static int find_task(struct store *s, sqlite3_stmt *st, uint64_t task, struct found *ret)
{
    db_bind(st, "iii", (int64_t)task, (int64_t)task_key_batch(task), (int64_t)task_key_index(task));
    int r = db_step(&s->db, st);
    if (r == 1) {
        ret->ref = (struct task_ref){.task = task,
                                     .host = (uint64_t)db_int(st, 0),
                                     .priority = (uint8_t)(9 - db_int(st, 1))};
        ret->attempts = (int)db_int(st, 2);
        db_reset(st);
    }
    return r;
}

static int give_up(struct store *s, const struct found *t, unsigned deaths)
{
    log_error("a task is given up: the daemon ended again and again while it was in flight "
              "batch=%llu index=%u"
              " deaths=%u",
              (unsigned long long)task_key_batch(t->ref.task), task_key_index(t->ref.task), deaths);
    return record_ended(s, &t->ref, t->attempts + 1, TASK_FAILED, TASK_CRASH_LOOP) < 0 ? -1 : 0;
}

static int start_later(struct store *s, const struct found *t, int64_t wait_ms)
{
    struct retry_later m = {.ref = t->ref, .not_before_at = s->now_at + wait_ms, .counts = false};
    return record_retry(s, &m) < 0 ? -1 : 0;
}

static bool is_suspected(const struct running_death *d)
{
    return d->last && d->deaths >= DEATHS_SUSPECTED && d->deaths < DEATHS_GIVEN_UP;
}

// How long the i-th of n suspects waits.
static int64_t wait_of(const struct running_death *d, int64_t i, int64_t n)
{
    int64_t step_ms = n > APART_ALL_MS / APART_MS ? APART_ALL_MS / n : APART_MS;
    return (d->deaths % 2 == 0 ? n + 1 - i : i) * step_ms;
}

// Judges v[0..n) and keeps in it what is to be remembered: how many, or -1.
static int judge(struct store *s, sqlite3_stmt *st, struct running_death *v, size_t n)
{
    int kept = 0;
    int64_t n_suspects = 0, suspect = 0;
    for (size_t i = 0; i < n; i++) {
        n_suspects += is_suspected(&v[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct found t;
        int r = find_task(s, st, v[i].task, &t);
        suspect += is_suspected(&v[i]);
        if (r == 1 && v[i].deaths >= DEATHS_GIVEN_UP) {
            r = give_up(s, &t, v[i].deaths);
        } else if (r == 1) {
            r = is_suspected(&v[i]) ? start_later(s, &t, wait_of(&v[i], suspect, n_suspects)) : 0;
            v[kept++] = v[i];
        }
        if (r < 0) {
            return -1;
        }
    }
    return kept;
}

static int judge_all(struct store *s, struct running_death *v, size_t n)
{
    struct statements found = {0};
    const char *const sql[] = {find_sql};
    struct err e;
    if (db_prepare(&s->db, sql, 1, &e, &found) < 0) {
        return db_fail(&s->db, sqlite3_extended_errcode(s->db.handle));
    }
    int kept = judge(s, found.v[0], v, n);
    db_finalize(&found);
    return kept;
}

int crash_review(struct store *s)
{
    struct running_death *v = s->running == NULL ? NULL : calloc(RUNNING_MAX, sizeof(*v));
    if (v == NULL) {
        return 0;
    }
    size_t n = running_take(s->running, v);
    int kept = n == 0 ? 0 : judge_all(s, v, n);
    if (kept >= 0) {
        running_remember(s->running, v, (size_t)kept);
    }
    free(v);
    return kept < 0 ? -1 : 0;
}

void crash_open(struct store *s)
{
    char *path = NULL;
    struct err e;
    err_set(&e, ERR_SYSTEM, "out of memory");
    if (asprintf(&path, "%s.running", s->disk.db_path) < 0 ||
        running_open(path, &e, &s->running) < 0) {
        log_warn(
            "a task at which the daemon crashes again and again would not be noticed reason=%s",
            log_value(e.text));
    }
    free(path);
}
