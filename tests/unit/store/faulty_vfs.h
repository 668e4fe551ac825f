// SPDX-License-Identifier: MIT
// A default VFS that fails writes or syncs when told to: a full disk and a failing one.
#pragma once

#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic int faulty_write; // SQLite code that every write fails with, or 0
static _Atomic int faulty_errno; // and what the system says of it
static _Atomic int faulty_after; // so many writes succeed before
static _Atomic int faulty_sync;

static sqlite3_vfs *faulty_parent;
static sqlite3_vfs faulty_vfs;

// The kinds of files have methods of their own.
static struct faulty_kind {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *real;
} faulty_kinds[8];

static const sqlite3_io_methods *faulty_real(const sqlite3_file *file)
{
    const struct faulty_kind *k = faulty_kinds;
    while (&k->methods != file->pMethods) {
        k++;
    }
    return k->real;
}

static int faulty_on_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
    if (faulty_write != 0 && atomic_fetch_sub(&faulty_after, 1) <= 0) {
        errno = faulty_errno;
        return faulty_write;
    }
    return faulty_real(file)->xWrite(file, data, n, at);
}

static int faulty_on_sync(sqlite3_file *file, int flags)
{
    return faulty_sync != 0 ? faulty_sync : faulty_real(file)->xSync(file, flags);
}

static int faulty_on_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                          int *out)
{
    (void)vfs;
    int rc = faulty_parent->xOpen(faulty_parent, name, file, flags, out);
    if (rc == SQLITE_OK) {
        struct faulty_kind *k = faulty_kinds;
        while (k->real != NULL && k->real != file->pMethods) {
            k++;
        }
        if (k->real == NULL) {
            k->methods = *file->pMethods;
            k->methods.xWrite = faulty_on_write;
            k->methods.xSync = faulty_on_sync;
            k->real = file->pMethods;
        }
        file->pMethods = &k->methods;
    }
    return rc;
}

static inline void faulty_install(void)
{
    faulty_parent = sqlite3_vfs_find(NULL);
    faulty_vfs = *faulty_parent;
    faulty_vfs.zName = "faulty";
    faulty_vfs.pNext = NULL;
    faulty_vfs.xOpen = faulty_on_open;
    sqlite3_vfs_register(&faulty_vfs, 1);
}
