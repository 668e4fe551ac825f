// SPDX-License-Identifier: MIT
// The verbs `token create`, `token ls` and `token revoke`: tokens are made where they are used, and
// the daemon knows their hashes only, from its tokens file. Nothing is sent.
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "client/table.h"
#include "client/token_file.h"
#include "client/verbs.h"
#include "common/buf.h"

#define SECRET_BYTES 32 // 256 bits
#define NAME_MAX_LEN 64
#define DEFAULT_FILE "/etc/gatherd/tokens"

const struct option_spec token_create_options[] = {
    {"scope", 's', OPTION_CHOICE, "read|submit|admin", "what it allows (default submit)", 0, 0},
    {"file", 'f', OPTION_TEXT, "FILE", "append its line to this auth.tokens_file", 0, 0},
    {0},
};

const struct option_spec token_file_options[] = {
    {"file", 'f', OPTION_TEXT, "FILE", "auth.tokens_file (default " DEFAULT_FILE ")", 0, 0},
    {0},
};

static void append_hex(struct buf *out, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "%02x", (unsigned)p[i]);
    }
}

static int check_name(const char *name, struct err *e)
{
    size_t n = strlen(name);
    bool plain =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
    if (n == 0 || n > NAME_MAX_LEN || !plain) {
        return err_set(e, ERR_USAGE,
                       "NAME has 1 to %d letters, digits, dots, dashes or underscores, not \"%s\"",
                       NAME_MAX_LEN, name);
    }
    return 0;
}

// A new token in `token` and its line for the tokens file in `line`.
static int make_token(const char *name, const char *scope, struct buf *token, struct buf *line,
                      struct err *e)
{
    unsigned char secret[SECRET_BYTES], hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = 0;
    if (getrandom(secret, sizeof secret, 0) != (ssize_t)sizeof secret) {
        return err_set(e, ERR_SYSTEM, "the system gives no random bytes");
    }
    buf_append_str(token, "gth_"); // so that scanners for leaked secrets can know it
    append_hex(token, secret, sizeof secret);
    if (token->failed ||
        EVP_Digest(token->data, token->len, hash, &hash_len, EVP_sha256(), NULL) != 1) {
        return err_set(e, ERR_SYSTEM, "cannot hash the token");
    }
    buf_printf(line, "%s %s sha256:", name, scope);
    append_hex(line, hash, hash_len);
    return line->failed ? err_set(e, ERR_SYSTEM, "out of memory") : 0;
}

static void show_token(struct app *app, const char *token, const char *line, const char *file)
{
    if (app->out.json) {
        json_t *both = json_pack("{s:s, s:s}", "token", token, "line", line);
        output_json(&app->out, both);
        json_decref(both);
        return;
    }
    output_field(&app->out, "token", token);
    output_field(&app->out, "line", line);
    output_note(
        &app->out,
        "keep the token secret (it is shown once): put it into a file of mode 0600 and name "
        "that with --token-file or GATHER_TOKEN_FILE");
    output_note(&app->out, "%s, then reload it: systemctl reload gatherd",
                file ? "the daemon knows it when auth.tokens_file names that file"
                     : "append the line to the daemon's auth.tokens_file");
}

int verb_token_create(struct app *app, const struct args *a, struct err *e)
{
    const char *name = a->positional[0], *file = args_text(a, "file");
    const char *scope = args_text(a, "scope") ? args_text(a, "scope") : "submit";
    struct buf token = BUF_INIT(256), line = BUF_INIT(256);
    int rc = check_name(name, e) != 0 ? -1 : make_token(name, scope, &token, &line, e);
    if (rc == 0 && file) {
        rc = token_file_add(file, name, line.data, e);
    }
    if (rc == 0) {
        show_token(app, token.data, line.data, file);
    }
    buf_done(&token);
    buf_done(&line);
    return rc;
}

static const char *tokens_file(const struct args *a)
{
    const char *file = args_text(a, "file");
    return file ? file : DEFAULT_FILE;
}

struct listing {
    struct app *app;
    struct table table;
};

static int list_entry(void *ctx, const struct token_entry *entry, struct err *e)
{
    struct listing *l = ctx;
    (void)e;
    if (l->app->out.json) {
        json_t *one = json_pack("{s:s, s:s, s:s}", "name", entry->name, "scope", entry->scope,
                                "hash", entry->hash);
        output_ndjson(one);
        json_decref(one);
    } else {
        table_add(&l->table, TINT_NONE, entry->name);
        table_add(&l->table, TINT_NONE, entry->scope);
        table_add(&l->table, TINT_NONE, entry->hash);
    }
    return 0;
}

int verb_token_ls(struct app *app, const struct args *a, struct err *e)
{
    static const struct column columns[] = {
        {"name", false, false}, {"scope", false, false}, {"hash", false, true}, {0}};
    struct listing l = {.app = app};
    table_init(&l.table, &app->out, columns);
    int rc = token_file_each(tokens_file(a), list_entry, &l, e);
    table_done(&l.table);
    return rc;
}

int verb_token_revoke(struct app *app, const struct args *a, struct err *e)
{
    const char *name = a->positional[0];
    if (check_name(name, e) != 0 || token_file_remove(tokens_file(a), name, e) != 0) {
        return -1;
    }
    output_note(
        &app->out,
        "%s is gone from %s; the daemon forgets it when it is reloaded: systemctl reload gatherd",
        name, tokens_file(a));
    return 0;
}
