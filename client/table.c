// SPDX-License-Identifier: MIT
// Owns how columns share the width of a terminal. Prints through output.c only.
#include "client/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/format.h"

#define GAP            2
#define FLEXIBLE_LEAST 8
#define CELL_MAX       ((size_t)1 << 20)

void table_init(struct table *t, const struct output *out, const struct column *columns)
{
    *t = (struct table){.out = out, .columns = columns};
    while (columns[t->count].title) {
        t->width[t->count] = text_width(columns[t->count].title);
        t->count++;
    }
}

void table_add(struct table *t, enum tint tint, const char *text)
{
    if (t->used == t->room) {
        size_t room = t->room ? t->room * 2 : 256;
        struct cell *cells = reallocarray(t->cells, room, sizeof *cells);
        if (!cells) {
            t->failed = true;
            return;
        }
        t->cells = cells;
        t->room = room;
    }
    struct buf b = BUF_INIT(CELL_MAX);
    if (t->out->terminal) {
        text_safe(&b, text, t->out->utf8);
    } else {
        text_tsv(&b, text);
    }
    char *copy = buf_steal(&b, NULL);
    t->failed = t->failed || !copy;
    if (copy) {
        size_t column = t->used % t->count;
        size_t width = t->out->terminal ? text_width(copy) : 0;
        t->width[column] = width > t->width[column] ? width : t->width[column];
        t->cells[t->used++] = (struct cell){.text = copy, .tint = tint};
    }
}

void table_add_int(struct table *t, long long value)
{
    char text[FORMAT_SIZE];
    if (t->out->terminal) {
        format_count(value, text);
    } else {
        snprintf(text, sizeof text, "%lld", value);
    }
    table_add(t, TINT_NONE, text);
}

// Column widths for this terminal: what is too much is taken from the flexible columns, the widest
// first.
static void fit(const struct table *t, size_t ret[TABLE_MAX_COLUMNS])
{
    size_t total = GAP * (t->count - 1);
    for (size_t i = 0; i < t->count; i++) {
        ret[i] = t->width[i];
        total += ret[i];
    }
    while (total > (size_t)t->out->width) {
        size_t widest = t->count;
        for (size_t i = 0; i < t->count; i++) {
            bool cuttable = t->columns[i].flexible && ret[i] > FLEXIBLE_LEAST;
            if (cuttable && (widest == t->count || ret[i] > ret[widest])) {
                widest = i;
            }
        }
        if (widest == t->count) {
            return;
        }
        ret[widest]--;
        total--;
    }
}

static void print_cell(const struct table *t, size_t column, size_t width, const struct cell *cell)
{
    struct buf text = BUF_INIT(CELL_MAX);
    text_cut(&text, cell->text, width, t->out->utf8);
    const char *shown = text.data ? text.data : "";
    int pad = (int)(width - text_width(shown));
    bool last = column + 1 == t->count;
    if (t->columns[column].right) {
        printf("%*s", pad, "");
    }
    output_text(t->out, cell->tint, shown);
    if (!t->columns[column].right && !last) {
        printf("%*s", pad, "");
    }
    fputs(last ? "\n" : "  ", stdout);
    buf_done(&text);
}

static void print_heading(struct table *t, const size_t *width)
{
    for (size_t i = 0; i < t->count; i++) {
        char title[FORMAT_SIZE];
        snprintf(title, sizeof title, "%s", t->columns[i].title);
        struct cell cell = {.text = title, .tint = TINT_STRONG};
        print_cell(t, i, width[i], &cell);
    }
    t->headed = true;
}

void table_flush(struct table *t)
{
    size_t width[TABLE_MAX_COLUMNS] = {0};
    fit(t, width);
    if (t->out->terminal && !t->headed && t->used > 0) {
        print_heading(t, width);
    }
    for (size_t i = 0; i < t->used; i++) {
        size_t column = i % t->count;
        if (t->out->terminal) {
            print_cell(t, column, width[column], &t->cells[i]);
        } else {
            printf("%s%c", t->cells[i].text, column + 1 == t->count ? '\n' : '\t');
        }
        free(t->cells[i].text);
    }
    t->used = 0;
}

void table_done(struct table *t)
{
    table_flush(t);
    free(t->cells);
    t->cells = NULL;
    t->room = 0;
}
