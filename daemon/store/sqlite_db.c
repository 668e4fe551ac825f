// SPDX-License-Identifier: MIT
// The thin layer over SQLite. It knows no table. No file is mapped into memory: a disk error must
// be an error code, not a SIGBUS.
#include "daemon/store/sqlite_db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_CACHE_KIB 32768
#define READER_CACHE_KIB 8192
#define BUSY_TIMEOUT_MS  2000

static int on_wal_commit(void *ctx, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct db *db = ctx;
    db->wal_pages = pages;
    return SQLITE_OK;
}

const char *db_advice(int rc)
{
    switch (rc == SQLITE_IOERR_SHMSIZE ? SQLITE_FULL : rc & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return "; the file is no database or is damaged: restore it from a backup or move it away";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY: return "; check that it and its directory are writable for this user";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another program (a backup, a shell) holds it: start again when that has ended";
    case SQLITE_FULL: return "; its file system is full: make space";
    default: return "";
    }
}

static int open_error(struct db *db, const char *path, struct err *e)
{
    int rc = sqlite3_extended_errcode(db->handle);
    err_set(e, ERR_SYSTEM, "cannot open the database %s: %s%s", path, sqlite3_errmsg(db->handle),
            db_advice(rc));
    db_close(db);
    return -1;
}

static int db_open(struct db *db, const char *path, int flags, struct err *e)
{
    memset(db, 0, sizeof(*db));
    if (sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        return open_error(db, path, e);
    }
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    return 0;
}

int db_open_writer(struct db *db, const char *path, struct err *e)
{
    // Spares a global lock around every allocation. Refused, without harm, when SQLite is already
    // in use.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    return db_open(db, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e);
}

int db_begin_writing(struct db *db, const char *path, bool normal_sync, struct err *e)
{
    char sql[512];
    snprintf(
        sql, sizeof(sql),
        "PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA "
        "synchronous=%s; PRAGMA mmap_size=0;"
        "PRAGMA foreign_keys=0; PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=67108864;"
        "PRAGMA cache_size=-%d; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=0;",
        normal_sync ? "NORMAL" : "FULL", WRITER_CACHE_KIB);
    if (db_run(db, sql) < 0) {
        return open_error(db, path, e);
    }
    sqlite3_stmt *st = NULL;
    bool wal = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode", -1, &st, NULL) == SQLITE_OK &&
               sqlite3_step(st) == SQLITE_ROW && strcmp(db_text(st, 0), "wal") == 0;
    sqlite3_finalize(st);
    if (!wal) {
        err_set(e, ERR_SYSTEM,
                "the file system of %s cannot hold a write-ahead log: use a local disk", path);
        return -1;
    }
    sqlite3_wal_hook(db->handle, on_wal_commit, db);
    return 0;
}

int db_open_reader(struct db *db, const char *path, struct err *e)
{
    if (db_open(db, path, SQLITE_OPEN_READWRITE, e) < 0) {
        return -1;
    }
    // Only the writer checkpoints, at the end, too: SQLite before 3.51.3 can damage the log
    // otherwise.
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    char sql[256];
    snprintf(sql, sizeof(sql),
             "PRAGMA query_only=1; PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0; PRAGMA "
             "cache_size=-%d;"
             "PRAGMA trusted_schema=0;",
             READER_CACHE_KIB);
    if (db_run(db, sql) < 0) {
        return open_error(db, path, e);
    }
    return 0;
}

void db_close(struct db *db)
{
    sqlite3_close_v2(db->handle);
    db->handle = NULL;
}

int db_prepare(struct db *db, const char *const *sql, int n, struct err *e, struct statements *ret)
{
    ret->n = n;
    ret->v = calloc((size_t)n, sizeof(*ret->v));
    if (ret->v == NULL) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    for (int i = 0; i < n; i++) {
        if (sqlite3_prepare_v3(db->handle, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &ret->v[i],
                               NULL) != SQLITE_OK) {
            err_set(e, ERR_SYSTEM, "cannot prepare \"%.120s\": %s", sql[i],
                    sqlite3_errmsg(db->handle));
            db_finalize(ret);
            return -1;
        }
    }
    return 0;
}

void db_finalize(struct statements *s)
{
    for (int i = 0; s->v != NULL && i < s->n; i++) {
        sqlite3_finalize(s->v[i]);
    }
    free(s->v);
    *s = (struct statements){0};
}

int db_fail(struct db *db, int rc)
{
    // A quota that is used up is a full disk, too, but SQLite does not know that. What it does
    // between the failed write and its return succeeds, and leaves errno alone.
    if (rc == SQLITE_IOERR_WRITE && errno == EDQUOT) {
        rc = SQLITE_FULL;
    }
    if (db->rc == SQLITE_OK) {
        db->rc = rc;
        snprintf(db->text, sizeof(db->text), "%s (%d)", sqlite3_errmsg(db->handle), rc);
    }
    return -1;
}

int db_run(struct db *db, const char *sql)
{
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc);
}

int db_checkpoint(struct db *db, int mode)
{
    sqlite3_busy_timeout(db->handle, 0);
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, NULL, NULL);
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    return rc;
}

enum db_fault db_fault(const struct db *db)
{
    switch (db->rc & 0xff) {
    case SQLITE_OK: return DB_FINE;
    case SQLITE_FULL: return DB_FULL;
    case SQLITE_NOMEM:
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return DB_BUSY;
    case SQLITE_IOERR:
        // The log's index lies on the same file system; that it cannot grow is no failing disk.
        return db->rc == SQLITE_IOERR_SHMSIZE ? DB_FULL
               : db->rc == SQLITE_IOERR_NOMEM ? DB_BUSY
                                              : DB_FATAL;
    default: return DB_FATAL;
    }
}

void db_clear(struct db *db)
{
    db->rc = SQLITE_OK;
}

void db_bind(sqlite3_stmt *st, const char *types, ...)
{
    // Nothing is copied, so the only failures left are programming errors, which the tests would
    // show.
    va_list args;
    va_start(args, types);
    int at = 1;
    for (const char *t = types; *t != '\0'; t++, at++) {
        if (*t == 'i') {
            sqlite3_bind_int64(st, at, va_arg(args, int64_t));
        } else if (*t == 'd') {
            sqlite3_bind_double(st, at, va_arg(args, double));
        } else if (*t == 't') {
            sqlite3_bind_text(st, at, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else {
            const void *data = va_arg(args, const void *);
            sqlite3_bind_blob64(st, at, data, va_arg(args, size_t), SQLITE_STATIC);
        }
    }
    va_end(args);
}

int db_step(struct db *db, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        return 1;
    }
    if (rc != SQLITE_DONE) {
        db_fail(db, rc);
    }
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? 0 : -1;
}

int db_exec(struct db *db, sqlite3_stmt *st)
{
    return db_step(db, st) < 0 ? -1 : sqlite3_changes(db->handle);
}

void db_reset(sqlite3_stmt *st)
{
    sqlite3_reset(st);
}

int db_end(struct db *db, sqlite3_stmt *st)
{
    int rc = sqlite3_reset(st);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc);
}

char *db_borrow(sqlite3_stmt *st, int at)
{
    union {
        const char *shown;
        char *field;
    } text = {.shown = db_text(st, at)};
    return text.field;
}

void db_blob(sqlite3_stmt *st, int at, void *ret, size_t n)
{
    const void *data = sqlite3_column_blob(st, at);
    if (data != NULL && (size_t)sqlite3_column_bytes(st, at) == n) {
        memcpy(ret, data, n);
    } else {
        memset(ret, 0, n);
    }
}
