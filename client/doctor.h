// SPDX-License-Identifier: MIT
// What `gather doctor` finds: each check is told as soon as it is made, and counted. Checks come
// from two files: doctor_local.c asks this machine, doctor_daemon.c asks the daemon.
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "client/app.h"

struct doctor {
    struct app *app;
    json_t *findings; // of --json; NULL otherwise
    unsigned ok, warned, failed;
};

// One finding each. `remedy` is what to do about it, one sentence.
void doctor_ok(struct doctor *d, const char *check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_warn(struct doctor *d, const char *check, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void doctor_fail(struct doctor *d, const char *check, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Which server and why, the token's source, the socket's permissions, the descriptors of this
// process. They need no daemon.
void doctor_check_server(struct doctor *d);
void doctor_check_token_file(struct doctor *d, const char *option);
void doctor_check_socket(struct doctor *d);
void doctor_check_descriptors(struct doctor *d);

// The daemon's answers. Returns 0, or -1 with `e` if the rest cannot be asked: ERR_UNREACHABLE,
// ERR_UNAUTHORIZED, or whatever else keeps it from answering.
int doctor_check_daemon(struct doctor *d, struct err *e);
