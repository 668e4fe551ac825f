// SPDX-License-Identifier: MIT
// Listening sockets. Each function returns a bound, non-blocking, close-on-exec descriptor that is
// the caller's, not yet listening, or -1 with `e` filled.
#pragma once

#include "common/err.h"

int http_listen_tcp(const char *address, struct err *e, unsigned *ret_port);
int http_listen_unix(const char *path, struct err *e);
// Checks and prepares a socket passed by the service manager; returns 0 or -1.
int http_listen_adopt(int fd, struct err *e);
