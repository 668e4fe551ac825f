// SPDX-License-Identifier: MIT
// See disk.h.
#include "daemon/store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BALLAST_BYTES (8 * 1024 * 1024)
#define START_BYTES   (1024 * 1024)

static char *beside(const char *path, const char *suffix)
{
    size_t n = strlen(path) + strlen(suffix) + 1;
    char *s = malloc(n);
    if (s != NULL) {
        snprintf(s, n, "%s%s", path, suffix);
    }
    return s;
}

static int locked_elsewhere(int fd, const char *path, struct err *e)
{
    char holder[32] = "";
    ssize_t n = pread(fd, holder, sizeof(holder) - 1, 0);
    long pid = n > 0 ? strtol(holder, NULL, 10) : 0;
    if (pid > 0) {
        return err_set(
            e, ERR_CONFIG,
            "the database is in use by process %ld (lock file %s): stop it, or set store.path", pid,
            path);
    }
    return err_set(
        e, ERR_CONFIG,
        "the database is in use by another process (lock file %s): stop it, or set store.path",
        path);
}

// A start needs some space for the log and its index, also when the disk is full.
static void make_room(const struct disk *d)
{
    uint64_t bytes;
    if (disk_free(d, &bytes) == 0 && bytes < START_BYTES) {
        unlink(d->ballast_path);
    }
}

// The lock file names its holder, but may be deleted; the database is locked besides, in a way that
// SQLite does not use.
static int lock(struct disk *d, const char *path, struct err *e)
{
    d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        return err_set_errno(e, errno, "cannot open the lock file %s", path);
    }
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0 || flock(d->db_fd, LOCK_EX | LOCK_NB) < 0) {
        return errno == EWOULDBLOCK ? locked_elsewhere(d->lock_fd, path, e)
                                    : err_set_errno(e, errno, "cannot lock %s", path);
    }
    make_room(d);
    char text[32];
    int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(d->lock_fd, 0) < 0 || pwrite(d->lock_fd, text, (size_t)n, 0) != n) {
        return err_set_errno(e, errno, "cannot write the lock file %s", path);
    }
    return 0;
}

static int64_t modified_at(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

// The file stays open as long as SQLite has it: closing it drops the locks of SQLite.
static int find_file(struct disk *d, const char *path, struct err *e)
{
    d->db_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    if (d->db_fd < 0 || fstat(d->db_fd, &st) < 0) {
        return err_set_errno(e, errno, "cannot open the database %s (store.path) for writing",
                             path);
    }
    if (st.st_nlink > 1) {
        return err_set(e, ERR_CONFIG,
                       "the database %s has %lu names (hard links): under another one its log would"
                       " be missed, so remove the others, or set store.path",
                       path, (unsigned long)st.st_nlink);
    }
    d->db_id = (struct file_id){st.st_dev, st.st_ino};
    d->written_at = modified_at(&st);
    d->db_path = realpath(path, NULL);
    return d->db_path == NULL ? err_set_errno(e, errno, "cannot find the database %s", path) : 0;
}

int disk_init(struct disk *d, const char *path, struct err *e)
{
    *d = (struct disk){.lock_fd = -1, .db_fd = -1};
    if (find_file(d, path, e) < 0) {
        disk_done(d);
        return -1;
    }
    char *lock_path = beside(d->db_path, ".lock");
    d->ballast_path = beside(d->db_path, ".ballast");
    d->wal_path = beside(d->db_path, "-wal");
    struct stat log;
    if (d->wal_path != NULL && stat(d->wal_path, &log) == 0 && modified_at(&log) > d->written_at) {
        d->written_at = modified_at(&log);
    }
    int r = -1;
    if (lock_path == NULL || d->ballast_path == NULL || d->wal_path == NULL) {
        err_set(e, ERR_SYSTEM, "out of memory");
    } else {
        r = lock(d, lock_path, e);
    }
    free(lock_path);
    if (r < 0) {
        disk_done(d);
    }
    return r;
}

static bool leads_to(const char *path, struct file_id *id)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        return errno != ENOENT; // what else may fail tells nothing
    }
    if (id->number == 0) {
        *id = (struct file_id){st.st_dev, st.st_ino};
    }
    return id->device == st.st_dev && id->number == st.st_ino;
}

const char *disk_missing(struct disk *d)
{
    return !leads_to(d->db_path, &d->db_id)     ? d->db_path
           : !leads_to(d->wal_path, &d->wal_id) ? d->wal_path
                                                : NULL;
}

void disk_done(struct disk *d)
{
    if (d->lock_fd >= 0) {
        close(d->lock_fd); // the lock goes with it; the file stays, so that nobody locks a deleted
                           // one
    }
    if (d->db_fd >= 0) {
        close(d->db_fd);
    }
    free(d->ballast_path);
    free(d->db_path);
    free(d->wal_path);
    *d = (struct disk){.lock_fd = -1, .db_fd = -1};
}

void disk_take_ballast(struct disk *d)
{
    if (d->ballast) {
        return;
    }
    int fd = open(d->ballast_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    if (posix_fallocate(fd, 0, BALLAST_BYTES) == 0) {
        d->ballast = true;
    } else {
        unlink(d->ballast_path);
    }
    close(fd);
}

bool disk_give_ballast(struct disk *d)
{
    bool had = d->ballast;
    if (had) {
        unlink(d->ballast_path);
        d->ballast = false;
    }
    return had;
}

int disk_free(const struct disk *d, uint64_t *ret)
{
    struct statvfs v;
    if (statvfs(d->db_path, &v) < 0) {
        return -1;
    }
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

int64_t disk_used(const struct disk *d)
{
    struct stat st;
    int64_t sum = stat(d->db_path, &st) == 0 ? st.st_size : 0;
    return sum + (stat(d->wal_path, &st) == 0 ? st.st_size : 0);
}
