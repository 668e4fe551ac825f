// SPDX-License-Identifier: MIT
// Telling workers of hosts with work. Being told in vain costs a worker one empty claim; not being
// told would leave tasks waiting for ever. So whenever the hosts are too many to tell, `more` makes
// the workers look themselves. On the store's thread.
#include <stdlib.h>
#include <string.h>

#include "daemon/store/store_internal.h"

#define MAX_TOLD      1024  // hosts in one message
#define MAX_LOOKED_AT 16384 // tasks of a batch whose hosts are gathered

enum { SQL_HOSTS, SQL_RETRIES, SQL_STARTS, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_HOSTS] = "SELECT DISTINCT host FROM (SELECT host FROM task WHERE id >= ? AND id < ?"
                  " ORDER BY id LIMIT ?) LIMIT ?",
    [SQL_RETRIES] = "SELECT DISTINCT host FROM ready WHERE not_before > 0 AND not_before > ?1"
                    " AND not_before <= ?2 LIMIT ?3",
    [SQL_STARTS] = "SELECT id FROM batch INDEXED BY batch_not_before WHERE not_before_at > 0"
                   " AND not_before_at > ?1"
                   " AND not_before_at <= ?2 AND state = 1 LIMIT ?3",
};

int notify_open(struct store *s, struct err *e)
{
    return db_prepare(&s->db, sql, SQL__N, e, &s->notify_sql);
}

static int compare_hosts(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

// The message to worker `i`, made at its first host.
static struct work *work_of(struct work **all, unsigned i, size_t room)
{
    if (all[i] == NULL) {
        all[i] = work_new(room);
        if (all[i] != NULL) {
            all[i]->n = 0;
        }
    }
    return all[i];
}

static int gather(struct store *s, const uint64_t *hosts, size_t n, struct work **all)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && hosts[i] == hosts[i - 1]) {
            continue;
        }
        struct host_record record;
        int r = hosts_record(s, hosts[i], &record);
        if (r < 0) {
            return -1;
        }
        if (r == 0) {
            continue;
        }
        struct work *w = work_of(all, store_worker_of(record.name, s->ports.n_workers), n);
        if (w == NULL) {
            free(record.name);
            return db_fail(&s->db, SQLITE_NOMEM);
        }
        w->v[w->n++] = record;
    }
    return 0;
}

int notify_hosts(struct store *s, uint64_t *hosts, size_t n, bool more)
{
    if (n == 0 && !more) {
        return 0;
    }
    if (n > 0) {
        qsort(hosts, n, sizeof(*hosts), compare_hosts);
    }
    struct work **all = calloc(s->ports.n_workers, sizeof(struct work *));
    if (all == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    int r = gather(s, hosts, n, all);
    for (unsigned i = 0; i < s->ports.n_workers; i++) {
        if (r == 0 && (more || all[i] != NULL)) {
            struct work *w = work_of(all, i, 0);
            if (w != NULL) {
                w->more = more;
            }
            store_to_worker(s, i, w);
        } else if (all[i] != NULL) {
            all[i]->msg.free(&all[i]->msg);
        }
    }
    free(all);
    return r;
}

int notify_batch(struct store *s, const struct live_batch *b)
{
    if (!live_may_run(b, s->now_at)) {
        return 0; // told when it is resumed, or when its time comes
    }
    uint64_t hosts[MAX_TOLD];
    size_t n = 0;
    sqlite3_stmt *st = s->notify_sql.v[SQL_HOSTS];
    db_bind(st, "iiii", batch_range_start(b->batch), batch_range_end(b->batch),
            (int64_t)MAX_LOOKED_AT, (int64_t)MAX_TOLD);
    int r;
    while ((r = db_step(&s->db, st)) == 1) {
        hosts[n++] = (uint64_t)db_int(st, 0);
    }
    bool more = b->counts.total > MAX_LOOKED_AT || n == MAX_TOLD;
    return r < 0 ? -1 : notify_hosts(s, hosts, n, more);
}

int notify_refused(struct store *s)
{
    s->refused_left = false;
    list_for_each_safe (it, next, &s->live.waking) {
        struct live_batch *b = list_entry(it, struct live_batch, waking);
        int64_t room = live_room(b);
        if (room <= 0 && live_may_run(b, s->now_at)) {
            continue;
        }
        size_t n = b->n_refused;
        if ((uint64_t)room < n && room > 0) {
            n = (size_t)room;
        }
        bool more = n == b->n_refused && b->refused_more;
        int r = notify_hosts(s, b->refused, n, more);
        if (r < 0) {
            return -1;
        }
        b->n_refused -= n;
        memmove(b->refused, b->refused + n, b->n_refused * sizeof(*b->refused));
        s->refused_left |= b->n_refused > 0;
        if (b->n_refused == 0) {
            b->refused_more = false;
            free(b->refused);
            b->refused = NULL;
            b->cap_refused = 0;
            list_remove(&b->waking);
        }
    }
    return 0;
}

// Hosts with retries that came due since the last look. Their worker may have forgotten them.
static int notify_due_retries(struct store *s)
{
    uint64_t hosts[MAX_TOLD];
    size_t n = 0;
    sqlite3_stmt *st = s->notify_sql.v[SQL_RETRIES];
    db_bind(st, "iii", s->back.retries_told_at, s->now_at, (int64_t)MAX_TOLD);
    int r;
    while ((r = db_step(&s->db, st)) == 1) {
        hosts[n++] = (uint64_t)db_int(st, 0);
    }
    if (r < 0 || notify_hosts(s, hosts, n, n == MAX_TOLD) < 0) {
        return -1;
    }
    s->back.retries_told_at = s->now_at;
    return 0;
}

// Batches whose not_before has come since the last look.
static int notify_due_starts(struct store *s)
{
    uint64_t due[64];
    size_t n = 0;
    sqlite3_stmt *st = s->notify_sql.v[SQL_STARTS];
    db_bind(st, "iii", s->back.starts_told_at, s->now_at, (int64_t)(sizeof(due) / sizeof(due[0])));
    int r;
    while ((r = db_step(&s->db, st)) == 1) {
        due[n++] = (uint64_t)db_int(st, 0);
    }
    if (r < 0) {
        return -1;
    }
    s->back.starts_told_at = s->now_at;
    if (n == sizeof(due) / sizeof(due[0])) {
        return notify_hosts(s, NULL, 0, true);
    }
    for (size_t i = 0; i < n; i++) {
        const struct live_batch *b = live_get(&s->live, &s->db, due[i]);
        if (b == NULL && s->db.rc != SQLITE_OK) {
            return -1;
        }
        if (b != NULL && notify_batch(s, b) < 0) {
            return -1;
        }
    }
    return 0;
}

int notify_due(struct store *s)
{
    return notify_due_retries(s) < 0 || notify_due_starts(s) < 0 ? -1 : 0;
}
