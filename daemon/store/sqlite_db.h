// SPDX-License-Identifier: MIT
// One SQLite connection: opening with the settings that every connection here needs, statements
// that are prepared once, and errors that stick until the transaction's owner looks at them. Used
// on one thread at a time.
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct db {
    sqlite3 *handle;
    int rc;         // first error since db_clear: an extended SQLite code
    char text[256]; // and what SQLite said of it
    int wal_pages;  // in the write-ahead log after the last commit
};

// What an error means for whoever wrote.
enum db_fault {
    DB_FINE,
    DB_FULL,  // no space left: give back, wait, try again
    DB_BUSY,  // no memory, or locked by a foreign program: try again
    DB_FATAL, // the disk failed, the file is corrupt, or this program is wrong
};

// The writer: creates the file if need be. Only db_begin_writing changes anything in it:
// write-ahead log, no automatic checkpoints.
int db_open_writer(struct db *db, const char *path, struct err *e);
int db_begin_writing(struct db *db, const char *path, bool normal_sync, struct err *e);
int db_open_reader(struct db *db, const char *path, struct err *e);
void db_close(struct db *db);
const char *db_advice(int rc); // what to do about an error, for the end of a message; may be ""

// A set of statements: texts in a table, prepared all at once.
struct statements {
    sqlite3_stmt **v;
    int n;
};

int db_prepare(struct db *db, const char *const *sql, int n, struct err *e, struct statements *ret);
void db_finalize(struct statements *s);

int db_run(struct db *db, const char *sql); // without result rows
// Waits for nobody: a backup or a shell may read for minutes. What SQLite says of it.
int db_checkpoint(struct db *db, int mode);
enum db_fault db_fault(const struct db *db);
void db_clear(struct db *db);
int db_fail(struct db *db, int rc); // remembers the first error; -1

// Binds by position from 1 as `types` says: i int64_t, d double, t const char * (NULL: null), b
// const void * and size_t (NULL: null). What is bound must stay until the statement is reset.
void db_bind(sqlite3_stmt *st, const char *types, ...);

// 1: a row; 0: done (and reset); -1: error (and reset).
int db_step(struct db *db, sqlite3_stmt *st);
// Runs a statement without result rows to its end: the number of changed rows, or -1.
int db_exec(struct db *db, sqlite3_stmt *st);
void db_reset(sqlite3_stmt *st);
// The same after texts of its row were read: -1 if one of them was NULL for want of memory, which
// SQLite may need to put a zero behind a long one.
int db_end(struct db *db, sqlite3_stmt *st);

// Columns. Text is borrowed until the next step.
static inline int64_t db_int(sqlite3_stmt *st, int at)
{
    return sqlite3_column_int64(st, at);
}

static inline const char *db_text(sqlite3_stmt *st, int at)
{
    return (const char *)sqlite3_column_text(st, at);
}

// The same for a field that is char * because elsewhere it owns its text; nobody may write to it or
// free it.
char *db_borrow(sqlite3_stmt *st, int at);

// Copies a blob of exactly n bytes; zeros if it is anything else.
void db_blob(sqlite3_stmt *st, int at, void *ret, size_t n);
