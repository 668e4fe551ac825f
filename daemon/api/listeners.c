// SPDX-License-Identifier: MIT
// Opens listeners and logs where they are. Main thread, at start.
#include "daemon/api/listeners.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"

int listeners_check(const struct api_settings *s, const struct listen_config *c, struct err *e)
{
    for (size_t i = 0; i < c->tcp.n; i++) {
        if (api_settings_check_listener(s, c->tcp.v[i], e) < 0) {
            return -1;
        }
    }
    return 0;
}

static int open_tcp(struct http_server *server, const char *address, struct err *e)
{
    unsigned port;
    if (http_server_listen_tcp(server, address, e, &port) < 0) {
        return -1;
    }
    const char *colon = strrchr(address, ':');
    int host = colon ? (int)(colon - address) : (int)strlen(address);
    log_info("listening on %.*s:%u", host, address, port);
    return 0;
}

int listeners_open(struct http_server *server, const struct api_settings *s,
                   const struct listen_config *c, struct err *e)
{
    if (listeners_check(s, c, e) < 0) {
        return -1;
    }
    if (!c->socket[0] && c->tcp.n == 0) {
        return err_set(e, ERR_CONFIG, "nothing to listen on: set listen.socket or listen.tcp");
    }
    if (c->socket[0]) {
        if (http_server_listen_unix(server, c->socket, e) < 0) {
            return -1;
        }
        log_info("listening on unix:%s", c->socket);
    }
    for (size_t i = 0; i < c->tcp.n; i++) {
        if (open_tcp(server, c->tcp.v[i], e) < 0) {
            return -1;
        }
    }
    return 0;
}

#define ADDRESS_SIZE 80

// "127.0.0.1:7070" of a bound socket, "" for a unix socket.
static int address_of(int fd, char ret[ADDRESS_SIZE], struct err *e)
{
    struct sockaddr_storage a = {.ss_family = AF_UNSPEC};
    socklen_t n = sizeof(a);
    char ip[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *)&a, &n) < 0) {
        return err_set(e, ERR_SYSTEM, "descriptor %d, passed by the service manager, is no socket",
                       fd);
    }
    ret[0] = '\0';
    if (a.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
        inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof(ip));
        snprintf(ret, ADDRESS_SIZE, "%s:%u", ip, ntohs(v4->sin_port));
    } else if (a.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;
        inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof(ip));
        snprintf(ret, ADDRESS_SIZE, "[%s]:%u", ip, ntohs(v6->sin6_port));
    } else if (a.ss_family != AF_UNIX) {
        return err_set(e, ERR_CONFIG, "descriptor %d is neither a unix nor a TCP socket", fd);
    }
    return 0;
}

int listeners_take(struct http_server *server, const struct api_settings *s, const int *fds,
                   size_t n, struct err *e)
{
    char address[ADDRESS_SIZE];
    for (size_t i = 0; i < n; i++) {
        if (address_of(fds[i], address, e) < 0 ||
            (address[0] && api_settings_check_listener(s, address, e) < 0) ||
            http_server_listen_fd(server, fds[i], e) < 0) {
            return -1;
        }
        log_info("listening on %s (passed by the service manager)",
                 address[0] ? address : "a unix socket");
    }
    return 0;
}
