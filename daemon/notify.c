// SPDX-License-Identifier: MIT
#include "daemon/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"

#define FIRST_PASSED_FD 3

static void send_text(const char *text, size_t length, int flags)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = path == NULL ? 0 : strlen(path);
    if (n < 2 || n >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@')) {
        return;
    }
    memcpy(address.sun_path, path, n);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; // an abstract socket
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return;
    }
    const struct timeval patience = {.tv_sec = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (sendto(fd, text, length, flags | MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0) {
        log_warn("cannot tell the service manager error=%s", log_value(strerror(errno)));
    }
    close(fd);
}

void notify_state(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length > 0 && (size_t)length < sizeof(text)) {
        send_text(text, (size_t)length, 0);
    }
}

void notify_alive(void)
{
    static const char text[] = "WATCHDOG=1";
    send_text(text, sizeof(text) - 1, MSG_DONTWAIT);
}

// A decimal number in the environment, or -1.
static long long environment_number(const char *name)
{
    const char *text = getenv(name);
    if (text == NULL || *text < '0' || *text > '9') {
        return -1;
    }
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    return errno != 0 || *end != '\0' ? -1 : n;
}

int64_t notify_watchdog_ms(void)
{
    long long us = environment_number("WATCHDOG_USEC");
    long long pid = environment_number("WATCHDOG_PID");
    if (us <= 0 || (pid >= 0 && pid != getpid())) {
        return 0;
    }
    return us / 1000;
}

size_t notify_passed_sockets(int *ret_first)
{
    long long n = environment_number("LISTEN_FDS");
    if (n <= 0 || n > 1024 || environment_number("LISTEN_PID") != getpid()) {
        return 0;
    }
    for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + (int)n; fd++) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    *ret_first = FIRST_PASSED_FD;
    return (size_t)n;
}
