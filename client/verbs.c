// SPDX-License-Identifier: MIT
// Owns the table of verbs. Pure data and look-up.
#include "client/verbs.h"

#include <stdio.h>
#include <string.h>

#include "client/submission.h"

const struct option_spec global_options[] = {
    {"server", 0, OPTION_TEXT, "URL|unix:PATH", "where gatherd is (default: $GATHER_SERVER)", 0, 0},
    {"token-file", 0, OPTION_TEXT, "FILE", "holds the token (default: $GATHER_TOKEN_FILE)", 0, 0},
    {"json", 0, OPTION_FLAG, NULL, "the daemon's JSON instead of tables", 0, 0},
    {"quiet", 'q', OPTION_FLAG, NULL, "no progress and no messages but errors", 0, 0},
    {"no-color", 0, OPTION_FLAG, NULL, "no colours (also: $NO_COLOR)", 0, 0},
    {"help", 'h', OPTION_FLAG, NULL, "show help", 0, 0},
    {"version", 'V', OPTION_FLAG, NULL, "show the version", 0, 0},
    {0},
};

const struct verb verbs[] = {
    {.name = "fetch",
     .synopsis = "URL...",
     .summary = "fetch URLs, wait, print the bodies in order",
     .options = {fetch_options, submit_batch_options, submit_task_options},
     .run = verb_fetch,
     .detail = "Failed URLs are told on standard error; the exit status is then 8.\n"
               "With --json each result is one line, with headers and body."},
    {.name = "submit",
     .synopsis = "FILE|-|URL...",
     .summary = "submit a batch, print its id",
     .options = {submit_options, submit_batch_options, submit_task_options},
     .run = verb_submit,
     .detail = "A FILE has one URL a line; blank lines and # lines are skipped. Or it is NDJSON:\n"
               "one task object or JSON string a line (.ndjson, .jsonl, or begins with { or \").\n"
               "Or it is one JSON document (.json, or it begins with [). It is sent as it is\n"
               "read, so it may be large. Submitting is safe to repeat after a cut connection:\n"
               "an idempotency key goes with every submission."},
    {.name = "ls",
     .synopsis = "",
     .summary = "list batches, newest first",
     .options = {ls_options},
     .run = verb_ls},
    {.name = "status",
     .synopsis = "[BATCH]",
     .summary = "state of a batch, or of the daemon",
     .run = verb_status},
    {.name = "wait",
     .synopsis = "BATCH",
     .summary = "wait until a batch is finished",
     .options = {wait_options},
     .run = verb_wait,
     .detail = "Exit status: 0 all succeeded, 8 some did not, 7 not finished in time."},
    {.name = "watch",
     .synopsis = "BATCH",
     .summary = "show a batch's state live until it is finished",
     .run = verb_watch,
     .detail = "In a pipe: one JSON line for each change."},
    {.name = "results",
     .synopsis = "BATCH",
     .summary = "list results, as NDJSON in a pipe",
     .options = {results_options},
     .run = verb_results},
    {.name = "errors",
     .synopsis = "BATCH",
     .summary = "failed tasks grouped by cause, with hints",
     .run = verb_errors},
    {.name = "show",
     .synopsis = "BATCH INDEX",
     .summary = "one task: request, result, attempts, timing",
     .run = verb_show},
    {.name = "cat",
     .synopsis = "BATCH INDEX",
     .summary = "print the body of one task",
     .options = {cat_options},
     .run = verb_cat},
    {.name = "retry",
     .synopsis = "BATCH",
     .summary = "submit what did not succeed as a new batch",
     .options = {retry_options},
     .run = verb_retry},
    {.name = "cancel",
     .synopsis = "BATCH",
     .summary = "cancel what is not finished",
     .run = verb_cancel},
    {.name = "pause",
     .synopsis = "BATCH",
     .summary = "start nothing more of a batch for now",
     .run = verb_pause},
    {.name = "resume",
     .synopsis = "BATCH",
     .summary = "go on with a paused batch",
     .run = verb_resume},
    {.name = "rm",
     .synopsis = "BATCH",
     .summary = "forget a batch, its results and bodies",
     .options = {rm_options},
     .run = verb_rm},
    {.name = "hosts",
     .synopsis = "",
     .summary = "list hosts: queues, limits, back-off",
     .run = verb_hosts},
    {.name = "hosts show", .synopsis = "HOST", .summary = "one host", .run = verb_hosts_show},
    {.name = "hosts set",
     .synopsis = "HOST",
     .summary = "change the limits of a host",
     .options = {hosts_set_options},
     .run = verb_hosts_set},
    {.name = "hosts pause",
     .synopsis = "HOST",
     .summary = "start no request to a host for now",
     .run = verb_hosts_pause},
    {.name = "hosts resume",
     .synopsis = "HOST",
     .summary = "go on with a paused host",
     .run = verb_hosts_resume},
    {.name = "ping",
     .synopsis = "",
     .summary = "is the daemon there, and how fast",
     .run = verb_ping},
    {.name = "doctor",
     .synopsis = "",
     .summary = "check the way to the daemon, with remedies",
     .run = verb_doctor,
     .detail = "Each check is ok, warn or fail, and says what to do where it is not ok.\n"
               "Exit status: 0 nothing failed, 1 something did, 3 the daemon cannot be reached,\n"
               "4 not authorised."},
    {.name = "token create",
     .synopsis = "NAME",
     .summary = "make a token and its line for auth.tokens_file",
     .options = {token_create_options},
     .run = verb_token_create,
     .offline = true,
     .detail = "Prints the token, to be kept secret by its user, and the line NAME SCOPE\n"
               "sha256:HEX for the daemon's tokens file, which does not reveal it.\n"
               "read: look; submit: also submit, cancel, retry; admin: also hosts and rm."},
    {.name = "token ls",
     .synopsis = "",
     .summary = "list the tokens of auth.tokens_file",
     .options = {token_file_options},
     .run = verb_token_ls,
     .offline = true,
     .detail = "It reads the file itself, on the daemon's machine."},
    {.name = "token revoke",
     .synopsis = "NAME",
     .summary = "remove a token from auth.tokens_file",
     .options = {token_file_options},
     .run = verb_token_revoke,
     .offline = true,
     .detail = "It edits the file itself, on the daemon's machine. The token is refused from the\n"
               "daemon's next reload on."},
    {.name = "api",
     .synopsis = "PATH",
     .summary = "one raw call, prints the answer",
     .options = {api_options},
     .run = verb_api,
     .detail = "For example: gather api /v1/stats"},
    {.name = "completion",
     .synopsis = "bash|zsh|fish",
     .summary = "print a completion script",
     .run = verb_completion,
     .offline = true,
     .detail = "bash: source <(gather completion bash)\n"
               "zsh:  source <(gather completion zsh)\n"
               "fish: gather completion fish | source"},
    {.name = "help",
     .synopsis = "[VERB...]",
     .summary = "show help on a verb",
     .run = verb_help,
     .offline = true},
    {0},
};

static const struct verb *exact(const char *name)
{
    for (const struct verb *v = verbs; v->name; v++) {
        if (strcmp(v->name, name) == 0) {
            return v;
        }
    }
    return NULL;
}

const struct verb *verb_find(int argc, char **argv, int at, int *ret_words)
{
    char name[64];
    *ret_words = 2;
    if (at + 1 < argc) {
        int n = snprintf(name, sizeof name, "%s %s", argv[at], argv[at + 1]);
        const struct verb *v = n > 0 && n < (int)sizeof name ? exact(name) : NULL;
        if (v) {
            return v;
        }
    }
    *ret_words = 1;
    return at < argc ? exact(argv[at]) : NULL;
}

const struct verb *verb_nearest(const char *word)
{
    const struct verb *best = NULL;
    size_t best_distance = 3, n = strlen(word);
    for (const struct verb *v = verbs; v->name; v++) {
        bool begins = n > 1 && strncmp(v->name, word, n) == 0;
        size_t distance = begins ? 1 : text_distance(word, v->name);
        if (distance < best_distance && distance < n) {
            best_distance = distance;
            best = v;
        }
    }
    return best;
}
