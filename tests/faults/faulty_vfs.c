// SPDX-License-Identifier: MIT
// See faulty_vfs.h. One mutex guards everything here; the real VFS is called with it held, which
// makes "before" and "after" of operations on different threads well defined.
#include "tests/faults/faulty_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES_MAX 16
#define SECTOR    512

struct image { // the content of a file
    unsigned char *data;
    size_t size, capacity;
};

struct change { // not yet synced
    struct change *next;
    size_t at, n; // n bytes written at `at`; a truncation to `at` has `data` NULL
    unsigned char data[];
};

struct track {
    char path[256];
    struct image platter;
    struct change *changes, **changes_end;
    bool linked;  // its name is on the platter, too
    bool deleted; // it has no name any more, or (not synced) may still have the old content
    bool reborn;  // deleted and made again since the last sync
};

struct wrapped_file {
    sqlite3_file base;
    struct track *track; // NULL: a file that no crash can concern
    sqlite3_file *real;  // lies behind this struct
};

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *parent;
    struct track files[FILES_MAX];
    int n_files;
    long operations, cut_at;
    long counts[FAULTY_KINDS][FAULTY_FILES];
    long *cut_count, cut_count_at; // one of `counts`, and the number that cuts
    bool cut;
    unsigned fail_kinds;
    long fail_in, failures;
    int fail_code;
    bool fail_for_ever;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- images ----

static void *checked(void *memory)
{
    if (memory == NULL) {
        abort(); // a test program
    }
    return memory;
}

static void image_resize(struct image *im, size_t n)
{
    if (n > im->capacity) {
        im->capacity = n * 2;
        im->data = checked(realloc(im->data, im->capacity));
    }
    if (n > im->size) {
        memset(im->data + im->size, 0, n - im->size);
    }
    im->size = n;
}

static void image_write(struct image *im, size_t at, const unsigned char *data, size_t n)
{
    if (at + n > im->size) {
        image_resize(im, at + n);
    }
    memcpy(im->data + at, data, n);
}

