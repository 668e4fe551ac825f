// SPDX-License-Identifier: MIT
// Remembers the batch submitted last, for "@last". Kept in $XDG_STATE_HOME/gather/last (or
// ~/.local/state), with the server it belongs to. A convenience: when it cannot be kept, nothing
// else fails.
#pragma once

#include "common/uuid.h"

void last_store(const char *server, const char *id);
int last_load(const char *server, char ret_id[UUID_TEXT_SIZE]); // -1: none for this server
