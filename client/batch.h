// SPDX-License-Identifier: MIT
// Batches as the client's verbs use them: naming one (id, unique prefix, @last), remembering the
// last one, waiting.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "client/app.h"

// The id that `name` means: a full id (not checked with the daemon), "@last", or a prefix of at
// least four characters of exactly one batch. ERR_USAGE lists the candidates of an ambiguous one;
// ERR_NOT_FOUND.
int batch_resolve(struct app *app, const char *name, char ret_id[UUID_TEXT_SIZE], struct err *e);

// Whether an answer is a batch: it has an id and a state. ERR_SYSTEM if not, as from a server that
// is no gatherd.
int batch_check(const json_t *answer, struct err *e);

// Waits until the batch is finished, showing progress on a terminal. timeout_ms < 0: for ever. 0
// and the batch in *ret when it is finished; 1 and its present state when the time is over; -1.
int batch_await(struct app *app, const char *id, int64_t timeout_ms, json_t **ret, struct err *e);

// batch_await, then a summary line on standard error and the exit status that tells what became of
// the batch.
int batch_await_status(struct app *app, const char *id, int64_t timeout_ms, struct err *e);

// The exit status of a finished batch: 0, or EXIT_FAILED_TASKS.
int batch_exit_status(const json_t *batch);
