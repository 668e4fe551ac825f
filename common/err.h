// SPDX-License-Identifier: MIT
// Errors: one struct that the caller owns, filled once where the fault is, prefixed on the way up.
// A function that can fail returns 0 or -1 (or a positive outcome of its own) and takes a
// `struct err *` as its last parameter but for out parameters. A failed fetch is no error: it is
// data.
#pragma once

#include <stdarg.h>

// One code for each problem of the HTTP API, and the local ones of the programs. The table in err.c
// maps each to its name, HTTP status, title and the client's exit status.
enum err_code {
    ERR_OK = 0,
    ERR_BAD_REQUEST,            // 400
    ERR_UNAUTHORIZED,           // 401
    ERR_FORBIDDEN,              // 403
    ERR_NOT_FOUND,              // 404
    ERR_METHOD_NOT_ALLOWED,     // 405
    ERR_REQUEST_TIMEOUT,        // 408
    ERR_CONFLICT,               // 409
    ERR_LENGTH_REQUIRED,        // 411
    ERR_PAYLOAD_TOO_LARGE,      // 413
    ERR_URI_TOO_LONG,           // 414
    ERR_UNSUPPORTED_MEDIA_TYPE, // 415
    ERR_RANGE_NOT_SATISFIABLE,  // 416
    ERR_EXPECTATION_FAILED,     // 417
    ERR_MISDIRECTED,            // 421
    ERR_INVALID_BATCH,          // 422
    ERR_INVALID_REQUEST,        // 422, of another document than a batch
    ERR_IDEMPOTENCY_KEY_REUSED, // 422
    ERR_QUOTA_EXCEEDED,         // 429
    ERR_HEADERS_TOO_LARGE,      // 431
    ERR_INTERNAL,               // 500
    ERR_NOT_IMPLEMENTED,        // 501
    ERR_OVERLOADED,             // 503
    ERR_DRAINING,               // 503
    ERR_VERSION_NOT_SUPPORTED,  // 505
    ERR_STORAGE_FULL,           // 507
    ERR_CONFIG,                 // local: configuration is wrong (exit 78 in the daemon)
    ERR_SYSTEM,                 // local: a system call or library failed
    ERR_UNREACHABLE,            // local: the client cannot reach the daemon
    ERR_USAGE,                  // local: wrong command line
    ERR__COUNT
};

struct err {
    enum err_code code;
    char text[512]; // one sentence without a full stop, for a person; never contains secrets
};

struct err_info {
    const char *name;  // "bad_request": the `code` of a problem document
    const char *title; // "Bad request": its `title`
    int http_status;   // 0 for local codes
    int exit_status;   // of the client `gather`
};

// The table row of `code`; never NULL.
const struct err_info *err_info(enum err_code code);

// The code whose name is `name`, or ERR_OK if there is none.
enum err_code err_code_by_name(const char *name);

// Fills `e` (which may be NULL) and returns -1, so that `return err_set(...)` reads well.
int err_set(struct err *e, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int err_setv(struct err *e, enum err_code code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

// As err_set with ERR_SYSTEM, and adds ": " and the text of `errnum`.
int err_set_errno(struct err *e, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "PREFIX: " before the text (cut at the end if it gets too long); returns -1.
int err_prefix(struct err *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
