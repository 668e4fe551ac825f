// SPDX-License-Identifier: MIT
// Owns reading and editing of a tokens file. Must never write a token itself, only what is derived
// from it.
#include "client/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"

#define FILE_MAX  ((size_t)1 << 20)
#define SEPARATOR " \t\r\n"

static int read_file(const char *path, struct buf *ret, struct stat *ret_stat, struct err *e)
{
    char piece[4096];
    size_t n;
    FILE *file = fopen(path, "re");
    if (!file) {
        return err_set_errno(e, errno, "cannot read %s", path);
    }
    while ((n = fread(piece, 1, sizeof piece, file)) > 0) {
        buf_append(ret, piece, n);
    }
    int rc = ferror(file) || fstat(fileno(file), ret_stat) != 0
                 ? err_set_errno(e, errno, "cannot read %s", path)
                 : 0;
    fclose(file);
    if (rc == 0 && (ret->failed || (ret->len > 0 && memchr(ret->data, '\0', ret->len)))) {
        return err_set(e, ERR_CONFIG, "%s is no file of tokens", path);
    }
    return rc;
}

static int each_line(char *text, token_entry_fn *fn, void *ctx, struct err *e)
{
    for (char *line; (line = strsep(&text, "\n"));) {
        char *rest = NULL;
        const char *name = strtok_r(line, SEPARATOR, &rest);
        if (!name || name[0] == '#') {
            continue;
        }
        const char *scope = strtok_r(NULL, SEPARATOR, &rest);
        const char *hash = scope ? strtok_r(NULL, SEPARATOR, &rest) : NULL;
        struct token_entry entry = {name, scope ? scope : "", hash ? hash : ""};
        if (fn(ctx, &entry, e) != 0) {
            return -1;
        }
    }
    return 0;
}

int token_file_each(const char *path, token_entry_fn *fn, void *ctx, struct err *e)
{
    struct buf text = BUF_INIT(FILE_MAX);
    struct stat st;
    int rc = read_file(path, &text, &st, e);
    if (rc == 0 && text.len > 0) {
        buf_append_char(&text, '\0');
        rc = text.failed ? err_set(e, ERR_SYSTEM, "out of memory")
                         : each_line(text.data, fn, ctx, e);
    }
    buf_done(&text);
    return rc;
}

static int refuse_same(void *ctx, const struct token_entry *entry, struct err *e)
{
    if (strcmp(entry->name, ctx) != 0) {
        return 0;
    }
    return err_set(e, ERR_CONFLICT,
                   "there is a token named %s already; gather token revoke %s removes it",
                   entry->name, entry->name);
}

// Whether what is appended begins a line of its own.
static bool ends_with_newline(int fd)
{
    struct stat st;
    char last = '\n';
    return fstat(fd, &st) == 0 && (st.st_size == 0 || pread(fd, &last, 1, st.st_size - 1) == 1) &&
           last == '\n';
}

int token_file_add(const char *path, const char *name, const char *line, struct err *e)
{
    void *same = (void *)(uintptr_t)name;
    if (access(path, F_OK) == 0 && token_file_each(path, refuse_same, same, e) != 0) {
        return -1;
    }
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set_errno(e, errno, "cannot write to %s", path);
    }
    const char *before = ends_with_newline(fd) ? "" : "\n";
    bool written = dprintf(fd, "%s%s\n", before, line) >= 0 && fsync(fd) == 0;
    int rc = written ? 0 : err_set_errno(e, errno, "cannot write to %s", path);
    close(fd);
    return rc;
}

// The text without the lines of `name`; how many these were.
static unsigned drop_lines(const char *text, size_t n, const char *name, struct buf *ret)
{
    unsigned dropped = 0;
    for (const char *end = text + n; text < end;) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const char *next = stop ? stop + 1 : end;
        const char *word = text + strspn(text, " \t");
        size_t len = strlen(name);
        bool same = (size_t)(next - word) > len && strncmp(word, name, len) == 0 &&
                    strchr(SEPARATOR, word[len]);
        if (same) {
            dropped++;
        } else {
            buf_append(ret, text, (size_t)(next - text));
        }
        text = next;
    }
    return dropped;
}

static int replace_file(const char *path, const struct buf *text, const struct stat *st,
                        struct err *e)
{
    char *made = NULL;
    if (asprintf(&made, "%s.XXXXXX", path) < 0) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    int fd = mkostemp(made, O_CLOEXEC), rc = -1;
    if (fd < 0) {
        err_set_errno(e, errno, "cannot write beside %s", path);
        free(made);
        return -1;
    }
    bool written = text->len == 0 || write(fd, text->data, text->len) == (ssize_t)text->len;
    if (!written || fchown(fd, st->st_uid, st->st_gid) != 0 ||
        fchmod(fd, st->st_mode & 07777) != 0 || fsync(fd) != 0 || rename(made, path) != 0) {
        err_set_errno(e, errno, "cannot replace %s", path);
        unlink(made);
    } else {
        rc = 0;
    }
    close(fd);
    free(made);
    return rc;
}

int token_file_remove(const char *path, const char *name, struct err *e)
{
    struct buf text = BUF_INIT(FILE_MAX), rest = BUF_INIT(FILE_MAX);
    struct stat st;
    char *target = realpath(path, NULL); // a link stays one
    int rc =
        target ? read_file(target, &text, &st, e) : err_set_errno(e, errno, "cannot read %s", path);
    if (rc == 0 && buf_append_char(&text, '\0') != 0) {
        rc = err_set(e, ERR_SYSTEM, "out of memory");
    }
    if (rc == 0 && drop_lines(text.data, text.len - 1, name, &rest) == 0) {
        rc = err_set(e, ERR_NOT_FOUND, "%s has no token named %s", path, name);
    }
    if (rc == 0) {
        rc = rest.failed ? err_set(e, ERR_SYSTEM, "out of memory")
                         : replace_file(target, &rest, &st, e);
    }
    free(target);
    buf_done(&text);
    buf_done(&rest);
    return rc;
}
