// SPDX-License-Identifier: MIT
// What became of a task or of one attempt. Heap objects that travel from fetch to store; strings
// are owned.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/task_error.h"
#include "daemon/loop/mailbox.h"
#include "daemon/task/batch.h"

// Names a claimed task's ready row; echoed in everything said of the task.
struct task_ref {
    uint64_t task; // task_key
    uint64_t host; // row number of the host it was submitted for (not of a redirect's)
    uint8_t priority;
};

// Milliseconds; -1: did not happen. Of the last attempt; dns to first_byte are durations of phases
// of its last hop, one after the other, so their sum is at most `total`.
struct timing {
    int32_t queued;     // from acceptance (or last retry's due time) to the start of the attempt
    int32_t dns;        // the name's look-up
    int32_t connect;    // until TCP was connected
    int32_t tls;        // the TLS handshake
    int32_t first_byte; // from the request, its body included, to the first byte of the answer
    int32_t total;      // all hops, without the waiting between them
};

// Body bytes: in memory up to a bound, else in an unlinked temporary file.
struct body {
    char *data; // owned; NULL if fd >= 0 or size == 0
    int fd;     // owned; -1: none
    uint64_t size;
};

void body_init(struct body *b);
void body_done(struct body *b);

// One attempt, as `include=attempts` shows it.
struct attempt {
    int number; // 1, 2, ...
    int64_t started_at, finished_at;
    int status;
    enum task_error error;
    char *message;   // or NULL
    char *remote_ip; // or NULL
    struct timing timing;
};

void attempt_done(struct attempt *a);

struct outcome {
    struct message msg; // RING_OUTCOME
    struct task_ref ref;
    enum task_state state; // TASK_SUCCEEDED or TASK_FAILED
    struct attempt last;
    bool retryable;          // the error is of a kind that may pass
    char *final_url;         // NULL: the submitted one
    char *redirects;         // JSON array text, NULL: none
    char *http_version;      // "1.1", "2"; NULL
    char *content_type;      // UTF-8 or NULL
    char *headers;           // JSON array text [["name","value"], ...] or NULL
    bool has_body;           // a complete body is in `body` (may be empty)
    bool complete;           // the whole response was received
    uint64_t size;           // decoded body bytes (also those counted and then discarded)
    uint64_t bytes_received; // body bytes on the wire
    uint8_t sha256[32];      // of the decoded body; meaningful with has_body
    struct body body;
    struct {                       // the store's own
        int64_t first;             // number of the body's first part
        uint64_t bytes, committed; // how much of it is inserted, and how much of that to stay
    } stored;
};

struct outcome *outcome_new(const struct task_ref *ref); // NULL without memory; body.fd is -1
void outcome_free(struct outcome **o);
