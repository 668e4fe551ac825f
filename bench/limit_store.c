// SPDX-License-Identifier: MIT
// The one thread that writes: takes everything that has been posted, writes it in one transaction,
// and so on. The tables have the columns of schema/0001_initial.sql without its secondary indexes.
#include "limit.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP_MAX = 2000, BACKLOG_MAX = 20000 };

struct limit_store {
    pthread_t thread;
    pthread_mutex_t lock; // of the four below
    pthread_cond_t changed;
    struct limit_record *first, **last;
    size_t waiting;
    bool closed;
    sqlite3 *db;
    sqlite3_stmt *insert_result, *insert_body;
    const struct limit_list *list;
    struct limit_store_totals totals;
};

static const char tables[] =
    "CREATE TABLE result (id INTEGER PRIMARY KEY, task INTEGER NOT NULL, state INTEGER NOT NULL,"
    " status INTEGER NOT NULL, error INTEGER NOT NULL, retryable INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, has_body INTEGER NOT NULL, complete INTEGER NOT NULL,"
    " size INTEGER NOT NULL, body INTEGER NOT NULL, started_at INTEGER NOT NULL,"
    " finished_at INTEGER NOT NULL, queued_ms INTEGER NOT NULL, dns_ms INTEGER NOT NULL,"
    " connect_ms INTEGER NOT NULL, tls_ms INTEGER NOT NULL, first_byte_ms INTEGER NOT NULL,"
    " total_ms INTEGER NOT NULL, message TEXT, final_url TEXT, redirects TEXT, http_version TEXT,"
    " remote_ip TEXT, content_type TEXT, sha256 BLOB, headers TEXT);"
    "CREATE TABLE body (id INTEGER PRIMARY KEY, data BLOB NOT NULL);";

static const char insert_result_sql[] =
    "INSERT INTO result (id, task, state, status, error, retryable, attempts, has_body, complete,"
    " size, body, started_at, finished_at, queued_ms, dns_ms, connect_ms, tls_ms, first_byte_ms,"
    " total_ms, final_url, http_version, remote_ip, content_type, sha256, headers) "
    "VALUES (?1, ?2, ?3, ?4, ?5, 0, 1, ?6, 1, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13, ?14, ?15, ?16,"
    " ?17, ?18, ?19, ?20, ?21)";

void limit_exec(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        limit_die("sqlite", sqlite3_errmsg(db));
    }
}

sqlite3 *limit_open(const char *path, const char *sql)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK) {
        limit_die(path, sqlite3_errmsg(db));
    }
    // The checkpoints come each 64 MiB of log.
    limit_exec(db, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                   "PRAGMA wal_autocheckpoint=16384; PRAGMA cache_size=-65536;");
    limit_exec(db, sql);
    return db;
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) {
        limit_die("sqlite", sqlite3_errmsg(db));
    }
    return s;
}

static void step(struct limit_store *store, sqlite3_stmt *s)
{
    if (sqlite3_step(s) != SQLITE_DONE) {
        limit_die("sqlite", sqlite3_errmsg(store->db));
    }
    sqlite3_reset(s);
}

static int64_t write_body(struct limit_store *store, const struct limit_record *r)
{
    if (r->body_length == 0) {
        return 0;
    }
    sqlite3_bind_blob64(store->insert_body, 1, r->body, r->body_length, SQLITE_STATIC);
    step(store, store->insert_body);
    return sqlite3_last_insert_rowid(store->db);
}

static const char *version_text(int version)
{
    return version == 3 ? "2" : version == 1 ? "1.0" : "1.1"; // CURL_HTTP_VERSION_…
}

