// SPDX-License-Identifier: MIT
// The verb `completion`: scripts for bash, zsh and fish, made from the verb table, so that they
// never lag behind it.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "client/verbs.h"

// Prints the words of all option names of `v` and the global ones.
static void print_option_words(const struct verb *v)
{
    for (size_t t = 0; t <= VERB_TABLES_MAX; t++) {
        const struct option_spec *table = t < VERB_TABLES_MAX ? v->options[t] : global_options;
        for (const struct option_spec *s = table; s && s->name; s++) {
            printf(" --%s", s->name);
        }
    }
}

// The second words of verbs that begin with `first`: "show set pause resume" for "hosts".
static void print_second_words(const char *first)
{
    size_t n = strlen(first);
    for (const struct verb *v = verbs; v->name; v++) {
        if (strncmp(v->name, first, n) == 0 && v->name[n] == ' ') {
            printf(" %s", v->name + n + 1);
        }
    }
}

// Verbs of one family stand together in the table, so a first word is new when it differs from the
// one before.
static void print_first_words(void)
{
    const char *last = "";
    size_t last_len = 0;
    for (const struct verb *v = verbs; v->name; v++) {
        size_t n = strcspn(v->name, " ");
        if (n != last_len || memcmp(last, v->name, n) != 0) {
            printf(" %.*s", (int)n, v->name);
        }
        last = v->name;
        last_len = n;
    }
}

// `case` arms for the option names of all verbs, the longer names first.
static void print_option_arms(void)
{
    for (int long_names = 1; long_names >= 0; long_names--) {
        for (const struct verb *v = verbs; v->name; v++) {
            bool is_long = strchr(v->name, ' ') != NULL;
            if (is_long == (long_names == 1)) {
                printf("        \"%s%s) words=\"", v->name, is_long ? "\"" : " \"*");
                print_option_words(v);
                fputs("\" ;;\n", stdout);
            }
        }
    }
    fputs("        *) words=\"", stdout);
    print_option_words(&(struct verb){0});
    fputs("\" ;;\n", stdout);
}

// `case` arms for what follows a verb.
static void print_argument_arms(void)
{
    const char *last = "";
    for (const struct verb *v = verbs; v->name; v++) {
        size_t n = strcspn(v->name, " ");
        if (v->name[n] && strncmp(last, v->name, n + 1) != 0) {
            char family[32];
            snprintf(family, sizeof family, "%.*s", (int)n, v->name);
            printf("        %s) words=\"", family);
            print_second_words(family);
            fputs("\" ;;\n", stdout);
            last = v->name;
        }
        if (strstr(v->synopsis, "BATCH")) {
            printf("        %s) words=\"@last $(gather ls --quiet 2>/dev/null | cut -f1)\" ;;\n",
                   v->name);
        } else if (strstr(v->synopsis, "FILE")) {
            printf("        %s) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", v->name);
        }
    }
    fputs("        completion) words=\"bash zsh fish\" ;;\n        help) words=\"", stdout);
    print_first_words();
    fputs("\" ;;\n", stdout);
}

// The words of "read|submit|admin", apart from one another.
static void print_choices(const char *value)
{
    for (; *value; value++) {
        putchar(*value == '|' ? ' ' : *value);
    }
}

// `case` arms for the value of an option, "$verb $previous": its words, or a file.
static void print_value_arms(const char *verb, size_t n, const struct option_spec *table)
{
    for (const struct option_spec *s = table; s && s->name; s++) {
        bool file = s->value && strstr(s->value, "FILE");
        if (s->kind != OPTION_CHOICE && !file) {
            continue;
        }
        printf("    \"%.*s --%s\"", (int)n, verb, s->name);
        if (s->letter) {
            printf(" | \"%.*s -%c\"", (int)n, verb, s->letter);
        }
        fputs(") COMPREPLY=($(compgen ", stdout);
        if (file) {
            fputs("-f", stdout);
        } else {
            fputs("-W \"", stdout);
            print_choices(s->value);
            putchar('"');
        }
        fputs(" -- \"$word\")); return ;;\n", stdout);
    }
}

