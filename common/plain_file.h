// SPDX-License-Identifier: MIT
// Opening a file that a service reads at its start and again later, such as its configuration.
#pragma once

#include <stdio.h>

#include "common/err.h"

// Opens `path` for reading and waits for nobody. A pipe is refused, since it would keep whoever
// opens it waiting for a writer, and what it had is gone when it is read again; so is a folder.
// -1 with ERR_CONFIG and a text without the path. The caller closes *ret.
int plain_file_open(const char *path, struct err *e, FILE **ret);
