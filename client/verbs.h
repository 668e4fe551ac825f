// SPDX-License-Identifier: MIT
// The one table of the client's verbs: parsing, help, usage errors, "did you mean" and shell
// completion all come from it.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/app.h"
#include "client/args.h"

#define VERB_TABLES_MAX 3

struct verb {
    const char *name;     // "submit", "hosts set"
    const char *synopsis; // positional arguments: "BATCH [INDEX]", "URL..."; counted from this
    const char *summary;  // one line
    const struct option_spec *options[VERB_TABLES_MAX]; // NULL-filled
    verb_fn *run;
    bool offline;       // needs no daemon
    const char *detail; // more for `help VERB`, or NULL
};

extern const struct verb verbs[]; // ended by a NULL name
extern const struct option_spec global_options[];

// The verb called by argv[at] (and argv[at + 1]); *ret_words tells how many words its name has.
// NULL if there is none.
const struct verb *verb_find(int argc, char **argv, int at, int *ret_words);

// The verb whose name is nearest to `word`, or NULL if none is near.
const struct verb *verb_nearest(const char *word);

// fetch, submit (verb_fetch.c, verb_submit.c)
verb_fn verb_fetch, verb_submit;
extern const struct option_spec fetch_options[], submit_options[];

// batches (verb_batches.c, verb_wait.c)
verb_fn verb_ls, verb_status, verb_wait, verb_watch, verb_cancel, verb_pause, verb_resume,
    verb_retry, verb_rm;
extern const struct option_spec ls_options[], wait_options[], retry_options[], rm_options[];

// results (verb_results.c, verb_errors.c, verb_show.c)
verb_fn verb_results, verb_errors, verb_show, verb_cat;
extern const struct option_spec results_options[], cat_options[];

// hosts (verb_hosts.c)
verb_fn verb_hosts, verb_hosts_show, verb_hosts_set, verb_hosts_pause, verb_hosts_resume;
extern const struct option_spec hosts_set_options[];

// the rest (verb_misc.c, verb_doctor.c, verb_token.c, help.c, completion.c)
verb_fn verb_ping, verb_doctor, verb_api, verb_token_create, verb_token_ls, verb_token_revoke,
    verb_help, verb_completion;
extern const struct option_spec api_options[], token_create_options[], token_file_options[];
