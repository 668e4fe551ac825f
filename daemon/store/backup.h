// SPDX-License-Identifier: MIT
// A copy of the database while a daemon may be writing it.
#pragma once

#include "common/err.h"

// Copies the database at `path` to `file`, as it is at one moment: pages are read within one
// transaction, so that commits meanwhile neither show nor delay it; the daemon's write-ahead log
// grows as long as it takes. The copy is checked, synced and put in place of `file` at the end;
// before that `file` is as it was. Any process, any thread.
int store_backup(const char *path, const char *file, struct err *e);
