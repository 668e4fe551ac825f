// SPDX-License-Identifier: MIT
// Owns the order of a run: parse, connect, do the verb, report. The only place that turns an error
// into a message and an exit status.
#include "client/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// Where the client was interrupted while a batch goes on: how to come back to it.
static int say_interrupted(struct app *app)
{
    if (app->waiting[0]) {
        output_note(&app->out, "interrupted; the batch goes on. Come back with");
        const char *const ways[] = {"gather wait", "gather results", "gather cancel"};
        for (size_t i = 0; i < sizeof ways / sizeof ways[0] && !app->out.quiet; i++) {
            char line[80];
            snprintf(line, sizeof line, "%s %s%s", ways[i], app->waiting,
                     i == 2 ? "   (to stop it)" : "");
            output_message_part(&app->out, line);
        }
    } else {
        output_note(&app->out, "interrupted");
    }
    return EXIT_INTERRUPTED;
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

int cli_run(int argc, char **argv)
{
    struct cli c = {0};
    struct err e = {.code = ERR_OK}, write_error;
    bool closed = false;
    if (args_init(&c.args, argc, argv) != 0) {
        fputs("gather: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    interrupt_install();
    int status = dispatch(&c, &e);
    int written = output_check(&closed, &write_error);
    output_progress(&c.app.out, NULL);
    if (interrupt_seen()) {
        status = say_interrupted(&c.app);
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
