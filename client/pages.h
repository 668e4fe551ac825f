// SPDX-License-Identifier: MIT
// Reading a paged listing entry by entry. Any page can be asked for again after a cut connection,
// so nothing is shown twice or left out.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "client/app.h"

struct pages {
    char *base;         // path and query without a cursor
    const char *member; // "results"
    bool follow;        // wait for more until the batch is finished
    int64_t limit;      // entries still wanted; < 0: all
    char *after;        // cursor of the next page
    json_t *page;
    size_t at;
    bool last;
    bool failed;
};

// `path` has a query already. pages_done is called in any case.
void pages_init(struct pages *p, const char *path, const char *member);
void pages_done(struct pages *p);

// The next entry (borrowed until the next call): 1; at the end 0; -1. Standard output is flushed
// before the daemon is asked for more.
int pages_next(struct app *app, struct pages *p, json_t **ret, struct err *e);

// True if the next call has to ask the daemon: the moment to show what was gathered.
bool pages_drained(const struct pages *p);
