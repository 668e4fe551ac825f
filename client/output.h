// SPDX-License-Identifier: MIT
// Where the client writes. Data go to standard output: aligned tables and colours on a terminal,
// TSV or NDJSON in a pipe. Messages go to standard error. Text that came from a server is made safe
// before a terminal sees it.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

enum tint { TINT_NONE, TINT_GOOD, TINT_BAD, TINT_BUSY, TINT_FAINT, TINT_STRONG };

struct output {
    bool terminal;         // standard output is one
    bool message_terminal; // standard error is one
    bool color;            // of standard output
    bool utf8;             // the locale shows UTF-8
    bool json;             // --json
    bool quiet;            // --quiet: no messages but errors
    bool progress_shown;   // a progress line stands on standard error
    bool redraws;          // standard output is a terminal whose cursor can be moved
    bool one_line;         // fields are cut to the width, so that each takes one line
    int width;             // columns of the terminal
    unsigned messages;     // how many were written
};

void output_init(struct output *o, bool json, bool quiet, bool no_color);
void output_measure(struct output *o); // the terminal may have been resized

// Messages: one line each, "gather: " first. note is dropped by --quiet.
void output_note(struct output *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_error(struct output *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
void output_message_part(struct output *o, const char *text); // an indented continuation line

// Replaces the progress line (on a terminal only); NULL removes it.
void output_progress(struct output *o, const char *line);

// Data. Failures of standard output are remembered by stdio; output_check tells them.
void output_text(const struct output *o, enum tint tint, const char *text); // made safe, coloured
void output_raw(const void *p, size_t n);
void output_line(const struct output *o, const char *text); // a line, made safe on a terminal
void output_paragraph(const struct output *o, int indent,
                      const char *text); // broken at spaces to the width
// The same behind `column` columns of a line that is begun already.
void output_paragraph_behind(const struct output *o, int column, int indent, const char *text);
void output_json(const struct output *o, const json_t *value); // one line; indented on a terminal
void output_ndjson(const json_t *value);                       // always one line

// A name and its value, aligned on a terminal and TSV in a pipe; one block of lines is what
// `status` or `show` prints.
void output_field(const struct output *o, const char *name, const char *value);
void output_field_tinted(const struct output *o, const char *name, enum tint tint,
                         const char *value);

// The colour of a batch's or task's state.
enum tint tint_of_state(const char *state);

// Shows what was printed so far; -1 if standard output failed.
int output_flush(struct err *e);

// The end of output. -1 if standard output failed; *ret_closed is set if its reader went away,
// which is no fault.
int output_check(bool *ret_closed, struct err *e);
