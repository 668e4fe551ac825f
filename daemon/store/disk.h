// SPDX-License-Identifier: MIT
// The files beside the database: the lock that keeps a second daemon out, and the ballast that is
// given up when the disk is full so that terminal results still fit. And how much space there is.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct disk {
    int lock_fd;
    char *ballast_path;
    char *db_path, *wal_path;
    bool ballast;
};

int disk_init(struct disk *d, const char *path, struct err *e); // locks
void disk_done(struct disk *d);
void disk_take_ballast(struct disk *d);             // if there is room; else nothing
bool disk_give_ballast(struct disk *d);             // true if there was any
int disk_free(const struct disk *d, uint64_t *ret); // bytes this user may still write
int64_t disk_used(const struct disk *d);            // by the database and its log
