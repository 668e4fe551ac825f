// SPDX-License-Identifier: MIT
#include "common/plain_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refused(int errnum, struct err *e)
{
    return err_set(e, ERR_CONFIG, "%s", strerror(errnum));
}

static int check_kind(int fd, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return refused(errno, e);
    }
    if (S_ISDIR(st.st_mode)) {
        return refused(EISDIR, e);
    }
    return S_ISFIFO(st.st_mode) ? err_set(e, ERR_CONFIG, "is a pipe, not a file") : 0;
}

int plain_file_open(const char *path, struct err *e, FILE **ret)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) {
        return refused(errno, e);
    }
    FILE *file = NULL;
    int rc = check_kind(fd, e);
    if (rc == 0 && !(file = fdopen(fd, "r"))) {
        rc = err_set(e, ERR_SYSTEM, "out of memory");
    }
    if (rc != 0) {
        close(fd);
        return -1;
    }
    *ret = file;
    return 0;
}
