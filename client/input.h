// SPDX-License-Identifier: MIT
// The file (or standard input) of a submission: what it is, and its bytes as a source for the
// connection.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/conn.h"
#include "common/err.h"

enum input_form { INPUT_TEXT, INPUT_NDJSON, INPUT_JSON };

#define INPUT_PEEK 4096

struct input {
    struct source source; // first: the connection sees only this
    int fd;
    const char *name; // for messages
    enum input_form form;
    bool rereadable;
    char peek[INPUT_PEEK]; // the first bytes, read to know the form
    size_t peeked, given;
};

// Opens FILE or "-" and decides its form: by the name's ending (.ndjson .jsonl .json), else by the
// first byte that is not white space or a byte order mark ('{' or '"': NDJSON, '[': JSON), else one
// URL a line.
int input_open(const char *path, struct input *ret, struct err *e);
void input_close(struct input *in);

const char *input_content_type(enum input_form form);

// The length of a byte order mark at the beginning, or 0. Pure.
size_t input_mark(const char *first, size_t n);

// The form of an input called `name` that begins with these bytes. Pure.
enum input_form input_form_of(const char *name, const char *first, size_t n);
