// SPDX-License-Identifier: MIT
// Where the API listens, and whether it may. Main thread, at start.
#pragma once

#include <stddef.h>

#include "common/err.h"
#include "config/options.h"
#include "daemon/api/api_settings.h"
#include "daemon/api/http_server.h"

// ERR_CONFIG if a configured TCP listener is not allowed without tokens.
int listeners_check(const struct api_settings *s, const struct listen_config *c, struct err *e);

// Listening sockets that the service manager opened (daemon/notify.h).
struct passed_sockets {
    const int *fds;
    size_t n;
};

// Serves the passed sockets, and opens those of the configuration that are not among them, so that
// gatherd.socket may make one of several.
int listeners_open(struct http_server *server, const struct api_settings *s,
                   const struct listen_config *c, const struct passed_sockets *passed,
                   struct err *e);
