// SPDX-License-Identifier: MIT
// Owns the way of body bytes from the connection to where they were asked for. They are passed on
// as they are, but never to a terminal, which they could steer.
#include "client/body.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

// How many bytes at the end of p[0..n) begin a UTF-8 character that is not whole.
static size_t unfinished_tail(const char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        unsigned char c = (unsigned char)p[n - back];
        size_t whole = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
        if (c < 0x80 || whole > 0) {
            return whole > back ? back : 0;
        }
    }
    return 0;
}

// Shows p[0..n), which has no NUL inside: of control characters only line ends and tabs pass.
static void show_text(const struct output *out, char *p, size_t n)
{
    while (n > 0) {
        size_t plain = strcspn(p, "\n\t");
        char end = plain < n ? p[plain] : '\0';
        bool crlf = end == '\n' && plain > 0 && p[plain - 1] == '\r';
        p[plain - crlf] = '\0';
        output_text(out, TINT_NONE, p);
        if (end) {
            putchar(end);
        }
        p += plain + (end != '\0');
        n -= plain + (end != '\0');
    }
}

static int put_terminal(struct body_target *to, const char *p, size_t n)
{
    size_t total = to->n_held + n;
    char *text = malloc(total + 1);
    if (!text) {
        return -1;
    }
    memcpy(text, to->held, to->n_held);
    memcpy(text + to->n_held, p, n);
    to->n_held = unfinished_tail(text, total);
    total -= to->n_held;
    memcpy(to->held, text + total, to->n_held);
    to->held[to->n_held] = '\0';
    text[total] = '\0';
    for (char *nul; (nul = memchr(text, '\0', total));) {
        *nul = '\x01'; // as little to be seen as the other
    }
    show_text(to->terminal, text, total);
    free(text);
    return 0;
}

static int target_put(struct body_target *to, const char *p, size_t n)
{
    if (!to->started && to->terminal && memchr(p, '\0', n)) {
        to->refused = true;
        return -1;
    }
    if (!to->started && to->file && saved_file_begin(to->file, NULL) != 0) {
        return -1;
    }
    to->started = true;
    if (to->terminal) {
        return put_terminal(to, p, n);
    }
    if (to->fd >= 0) {
        return write_all(to->fd, p, n);
    }
    return fwrite(p, 1, n, stdout) == n ? 0 : -1;
}

const struct output *body_terminal(const struct output *out)
{
    return out->terminal ? out : NULL;
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
    if (rc == 0 && to->file) {
        rc = saved_file_begin(to->file, e); // also for a body of no bytes
    }
    if (rc == 0 && to->n_held > 0) {
        show_text(to->terminal, to->held, to->n_held);
        to->n_held = 0;
    }
    if (rc != 0 && to->refused) {
        return err_set(
            e, ERR_SYSTEM,
            "the body is binary and would upset the terminal; -o FILE puts it into a file");
    }
    return rc;
}
