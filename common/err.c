// SPDX-License-Identifier: MIT
// The error table and the functions that fill a struct err. Pure; callable from any thread. Never
// logs: a function logs or returns an error, never both.
#include "common/err.h"

#include <stdio.h>
#include <string.h>

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_MISUSE = 2, EXIT_UNREACHABLE = 3 };
enum { EXIT_NOT_AUTHORISED = 4, EXIT_NOT_FOUND = 5, EXIT_REJECTED = 6 };

static const struct err_info table[ERR__COUNT] = {
    [ERR_OK] = {"ok", "OK", 0, EXIT_DONE},
    [ERR_BAD_REQUEST] = {"bad_request", "Bad request", 400, EXIT_REJECTED},
    [ERR_UNAUTHORIZED] = {"unauthorized", "Unauthorized", 401, EXIT_NOT_AUTHORISED},
    [ERR_FORBIDDEN] = {"forbidden", "Forbidden", 403, EXIT_NOT_AUTHORISED},
    [ERR_NOT_FOUND] = {"not_found", "Not found", 404, EXIT_NOT_FOUND},
    [ERR_METHOD_NOT_ALLOWED] = {"method_not_allowed", "Method not allowed", 405, EXIT_FAILED},
    [ERR_REQUEST_TIMEOUT] = {"request_timeout", "Request timeout", 408, EXIT_FAILED},
    [ERR_CONFLICT] = {"conflict", "Conflict", 409, EXIT_FAILED},
    [ERR_LENGTH_REQUIRED] = {"length_required", "Length required", 411, EXIT_REJECTED},
    [ERR_PAYLOAD_TOO_LARGE] = {"payload_too_large", "Payload too large", 413, EXIT_REJECTED},
    [ERR_URI_TOO_LONG] = {"uri_too_long", "URI too long", 414, EXIT_REJECTED},
    [ERR_UNSUPPORTED_MEDIA_TYPE] = {"unsupported_media_type", "Unsupported media type", 415,
                                    EXIT_REJECTED},
    [ERR_RANGE_NOT_SATISFIABLE] = {"range_not_satisfiable", "Range not satisfiable", 416,
                                   EXIT_REJECTED},
    [ERR_EXPECTATION_FAILED] = {"expectation_failed", "Expectation failed", 417, EXIT_REJECTED},
    [ERR_MISDIRECTED] = {"misdirected", "Misdirected request", 421, EXIT_FAILED},
    [ERR_INVALID_BATCH] = {"invalid_batch", "Invalid batch", 422, EXIT_REJECTED},
    [ERR_INVALID_REQUEST] = {"invalid_request", "Invalid request", 422, EXIT_REJECTED},
    [ERR_IDEMPOTENCY_KEY_REUSED] = {"idempotency_key_reused", "Idempotency key reused", 422,
                                    EXIT_REJECTED},
    [ERR_QUOTA_EXCEEDED] = {"quota_exceeded", "Quota exceeded", 429, EXIT_FAILED},
    [ERR_HEADERS_TOO_LARGE] = {"headers_too_large", "Headers too large", 431, EXIT_REJECTED},
    [ERR_INTERNAL] = {"internal", "Internal error", 500, EXIT_FAILED},
    [ERR_NOT_IMPLEMENTED] = {"not_implemented", "Not implemented", 501, EXIT_FAILED},
    [ERR_OVERLOADED] = {"overloaded", "Overloaded", 503, EXIT_FAILED},
    [ERR_DRAINING] = {"draining", "Shutting down", 503, EXIT_FAILED},
    [ERR_VERSION_NOT_SUPPORTED] = {"version_not_supported", "HTTP version not supported", 505,
                                   EXIT_FAILED},
    [ERR_STORAGE_FULL] = {"storage_full", "Storage full", 507, EXIT_FAILED},
    [ERR_CONFIG] = {"config", "Wrong configuration", 0, EXIT_FAILED},
    [ERR_SYSTEM] = {"system", "System error", 0, EXIT_FAILED},
    [ERR_UNREACHABLE] = {"unreachable", "Daemon unreachable", 0, EXIT_UNREACHABLE},
    [ERR_USAGE] = {"usage", "Wrong usage", 0, EXIT_MISUSE},
};

const struct err_info *err_info(enum err_code code)
{
    if ((unsigned)code >= ERR__COUNT) {
        return &table[ERR_INTERNAL];
    }
    return &table[code];
}

enum err_code err_code_by_name(const char *name)
{
    for (int code = ERR_OK + 1; code < ERR__COUNT; code++) {
        if (strcmp(table[code].name, name) == 0) {
            return (enum err_code)code;
        }
    }
    return ERR_OK;
}

int err_setv(struct err *e, enum err_code code, const char *format, va_list args)
{
    if (e) {
        // Formatted aside, so that the old text may be one of the arguments.
        char text[sizeof(e->text)];
        vsnprintf(text, sizeof(text), format, args);
        e->code = code;
        memcpy(e->text, text, sizeof(text));
    }
    return -1;
}

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_setv(e, code, format, args);
    va_end(args);
    return -1;
}

int err_set_errno(struct err *e, int errnum, const char *format, ...)
{
    if (!e) {
        return -1;
    }
    va_list args;
    va_start(args, format);
    err_setv(e, ERR_SYSTEM, format, args);
    va_end(args);
    char reason[128];
    const char *text = strerror_r(errnum, reason, sizeof(reason)); // the GNU form: thread-safe
    size_t used = strlen(e->text);
    snprintf(e->text + used, sizeof(e->text) - used, ": %s", text);
    return -1;
}

// Copies `from` behind the `used` bytes of `to`; what does not fit is cut off.
static void append_cut(char *to, size_t used, size_t size, const char *from)
{
    size_t n = strlen(from);
    if (n > size - 1 - used) {
        n = size - 1 - used;
    }
    memcpy(to + used, from, n);
    to[used + n] = '\0';
}

int err_prefix(struct err *e, const char *format, ...)
{
    if (!e) {
        return -1;
    }
    char text[sizeof(e->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    append_cut(text, strlen(text), sizeof(text), ": ");
    append_cut(text, strlen(text), sizeof(text), e->text);
    memcpy(e->text, text, sizeof(text));
    return -1;
}
