// SPDX-License-Identifier: MIT
// Hosts: names to row numbers (a bounded cache, since every submitted task asks), counters that are
// summed up in a group and written once per host, limits set by an admin, and the scan for hosts
// with work. On the store's thread.
#include <stdlib.h>
#include <string.h>

#include "daemon/store/store_internal.h"

#define MAX_NAMES 32768

enum { SQL_FIND, SQL_INSERT, SQL_COUNT, SQL_RECORD, SQL_STATE, SQL_SET, SQL_NEXT, SQL__N };

static const char *const sql[SQL__N] = {
    [SQL_FIND] = "SELECT id FROM host WHERE name = ?",
    [SQL_INSERT] = "INSERT INTO host (id, name, used_at) VALUES (?, ?, ?)",
    [SQL_COUNT] = "UPDATE host SET queued = queued + ?2, kept = kept + ?3,"
                  " succeeded = succeeded + ?4, failed = failed + ?5,"
                  " bytes_received = bytes_received + ?6, used_at = max(used_at, ?7) WHERE id = ?1",
    [SQL_RECORD] = "SELECT name, max_concurrency, delay_ms, rate_per_s, paused, blocked_until,"
                   " backoff_level FROM host WHERE id = ?",
    [SQL_STATE] = "UPDATE host SET blocked_until = ?2, backoff_level = ?3,"
                  " used_at = max(used_at, ?4) WHERE id = ?1",
    [SQL_SET] = "UPDATE host SET max_concurrency = ?2, delay_ms = ?3, rate_per_s = ?4, paused = ?5"
                " WHERE id = ?1",
    [SQL_NEXT] = "SELECT host FROM ready WHERE host > ? ORDER BY host LIMIT 1",
};

struct host_name {
    uint64_t id;
    struct list lru;
    UT_hash_handle hh;
    char name[];
};

struct host_names {
    struct host_name *all;
    struct list lru; // most recently used last
    size_t n;
};

struct host_delta {
    uint64_t id;
    struct host_change change;
    UT_hash_handle hh;
};

struct host_deltas {
    struct host_delta *all;
};

unsigned store_worker_of(const char *host_name, unsigned n_workers)
{
    uint64_t h = UINT64_C(14695981039346656037); // FNV-1a
    for (const char *c = host_name; *c != '\0'; c++) {
        h = (h ^ (unsigned char)*c) * UINT64_C(1099511628211);
    }
    return (unsigned)((h ^ h >> 32) % n_workers);
}

