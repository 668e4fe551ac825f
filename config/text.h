// SPDX-License-Identifier: MIT
// The text of a configuration file before libconfuse sees it. Pure.
#pragma once

#include "common/buf.h"
#include "common/err.h"

// Overwrites the comments (#, //, /* */) with blanks and leaves every line where it is, and checks
// that every string, comment and brace is closed and that what is no comment is UTF-8. -1 with
// ERR_CONFIG, a text without place, and the line of the fault in `*ret_line`.
int config_text_prepare(struct buf *text, struct err *e, int *ret_line);