static void print_all_value_arms(void)
{
    for (const struct verb *v = verbs; v->name; v++) {
        for (size_t t = 0; t < VERB_TABLES_MAX; t++) {
            print_value_arms(v->name, strcspn(v->name, " "), v->options[t]);
        }
    }
    fputs("    *\" --token-file\") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", stdout);
}

static void print_bash(void)
{
    fputs("_gather() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} verb= second= i words=\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n"
          "        -*) ;;\n"
          "        *) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; elif [[ -z $second ]]; then "
          "second=${COMP_WORDS[i]}; fi ;;\n"
          "        esac\n"
          "    done\n"
          "    case \"$verb ${COMP_WORDS[COMP_CWORD-1]}\" in\n",
          stdout);
    print_all_value_arms();
    fputs("    esac\n"
          "    if [[ -z $verb && $word != -* ]]; then\n"
          "        words=\"",
          stdout);
    print_first_words();
    fputs("\"\n    elif [[ $word == -* ]]; then\n        case \"$verb $second\" in\n", stdout);
    print_option_arms();
    fputs("        esac\n    elif [[ -z $second ]]; then\n        case $verb in\n", stdout);
    print_argument_arms();
    fputs("        esac\n"
          "    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "}\n"
          "complete -F _gather gather\n",
          stdout);
}

// `text` inside single quotes, for zsh and fish.
static void print_quoted(const char *text, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'') {
            fputs(quote, stdout);
        } else {
            putchar(*text);
        }
    }
}

static void print_fish_options(const struct option_spec *table, const char *condition)
{
    for (const struct option_spec *s = table; s && s->name; s++) {
        printf("complete -c gather%s -l %s", condition, s->name);
        if (s->letter) {
            printf(" -s %c", s->letter);
        }
        if (s->kind == OPTION_CHOICE) {
            fputs(" -x -a '", stdout);
            print_choices(s->value);
            putchar('\'');
        } else if (s->kind != OPTION_FLAG) {
            fputs(strstr(s->value, "FILE") ? " -r" : " -x", stdout);
        }
        fputs(" -d '", stdout);
        print_quoted(s->summary, "\\'");
        fputs("'\n", stdout);
    }
}

static void print_fish(void)
{
    print_fish_options(global_options, "");
    for (const struct verb *v = verbs; v->name; v++) {
        char condition[128];
        size_t n = strcspn(v->name, " ");
        const char *second = v->name[n] ? v->name + n + 1 : NULL;
        if (second) {
            printf("complete -c gather -f -n '__fish_seen_subcommand_from %.*s' -a %s -d '", (int)n,
                   v->name, second);
            snprintf(condition, sizeof condition,
                     " -n '__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'",
                     (int)n, v->name, second);
        } else {
            printf("complete -c gather -f -n __fish_use_subcommand -a %s -d '", v->name);
            snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %s'", v->name);
        }
        print_quoted(v->summary, "\\'");
        fputs("'\n", stdout);
        for (size_t t = 0; t < VERB_TABLES_MAX; t++) {
            print_fish_options(v->options[t], condition);
        }
    }
    fputs("complete -c gather -n '__fish_seen_subcommand_from submit' -F\n"
          "complete -c gather -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n",
          stdout);
}

int verb_completion(struct app *app, const struct args *a, struct err *e)
{
    const char *shell = a->positional[0];
    (void)app;
    if (strcmp(shell, "bash") == 0) {
        print_bash();
    } else if (strcmp(shell, "zsh") == 0) {
        // zsh runs the bash script through its own emulation layer.
        fputs("autoload -U +X bashcompinit && bashcompinit\n", stdout);
        print_bash();
    } else if (strcmp(shell, "fish") == 0) {
        print_fish();
    } else {
        return err_set(e, ERR_USAGE, "completion is there for bash, zsh and fish, not for \"%s\"",
                       shell);
    }
    return 0;
}
