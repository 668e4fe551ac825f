// SPDX-License-Identifier: MIT
// Hash tables of this part: uthash, set to report a lack of memory instead of ending the program.
// After HASH_ADD*, TABLE_ADDED says whether it worked.
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define TABLE_ADDED(element, hh) ((element)->hh.tbl != NULL)
