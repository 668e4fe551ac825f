// SPDX-License-Identifier: MIT
// uthash, set so that an insertion without memory leaves `hh.tbl` NULL instead of ending the
// process.
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
