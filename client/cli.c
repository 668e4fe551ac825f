// SPDX-License-Identifier: MIT
// Owns the order of a run: parse, connect, do the verb, report. The only place that turns an error
// into a message and an exit status.
#include "client/cli.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/app.h"
#include "client/field.h"
#include "client/help.h"
#include "client/interrupt.h"
#include "client/verbs.h"

struct cli {
    struct args args;
    const struct verb *verb; // NULL until it is known
    bool parsed;             // the command line is right as far as its form goes
    struct app app;
};

// Sub-verbs that begin with `word`, for "gather token" and "gather hosts frobnicate".
static void list_family(const char *word, struct buf *out)
{
    size_t n = strlen(word);
    for (const struct verb *v = verbs; v->name; v++) {
        if (strncmp(v->name, word, n) == 0 && v->name[n] == ' ') {
            buf_printf(out, "%s%s", out->len > 0 ? ", " : "", v->name);
        }
    }
}

static int unknown_verb(const char *word, struct err *e)
{
    struct buf family = BUF_INIT(512);
    const struct verb *near = verb_nearest(word);
    list_family(word, &family);
    if (family.len > 0) {
        err_set(e, ERR_USAGE, "\"%s\" needs one word more: %s", word, family.data);
    } else if (near) {
        err_set(e, ERR_USAGE, "there is no verb \"%s\"; did you mean %s?", word, near->name);
    } else if (strstr(word, "://")) {
        err_set(e, ERR_USAGE, "there is no verb \"%s\"; gather fetch URL fetches it", word);
    } else {
        err_set(e, ERR_USAGE, "there is no verb \"%s\"; gather help lists them", word);
    }
    buf_done(&family);
    return -1;
}

static int check_positionals(const struct verb *v, const struct args *a, struct err *e)
{
    size_t min, max;
    synopsis_bounds(v->synopsis, &min, &max);
    if (a->positional_count < min) {
        return err_set(e, ERR_USAGE, "%s needs %s", v->name, v->synopsis);
    }
    if (a->positional_count <= max) {
        return 0;
    }
    struct buf family = BUF_INIT(512);
    list_family(v->name, &family);
    const char *extra = a->positional[max];
    int rc = family.len > 0 ? err_set(e, ERR_USAGE, "%s does not take \"%s\"; there are %s",
                                      v->name, extra, family.data)
             : *v->synopsis ? err_set(e, ERR_USAGE, "%s takes %s and nothing more: \"%s\"", v->name,
                                      v->synopsis, extra)
                            : err_set(e, ERR_USAGE, "%s takes no argument: \"%s\"", v->name, extra);
    buf_done(&family);
    return rc;
}

// Finds the verb and takes all arguments. Asking for help or the version stops the checks.
static int parse(struct cli *c, struct err *e)
{
    struct args *a = &c->args;
    int words = 0;
    args_add_table(a, global_options);
    int at = args_parse(a, 1, true, e);
    if (at < 0 || at >= a->argc) {
        return at < 0 ? -1 : 0;
    }
    c->verb = verb_find(a->argc, a->argv, at, &words);
    if (!c->verb) {
        return unknown_verb(a->argv[at], e);
    }
    for (size_t i = 0; i < VERB_TABLES_MAX && c->verb->options[i]; i++) {
        args_add_table(a, c->verb->options[i]);
    }
    if (args_parse(a, at + words, false, e) < 0) {
        return -1;
    }
    return args_flag(a, "help") || args_flag(a, "version") ? 0 : check_positionals(c->verb, a, e);
}

// A command that goes on with a batch, as a line of its own.
static void suggest(struct app *app, const char *command, const char *id, const char *remark)
{
    char line[96];
    snprintf(line, sizeof line, "%s %s%s", command, id, remark);
    if (!app->out.quiet) {
        output_message_part(&app->out, line);
    }
}

// How to come back to the batch that this run was to wait for; `state` says how that is left.
static void say_unfinished(struct cli *c, const char *state)
{
    struct app *app = &c->app;
    bool watch = strcmp(c->verb->name, "watch") == 0;
    bool follow = strcmp(c->verb->name, "results") == 0;
    const char *again = watch ? "gather watch" : follow ? "gather results -f" : "gather wait";
    output_note(&app->out, "%s. Come back with", state);
    suggest(app, again, app->waiting, "");
    suggest(app, "gather results", app->waiting, "");
    suggest(app, "gather cancel", app->waiting, "   (to stop it)");
}

