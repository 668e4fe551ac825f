// SPDX-License-Identifier: MIT
// A listening socket for the servers that gatherd is measured against.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

// On any port of 127.0.0.1, non-blocking: the descriptor, or -1 with errno.
static inline int loopback_listen(int backlog, unsigned *ret_port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, (struct sockaddr *)&sin, &length) < 0) {
        close(fd);
        return -1;
    }
    *ret_port = ntohs(sin.sin_port);
    return fd;
}
