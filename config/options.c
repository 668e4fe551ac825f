// SPDX-License-Identifier: MIT
// Values of settings: parsing, comparing and freeing the field that a row of the table describes,
// and what is derived from the values. Pure; loading is file.c's.
#include "config/options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

#define WORKERS_MAX_DEFAULT 4

static void *field(const struct option *o, void *base)
{
    return (char *)base + o->offset;
}

static const void *const_field(const struct option *o, const void *base)
{
    return (const char *)base + o->offset;
}

void string_list_done(struct string_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i]);
    }
    free(l->v);
    *l = (struct string_list){0};
}

int string_list_add(struct string_list *l, const char *s)
{
    char **v = reallocarray(l->v, l->n + 1, sizeof(char *));
    if (!v) {
        return -1;
    }
    l->v = v;
    char *copy = strdup(s);
    if (!copy) {
        return -1;
    }
    l->v[l->n++] = copy;
    return 0;
}

// --- parsing ---

static int expect(const struct option *o, const char *value, struct err *e, const char *what)
{
    return err_set(e, ERR_CONFIG, "%s.%s must be %s, not \"%.100s\"", o->section, o->key, what,
                   value);
}

static int no_memory(struct err *e)
{
    return err_set(e, ERR_SYSTEM, "no memory for the configuration");
}

static int set_int(const struct option *o, void *base, const char *value, struct err *e)
{
    char *end = NULL;
    long number = strtol(value, &end, 10);
    bool whole = (value[0] >= '0' && value[0] <= '9') && *end == '\0';
    if (!whole || (double)number < o->min || (double)number > o->max) {
        return err_set(e, ERR_CONFIG,
                       "%s.%s must be a whole number from %.0f to %.0f, not \"%.100s\"", o->section,
                       o->key, o->min, o->max, value);
    }
    *(int *)field(o, base) = (int)number;
    return 0;
}

static int set_real(const struct option *o, void *base, const char *value, struct err *e)
{
    char *end = NULL;
    bool plain = *value && strspn(value, "0123456789.") == strlen(value);
    double number = plain ? strtod(value, &end) : NAN;
    if (!plain || *end != '\0' || number < o->min || number > o->max) {
        return err_set(e, ERR_CONFIG, "%s.%s must be a number from %.0f to %.0f, not \"%.100s\"",
                       o->section, o->key, o->min, o->max, value);
    }
    *(double *)field(o, base) = number;
    return 0;
}

static int set_duration(const struct option *o, void *base, const char *value, struct err *e)
{
    int64_t ms;
    if (clock_parse_duration(value, &ms) < 0) {
        return expect(o, value, e,
                      "a duration such as \"500ms\", \"30s\", \"10m\", \"2h\" or \"30d\"");
    }
    if ((double)ms < o->min || (double)ms > o->max) {
        return err_set(e, ERR_CONFIG, "%s.%s must be from %.0f ms to %.0f s, not \"%.100s\"",
                       o->section, o->key, o->min, o->max / 1000, value);
    }
    *(int64_t *)field(o, base) = ms;
    return 0;
}

static int set_size(const struct option *o, void *base, const char *value, struct err *e)
{
    uint64_t bytes;
    if (size_parse(value, &bytes) < 0) {
        return expect(o, value, e, "a size such as \"4096\", \"64K\", \"10M\" or \"2G\"");
    }
    if ((double)bytes < o->min || (double)bytes > o->max) {
        return err_set(e, ERR_CONFIG, "%s.%s must be from %.0f to %.0f bytes, not \"%.100s\"",
                       o->section, o->key, o->min, o->max, value);
    }
    *(uint64_t *)field(o, base) = bytes;
    return 0;
}

static int set_bool(const struct option *o, void *base, const char *value, struct err *e)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i], value) == 0) {
            *(bool *)field(o, base) = i % 2 == 1;
            return 0;
        }
    }
    return expect(o, value, e, "true or false");
}

static int set_enum(const struct option *o, void *base, const char *value, struct err *e)
{
    _Static_assert(sizeof(enum log_level) == sizeof(int), "an enum is stored as an int");
    _Static_assert(sizeof(enum store_synchronous) == sizeof(int), "an enum is stored as an int");
    char known[128] = "";
    for (const struct option_choice *c = o->choices; c->name; c++) {
        if (strcmp(c->name, value) == 0) {
            memcpy(field(o, base), &c->value, sizeof(int));
            return 0;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", used > 0 ? " or " : "", c->name);
    }
    return expect(o, value, e, known);
}

static int check_string(const struct option *o, const char *value, struct err *e)
{
    for (const char *p = value; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return err_set(e, ERR_CONFIG, "%s.%s must not contain control characters", o->section,
                           o->key);
        }
    }
    struct err why;
    if (o->check && o->check(value, &why) < 0) {
        return err_set(e, ERR_CONFIG, "%s.%s %s, not \"%.100s\"", o->section, o->key, why.text,
                       value);
    }
    return 0;
}

