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

int listeners_open(struct http_server *server, const struct api_settings *s,
                   const struct listen_config *c, struct err *e);

// Sockets that the service manager opened take the place of the configured ones.
int listeners_take(struct http_server *server, const struct api_settings *s, const int *fds,
                   size_t n, struct err *e);
