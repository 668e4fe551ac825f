// SPDX-License-Identifier: MIT
// The token file and the comparison of tokens. Main thread. All tokens of the set are compared in
// constant time, so that the time of an answer says nothing about any of them.
#include "daemon/api/access.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/hex.h"
#include "common/plain_file.h"
#include "common/token.h"

#define HASH_SIZE  32
#define TOKENS_MAX 1000

struct token {
    enum scope scope;
    uint8_t hash[HASH_SIZE];
};

struct token_set {
    size_t n;
    struct token v[];
};

static const char *const scopes[] = {"none", "read", "submit", "admin"};

const char *scope_name(enum scope scope)
{
    return scopes[scope];
}

static int parse_hash(const char *text, uint8_t ret[HASH_SIZE])
{
    static const char prefix[] = "sha256:";
    if (strncmp(text, prefix, sizeof(prefix) - 1) != 0) {
        return -1;
    }
    text += sizeof(prefix) - 1;
    if (strlen(text) != 2 * HASH_SIZE) {
        return -1;
    }
    for (size_t i = 0; i < HASH_SIZE; i++) {
        int high = hex_lower_value(text[2 * i]), low = hex_lower_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return -1;
        }
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int parse_scope(const char *text, enum scope *ret)
{
    for (enum scope s = SCOPE_READ; s <= SCOPE_ADMIN; s++) {
        if (strcmp(text, scopes[s]) == 0) {
            *ret = s;
            return 0;
        }
    }
    return -1;
}

static char *next_word(char **rest)
{
    char *word;
    do {
        word = strsep(rest, " \t\r\n");
    } while (word && *word == '\0');
    return word;
}

// 1 with a token, 0 for a line without one, -1 with a constant text of what is wrong.
static int parse_line(char *line, struct token *ret, const char **ret_why)
{
    char *name = next_word(&line);
    if (!name || name[0] == '#') {
        return 0;
    }
    char *scope = next_word(&line), *hash = next_word(&line);
    if (!scope || !hash || next_word(&line)) {
        *ret_why = "expected 'name scope sha256:HEX'";
        return -1;
    }
    if (parse_scope(scope, &ret->scope) < 0) {
        *ret_why = "the scope must be read, submit or admin";
        return -1;
    }
    if (parse_hash(hash, ret->hash) < 0) {
        *ret_why = "the hash must be 'sha256:' and 64 lower-case hex digits";
        return -1;
    }
    return 1;
}

static int add_token(struct token_set **t, const struct token *token)
{
    size_t n = *t ? (*t)->n : 0;
    struct token_set *grown = realloc(*t, sizeof(*grown) + (n + 1) * sizeof(grown->v[0]));
    if (!grown) {
        return -1;
    }
    grown->v[n] = *token;
    grown->n = n + 1;
    *t = grown;
    return 0;
}

static int read_tokens(FILE *file, const char *path, struct token_set **ret, struct err *e)
{
    char line[512];
    for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
        struct token token;
        const char *why = "the line is too long";
        bool whole = strchr(line, '\n') || feof(file);
        int found = whole ? parse_line(line, &token, &why) : -1;
        if (found > 0 && *ret && (*ret)->n == TOKENS_MAX) {
            why = "too many tokens";
            found = -1;
        }
        if (found < 0) {
            return err_set(e, ERR_CONFIG, "%s:%u: %s", path, number, why);
        }
        if (found > 0 && add_token(ret, &token) < 0) {
            return err_set(e, ERR_SYSTEM, "%s: out of memory", path);
        }
    }
    return ferror(file) ? err_set_errno(e, errno, "%s", path) : 0;
}

int token_set_load(const char *path, struct err *e, struct token_set **ret)
{
    struct token_set *t = NULL;
    *ret = NULL;
    if (!path || !*path) {
        return 0;
    }
    FILE *file = NULL;
    if (plain_file_open(path, e, &file) < 0) {
        return err_prefix(e, "auth.tokens_file %s", path);
    }
    int status = read_tokens(file, path, &t, e);
    fclose(file);
    if (status < 0) {
        token_set_free(&t);
        return -1;
    }
    *ret = t;
    return 0;
}

void token_set_free(struct token_set **t)
{
    free(*t);
    *t = NULL;
}

size_t token_set_size(const struct token_set *t)
{
    return t ? t->n : 0;
}

// The token of "Bearer TOKEN" (RFC 6750 §2.1), or NULL.
static const char *bearer(const char *authorization)
{
    static const char scheme[] = "bearer";
    size_t n = sizeof(scheme) - 1;
    if (strncasecmp(authorization, scheme, n) != 0 || authorization[n] != ' ') {
        return NULL;
    }
    const char *token = authorization + n + strspn(authorization + n, " ");
    size_t len = strlen(token);
    return len > 0 && len <= TOKEN_MAX ? token : NULL;
}

static enum scope scope_of_token(const struct token_set *t, const char *token)
{
    uint8_t hash[HASH_SIZE];
    unsigned n = 0;
    enum scope scope = SCOPE_NONE;
    if (EVP_Digest(token, strlen(token), hash, &n, EVP_sha256(), NULL) != 1 || n != HASH_SIZE) {
        return SCOPE_NONE;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (CRYPTO_memcmp(hash, t->v[i].hash, HASH_SIZE) == 0 && t->v[i].scope > scope) {
            scope = t->v[i].scope;
        }
    }
    return scope;
}

int access_check(const struct token_set *t, const struct access_request *r, enum scope *ret,
                 struct err *e)
{
    if (r->n_authorization > 1) {
        return err_set(e, ERR_BAD_REQUEST, "more than one Authorization field");
    }
    if (r->authorization && token_set_size(t) > 0) {
        const char *token = bearer(r->authorization);
        *ret = token ? scope_of_token(t, token) : SCOPE_NONE;
        return *ret != SCOPE_NONE ? 0 : err_set(e, ERR_UNAUTHORIZED, "the token is not valid");
    }
    if (r->unix_peer || (r->loopback_peer && r->allow_anonymous)) {
        *ret = SCOPE_ADMIN;
        return 0;
    }
    return err_set(e, ERR_UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN");
}
