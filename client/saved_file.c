// SPDX-License-Identifier: MIT
// Owns the descriptor and the fate of a file named by -o. Writes nothing itself.
#include "client/saved_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int saved_file_open(struct saved_file *f, const char *path, struct err *e)
{
    *f = (struct saved_file){.path = path, .made = true};
    f->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (f->fd < 0 && errno == EEXIST) {
        f->made = false;
        f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    }
    return f->fd >= 0 ? 0 : err_set_errno(e, errno, "cannot write to %s", path);
}

int saved_file_begin(struct saved_file *f, struct err *e)
{
    // EINVAL: a terminal, a pipe, /dev/null
    if (!f->begun && ftruncate(f->fd, 0) != 0 && errno != EINVAL) {
        return err_set_errno(e, errno, "cannot write to %s", f->path);
    }
    f->begun = true;
    return 0;
}

int saved_file_close(struct saved_file *f, int rc, struct err *e)
{
    if (f->fd < 0) {
        return rc;
    }
    if (f->made && !f->begun) {
        unlink(f->path);
    }
    bool failed = close(f->fd) != 0;
    f->fd = -1;
    return failed && rc >= 0 ? err_set_errno(e, errno, "cannot write to %s", f->path) : rc;
}
