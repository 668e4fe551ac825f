// SPDX-License-Identifier: MIT
// Owns the rules of the command line: long and short options, "--", values, ranges. Knows no verb
// and prints nothing. Pure.
#include "client/args.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "client/format.h"
#include "common/clock.h"

#define DISTANCE_MAX 32

int args_init(struct args *a, int argc, char **argv)
{
    *a = (struct args){.argc = argc, .argv = argv};
    a->positional = calloc(argc > 0 ? (size_t)argc : 1, sizeof *a->positional);
    return a->positional ? 0 : -1;
}

void args_done(struct args *a)
{
    free(a->values);
    free(a->positional);
    *a = (struct args){0};
}

void args_add_table(struct args *a, const struct option_spec *table)
{
    for (size_t i = 0; i < ARGS_TABLES_MAX; i++) {
        if (!a->tables[i]) {
            a->tables[i] = table;
            return;
        }
    }
    assert(false && "too many option tables");
}

static const struct option_spec *find_name(const struct args *a, const char *name, size_t n)
{
    for (size_t t = 0; t < ARGS_TABLES_MAX && a->tables[t]; t++) {
        for (const struct option_spec *s = a->tables[t]; s->name; s++) {
            if (strlen(s->name) == n && memcmp(s->name, name, n) == 0) {
                return s;
            }
        }
    }
    return NULL;
}

static const struct option_spec *find_letter(const struct args *a, char letter)
{
    for (size_t t = 0; t < ARGS_TABLES_MAX && a->tables[t]; t++) {
        for (const struct option_spec *s = a->tables[t]; s->name; s++) {
            if (s->letter == letter) {
                return s;
            }
        }
    }
    return NULL;
}

static int unknown_option(const struct args *a, const char *text, size_t n, struct err *e)
{
    char name[DISTANCE_MAX + 1] = "";
    const char *best = NULL;
    size_t best_distance = 3;
    if (n <= DISTANCE_MAX) {
        memcpy(name, text, n);
        name[n] = '\0';
    }
    for (size_t t = 0; name[0] && t < ARGS_TABLES_MAX && a->tables[t]; t++) {
        for (const struct option_spec *s = a->tables[t]; s->name; s++) {
            size_t distance = text_distance(name, s->name);
            if (distance < best_distance) {
                best_distance = distance;
                best = s->name;
            }
        }
    }
    if (best) {
        return err_set(e, ERR_USAGE, "unknown option --%.*s; did you mean --%s?", (int)n, text,
                       best);
    }
    return err_set(e, ERR_USAGE, "unknown option --%.*s", (int)n, text);
}

static int parse_number(const struct option_spec *s, const char *text, int64_t *ret, struct err *e)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0') {
        return err_set(e, ERR_USAGE, "--%s needs a whole number, not \"%s\"", s->name, text);
    }
    if (value < s->min || value > s->max) {
        return err_set(e, ERR_USAGE, "--%s must be between %" PRId64 " and %" PRId64, s->name,
                       s->min, s->max);
    }
    *ret = value;
    return 0;
}

static int parse_duration(const struct option_spec *s, const char *text, int64_t *ret,
                          struct err *e)
{
    if (clock_parse_duration(text, ret) != 0) {
        return err_set(e, ERR_USAGE,
                       "--%s needs a duration such as 500ms, 30s, 10m or 2h, not \"%s\"", s->name,
                       text);
    }
    if (*ret < s->min || *ret > s->max) {
        char min[FORMAT_SIZE], max[FORMAT_SIZE];
        format_duration(s->min, min);
        format_duration(s->max, max);
        return err_set(e, ERR_USAGE, "--%s must be between %s and %s", s->name, min, max);
    }
    return 0;
}

static int check_choice(const struct option_spec *s, const char *text, struct err *e)
{
    size_t n = strlen(text);
    for (const char *word = s->value; n > 0 && *word;) {
        size_t len = strcspn(word, "|");
        if (len == n && memcmp(word, text, n) == 0) {
            return 0;
        }
        word += len + (word[len] == '|');
    }
    return err_set(e, ERR_USAGE, "--%s must be one of %s, not \"%s\"", s->name, s->value, text);
}

static int add_value(struct args *a, const struct option_spec *s, const char *text, struct err *e)
{
    struct args_value *grown = reallocarray(a->values, a->value_count + 1, sizeof *a->values);
    if (!grown) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    a->values = grown;
    struct args_value *v = &a->values[a->value_count];
    *v = (struct args_value){.spec = s, .text = text};
    int rc = 0;
    if (s->kind == OPTION_NUMBER) {
        rc = parse_number(s, text, &v->number, e);
    } else if (s->kind == OPTION_DURATION) {
        rc = parse_duration(s, text, &v->number, e);
    } else if (s->kind == OPTION_CHOICE) {
        rc = check_choice(s, text, e);
    }
    a->value_count += rc == 0;
    return rc;
}

