// SPDX-License-Identifier: MIT
// Owns the file descriptor of a submission's input. Must never hold the whole of it in memory.
#include "client/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/interrupt.h"

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), m = strlen(ending);
    return n >= m && strcmp(name + n - m, ending) == 0;
}

size_t input_mark(const char *first, size_t n)
{
    return n >= 3 && memcmp(first, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

enum input_form input_form_of(const char *name, const char *first, size_t n)
{
    if (ends_with(name, ".ndjson") || ends_with(name, ".jsonl")) {
        return INPUT_NDJSON;
    }
    if (ends_with(name, ".json")) {
        return INPUT_JSON;
    }
    size_t i = input_mark(first, n);
    while (i < n && strchr(" \t\r\n", first[i]) && first[i]) {
        i++;
    }
    char c = i < n ? first[i] : '\0';
    return c == '{' || c == '"' ? INPUT_NDJSON : c == '[' ? INPUT_JSON : INPUT_TEXT;
}

const char *input_content_type(enum input_form form)
{
    return form == INPUT_NDJSON ? "application/x-ndjson"
           : form == INPUT_JSON ? "application/json"
                                : "text/plain";
}

// As read(2), but a signal only ends it when it was Ctrl-C.
static ssize_t read_some(int fd, char *to, size_t n)
{
    for (;;) {
        ssize_t got = read(fd, to, n);
        if (got >= 0 || errno != EINTR || interrupt_seen()) {
            return got;
        }
    }
}

static ssize_t input_read(struct source *s, char *to, size_t n)
{
    struct input *in = (struct input *)s;
    size_t left = in->peeked - in->given;
    if (left == 0) {
        return read_some(in->fd, to, n);
    }
    size_t take = left < n ? left : n;
    memcpy(to, in->peek + in->given, take);
    in->given += take;
    return (ssize_t)take;
}

static int input_rewind(struct source *s)
{
    struct input *in = (struct input *)s;
    if (!in->rereadable || lseek(in->fd, (off_t)in->peeked, SEEK_SET) < 0) {
        return -1;
    }
    in->given = 0;
    return 0;
}

static int describe(struct input *in, struct err *e)
{
    struct stat st;
    if (fstat(in->fd, &st) != 0) {
        return err_set_errno(e, errno, "cannot read %s", in->name);
    }
    if (S_ISDIR(st.st_mode)) {
        return err_set(e, ERR_USAGE, "%s is a folder, not a file of URLs", in->name);
    }
    // Only a regular file that is read from its start has a size that can be relied on.
    in->rereadable = S_ISREG(st.st_mode) && lseek(in->fd, 0, SEEK_CUR) == 0;
    in->source.size = in->rereadable ? (int64_t)st.st_size : -1;
    return 0;
}

int input_open(const char *path, struct input *ret, struct err *e)
{
    bool standard = strcmp(path, "-") == 0;
    *ret = (struct input){.name = standard ? "standard input" : path};
    ret->source = (struct source){.read = input_read, .rewind = input_rewind, .size = -1};
    ret->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (ret->fd < 0) {
        return err_set_errno(e, errno, "cannot read %s", path);
    }
    if (describe(ret, e) != 0) {
        input_close(ret);
        return -1;
    }
    ssize_t n = read_some(ret->fd, ret->peek, sizeof ret->peek);
    if (n < 0) {
        err_set_errno(e, errno, "cannot read %s", ret->name);
        input_close(ret);
        return -1;
    }
    ret->peeked = (size_t)n;
    ret->form = input_form_of(standard ? "" : path, ret->peek, ret->peeked);
    return 0;
}

void input_close(struct input *in)
{
    if (in->fd > STDIN_FILENO) {
        close(in->fd);
    }
    in->fd = -1;
}
