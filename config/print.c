// SPDX-License-Identifier: MIT
// Writes a configuration in the syntax of the file, each value with where it came from. Reading the
// output gives the same configuration.
#include <stdio.h>
#include <string.h>

#include "config/file.h"

struct unit {
    uint64_t factor;
    const char *name;
};

static void print_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\' || *p == '$') {
            fputc('\\', out); // "${...}" would be taken for an environment variable
        }
        fputc(*p, out);
    }
    fputc('"', out);
}

static void print_list(const struct string_list *l, FILE *out)
{
    fputc('{', out);
    for (size_t i = 0; i < l->n; i++) {
        fputs(i > 0 ? ", " : "", out);
        print_quoted(l->v[i], out);
    }
    fputc('}', out);
}

// In the largest unit that needs no fraction; `units` from large to small, the last with factor 1.
static void print_amount(uint64_t value, const struct unit *units, FILE *out)
{
    while (units->factor > 1 && (value == 0 || value % units->factor != 0)) {
        units++;
    }
    fprintf(out, "\"%llu%s\"", (unsigned long long)(value / units->factor), units->name);
}

static void print_choice(const struct option *o, int value, FILE *out)
{
    for (const struct option_choice *c = o->choices; c->name; c++) {
        if (c->value == value) {
            print_quoted(c->name, out);
        }
    }
}

static void print_value(const struct option *o, const void *base, FILE *out)
{
    static const struct unit durations[] = {
        {86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    static const struct unit sizes[] = {
        {1ULL << 40, "T"}, {1 << 30, "G"}, {1 << 20, "M"}, {1 << 10, "K"}, {1, ""}};
    const void *p = (const char *)base + o->offset;
    switch (o->type) {
    case OPTION_STRING: print_quoted(*(char *const *)p, out); break;
    case OPTION_STRINGS: print_list(p, out); break;
    case OPTION_INT: fprintf(out, "%d", *(const int *)p); break;
    case OPTION_REAL: fprintf(out, "%.15g", *(const double *)p); break;
    case OPTION_DURATION:
        print_amount(*(const uint64_t *)p, durations, out);
        break; // never negative
    case OPTION_SIZE: print_amount(*(const uint64_t *)p, sizes, out); break;
    case OPTION_BOOL: fputs(*(const bool *)p ? "true" : "false", out); break;
    case OPTION_ENUM: print_choice(o, *(const int *)p, out); break;
    }
}

static void print_setting(const struct option *o, const void *base, const char *origin, FILE *out)
{
    fprintf(out, "    %s = ", o->key);
    print_value(o, base, out);
    fprintf(out, "  # %s\n", origin ? origin : "default");
}

static void print_host(const struct host_config *h, FILE *out)
{
    fputs("host ", out);
    print_quoted(h->name, out);
    fputs(" {\n", out);
    const struct option *rows = host_option_table();
    for (size_t i = 0; i < HOST_CONFIG_KEYS; i++) {
        if (h->origin[i]) {
            print_setting(&rows[i], h, h->origin[i], out);
        }
    }
    fputs("}\n", out);
}

int config_print(const struct config *c, FILE *out)
{
    const struct option *rows = option_table();
    const char *section = NULL;
    for (size_t i = 0; i < option_count(); i++) {
        if (!section || strcmp(section, rows[i].section) != 0) {
            fprintf(out, "%s%s {\n", section ? "}\n" : "", rows[i].section);
            section = rows[i].section;
        }
        print_setting(&rows[i], c, c->origin[i], out);
    }
    fputs("}\n", out);
    for (size_t i = 0; i < c->n_hosts; i++) {
        print_host(&c->hosts[i], out);
    }
    return fflush(out) == 0 && !ferror(out) ? 0 : -1;
}
