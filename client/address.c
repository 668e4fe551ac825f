// SPDX-License-Identifier: MIT
// Owns the defaults and environment variables that name the server and the token. Must never put a
// token into a message. See address.h.
#include "client/address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/token.h"

static int use_socket(const char *path, struct address *ret, struct err *e)
{
    if (path[0] == '\0' || strlen(path) >= sizeof ret->socket) {
        return err_set(e, ERR_USAGE, "the socket's path must have 1 to %zu bytes: \"%s\"",
                       sizeof ret->socket - 1, path);
    }
    snprintf(ret->socket, sizeof ret->socket, "%s", path);
    snprintf(ret->base, sizeof ret->base, "http://localhost");
    snprintf(ret->shown, sizeof ret->shown, "unix:%s", path);
    return 0;
}

static int use_url(const char *url, struct address *ret, struct err *e)
{
    size_t n = strlen(url);
    while (n > 0 && url[n - 1] == '/') {
        n--;
    }
    bool known = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    if (!known || n < 8 || n >= sizeof ret->base || strpbrk(url, "?#@ ")) {
        return err_set(e, ERR_USAGE,
                       "the server must be http://HOST:PORT, https://HOST or unix:PATH, not \"%s\"",
                       url);
    }
    ret->socket[0] = '\0';
    snprintf(ret->base, sizeof ret->base, "%.*s", (int)n, url);
    snprintf(ret->shown, sizeof ret->shown, "%s", ret->base);
    return 0;
}

int address_find(const char *option, struct address *ret, struct err *e)
{
    const char *server = option ? option : getenv("GATHER_SERVER");
    struct stat st;
    if (!server || !*server) {
        bool socket = stat(ADDRESS_DEFAULT_SOCKET, &st) == 0 && S_ISSOCK(st.st_mode);
        ret->why = socket ? "the default socket" : "the default without " ADDRESS_DEFAULT_SOCKET;
        return socket ? use_socket(ADDRESS_DEFAULT_SOCKET, ret, e)
                      : use_url(ADDRESS_DEFAULT_URL, ret, e);
    }
    ret->why = option ? "--server" : "GATHER_SERVER";
    int rc = strncmp(server, "unix:", 5) == 0 ? use_socket(server + 5, ret, e)
             : server[0] == '/'               ? use_socket(server, ret, e)
                                              : use_url(server, ret, e);
    return rc != 0 && !option ? err_prefix(e, "GATHER_SERVER") : rc;
}

// A token is one word of visible ASCII; anything else cannot stand in a header.
static int check_token(const char *token, const char *from, struct err *e)
{
    for (const char *p = token; *p; p++) {
        if (*p < 0x21 || *p > 0x7e) {
            return err_set(e, ERR_USAGE, "%s does not hold a token: one word of visible ASCII",
                           from);
        }
    }
    return *token ? 0 : err_set(e, ERR_USAGE, "%s holds no token", from);
}

static int read_token(const char *path, char **ret, struct err *e)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        return err_set_errno(e, errno, "cannot read the token file %s", path);
    }
    char line[TOKEN_MAX + 2] = "";
    bool got = fgets(line, sizeof line, f) != NULL;
    bool failed = ferror(f) != 0;
    fclose(f);
    if (failed || !got) {
        return err_set(e, ERR_USAGE, "the token file %s is %s", path,
                       failed ? "unreadable" : "empty");
    }
    line[strcspn(line, "\r\n")] = '\0';
    if (strlen(line) > TOKEN_MAX) {
        return err_set(e, ERR_USAGE, "%s holds more than a token: at most %d characters", path,
                       TOKEN_MAX);
    }
    if (check_token(line, path, e) != 0) {
        return -1;
    }
    *ret = strdup(line);
    return *ret ? 0 : err_set(e, ERR_SYSTEM, "out of memory");
}

const char *token_source(const char *option, const char **ret_file)
{
    const char *file = option ? option : getenv("GATHER_TOKEN_FILE");
    const char *token = getenv("GATHER_TOKEN");
    *ret_file = file && *file ? file : NULL;
    if (*ret_file) {
        return option ? "--token-file" : "GATHER_TOKEN_FILE";
    }
    return token && *token ? "GATHER_TOKEN" : NULL;
}

int token_find(const char *option, char **ret, struct err *e)
{
    const char *file;
    *ret = NULL;
    if (!token_source(option, &file)) {
        return 0;
    }
    if (file) {
        return read_token(file, ret, e);
    }
    const char *token = getenv("GATHER_TOKEN");
    if (check_token(token, "GATHER_TOKEN", e) != 0) {
        return -1;
    }
    *ret = strdup(token);
    return *ret ? 0 : err_set(e, ERR_SYSTEM, "out of memory");
}
