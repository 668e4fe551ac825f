// SPDX-License-Identifier: MIT
// What a failure is called: libcurl's code and where the exchange stood -> enum task_error. Pure.
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/task_error.h"

// How far an exchange got. Each phase begins with an observable event.
enum phase {
    PHASE_CONNECT, // from the start
    PHASE_TLS,     // connected (https)
    PHASE_WAIT,    // the request may have been sent, no byte of the answer has come
    PHASE_HEAD,    // the answer has begun
    PHASE_BODY,    // its head is complete
};

struct fault {
    CURLcode code;
    enum phase phase;
    int os_errno; // CURLINFO_OS_ERRNO; 0
    bool https, proxy;
    bool tunnelled; // the proxy has led to the origin: what follows is the origin's
    bool chunked;
    uint64_t received; // bytes the connection had received when it was closed, if known
    const char *text;  // libcurl's error buffer
};

struct verdict {
    enum task_error error;
    bool
        local_shortage; // of descriptors, memory, ports or disk here; `error` is then TASK_INTERNAL
};

struct verdict classify_fault(const struct fault *f);

// A limit of the watch (transfer_watch.c).
enum limit { LIMIT_TOTAL, LIMIT_FIRST_BYTE, LIMIT_STALL };

// `slow`: the answer hardly moved lately.
enum task_error classify_limit(enum limit limit, enum phase phase, bool slow);

// True for errno values that mean a shortage of this machine's resources.
bool classify_is_shortage(int errnum);

// A constant sentence for a person that says it better than libcurl, or NULL.
const char *classify_detail(enum task_error error, const struct fault *f);