// Where the rest is of what this run was to print.
static void say_unprinted(struct app *app)
{
    output_note(&app->out, "the batch is finished and kept. See it with");
    suggest(app, "gather results", app->printing, "");
}

static int say_interrupted(struct cli *c)
{
    if (c->app.waiting[0]) {
        say_unfinished(c, "interrupted; the batch goes on");
    } else {
        output_note(&c->app.out, "interrupted");
    }
    if (c->app.printing[0]) {
        say_unprinted(&c->app);
    }
    return EXIT_SIGNALLED + interrupt_signal();
}

// The first entries that a problem document lists: "line 17: invalid_url: ...".
static void say_details(struct app *app)
{
    const json_t *errors = app->conn ? conn_problem(app->conn) : NULL;
    size_t i;
    const json_t *entry;
    json_array_foreach(errors, i, entry)
    {
        char where[32];
        struct buf line = BUF_INIT(8192);
        snprintf(where, sizeof where, "line %" PRId64, field_int(entry, "line"));
        const char *pointer = field_str(entry, "pointer");
        buf_printf(&line, "%s: %s: %s", field_has(entry, "line") ? where : pointer,
                   field_str(entry, "code"), field_str(entry, "detail"));
        output_message_part(&app->out, line.data ? line.data : "");
        buf_done(&line);
    }
}

static int say_failed(struct cli *c, const struct err *e)
{
    output_error(&c->app.out, "%s", e->text);
    say_details(&c->app);
    if (e->code == ERR_USAGE && c->verb && !c->parsed) {
        help_usage_line(stderr, c->verb);
        fprintf(stderr, "gather help %s tells more.\n", c->verb->name);
    } else if (e->code == ERR_UNAUTHORIZED) {
        output_message_part(
            &c->app.out, "give a token with --token-file FILE, GATHER_TOKEN_FILE or GATHER_TOKEN");
    } else if (c->app.printing[0]) {
        say_unprinted(&c->app);
    } else if (c->app.waiting[0] && e->code == ERR_UNREACHABLE && conn_reached(c->app.conn)) {
        say_unfinished(c, "what was accepted is not lost");
    }
    int status = err_info(e->code)->exit_status;
    return status != 0 ? status : EXIT_FAILURE;
}

static int run_verb(struct cli *c, struct err *e)
{
    struct app *app = &c->app;
    struct conn_options where = {args_text(&c->args, "server"), args_text(&c->args, "token-file")};
    if (!c->verb->offline && conn_open(&where, &app->conn, e) != 0) {
        return -1;
    }
    return c->verb->run(app, &c->args, e);
}

// Everything but the end of output; gives the exit status.
static int dispatch(struct cli *c, struct err *e)
{
    int rc = parse(c, e);
    const struct args *a = &c->args;
    output_init(&c->app.out, args_flag(a, "json"), args_flag(a, "quiet"), args_flag(a, "no-color"));
    if (rc != 0) {
        return -1;
    }
    c->parsed = true;
    if (args_flag(a, "version")) {
        puts("gather " GATHERD_VERSION);
        return 0;
    }
    if (args_flag(a, "help")) {
        if (c->verb) {
            help_verb(stdout, c->verb);
        } else {
            help_overview(stdout);
        }
        return 0;
    }
    if (!c->verb) {
        help_overview(stderr);
        return err_info(ERR_USAGE)->exit_status;
    }
    return run_verb(c, e);
}

// A standard descriptor that the shell closed (>&-) would be given to the next file or socket that
// is opened. What stands in for it fails as it did: it cannot be read or written the usual way.
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)!open("/dev/null",
                        fd == STDIN_FILENO ? O_WRONLY : O_RDONLY); // the lowest one free
        }
    }
}

int cli_run(int argc, char **argv)
{
    struct cli c = {0};
    struct err e = {.code = ERR_OK}, write_error;
    bool closed = false;
    if (args_init(&c.args, argc, argv) != 0) {
        fputs("gather: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    hold_standard_descriptors();
    interrupt_install();
    int status = dispatch(&c, &e);
    int written = output_check(&closed, &write_error);
    output_progress(&c.app.out, NULL);
    if (interrupt_seen()) {
        status = say_interrupted(&c);
    } else if (closed) {
        status = 0; // a reader that has enough, such as head, is no fault
    } else if (status < 0) {
        status = say_failed(&c, &e);
    } else if (written != 0) {
        status = say_failed(&c, &write_error);
    }
    conn_free(&c.app.conn);
    args_done(&c.args);
    return status;
}
