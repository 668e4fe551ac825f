// SPDX-License-Identifier: MIT
// The least a durable submission can cost: each URL as a task row and a ready row, in commits of
// 500. One thread; no validation, no fairness, no batch.
#include "limit.h"

#include <sqlite3.h>
#include <string.h>

enum { GROUP = 500 };

static const char tables[] =
    "CREATE TABLE task (id INTEGER PRIMARY KEY, host INTEGER NOT NULL, url TEXT NOT NULL,"
    " ext_id TEXT, metadata TEXT, spec TEXT);"
    "CREATE TABLE ready (host INTEGER NOT NULL, prio INTEGER NOT NULL, batch INTEGER NOT NULL,"
    " idx INTEGER NOT NULL, attempt INTEGER NOT NULL DEFAULT 0, not_before INTEGER NOT NULL"
    " DEFAULT 0, sent INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (host, prio, batch, idx))"
    " WITHOUT ROWID;";

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) {
        limit_die("sqlite", sqlite3_errmsg(db));
    }
    return s;
}

static void step(sqlite3 *db, sqlite3_stmt *s)
{
    if (sqlite3_step(s) != SQLITE_DONE) {
        limit_die("sqlite", sqlite3_errmsg(db));
    }
    sqlite3_reset(s);
}

void limit_insert(const char *path, const struct limit_list *list)
{
    sqlite3 *db = limit_open(path, tables);
    sqlite3_stmt *task = prepare(db, "INSERT INTO task (id, host, url) VALUES (?1, 1, ?2)");
    sqlite3_stmt *ready =
        prepare(db, "INSERT INTO ready (host, prio, batch, idx) VALUES (1, 4, 1, ?1)");
    for (size_t i = 0; i < list->n; i++) {
        if (i % GROUP == 0) {
            limit_exec(db, i ? "COMMIT; BEGIN IMMEDIATE" : "BEGIN IMMEDIATE");
        }
        sqlite3_bind_int64(task, 1, (1 << 24) + (sqlite3_int64)i);
        sqlite3_bind_text(task, 2, list->urls[i], -1, SQLITE_STATIC);
        step(db, task);
        sqlite3_bind_int64(ready, 1, (sqlite3_int64)i);
        step(db, ready);
    }
    if (list->n) {
        limit_exec(db, "COMMIT");
    }
    sqlite3_finalize(task);
    sqlite3_finalize(ready);
    sqlite3_close(db);
}
