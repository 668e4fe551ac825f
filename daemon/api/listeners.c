// SPDX-License-Identifier: MIT
// Opens or takes over listeners and logs where they are. Main thread, at start.
#include "daemon/api/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

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

// ---- passed by the service manager

#define ADDRESS_SIZE 128

// "127.0.0.1:7070", "[::1]:7070" or "unix:PATH" of a bound socket.
static int address_of(int fd, char ret[ADDRESS_SIZE], struct err *e)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } a = {.any = {.sa_family = AF_UNSPEC}};
    socklen_t n = sizeof(a);
    char ip[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, &a.any, &n) < 0) {
        return err_set(e, ERR_SYSTEM, "descriptor %d, passed by the service manager, is no socket",
                       fd);
    }
    if (a.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &a.v4.sin_addr, ip, sizeof(ip));
        snprintf(ret, ADDRESS_SIZE, "%s:%u", ip, ntohs(a.v4.sin_port));
    } else if (a.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a.v6.sin6_addr, ip, sizeof(ip));
        snprintf(ret, ADDRESS_SIZE, "[%s]:%u", ip, ntohs(a.v6.sin6_port));
    } else if (a.any.sa_family == AF_UNIX) {
        snprintf(ret, ADDRESS_SIZE, "unix:%.*s", (int)sizeof(a.un.sun_path), a.un.sun_path);
    } else {
        return err_set(e, ERR_CONFIG, "descriptor %d is neither a unix nor a TCP socket", fd);
    }
    return 0;
}

static const char *unix_path(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
}

static int take(struct http_server *server, const struct api_settings *s,
                const struct passed_sockets *passed, struct err *e)
{
    char address[ADDRESS_SIZE];
    for (size_t i = 0; i < passed->n; i++) {
        int fd = passed->fds[i];
        if (address_of(fd, address, e) < 0 ||
            (!unix_path(address) && api_settings_check_listener(s, address, e) < 0) ||
            http_server_listen_fd(server, fd, e) < 0) {
            return -1;
        }
        log_info("listening on %s (passed by the service manager)", address);
    }
    return 0;
}

// Whether two paths, such as /run/x and /var/run/x, are one file.
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_passed(const struct passed_sockets *passed, const char *wanted)
{
    char address[ADDRESS_SIZE];
    struct err ignored;
    const char *path = unix_path(wanted);
    for (size_t i = 0; i < passed->n; i++) {
        if (address_of(passed->fds[i], address, &ignored) < 0) {
            continue;
        }
        const char *there = unix_path(address);
        if (strcmp(address, wanted) == 0 || (path && there && same_file(path, there))) {
            return true;
        }
    }
    return false;
}

// ---- of the configuration

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

static int open_unix(struct http_server *server, const char *path,
                     const struct passed_sockets *passed, struct err *e)
{
    char address[ADDRESS_SIZE];
    snprintf(address, sizeof(address), "unix:%s", path); // a longer path is refused below
    if (is_passed(passed, address)) {
        return 0;
    }
    if (http_server_listen_unix(server, path, e) < 0) {
        return -1;
    }
    log_info("listening on unix:%s", path);
    return 0;
}

int listeners_open(struct http_server *server, const struct api_settings *s,
                   const struct listen_config *c, const struct passed_sockets *passed,
                   struct err *e)
{
    if (listeners_check(s, c, e) < 0 || take(server, s, passed, e) < 0) {
        return -1;
    }
    if (!c->socket[0] && c->tcp.n == 0 && passed->n == 0) {
        return err_set(e, ERR_CONFIG, "nothing to listen on: set listen.socket or listen.tcp");
    }
    if (c->socket[0] && open_unix(server, c->socket, passed, e) < 0) {
        return -1;
    }
    for (size_t i = 0; i < c->tcp.n; i++) {
        if (!is_passed(passed, c->tcp.v[i]) && open_tcp(server, c->tcp.v[i], e) < 0) {
            return -1;
        }
    }
    return 0;
}
