// SPDX-License-Identifier: MIT
// The database's files as files: that they stay where they are, the locks on it and beside it that
// keep a second daemon out whatever name it knows the database by, the ballast that is given up
// when the disk is full so that terminal results still fit, and how much space there is.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct disk {
    int lock_fd, db_fd;
    char *ballast_path;
    char *db_path, *wal_path; // without symbolic links
    struct file_id {
        dev_t device;
        ino_t number; // 0: not known yet
    } db_id, wal_id;
    int64_t written_at; // when the files were last written before this start, by the clock then
    bool ballast;
};

// Makes the file if there is none, and locks. ERR_CONFIG if it is another process's.
int disk_init(struct disk *d, const char *path, struct err *e);
void disk_done(struct disk *d); // once SQLite has closed the database
// NULL, or the path that no longer leads to the file that is in use: what is written from now on
// would be lost. Ask while SQLite has the database open, since it makes and deletes the log.
const char *disk_missing(struct disk *d);
void disk_take_ballast(struct disk *d);             // if there is room; else nothing
bool disk_give_ballast(struct disk *d);             // true if there was any
int disk_free(const struct disk *d, uint64_t *ret); // bytes this user may still write
int64_t disk_used(const struct disk *d);            // by the database and its log