static void write_result(struct limit_store *store, const struct limit_record *r)
{
    int64_t body = write_body(store, r);
    sqlite3_stmt *s = store->insert_result;
    int64_t numbers[] = {(int64_t)store->totals.stored + 1,
                         (int64_t)r->index + 1,
                         r->error ? 3 : 2,
                         r->status,
                         r->error,
                         r->body_length > 0,
                         (int64_t)r->body_length,
                         body,
                         r->started_at_ms,
                         r->finished_at_ms,
                         r->dns_ms,
                         r->connect_ms,
                         r->tls_ms,
                         r->first_byte_ms,
                         r->total_ms};
    int at = 1;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sqlite3_bind_int64(s, at++, numbers[i]);
    }
    sqlite3_bind_text(s, at++, store->list->urls[r->index], -1, SQLITE_STATIC);
    sqlite3_bind_text(s, at++, version_text(r->http_version), -1, SQLITE_STATIC);
    sqlite3_bind_text(s, at++, r->remote_ip, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, at++, r->content_type, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(s, at++, r->sha256, sizeof(r->sha256), SQLITE_STATIC);
    sqlite3_bind_text64(s, at, r->headers, r->headers_length, SQLITE_STATIC, SQLITE_UTF8);
    step(store, s);
    store->totals.stored++;
    store->totals.failed += r->error != 0 || r->status >= 400;
    store->totals.bytes += r->body_length;
}

// Takes up to GROUP_MAX records, waiting for the first; NULL at the end.
static struct limit_record *take(struct limit_store *store)
{
    pthread_mutex_lock(&store->lock);
    while (!store->first && !store->closed) {
        pthread_cond_wait(&store->changed, &store->lock);
    }
    struct limit_record *group = store->first, **cut = &store->first;
    size_t n = 0;
    while (*cut && n < GROUP_MAX) {
        cut = &(*cut)->next;
        n++;
    }
    if (group) {
        store->first = *cut;
        *cut = NULL;
        if (!store->first) {
            store->last = &store->first;
        }
        store->waiting -= n;
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
    return group;
}

static void *run(void *arg)
{
    struct limit_store *store = arg;
    struct limit_record *group;
    while ((group = take(store))) {
        limit_exec(store->db, "BEGIN IMMEDIATE");
        while (group) {
            struct limit_record *r = group;
            group = r->next;
            write_result(store, r);
            free(r->headers);
            free(r->body);
            free(r);
        }
        limit_exec(store->db, "COMMIT");
        store->totals.commits++;
        store->totals.finished_at = limit_now();
    }
    return NULL;
}

struct limit_store *limit_store_new(const char *path, const struct limit_list *list)
{
    struct limit_store *store = limit_realloc(NULL, sizeof(*store));
    memset(store, 0, sizeof(*store));
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->changed, NULL);
    store->last = &store->first;
    store->list = list;
    store->db = limit_open(path, tables);
    store->insert_result = prepare(store->db, insert_result_sql);
    store->insert_body = prepare(store->db, "INSERT INTO body (data) VALUES (?1)");
    if (pthread_create(&store->thread, NULL, run, store) != 0) {
        limit_die("thread", "cannot start");
    }
    return store;
}

void limit_store_post(struct limit_store *store, struct limit_record *first, size_t n)
{
    struct limit_record **end = &first->next;
    while (*end) {
        end = &(*end)->next;
    }
    pthread_mutex_lock(&store->lock);
    while (store->waiting > BACKLOG_MAX) {
        pthread_cond_wait(&store->changed, &store->lock);
    }
    bool was_empty = !store->first;
    *store->last = first;
    store->last = end;
    store->waiting += n;
    if (was_empty) {
        pthread_cond_broadcast(&store->changed);
    }
    pthread_mutex_unlock(&store->lock);
}

struct limit_store_totals limit_store_finish(struct limit_store *store)
{
    pthread_mutex_lock(&store->lock);
    store->closed = true;
    pthread_cond_broadcast(&store->changed);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    struct limit_store_totals totals = store->totals;
    sqlite3_finalize(store->insert_result);
    sqlite3_finalize(store->insert_body);
    sqlite3_close(store->db);
    pthread_cond_destroy(&store->changed);
    pthread_mutex_destroy(&store->lock);
    free(store);
    return totals;
}
