// SPDX-License-Identifier: MIT
// The error codes a task can end with (the public contract), one table for daemon and client.
#pragma once

#include <stdbool.h>

// Kept in databases by number: new ones go to the end.
enum task_error {
    TASK_OK = 0,
    TASK_DNS_NOT_FOUND,
    TASK_DNS_TEMPORARY,
    TASK_CONNECT_REFUSED,
    TASK_CONNECT_TIMEOUT,
    TASK_CONNECT_FAILED,
    TASK_CONNECTION_RESET,
    TASK_EMPTY_REPLY,
    TASK_TLS_VERIFY,
    TASK_TLS_HANDSHAKE,
    TASK_TIMEOUT_FIRST_BYTE,
    TASK_TIMEOUT_STALL,
    TASK_TIMEOUT_TOTAL,
    TASK_HTTP_PROTOCOL,
    TASK_HTTP_STATUS,
    TASK_HEADER_TOO_LARGE,
    TASK_BODY_TOO_LARGE,
    TASK_TRUNCATED_BODY,
    TASK_CONTENT_ENCODING,
    TASK_TOO_MANY_REDIRECTS,
    TASK_REDIRECT_INVALID,
    TASK_REDIRECT_SCHEME,
    TASK_BLOCKED_ADDRESS,
    TASK_BLOCKED_PORT,
    TASK_PROXY,
    TASK_CANCELLED,
    TASK_EXPIRED,
    TASK_INTERRUPTED,
    TASK_CRASH_LOOP,
    TASK_INTERNAL,
    TASK_BLOCKED_ROBOTS,
    TASK_ERROR__COUNT
};

// What the retry policy's `on` list calls a failure.
enum task_error_class {
    TASK_CLASS_NONE = 0,       // never retried
    TASK_CLASS_NETWORK = 1,    // "network"
    TASK_CLASS_TIMEOUT = 2,    // "timeout"
    TASK_CLASS_STATUS_429 = 4, // "429": by the HTTP status, not by the code
    TASK_CLASS_STATUS_5XX = 8, // "5xx": by the HTTP status, not by the code
};

struct task_error_info {
    const char *name;            // "dns_not_found"; NULL for TASK_OK
    enum task_error_class class; // of the code itself; http_status is classed by its status
    const char *message;         // a sentence for a person, used where the fault gives none
    const char *hint;            // what a person may do about it, shown by `gather errors`
};

const struct task_error_info *task_error_info(enum task_error code);
// What a person may do about a status that is not accepted; NULL: nothing is known of this one.
const char *task_error_status_hint(int status);
enum task_error task_error_by_name(const char *name); // TASK_OK if there is none
