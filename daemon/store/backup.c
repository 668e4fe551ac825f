// SPDX-License-Identifier: MIT
// See backup.h. In the process that was asked for a backup, beside the daemon: it opens the
// database as the daemon's own readers do.
#include "daemon/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/store/sqlite_db.h"

#define PAGES_AT_ONCE 2048

static int failed(const char *doing, sqlite3 *handle, struct err *e)
{
    return err_set(e, ERR_SYSTEM, "cannot %s: %s", doing, sqlite3_errmsg(handle));
}

static int copy_pages(struct db *from, sqlite3 *to, struct err *e)
{
    // A read transaction, begun by reading: without it the copy would begin anew at each commit.
    if (db_run(from, "BEGIN; SELECT count(*) FROM sqlite_schema") < 0) {
        return failed("read the database", from->handle, e);
    }
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from->handle, "main");
    if (b == NULL) {
        return failed("copy the database", to, e);
    }
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK) {
        rc = sqlite3_backup_step(b, PAGES_AT_ONCE);
    }
    sqlite3_backup_finish(b);
    return rc == SQLITE_DONE ? 0 : failed("copy the database", to, e);
}

// One file that is complete by itself, and whole.
static int check_copy(sqlite3 *copy, struct err *e)
{
    if (sqlite3_exec(copy, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL) != SQLITE_OK) {
        return failed("finish the copy", copy, e);
    }
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(copy, "PRAGMA quick_check(1)", -1, &st, NULL);
    const char *told = rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW ? db_text(st, 0) : NULL;
    int r = 0;
    if (told == NULL) {
        r = failed("check the copy", copy, e);
    } else if (strcmp(told, "ok") != 0) {
        r = err_set(e, ERR_SYSTEM, "the copy is damaged, and so may be the database: %s", told);
    }
    sqlite3_finalize(st);
    return r;
}

static int make_copy(const char *path, const char *copy, struct err *e)
{
    struct db from;
    if (db_open_reader(&from, path, e) < 0) {
        return -1;
    }
    sqlite3 *to = NULL;
    int r = sqlite3_open_v2(copy, &to, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
                    sqlite3_exec(to, "PRAGMA synchronous=OFF", NULL, NULL, NULL) == SQLITE_OK
                ? copy_pages(&from, to, e)
                : failed("open the copy", to, e);
    db_close(&from); // the log may be reset again while the copy is checked
    r = r < 0 ? -1 : check_copy(to, e);
    sqlite3_close_v2(to);
    return r;
}

static int sync_at(const char *path, int flags)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0) {
        close(fd);
    }
    return r;
}

// Onto the disk, then under its name.
static int put_in_place(const char *copy, const char *file, struct err *e)
{
    if (sync_at(copy, 0) < 0 || rename(copy, file) < 0) {
        return err_set_errno(e, errno, "cannot write %s", file);
    }
    const char *slash = strrchr(file, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(file, (size_t)(slash - file + 1));
    int r = folder == NULL ? -1 : sync_at(folder, O_DIRECTORY);
    free(folder);
    return r < 0 ? err_set_errno(e, errno, "cannot write the folder of %s", file) : 0;
}

// A database must not be replaced by its own backup.
static int check_target(const char *path, const char *file, struct err *e)
{
    struct stat of_database, of_file;
    if (stat(path, &of_database) < 0) {
        return err_set_errno(e, errno, "cannot read the database %s", path);
    }
    if (stat(file, &of_file) < 0) {
        return 0; // it is to be made
    }
    if (of_file.st_dev == of_database.st_dev && of_file.st_ino == of_database.st_ino) {
        return err_set(e, ERR_SYSTEM, "%s is the database itself", file);
    }
    return S_ISREG(of_file.st_mode) ? 0 : err_set(e, ERR_SYSTEM, "%s is no regular file", file);
}

int store_backup(const char *path, const char *file, struct err *e)
{
    char *copy = NULL;
    if (check_target(path, file, e) < 0) {
        return -1;
    }
    if (asprintf(&copy, "%s.XXXXXX", file) < 0) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    int fd = mkstemp(copy); // for its owner alone
    int r = fd < 0 ? err_set_errno(e, errno, "cannot write beside %s", file) : 0;
    if (fd >= 0) {
        close(fd);
        r = make_copy(path, copy, e) < 0 || put_in_place(copy, file, e) < 0 ? -1 : 0;
        if (r < 0) {
            unlink(copy);
        }
    }
    free(copy);
    return r;
}
