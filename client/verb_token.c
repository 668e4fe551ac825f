// SPDX-License-Identifier: MIT
// The verb `token create`: makes a token where it is used. Nothing is stored or sent; the daemon
// gets its hash only.
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "client/verbs.h"
#include "common/buf.h"

#define SECRET_BYTES 32 // 256 bits
#define NAME_MAX_LEN 64

const struct option_spec token_options[] = {
    {"scope", 's', OPTION_CHOICE, "read|submit|admin", "what it allows (default submit)", 0, 0},
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

int verb_token_create(struct app *app, const struct args *a, struct err *e)
{
    const char *name = a->positional[0];
    const char *scope = args_text(a, "scope") ? args_text(a, "scope") : "submit";
    struct buf token = BUF_INIT(256), line = BUF_INIT(256);
    int rc = check_name(name, e) != 0 ? -1 : make_token(name, scope, &token, &line, e);
    if (rc == 0 && app->out.json) {
        json_t *both = json_pack("{s:s, s:s}", "token", token.data, "line", line.data);
        output_json(&app->out, both);
        json_decref(both);
    } else if (rc == 0) {
        output_field(&app->out, "token", token.data);
        output_field(&app->out, "line", line.data);
        output_note(
            &app->out,
            "keep the token secret (it is shown once): put it into a file of mode 0600 and name "
            "that with --token-file or GATHER_TOKEN_FILE");
        output_note(&app->out, "append the line to the daemon's auth.tokens_file, then reload it: "
                               "systemctl reload gatherd");
    }
    buf_done(&token);
    buf_done(&line);
    return rc;
}
