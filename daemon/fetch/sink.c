// SPDX-License-Identifier: MIT
// The body sink. Worker thread only; it writes temporary files without ever syncing them, so that
// it touches the page cache only.
#include "daemon/fetch/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What comes in smaller pieces is gathered to this before it is written: a server may send a body
// byte by byte.
#define PIECE ((size_t)16 * 1024)

static int open_named(const char *dir)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/body-XXXXXX", dir);
    if (n < 0 || (size_t)n >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) {
        unlink(path);
    }
    return fd;
}

static int open_spill(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        fd = open_named(dir); // the file system has no O_TMPFILE
    }
    return fd;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k <= 0) {
            return -1;
        }
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

// Writes what is in memory to the file, which it opens first if there is none.
static int flush(struct sink *s)
{
    if (s->fd < 0) {
        s->fd = open_spill(s->spill_dir);
    }
    if (s->fd < 0 || write_all(s->fd, s->data, s->held) < 0) {
        return -1;
    }
    s->held = 0;
    if (s->cap > PIECE) {
        free(s->data);
        s->data = NULL;
        s->cap = 0;
    }
    return 0;
}

static int grow(struct sink *s, size_t need)
{
    size_t cap = s->cap ? s->cap : 1024;
    while (cap < need) {
        cap *= 2;
    }
    char *data = realloc(s->data, cap);
    if (!data) {
        errno = ENOMEM;
        return -1;
    }
    s->data = data;
    s->cap = cap;
    return 0;
}

static int store(struct sink *s, const void *p, size_t n)
{
    size_t most = s->fd < 0 ? s->memory_max : PIECE;
    if (s->held + n > most && flush(s) < 0) {
        return -1;
    }
    if (s->fd >= 0 && n >= PIECE) {
        return write_all(s->fd, p, n);
    }
    if (s->held + n > s->cap && grow(s, s->held + n) < 0) {
        return -1;
    }
    memcpy(s->data + s->held, p, n);
    s->held += n;
    return 0;
}

int sink_init(struct sink *s, EVP_MD *sha256)
{
    *s = (struct sink){.fd = -1, .sha256 = sha256, .digest = EVP_MD_CTX_new()};
    return s->digest ? 0 : -1;
}

void sink_done(struct sink *s)
{
    sink_discard(s);
    EVP_MD_CTX_free(s->digest);
    s->digest = NULL;
}

void sink_begin(struct sink *s, const struct body_budget_ops *budget, const char *spill_dir,
                size_t memory_max)
{
    s->budget = *budget;
    s->spill_dir = spill_dir;
    s->memory_max = memory_max;
    EVP_DigestInit_ex(s->digest, s->sha256, NULL);
}

enum sink_status sink_write(struct sink *s, const void *p, size_t n)
{
    if (n == 0) {
        return SINK_OK;
    }
    if (!s->budget.take(s->budget.ctx, n)) {
        return SINK_WAIT;
    }
    if (store(s, p, n) < 0 || EVP_DigestUpdate(s->digest, p, n) != 1) {
        int saved = errno;
        s->budget.give(s->budget.ctx, n);
        errno = saved;
        return SINK_FAILED;
    }
    s->size += n;
    return SINK_OK;
}

int sink_finish(struct sink *s, struct body *ret, uint8_t ret_sha256[32])
{
    bool spilled = s->fd >= 0;
    if (EVP_DigestFinal_ex(s->digest, ret_sha256, NULL) != 1) {
        errno = ENOMEM;
        return -1;
    }
    if (spilled && flush(s) < 0) {
        return -1;
    }
    *ret = (struct body){.data = spilled ? NULL : s->data, .fd = s->fd, .size = s->size};
    s->data = spilled ? s->data : NULL;
    s->fd = -1;
    sink_discard(s); // what is left: the bytes in the budget
    return 0;
}

void sink_discard(struct sink *s)
{
    if (s->size > 0) {
        s->budget.give(s->budget.ctx, (size_t)s->size);
    }
    free(s->data);
    if (s->fd >= 0) {
        close(s->fd);
    }
    s->data = NULL;
    s->held = 0;
    s->cap = 0;
    s->fd = -1;
    s->size = 0;
}
