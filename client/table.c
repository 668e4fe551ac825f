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

static void print_cell(const struct table *t, size_t column, size_t width, const struct cell *cell,
                       bool last)
{
    struct buf text = BUF_INIT(CELL_MAX);
    text_cut(&text, cell->text, width, t->out->utf8);
    const char *shown = text.data ? text.data : "";
    int pad = (int)(width - text_width(shown));
    if (t->columns[column].right) {
        printf("%*s", pad, "");
    }
    output_text(t->out, cell->tint, shown);
    if (!last) {
        printf("%*s", (t->columns[column].right ? 0 : pad) + GAP, "");
    }
    buf_done(&text);
}

// How many cells of a row are to be printed: empty ones at its end would leave blanks.
static size_t row_length(const struct table *t, const struct cell *row)
{
    size_t n = t->count;
    while (n > 1 && row[n - 1].text[0] == '\0') {
        n--;
    }
    return n;
}

static void print_row(const struct table *t, const size_t *width, const struct cell *row)
{
    size_t n = row_length(t, row);
    for (size_t i = 0; i < n; i++) {
        print_cell(t, i, width[i], &row[i], i + 1 == n);
    }
    putchar('\n');
}

static void print_heading(struct table *t, const size_t *width)
{
    char titles[TABLE_MAX_COLUMNS][FORMAT_SIZE];
    struct cell row[TABLE_MAX_COLUMNS];
    for (size_t i = 0; i < t->count; i++) {
        snprintf(titles[i], FORMAT_SIZE, "%s", t->columns[i].title);
        row[i] = (struct cell){.text = titles[i], .tint = TINT_STRONG};
    }
    print_row(t, width, row);
    t->headed = true;
}

void table_flush(struct table *t)
{
    size_t width[TABLE_MAX_COLUMNS] = {0};
    fit(t, width);
    if (t->out->terminal && !t->headed && t->used > 0) {
        print_heading(t, width);
    }
    for (size_t i = 0; t->out->terminal && i + t->count <= t->used; i += t->count) {
        print_row(t, width, &t->cells[i]);
    }
    for (size_t i = 0; i < t->used; i++) {
        if (!t->out->terminal) {
            printf("%s%c", t->cells[i].text, (i + 1) % t->count == 0 ? '\n' : '\t');
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
