// SPDX-License-Identifier: MIT
// What every verb works with: where to write, the connection, and the batch that a Ctrl-C leaves
// behind.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/args.h"
#include "client/conn.h"
#include "client/output.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/uuid.h"

// Exit statuses besides those of err_info(): the command worked, and tells something about the
// batch.
enum { EXIT_NOT_FINISHED = 7, EXIT_FAILED_TASKS = 8, EXIT_SIGNALLED = 128 };

struct app {
    struct output out;
    struct conn *conn;             // NULL for verbs that need no daemon
    char waiting[UUID_TEXT_SIZE];  // the unfinished batch this run is concerned with, or ""
    char printing[UUID_TEXT_SIZE]; // the finished one of which not everything is printed, or ""
};

// Returns an exit status, or -1 with `e`, whose code gives it.
typedef int verb_fn(struct app *app, const struct args *args, struct err *e);

// The JSON answer of one call (the caller's reference), or NULL with `e`. `path_format` makes the
// path with its query.
json_t *app_call(struct app *app, const char *method, struct err *e, const char *path_format, ...)
    __attribute__((format(printf, 4, 5)));

// Whether a document has what every answer of its kind has: a text called `member`. ERR_SYSTEM if
// not, as from a server that is no gatherd; app_lacks() is that error.
int app_check(const json_t *answer, const char *member, struct err *e);
int app_lacks(const char *member, struct err *e);

// A GET that tries again while a daemon that answered before is away (restart, overload), for up to
// two minutes: what it accepted is not lost.
int app_get_patiently(struct app *app, const char *path, json_t **ret, struct err *e);
