// SPDX-License-Identifier: MIT
// System calls behind c-ares; each does what c-ares' own would, but for what dns_socket.h says.
#include "daemon/fetch/dns_socket.h"

#include <ares.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static ares_socket_t make_socket(int domain, int type, int protocol, void *ctx)
{
    bool *short_of_sockets = ctx;
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    *short_of_sockets =
        fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
    return fd;
}

static int close_socket(ares_socket_t fd, void *ctx)
{
    (void)ctx;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *sa, ares_socklen_t n, void *ctx)
{
    (void)ctx;
    return connect(fd, sa, n);
}

static ares_ssize_t receive(ares_socket_t fd, void *p, size_t n, int flags, struct sockaddr *from,
                            ares_socklen_t *from_len, void *ctx)
{
    (void)ctx;
    return recvfrom(fd, p, n, flags, from, from_len);
}

static ares_ssize_t send_vector(ares_socket_t fd, const struct iovec *v, int n, void *ctx)
{
    (void)ctx;
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)v, .msg_iovlen = (size_t)n};
    return sendmsg(fd, &m, MSG_NOSIGNAL);
}

const struct ares_socket_functions dns_socket_functions = {
    make_socket, close_socket, connect_socket, receive, send_vector,
};
