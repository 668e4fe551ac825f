// SPDX-License-Identifier: MIT
// The bare prototype in three parts: threads that fetch, one thread that stores, and an insert of a
// list as a submission would need it. Any fault ends the program with a message: a measurement that
// went wrong has no result.
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;

struct limit_list {
    char *text;        // the file; each line is ended by a zero byte
    const char **urls; // borrowed from `text`
    size_t n;
};

// One fetched URL. Made by a fetch thread, given to the store, which frees it.
struct limit_record {
    struct limit_record *next;
    size_t index;
    int error; // CURLcode
    int status;
    int http_version;
    unsigned char sha256[32];
    int64_t started_at_ms, finished_at_ms;
    long dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms;
    char remote_ip[48];
    char content_type[80];
    char *headers;
    size_t headers_length, headers_capacity;
    char *body;
    size_t body_length, body_capacity;
};

struct limit_store_totals {
    size_t stored, failed, commits;
    uint64_t bytes;
    double finished_at; // of the last commit, by limit_now
};

struct limit_fetch_plan {
    const struct limit_list *list;
    unsigned threads, connections;
    const char *ca_file; // NULL for the system's
    struct limit_store *store;
};

_Noreturn void limit_die(const char *what, const char *why);
void *limit_realloc(void *old, size_t n);
double limit_now(void); // monotonic seconds

// A new database in WAL mode with synchronous=FULL, and the tables of `sql`.
struct sqlite3 *limit_open(const char *path, const char *sql);
void limit_exec(struct sqlite3 *db, const char *sql);

// limit_store_post: any thread, a chain by `next`; waits while the store is far behind.
// limit_store_finish: when all have been posted; joins the thread and frees the store.
struct limit_store *limit_store_new(const char *path, const struct limit_list *list);
void limit_store_post(struct limit_store *store, struct limit_record *first, size_t n);
struct limit_store_totals limit_store_finish(struct limit_store *store);

// Returns when everything has been fetched and posted.
void limit_fetch(const struct limit_fetch_plan *plan);

// Inserts the list as tasks with their ready rows in commits of 500; returns when all are durable.
void limit_insert(const char *path, const struct limit_list *list);
