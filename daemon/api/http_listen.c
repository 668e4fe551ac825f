// SPDX-License-Identifier: MIT
// Makes listening sockets: parses addresses, replaces dead unix sockets. Start-up only (it may
// block for a moment on the disk). Never removes a file that is not a socket, nor a socket that
// answers.
#include "daemon/api/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    };
    socklen_t length;
};

static int parse_port(const char *text, in_port_t *ret)
{
    char *end;
    errno = 0;
    long port = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || port > 65535) {
        return -1;
    }
    *ret = htons((uint16_t)port);
    return 0;
}

// "127.0.0.1:7070" or "[::1]:7070".
static int parse_address(const char *text, struct address *ret)
{
    char host[INET6_ADDRSTRLEN + 1];
    bool v6 = text[0] == '[';
    const char *start = v6 ? text + 1 : text;
    const char *colon = strrchr(text, ':');
    if (!colon || (v6 && (colon == start || colon[-1] != ']'))) {
        return -1;
    }
    size_t n = (size_t)(colon - start) - (v6 ? 1 : 0);
    if (n == 0 || n >= sizeof(host)) {
        return -1;
    }
    memcpy(host, start, n);
    host[n] = '\0';
    *ret = (struct address){0};
    if (v6) {
        ret->in6.sin6_family = AF_INET6;
        ret->length = sizeof(ret->in6);
        return inet_pton(AF_INET6, host, &ret->in6.sin6_addr) == 1
                   ? parse_port(colon + 1, &ret->in6.sin6_port)
                   : -1;
    }
    ret->in.sin_family = AF_INET;
    ret->length = sizeof(ret->in);
    return inet_pton(AF_INET, host, &ret->in.sin_addr) == 1
               ? parse_port(colon + 1, &ret->in.sin_port)
               : -1;
}

static int fail_close(int fd, struct err *e, const char *what, const char *name)
{
    int errnum = errno;
    close(fd);
    return err_set_errno(e, errnum, "cannot %s %s", what, name);
}

// Accepted sockets inherit both options, so they cost nothing per connection.
static void set_tcp_options(int fd)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

int http_listen_tcp(const char *address, struct err *e, unsigned *ret_port)
{
    struct address a;
    if (parse_address(address, &a) != 0) {
        return err_set(e, ERR_CONFIG, "%s is not ADDRESS:PORT or [ADDRESS]:PORT", address);
    }
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (fd < 0) {
        return err_set_errno(e, errno, "cannot make a socket for %s", address);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (a.sa.sa_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    }
    set_tcp_options(fd);
    if (bind(fd, &a.sa, a.length) != 0) {
        return fail_close(fd, e, "listen on", address);
    }
    if (getsockname(fd, &a.sa, &a.length) != 0) {
        return fail_close(fd, e, "read the address of", address);
    }
    *ret_port = ntohs(a.sa.sa_family == AF_INET ? a.in.sin_port : a.in6.sin6_port);
    return fd;
}

// Removes the socket file `path` if nobody listens there any more.
static int remove_dead(const char *path, const struct sockaddr_un *address, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? 0 : err_set_errno(e, errno, "cannot look at %s", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return err_set(e, ERR_CONFIG, "%s exists and is not a socket", path);
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0) {
        return err_set_errno(e, errno, "cannot make a socket");
    }
    // Anything but a refusal comes of a socket that is in use: of another type, of somebody else.
    bool dead = connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                errno == ECONNREFUSED;
    close(probe);
    if (!dead) {
        return err_set(e, ERR_SYSTEM, "another program listens on %s", path);
    }
    return unlink(path) == 0 || errno == ENOENT
               ? 0
               : err_set_errno(e, errno, "cannot remove the dead socket %s", path);
}

int http_listen_unix(const char *path, struct err *e)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(address.sun_path)) {
        return err_set(e, ERR_CONFIG, "the socket path %s is empty or too long", path);
    }
    memcpy(address.sun_path, path, n);
    if (remove_dead(path, &address, e) != 0) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return err_set_errno(e, errno, "cannot make a socket");
    }
    // The file is born with this mode, so that nobody can connect before the chmod below.
    (void)fchmod(fd, 0600);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        return fail_close(fd, e, errno == ENOENT ? "find the folder of the socket" : "listen on",
                          path);
    }
    if (chmod(path, 0660) != 0) {
        return fail_close(fd, e, "set the mode of", path);
    }
    return fd;
}

int http_listen_adopt(int fd, struct err *e)
{
    int listening = 0, type = 0;
    socklen_t n = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) != 0) {
        return err_set_errno(e, errno, "the passed descriptor %d is no socket", fd);
    }
    n = sizeof(type);
    if (!listening || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) != 0 || type != SOCK_STREAM) {
        return err_set(e, ERR_CONFIG, "the passed descriptor %d is no listening stream socket", fd);
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return err_set_errno(e, errno, "cannot prepare the passed descriptor %d", fd);
    }
    set_tcp_options(fd);
    return 0;
}
