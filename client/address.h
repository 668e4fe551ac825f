// SPDX-License-Identifier: MIT
// Where the daemon is and which token it wants: the option, then the environment, then the
// defaults.
#pragma once

#include <limits.h>

#include "common/err.h"

#define ADDRESS_DEFAULT_SOCKET "/run/gatherd/gatherd.sock"
#define ADDRESS_DEFAULT_URL    "http://127.0.0.1:7070"

struct address {
    char base[512];   // "http://localhost" for a unix socket; no slash at the end
    char socket[108]; // path of the unix socket, or ""
    char shown[512];  // what messages call it
    const char *why;  // what named it: "--server", "GATHER_SERVER", "the default socket", ...
};

// `option` is --server or NULL. ERR_USAGE if what is given is neither URL nor unix:PATH.
int address_find(const char *option, struct address *ret, struct err *e);

// What gives the token: "--token-file", "GATHER_TOKEN_FILE", "GATHER_TOKEN" or NULL for no token;
// *ret_file is the file's path, NULL if it is no file.
const char *token_source(const char *option, const char **ret_file);

// `option` is --token-file or NULL; *ret is NULL if there is no token, else the caller frees it.
int token_find(const char *option, char **ret, struct err *e);
