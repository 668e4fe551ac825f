// SPDX-License-Identifier: MIT
// Readable blocks about one thing: a batch, or any object of the API.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "client/output.h"
#include "client/progress.h"

// Returns the number of lines printed.
int report_batch(const struct output *out, const json_t *batch);

// The daemon's statistics for a person, since its start.
void report_stats(const struct output *out, const json_t *stats);

// One host for a person.
void report_host(const struct output *out, const json_t *host);

// What one task was asked, became and took, with its phases as bars on a terminal (report_task.c).
void report_task(const struct output *out, const char *batch_id, int64_t index, const json_t *task);

// Every member of `object` as a field named PREFIX.member; nested objects are flattened. On a
// terminal, members named …_ms and …bytes… are shown as durations and sizes.
void report_object(const struct output *out, const char *prefix, const json_t *object);

// One scalar as report_object shows it. `key` decides the unit.
void report_scalar(const struct output *out, const char *key, const json_t *value,
                   struct buf *text);
