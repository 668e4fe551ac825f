// SPDX-License-Identifier: MIT
// Owns the layout of help. Every name in it comes from the verb table.
#include "client/help.h"

#include <ctype.h>
#include <string.h>

#include "client/address.h"
#include "client/format.h"

#define VERB_WIDTH   28
#define OPTION_WIDTH 30

static void pad_to(FILE *to, size_t used, size_t width)
{
    if (used + 1 >= width) {
        fprintf(to, "\n%*s", (int)width, "");
    } else {
        fprintf(to, "%*s", (int)(width - used), "");
    }
}

static void print_options(FILE *to, const struct option_spec *table)
{
    for (const struct option_spec *s = table; s && s->name; s++) {
        char left[96], letter[8] = "    ";
        if (s->letter) {
            snprintf(letter, sizeof letter, "-%c, ", s->letter);
        }
        snprintf(left, sizeof left, "  %s--%s%s%s", letter, s->name, s->value ? " " : "",
                 s->value ? s->value : "");
        fputs(left, to);
        pad_to(to, text_width(left), OPTION_WIDTH);
        fprintf(to, "%s\n", s->summary);
    }
}

static void print_verb(FILE *to, const struct verb *v)
{
    char left[96];
    snprintf(left, sizeof left, "  %s%s%s", v->name, *v->synopsis ? " " : "", v->synopsis);
    fputs(left, to);
    pad_to(to, text_width(left), VERB_WIDTH);
    fprintf(to, "%s\n", v->summary);
}

// The verbs of which the first word is `word` and is not all, as "hosts set" is one of "hosts".
static const struct verb *next_of_family(const struct verb *v, const char *word)
{
    size_t n = strlen(word);
    for (; v->name; v++) {
        if (strncmp(v->name, word, n) == 0 && v->name[n] == ' ') {
            return v;
        }
    }
    return NULL;
}

void help_overview(FILE *to)
{
    fputs("Usage: gather [OPTION...] VERB [ARGUMENT...]\n\n"
          "Submits URLs to gatherd, waits for them and reads what came back.\n\nVerbs\n",
          to);
    for (const struct verb *v = verbs; v->name; v++) {
        print_verb(to, v);
    }
    fputs("\nBATCH is an id, its first letters, or @last for the one submitted last.\n\nOptions of "
          "every verb\n",
          to);
    print_options(to, global_options);
    fputs("\nWithout --server and GATHER_SERVER: " ADDRESS_DEFAULT_SOCKET " if it is there,\n"
          "else " ADDRESS_DEFAULT_URL ". A token may also come from GATHER_TOKEN.\n"
          "\nExit status: 0 ok, 1 failure, 2 wrong usage, 3 daemon unreachable,\n"
          "4 not authorised, 5 not found, 6 input rejected, 7 not finished in time,\n"
          "8 finished with failed tasks, 130 interrupted (143 by SIGTERM).\n"
          "\ngather help VERB tells more about one verb.\n",
          to);
}

void help_usage_line(FILE *to, const struct verb *v)
{
    fprintf(to, "Usage: gather %s%s%s%s\n", v->name, v->options[0] ? " [OPTION...]" : "",
            *v->synopsis ? " " : "", v->synopsis);
}

void help_verb(FILE *to, const struct verb *v)
{
    help_usage_line(to, v);
    fprintf(to, "\n%c%s.\n", toupper((unsigned char)v->summary[0]), v->summary + 1);
    if (v->detail) {
        fprintf(to, "\n%s\n", v->detail);
    }
    if (v->options[0]) {
        fputs("\nOptions\n", to);
    }
    for (size_t i = 0; i < VERB_TABLES_MAX; i++) {
        print_options(to, v->options[i]);
    }
    const struct verb *more = next_of_family(verbs, v->name);
    fputs(more ? "\nVerbs\n" : "", to);
    for (; more; more = next_of_family(more + 1, v->name)) {
        print_verb(to, more);
    }
    fputs("\nOptions of every verb (--server, --json, ...): gather help\n", to);
}

// Help on all verbs whose first word is `word`, as for "gather help token"; false if there are
// none.
static bool help_family(FILE *to, const char *word)
{
    bool any = false;
    for (const struct verb *v = next_of_family(verbs, word); v; v = next_of_family(v + 1, word)) {
        fputs(any ? "\n" : "", to);
        help_verb(to, v);
        any = true;
    }
    return any;
}

int verb_help(struct app *app, const struct args *a, struct err *e)
{
    (void)app;
    if (a->positional_count == 0) {
        help_overview(stdout);
        return 0;
    }
    char *words[2];
    int count = a->positional_count > 2 ? 2 : (int)a->positional_count, used = 0;
    for (int i = 0; i < count; i++) {
        words[i] = (char *)(uintptr_t)a->positional[i];
    }
    const struct verb *v = verb_find(count, words, 0, &used);
    if (!v && count == 1 && help_family(stdout, words[0])) {
        return 0;
    }
    if (!v) {
        const struct verb *near = verb_nearest(a->positional[0]);
        return err_set(e, ERR_USAGE, "there is no verb \"%s\"%s%s%s", a->positional[0],
                       near ? "; did you mean " : "", near ? near->name : "", near ? "?" : "");
    }
    help_verb(stdout, v);
    return 0;
}
