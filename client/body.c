// SPDX-License-Identifier: MIT
// Owns the way of body bytes from the connection to where they were asked for. Bytes are passed on
// as they are.
#include "client/body.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct body_sink {
    struct sink sink; // first
    struct body_target *to;
};

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0) {
            return -1;
        }
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int target_put(struct body_target *to, const char *p, size_t n)
{
    if (!to->started && to->refuse_binary && memchr(p, '\0', n)) {
        to->refused = true;
        return -1;
    }
    to->started = true;
    if (to->fd >= 0) {
        return write_all(to->fd, p, n);
    }
    return fwrite(p, 1, n, stdout) == n ? 0 : -1;
}

int body_target_write(struct body_target *to, const char *p, size_t n, struct err *e)
{
    return target_put(to, p, n) == 0 ? 0 : err_set_errno(e, errno, "cannot write the output");
}

static int sink_write(struct sink *s, const char *p, size_t n)
{
    return target_put(((struct body_sink *)s)->to, p, n);
}

int body_copy(struct app *app, const char *id, int64_t index, struct body_target *to, struct err *e)
{
    char path[128];
    struct body_sink sink = {.sink = {.write = sink_write}, .to = to};
    struct reply reply;
    snprintf(path, sizeof path, "/v1/batches/%s/tasks/%" PRId64 "/body", id, index);
    struct request r = {.method = "GET", .path = path, .accept = "*/*", .sink = &sink.sink};
    int rc = conn_send(app->conn, &r, &reply, e);
    reply_done(&reply);
    if (rc != 0 && to->refused) {
        return err_set(
            e, ERR_SYSTEM,
            "the body is binary and would upset the terminal; -o FILE puts it into a file");
    }
    return rc;
}