// The value of `s`, which is in the next argument; advances *at.
static int take_next(struct args *a, const struct option_spec *s, int *at, struct err *e)
{
    const char *text = a->argv[*at + 1];
    if (!text) {
        return err_set(e, ERR_USAGE, "--%s needs a value: %s", s->name, s->value);
    }
    (*at)++;
    return add_value(a, s, text, e);
}

static int parse_long(struct args *a, int *at, struct err *e)
{
    const char *text = a->argv[*at] + 2;
    size_t n = strcspn(text, "=");
    const struct option_spec *s = find_name(a, text, n);
    if (!s) {
        return unknown_option(a, text, n, e);
    }
    if (s->kind == OPTION_FLAG) {
        return text[n] ? err_set(e, ERR_USAGE, "--%s takes no value", s->name)
                       : add_value(a, s, NULL, e);
    }
    return text[n] ? add_value(a, s, text + n + 1, e) : take_next(a, s, at, e);
}

static int parse_letters(struct args *a, int *at, struct err *e)
{
    for (const char *p = a->argv[*at] + 1; *p; p++) {
        const struct option_spec *s = find_letter(a, *p);
        if (!s) {
            return err_set(e, ERR_USAGE, "unknown option -%c", *p);
        }
        if (s->kind != OPTION_FLAG) {
            return p[1] ? add_value(a, s, p + 1, e) : take_next(a, s, at, e);
        }
        if (add_value(a, s, NULL, e) != 0) {
            return -1;
        }
    }
    return 0;
}

int args_parse(struct args *a, int at, bool stop, struct err *e)
{
    for (; at < a->argc; at++) {
        const char *text = a->argv[at];
        bool option = text[0] == '-' && text[1] != '\0' && !a->options_ended;
        int rc = 0;
        if (option && strcmp(text, "--") == 0) {
            a->options_ended = true;
        } else if (option) {
            rc = text[1] == '-' ? parse_long(a, &at, e) : parse_letters(a, &at, e);
        } else if (stop) {
            return at;
        } else {
            a->positional[a->positional_count++] = text;
        }
        if (rc != 0) {
            return -1;
        }
    }
    return at;
}

// The nth occurrence of option `name`, or the last one if n is SIZE_MAX.
static const struct args_value *find_value(const struct args *a, const char *name, size_t n)
{
    assert(find_name(a, name, strlen(name)));
    const struct args_value *last = NULL;
    for (size_t i = 0; i < a->value_count; i++) {
        if (strcmp(a->values[i].spec->name, name) != 0) {
            continue;
        }
        last = &a->values[i];
        if (n-- == 0) {
            return last;
        }
    }
    return n > SIZE_MAX / 2 ? last : NULL;
}

bool args_flag(const struct args *a, const char *name)
{
    return find_value(a, name, 0) != NULL;
}

const char *args_text(const struct args *a, const char *name)
{
    const struct args_value *v = find_value(a, name, SIZE_MAX);
    return v ? v->text : NULL;
}

int64_t args_number(const struct args *a, const char *name, int64_t fallback)
{
    const struct args_value *v = find_value(a, name, SIZE_MAX);
    return v ? v->number : fallback;
}

const char *args_nth(const struct args *a, const char *name, size_t n)
{
    const struct args_value *v = find_value(a, name, n);
    return v ? v->text : NULL;
}

void synopsis_bounds(const char *synopsis, size_t *ret_min, size_t *ret_max)
{
    size_t min = 0, max = 0;
    bool any = false;
    for (const char *word = synopsis; *word;) {
        size_t n = strcspn(word, " ");
        if (n > 0) {
            min += word[0] != '[';
            max++;
            any = any || memmem(word, n, "...", strlen("..."));
        }
        word += n + (word[n] == ' ');
    }
    *ret_min = min;
    *ret_max = any ? SIZE_MAX : max;
}

static size_t smallest(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t text_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > DISTANCE_MAX || lb > DISTANCE_MAX) {
        return la > lb ? la : lb;
    }
    size_t d[DISTANCE_MAX + 1][DISTANCE_MAX + 1];
    for (size_t i = 0; i <= la; i++) {
        d[i][0] = i;
    }
    for (size_t j = 0; j <= lb; j++) {
        d[0][j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        for (size_t j = 1; j <= lb; j++) {
            size_t replace = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            d[i][j] = smallest(smallest(d[i - 1][j], d[i][j - 1]) + 1, replace);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d[i][j] = smallest(d[i][j], d[i - 2][j - 2] + 1);
            }
        }
    }
    return d[la][lb];
}
