// SPDX-License-Identifier: MIT
// Owns the file of the last batch's id. Written by rename, so that two clients at once leave one
// whole line.
#include "client/last.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Makes each folder of `path` below the last slash that is missing.
static void make_folders(const char *path)
{
    char folder[PATH_MAX];
    for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
        snprintf(folder, sizeof folder, "%.*s", (int)(p - path), path);
        mkdir(folder, 0700); // one that exists is as good
    }
}

static bool file_path(char ret[PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n = -1;
    if (state && state[0] == '/') {
        n = snprintf(ret, PATH_MAX, "%s/gather/last", state);
    } else if (home && home[0] == '/') {
        n = snprintf(ret, PATH_MAX, "%s/.local/state/gather/last", home);
    }
    return n > 0 && n < PATH_MAX - 8;
}

void last_store(const char *server, const char *id)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    if (!file_path(path)) {
        return;
    }
    make_folders(path);
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    int fd = n > 0 && n < PATH_MAX ? mkstemp(temporary) : -1;
    if (fd < 0) {
        return;
    }
    bool written = dprintf(fd, "%s %s\n", id, server) > 0;
    close(fd);
    if (!written || rename(temporary, path) != 0) {
        unlink(temporary);
    }
}

int last_load(const char *server, char ret_id[UUID_TEXT_SIZE])
{
    char path[PATH_MAX], line[1024] = "";
    FILE *f = file_path(path) ? fopen(path, "re") : NULL;
    if (!f) {
        return -1;
    }
    bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    char *space = strchr(line, ' ');
    if (!got || !space) {
        return -1;
    }
    *space = '\0';
    uint8_t id[UUID_SIZE];
    if (strcmp(space + 1, server) != 0 || uuid_parse(line, id) != 0) {
        return -1;
    }
    uuid_format(id, ret_id);
    return 0;
}