int hosts_open(struct store *s, struct err *e)
{
    s->names = calloc(1, sizeof(*s->names));
    s->deltas = calloc(1, sizeof(*s->deltas));
    if (s->names == NULL || s->deltas == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    list_init(&s->names->lru);
    return db_prepare(&s->db, sql, SQL__N, e, &s->host_sql);
}

static void forget_name(struct host_names *names, struct host_name *h)
{
    HASH_DEL(names->all, h);
    list_remove(&h->lru);
    names->n--;
    free(h);
}

void hosts_rolled_back(struct store *s)
{
    // Rows made in the group are gone, and their numbers will be given again.
    while (!list_empty(&s->names->lru)) {
        forget_name(s->names, list_entry(s->names->lru.next, struct host_name, lru));
    }
    struct host_delta *d, *next;
    HASH_ITER(hh, s->deltas->all, d, next)
    {
        HASH_DEL(s->deltas->all, d);
        free(d);
    }
}

void hosts_close(struct store *s)
{
    if (s->names != NULL && s->deltas != NULL) {
        hosts_rolled_back(s);
    }
    free(s->names);
    free(s->deltas);
    s->names = NULL;
    s->deltas = NULL;
    db_finalize(&s->host_sql);
}

static void remember_name(struct host_names *names, const char *name, uint64_t id)
{
    if (names->n >= MAX_NAMES) {
        forget_name(names, list_entry(names->lru.next, struct host_name, lru));
    }
    size_t n = strlen(name);
    struct host_name *h = calloc(1, sizeof(*h) + n + 1);
    if (h == NULL) {
        return; // only a cache
    }
    h->id = id;
    memcpy(h->name, name, n);
    HASH_ADD_KEYPTR(hh, names->all, h->name, n, h);
    if (h->hh.tbl == NULL) {
        free(h);
        return;
    }
    list_push_back(&names->lru, &h->lru);
    names->n++;
}

void hosts_forget_name(struct store *s, const char *name)
{
    struct host_name *h;
    HASH_FIND(hh, s->names->all, name, strlen(name), h);
    if (h != NULL) {
        forget_name(s->names, h);
    }
}

int hosts_id(struct store *s, const char *name, uint64_t *ret)
{
    struct host_name *h;
    HASH_FIND(hh, s->names->all, name, strlen(name), h);
    if (h != NULL) {
        list_remove(&h->lru);
        list_push_back(&s->names->lru, &h->lru);
        *ret = h->id;
        return 0;
    }
    sqlite3_stmt *find = s->host_sql.v[SQL_FIND], *insert = s->host_sql.v[SQL_INSERT];
    db_bind(find, "t", name);
    int r = db_step(&s->db, find);
    if (r < 0) {
        return -1;
    }
    if (r == 1) {
        *ret = (uint64_t)db_int(find, 0);
        db_reset(find);
    } else {
        *ret = (uint64_t)s->back.next_host++;
        db_bind(insert, "iti", (int64_t)*ret, name, s->now_at);
        if (db_exec(&s->db, insert) < 0) {
            return -1;
        }
        s->ops++;
    }
    remember_name(s->names, name, *ret);
    return 0;
}

int hosts_count(struct store *s, uint64_t host, const struct host_change *change)
{
    struct host_delta *d;
    HASH_FIND(hh, s->deltas->all, &host, sizeof(host), d);
    if (d == NULL) {
        d = calloc(1, sizeof(*d));
        if (d == NULL) {
            return db_fail(&s->db, SQLITE_NOMEM);
        }
        d->id = host;
        HASH_ADD(hh, s->deltas->all, id, sizeof(d->id), d);
        if (d->hh.tbl == NULL) {
            free(d);
            return db_fail(&s->db, SQLITE_NOMEM);
        }
        s->ops++;
    }
    d->change.queued += change->queued;
    d->change.kept += change->kept;
    d->change.succeeded += change->succeeded;
    d->change.failed += change->failed;
    d->change.bytes += change->bytes;
    return 0;
}

int hosts_flush(struct store *s)
{
    struct host_delta *d, *next;
    HASH_ITER(hh, s->deltas->all, d, next)
    {
        sqlite3_stmt *st = s->host_sql.v[SQL_COUNT];
        db_bind(st, "iiiiiii", (int64_t)d->id, d->change.queued, d->change.kept,
                d->change.succeeded, d->change.failed, d->change.bytes, s->now_at);
        if (db_exec(&s->db, st) < 0) {
            return -1;
        }
        HASH_DEL(s->deltas->all, d);
        free(d);
    }
    return 0;
}

int hosts_record(struct store *s, uint64_t host, struct host_record *ret)
{
    sqlite3_stmt *st = s->host_sql.v[SQL_RECORD];
    db_bind(st, "i", (int64_t)host);
    int r = db_step(&s->db, st);
    if (r != 1) {
        return r;
    }
    const char *name = db_text(st, 0);
    *ret = (struct host_record){
        .host = host,
        .name = name == NULL ? NULL : strdup(name),
        .limits = {.max_concurrency = (int32_t)db_int(st, 1),
                   .delay_ms = db_int(st, 2),
                   .rate_per_s = sqlite3_column_double(st, 3),
                   .paused = db_int(st, 4) != 0},
        .blocked_until = db_int(st, 5),
        .backoff_level = (int32_t)db_int(st, 6),
    };
    db_reset(st);
    return ret->name == NULL ? db_fail(&s->db, SQLITE_NOMEM) : 1;
}

int hosts_lookup(struct store *s, const struct host_lookup *m)
{
    uint64_t id;
    if (hosts_id(s, m->name, &id) < 0 || hosts_count(s, id, &(struct host_change){0}) < 0) {
        return -1;
    }
    struct work *w = work_new(1);
    if (w == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    if (hosts_record(s, id, &w->v[0]) < 0) {
        w->msg.free(&w->msg);
        return -1;
    }
    store_to_worker(s, m->worker, w);
    return 0;
}

int hosts_state(struct store *s, const struct host_state *m)
{
    uint64_t id;
    if (hosts_id(s, m->name, &id) < 0) {
        return -1;
    }
    sqlite3_stmt *st = s->host_sql.v[SQL_STATE];
    db_bind(st, "iiii", (int64_t)id, m->blocked_until, (int64_t)m->backoff_level, m->needed_until);
    s->ops++;
    return db_exec(&s->db, st) < 0 ? -1 : 0;
}

int hosts_set(struct store *s, const struct control *m)
{
    uint64_t id;
    struct host_record record;
    if (hosts_id(s, m->host, &id) < 0 || hosts_count(s, id, &(struct host_change){0}) < 0 ||
        hosts_record(s, id, &record) < 0) {
        return -1;
    }
    struct host_limits *l = &record.limits;
    l->max_concurrency = m->host_fields & 1U ? m->limits.max_concurrency : l->max_concurrency;
    l->delay_ms = m->host_fields & 2U ? m->limits.delay_ms : l->delay_ms;
    l->rate_per_s = m->host_fields & 4U ? m->limits.rate_per_s : l->rate_per_s;
    l->paused = m->host_fields & 8U ? m->limits.paused : l->paused;
    free(record.name);
    sqlite3_stmt *st = s->host_sql.v[SQL_SET];
    db_bind(st, "iiidi", (int64_t)id, (int64_t)l->max_concurrency, l->delay_ms, l->rate_per_s,
            (int64_t)l->paused);
    if (db_exec(&s->db, st) < 0) {
        return -1;
    }
    s->ops++;
    struct host_limits_changed *c = host_limits_changed_new(m->host);
    if (c != NULL) {
        c->limits = *l;
    }
    store_to_worker(s, store_worker_of(m->host, s->ports.n_workers), c);
    return 0;
}

// The next host after `after` with ready rows, whoever owns it: 1, 0 or -1.
static int next_host(struct store *s, uint64_t after, uint64_t *ret)
{
    sqlite3_stmt *st = s->host_sql.v[SQL_NEXT];
    db_bind(st, "i", (int64_t)after);
    int r = db_step(&s->db, st);
    if (r == 1) {
        *ret = (uint64_t)db_int(st, 0);
        db_reset(st);
    }
    return r;
}

int hosts_scan(struct store *s, const struct host_scan *m)
{
    struct work *w = work_new(m->n);
    if (w == NULL) {
        return db_fail(&s->db, SQLITE_NOMEM);
    }
    w->scan_answer = true;
    w->n = 0;
    uint64_t host = m->after;
    // At least one of the worker's own must be told, else its next question would be the same one
    // again.
    size_t budget = m->n * s->ports.n_workers * 2;
    int r = 1;
    while (w->n < m->n && (w->n == 0 || budget > 0) && (r = next_host(s, host, &host)) == 1) {
        struct host_record *record = &w->v[w->n];
        r = hosts_record(s, host, record);
        if (r < 0) {
            break;
        }
        if (r == 1 && store_worker_of(record->name, s->ports.n_workers) == m->worker) {
            w->n++;
        } else if (r == 1) {
            free(record->name);
            record->name = NULL;
        }
        budget -= budget > 0 ? 1 : 0;
    }
    if (r < 0) {
        w->msg.free(&w->msg);
        return -1;
    }
    w->more = r == 1;
    store_to_worker(s, m->worker, w);
    return 0;
}
