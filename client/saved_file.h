// SPDX-License-Identifier: MIT
// A file that what was fetched is written to. It is opened before anything is asked for, so that a
// path nobody can write to is known at once; but what it holds goes only when there is something to
// put in its place, and one that was made for nothing is removed.
#pragma once

#include <stdbool.h>

#include "common/err.h"

struct saved_file {
    int fd; // -1: none
    const char *path;
    bool made;  // it was not there
    bool begun; // it is empty, or holds what is being written
};

#define SAVED_FILE_NONE ((struct saved_file){.fd = -1})

int saved_file_open(struct saved_file *f, const char *path, struct err *e);
int saved_file_begin(struct saved_file *f, struct err *e); // once or several times
// Gives `rc`, or -1 with `e` if it is no error yet and the file could not be written.
int saved_file_close(struct saved_file *f, int rc, struct err *e);