static void image_apply(struct image *im, const struct change *c)
{
    if (c->n == 0) {
        image_resize(im, c->at);
    } else {
        image_write(im, c->at, c->data, c->n);
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15U; // splitmix64
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

// A write of which only some sectors reached the platter.
static void image_tear(struct image *im, const struct change *c, uint64_t *random)
{
    for (size_t from = 0; from < c->n;) {
        size_t n = SECTOR - (c->at + from) % SECTOR;
        n = n < c->n - from ? n : c->n - from;
        if (next_random(random) % 2 == 0) {
            image_write(im, c->at + from, c->data + from, n);
        }
        from += n;
    }
}

// ---- files ----

static void changes_drop(struct track *t)
{
    while (t->changes != NULL) {
        struct change *c = t->changes;
        t->changes = c->next;
        free(c);
    }
    t->changes_end = &t->changes;
}

static void change_add(struct track *t, size_t at, const void *data, size_t n)
{
    struct change *c = checked(malloc(sizeof(*c) + n));
    *c = (struct change){.at = at, .n = n};
    if (n > 0) {
        memcpy(c->data, data, n);
    }
    *t->changes_end = c;
    t->changes_end = &c->next;
}

// What SQLite does with the first sync of a new journal or log: names made and deleted until then
// are on the platter.
static void sync_directory(void)
{
    for (int i = 0; i < disk.n_files; i++) {
        struct track *t = &disk.files[i];
        if (t->deleted || t->reborn) {
            image_resize(&t->platter, 0);
        }
        t->linked = !t->deleted;
        t->reborn = false;
    }
}

static void track_sync(struct track *t)
{
    if (t->deleted) {
        return; // nobody can open it again
    }
    if (t->reborn || !t->linked) {
        sync_directory();
    }
    for (const struct change *c = t->changes; c != NULL; c = c->next) {
        image_apply(&t->platter, c);
    }
    changes_drop(t);
}

static struct track *track_of(const char *path)
{
    for (int i = 0; i < disk.n_files; i++) {
        if (strcmp(disk.files[i].path, path) == 0) {
            return &disk.files[i];
        }
    }
    if (disk.n_files == FILES_MAX) {
        abort();
    }
    struct track *t = &disk.files[disk.n_files++];
    memset(t, 0, sizeof(*t));
    snprintf(t->path, sizeof(t->path), "%s", path);
    t->changes_end = &t->changes;
    return t;
}

// A name that was deleted without a sync and is used again: what the platter holds under it is the
// old file until the new one is synced.
static void track_reborn(struct track *t)
{
    changes_drop(t);
    t->deleted = false;
    t->reborn = t->linked;
}

// ---- faults ----

static long *count_of(unsigned kind, enum faulty_file file)
{
    return &disk.counts[__builtin_ctz(kind)][file];
}

static enum faulty_file file_of(const char *path)
{
    const char *end = strrchr(path, '-');
    return end != NULL && strcmp(end, "-wal") == 0       ? FAULTY_LOG
           : end != NULL && strcmp(end, "-journal") == 0 ? FAULTY_JOURNAL
                                                         : FAULTY_DATABASE;
}

// Whether the operation may be done; else the code it fails with. With the lock held.
static int may_do(unsigned kind, const char *path)
{
    long *count = count_of(kind, file_of(path));
    ++*count;
    disk.operations++;
    if ((disk.cut_at > 0 && disk.operations >= disk.cut_at) ||
        (disk.cut_count == count && *count >= disk.cut_count_at)) {
        disk.cut = true;
    }
    if (disk.cut) {
        return SQLITE_IOERR;
    }
    if ((disk.fail_kinds & kind) == 0 || disk.fail_in == 0) {
        return SQLITE_OK;
    }
    if (disk.fail_in > 1) {
        disk.fail_in--;
        return SQLITE_OK;
    }
    disk.fail_in = disk.fail_for_ever ? 1 : 0;
    disk.failures++;
    return disk.fail_code;
}

static struct wrapped_file *wrapped(sqlite3_file *file)
{
    return (struct wrapped_file *)file;
}

static sqlite3_file *real(sqlite3_file *file)
{
    return wrapped(file)->real;
}

static int on_close(sqlite3_file *file)
{
    return real(file)->pMethods->xClose(real(file));
}

static int on_read(sqlite3_file *file, void *data, int n, sqlite3_int64 at)
{
    return real(file)->pMethods->xRead(real(file), data, n, at);
}

static int on_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
    pthread_mutex_lock(&disk.lock);
    struct track *t = wrapped(file)->track;
    bool on = !disk.cut;
    int rc = t != NULL ? may_do(FAULTY_WRITE, t->path) : SQLITE_OK;
    if (rc == SQLITE_OK) {
        rc = real(file)->pMethods->xWrite(real(file), data, n, at);
    }
    if (t != NULL && (rc == SQLITE_OK || (on && disk.cut)) && !t->deleted) {
        change_add(t, (size_t)at, data, (size_t)n); // that at the cut may be torn
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    pthread_mutex_lock(&disk.lock);
    struct track *t = wrapped(file)->track;
    int rc = t != NULL ? may_do(FAULTY_TRUNCATE, t->path) : SQLITE_OK;
    if (rc == SQLITE_OK) {
        rc = real(file)->pMethods->xTruncate(real(file), size);
        if (t != NULL && rc == SQLITE_OK && !t->deleted) {
            change_add(t, (size_t)size, NULL, 0);
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

// Does not call the real sync: the platter is ours, and the test is quicker.
static int on_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    pthread_mutex_lock(&disk.lock);
    struct track *t = wrapped(file)->track;
    int rc = t != NULL ? may_do(FAULTY_SYNC, t->path) : SQLITE_OK;
    if (rc == SQLITE_OK && t != NULL) {
        track_sync(t);
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

static int on_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return real(file)->pMethods->xFileSize(real(file), ret);
}

static int on_lock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xLock(real(file), level);
}

static int on_unlock(sqlite3_file *file, int level)
{
    return real(file)->pMethods->xUnlock(real(file), level);
}

static int on_check_lock(sqlite3_file *file, int *ret)
{
    return real(file)->pMethods->xCheckReservedLock(real(file), ret);
}

static int on_control(sqlite3_file *file, int op, void *arg)
{
    return real(file)->pMethods->xFileControl(real(file), op, arg);
}

static int on_sector_size(sqlite3_file *file)
{
    return real(file)->pMethods->xSectorSize(real(file));
}

static int on_characteristics(sqlite3_file *file)
{
    return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int on_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
    pthread_mutex_lock(&disk.lock);
    int rc = extend && page > 0 ? may_do(FAULTY_INDEX, "") : SQLITE_OK;
    pthread_mutex_unlock(&disk.lock);
    return rc != SQLITE_OK ? rc
                           : real(file)->pMethods->xShmMap(real(file), page, size, extend, ret);
}

static int on_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
    return real(file)->pMethods->xShmLock(real(file), at, n, flags);
}

static void on_shm_barrier(sqlite3_file *file)
{
    real(file)->pMethods->xShmBarrier(real(file));
}

static int on_shm_unmap(sqlite3_file *file, int erase)
{
    return real(file)->pMethods->xShmUnmap(real(file), erase);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector_size,
    .xDeviceCharacteristics = on_characteristics,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

static int on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    struct wrapped_file *w = wrapped(file);
    memset(w, 0, sizeof(*w));
    w->real = (sqlite3_file *)(w + 1);
    int rc = disk.parent->xOpen(disk.parent, name, w->real, flags, out);
    if (rc != SQLITE_OK) {
        return rc;
    }
    file->pMethods = &methods;
    pthread_mutex_lock(&disk.lock);
    if (name != NULL && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0) {
        w->track = track_of(name);
        if (w->track->deleted) {
            track_reborn(w->track);
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
    (void)vfs;
    pthread_mutex_lock(&disk.lock);
    struct track *t = track_of(name);
    int rc = may_do(FAULTY_DELETE, name);
    if (rc == SQLITE_OK) {
        rc = disk.parent->xDelete(disk.parent, name, sync_directory);
    }
    if (rc == SQLITE_OK) {
        changes_drop(t);
        t->deleted = true;
        if (sync_directory) {
            t->linked = false;
            image_resize(&t->platter, 0);
        }
    }
    pthread_mutex_unlock(&disk.lock);
    return rc;
}

// ---- the test's side ----

int faulty_install(void)
{
    disk.parent = sqlite3_vfs_find(NULL);
    disk.vfs = *disk.parent;
    disk.vfs.zName = "faulty";
    disk.vfs.pNext = NULL;
    disk.vfs.szOsFile = (int)sizeof(struct wrapped_file) + disk.parent->szOsFile;
    disk.vfs.xOpen = on_open;
    disk.vfs.xDelete = on_delete;
    return sqlite3_vfs_register(&disk.vfs, 1) == SQLITE_OK ? 0 : -1;
}

void faulty_fail(unsigned kinds, long n, int code, bool for_ever)
{
    pthread_mutex_lock(&disk.lock);
    disk.fail_kinds = kinds;
    disk.fail_in = n;
    disk.fail_code = code;
    disk.fail_for_ever = for_ever;
    disk.failures = 0;
    pthread_mutex_unlock(&disk.lock);
}

static long locked_long(const long *field)
{
    pthread_mutex_lock(&disk.lock);
    long value = *field;
    pthread_mutex_unlock(&disk.lock);
    return value;
}

long faulty_failures(void)
{
    return locked_long(&disk.failures);
}

long faulty_operations(void)
{
    return locked_long(&disk.operations);
}

void faulty_cut(long n)
{
    pthread_mutex_lock(&disk.lock);
    disk.cut_at = n > 0 ? disk.operations + n : 0;
    pthread_mutex_unlock(&disk.lock);
}

void faulty_cut_at(enum faulty_kind kind, enum faulty_file file, long n)
{
    pthread_mutex_lock(&disk.lock);
    disk.cut_count = count_of(kind, file);
    disk.cut_count_at = *disk.cut_count + n;
    pthread_mutex_unlock(&disk.lock);
}

long faulty_count(enum faulty_kind kind, enum faulty_file file)
{
    return locked_long(count_of(kind, file));
}

bool faulty_is_cut(void)
{
    pthread_mutex_lock(&disk.lock);
    bool cut = disk.cut;
    pthread_mutex_unlock(&disk.lock);
    return cut;
}

void faulty_cut_now(void)
{
    pthread_mutex_lock(&disk.lock);
    disk.cut = true;
    pthread_mutex_unlock(&disk.lock);
}

static int write_file(const char *path, const struct image *im)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    for (size_t done = 0; done < im->size;) {
        ssize_t n = write(fd, im->data + done, im->size - done);
        if (n < 0) {
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    return close(fd);
}

// 0: nothing unsynced survives, 1: everything does, else each change for itself.
static int track_restore(struct track *t, unsigned mode, uint64_t *random)
{
    if (t->reborn && (mode == 0 || next_random(random) % 2 == 0)) {
        changes_drop(t); // the old file is there
    } else if (t->reborn) {
        image_resize(&t->platter, 0);
    }
    t->reborn = false;
    for (const struct change *c = t->changes; c != NULL && mode != 0; c = c->next) {
        unsigned fate = mode == 1 ? 1 : (unsigned)(next_random(random) % 3);
        if (fate == 1) {
            image_apply(&t->platter, c);
        } else if (fate == 2 && c->n > 0) {
            image_tear(&t->platter, c, random);
        }
    }
    bool there = t->linked ? !t->deleted || next_random(random) % 2 == 0 : !t->deleted && mode != 0;
    changes_drop(t);
    t->deleted = !there;
    t->linked = there;
    if (!there) {
        image_resize(&t->platter, 0);
        return unlink(t->path) < 0 && errno != ENOENT ? -1 : 0;
    }
    return write_file(t->path, &t->platter);
}

static int restore(unsigned mode, uint64_t random)
{
    pthread_mutex_lock(&disk.lock);
    int r = 0;
    for (int i = 0; i < disk.n_files; i++) {
        struct track *t = &disk.files[i];
        r = track_restore(t, mode, &random) < 0 ? -1 : r;
        char shm[300];
        snprintf(shm, sizeof(shm), "%s-shm", t->path);
        unlink(shm);
    }
    disk.cut = false;
    disk.cut_at = 0;
    disk.cut_count = NULL;
    pthread_mutex_unlock(&disk.lock);
    return r;
}

int faulty_restore(uint64_t seed)
{
    uint64_t random = seed;
    unsigned mode = (unsigned)(next_random(&random) % 6);
    return restore(mode, random);
}

int faulty_restore_all(void)
{
    return restore(1, 0);
}

void faulty_reset(void)
{
    pthread_mutex_lock(&disk.lock);
    for (int i = 0; i < disk.n_files; i++) {
        changes_drop(&disk.files[i]);
        free(disk.files[i].platter.data);
    }
    disk.n_files = 0;
    disk.operations = disk.cut_at = 0;
    memset(disk.counts, 0, sizeof(disk.counts));
    disk.cut_count = NULL;
    disk.cut = false;
    disk.fail_kinds = 0;
    disk.fail_in = disk.failures = 0;
    pthread_mutex_unlock(&disk.lock);
}
