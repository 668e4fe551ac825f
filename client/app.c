// SPDX-License-Identifier: MIT
// Owns the policy of calls: which failures are tried again and how long.
#include "client/app.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/interrupt.h"
#include "common/clock.h"

#define PATIENCE_MS    120000
#define PAUSE_FIRST_MS 250
#define PAUSE_MAX_MS   5000

json_t *app_call(struct app *app, const char *method, struct err *e, const char *path_format, ...)
{
    va_list args;
    char *path = NULL;
    json_t *answer = NULL;
    va_start(args, path_format);
    int n = vasprintf(&path, path_format, args);
    va_end(args);
    if (n < 0) {
        err_set(e, ERR_SYSTEM, "out of memory");
        return NULL;
    }
    int rc = conn_json(app->conn, method, path, &answer, e);
    free(path);
    return rc == 0 ? answer : NULL;
}

int app_lacks(const char *member, struct err *e)
{
    return err_set(e, ERR_SYSTEM,
                   "the answer has no \"%s\", so it is none of gatherd; is --server right?",
                   member);
}

int app_check(const json_t *answer, const char *member, struct err *e)
{
    return json_is_string(json_object_get(answer, member)) ? 0 : app_lacks(member, e);
}

static bool passes(enum err_code code)
{
    return code == ERR_UNREACHABLE || code == ERR_OVERLOADED || code == ERR_DRAINING;
}

int app_get_patiently(struct app *app, const char *path, json_t **ret, struct err *e)
{
    bool reached = conn_reached(app->conn);
    int64_t start = clock_monotonic_ms(), pause = PAUSE_FIRST_MS;
    for (bool first = true;; first = false) {
        if (conn_json(app->conn, "GET", path, ret, e) == 0) {
            return 0;
        }
        bool give_up = !reached || !passes(e->code) || interrupt_seen() ||
                       clock_monotonic_ms() - start >= PATIENCE_MS;
        if (give_up) {
            return -1;
        }
        if (first) {
            output_note(&app->out, "%s; trying again", e->text);
            start = clock_monotonic_ms();
        }
        interrupt_sleep_ms(pause);
        pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
    }
}
