// SPDX-License-Identifier: MIT
// Who may do what: bearer tokens with scopes. Main thread. Never keeps or logs a token itself.
//
// Who gets in: a request with an Authorization field is judged by its token wherever it comes from
// (when tokens are configured). One without counts as admin if it came over the unix socket, which
// file permissions guard (mode 0660), or from a loopback address where allow_anonymous is set.
// Every other request is refused.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum scope { SCOPE_NONE, SCOPE_READ, SCOPE_SUBMIT, SCOPE_ADMIN }; // each includes those before it

const char *scope_name(enum scope scope);

struct token_set;

// Reads lines "name scope sha256:HEX" (blank lines and # comments aside). `path` NULL or "": no
// tokens. A bad line is ERR_CONFIG with "FILE:LINE: ...".
int token_set_load(const char *path, struct err *e, struct token_set **ret);
void token_set_free(struct token_set **t);
size_t token_set_size(const struct token_set *t);

// What is known of where a request comes from.
struct access_request {
    const char *authorization; // first field value, or NULL
    unsigned n_authorization;  // how many such fields
    bool unix_peer, loopback_peer;
    bool allow_anonymous;
};

// The scope of the request. -1: ERR_BAD_REQUEST (two fields) or ERR_UNAUTHORIZED.
int access_check(const struct token_set *t, const struct access_request *r, enum scope *ret,
                 struct err *e);