static int set_string(const struct option *o, void *base, const char *value, struct err *e)
{
    if (check_string(o, value, e) < 0) {
        return -1;
    }
    char *copy = strdup(value);
    if (!copy) {
        return no_memory(e);
    }
    char **target = field(o, base);
    free(*target);
    *target = copy;
    return 0;
}

static int set_strings(const struct option *o, void *base, const struct string_list *values,
                       struct err *e)
{
    struct string_list copy = {0};
    for (size_t i = 0; i < values->n; i++) {
        if (check_string(o, values->v[i], e) < 0) {
            string_list_done(&copy);
            return -1;
        }
        if (string_list_add(&copy, values->v[i]) < 0) {
            string_list_done(&copy);
            return no_memory(e);
        }
    }
    struct string_list *target = field(o, base);
    string_list_done(target);
    *target = copy;
    return 0;
}

int option_set(const struct option *o, void *base, const struct string_list *values, struct err *e)
{
    if (o->type == OPTION_STRINGS) {
        return set_strings(o, base, values, e);
    }
    if (values->n != 1) {
        return err_set(e, ERR_CONFIG, "%s.%s takes one value", o->section, o->key);
    }
    const char *value = values->v[0];
    switch (o->type) {
    case OPTION_STRING: return set_string(o, base, value, e);
    case OPTION_INT: return set_int(o, base, value, e);
    case OPTION_REAL: return set_real(o, base, value, e);
    case OPTION_DURATION: return set_duration(o, base, value, e);
    case OPTION_SIZE: return set_size(o, base, value, e);
    case OPTION_BOOL: return set_bool(o, base, value, e);
    case OPTION_ENUM: return set_enum(o, base, value, e);
    case OPTION_STRINGS: break;
    }
    return -1;
}

// Splits at commas and drops the blanks around the pieces.
static int split_list(char *text, struct string_list *ret)
{
    char *rest = text;
    char *piece;
    while (*text && (piece = strsep(&rest, ",")) != NULL) {
        piece += strspn(piece, " ");
        size_t n = strlen(piece);
        while (n > 0 && piece[n - 1] == ' ') {
            piece[--n] = '\0';
        }
        if (string_list_add(ret, piece) < 0) {
            return -1;
        }
    }
    return 0;
}

int option_set_text(const struct option *o, void *base, const char *text, struct err *e)
{
    struct string_list values = {0};
    char *copy = strdup(text);
    int rc = -1;
    if (copy && o->type == OPTION_STRINGS) {
        rc = split_list(copy, &values);
    } else if (copy) {
        rc = string_list_add(&values, copy);
    }
    rc = rc < 0 ? no_memory(e) : option_set(o, base, &values, e);
    free(copy);
    string_list_done(&values);
    return rc;
}

// --- comparing and freeing ---

static bool lists_equal(const struct string_list *a, const struct string_list *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        if (strcmp(a->v[i], b->v[i]) != 0) {
            return false;
        }
    }
    return a->n == b->n;
}

bool option_equal(const struct option *o, const void *a, const void *b)
{
    const void *x = const_field(o, a);
    const void *y = const_field(o, b);
    switch (o->type) {
    case OPTION_STRING: return strcmp(*(char *const *)x, *(char *const *)y) == 0;
    case OPTION_STRINGS: return lists_equal(x, y);
    case OPTION_INT:
    case OPTION_ENUM: return memcmp(x, y, sizeof(int)) == 0;
    case OPTION_REAL: return memcmp(x, y, sizeof(double)) == 0;
    case OPTION_DURATION: return memcmp(x, y, sizeof(int64_t)) == 0;
    case OPTION_SIZE: return memcmp(x, y, sizeof(uint64_t)) == 0;
    case OPTION_BOOL: return *(const bool *)x == *(const bool *)y;
    }
    return false;
}

void option_clear(const struct option *o, void *base)
{
    if (o->type == OPTION_STRINGS) {
        string_list_done(field(o, base));
    } else if (o->type == OPTION_STRING) {
        char **text = field(o, base);
        free(*text);
        *text = NULL;
    }
}

// --- derived ---

unsigned config_workers(const struct config *c)
{
    if (c->fetch.workers > 0) {
        return (unsigned)c->fetch.workers;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 1) {
        return 1;
    }
    return cores < WORKERS_MAX_DEFAULT ? (unsigned)cores : WORKERS_MAX_DEFAULT;
}

const char *config_user_agent(const struct config *c)
{
    return c->fetch.user_agent[0] ? c->fetch.user_agent : "gatherd/" GATHERD_VERSION;
}

const char *config_origin(const struct config *c, const char *section, const char *key)
{
    const struct option *o = option_find(option_table(), option_count(), section, key);
    const char *origin = o ? c->origin[o - option_table()] : NULL;
    return origin ? origin : "default";
}
