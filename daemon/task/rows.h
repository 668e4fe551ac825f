// SPDX-License-Identifier: MIT
// Rows as the store's reader shows them to the API. All pointers are borrowed for the duration of
// the callback. Plain data.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/task/batch.h"
#include "daemon/task/outcome.h"
#include "daemon/task/ring.h"

#define RESULTS_WITH_HEADERS 1u
#define RESULTS_WITH_BODY    2u

struct result_row {
    uint64_t batch;
    uint32_t index;
    int64_t seq;
    const char *url, *ext_id, *metadata; // the last: JSON text
    enum task_state state;
    int status;
    enum task_error error;
    const char *message;
    bool retryable;
    int attempts;
    const char *final_url; // never NULL
    const char *redirects; // JSON text, never NULL ("[]")
    const char *http_version, *remote_ip, *content_type;
    uint64_t size;
    bool has_body, complete;
    uint8_t sha256[32];
    struct timing timing;
    int64_t started_at, finished_at;
    const char *headers; // JSON text or NULL; with RESULTS_WITH_HEADERS
    const void *body;    // with RESULTS_WITH_BODY; NULL if there is none, or it is too large
    size_t body_len;
};

struct results_query {
    uint64_t batch;
    bool by_index; // order=input, else by seq
    int64_t after; // seq, or index with by_index; -1 (index) or 0 (seq) from the start
    unsigned limit;
    unsigned states;       // bits 1 << enum task_state; 0: all
    unsigned include;      // RESULTS_WITH_*
    uint64_t largest_body; // a larger one is not read
};

// One task: its request and where it stands.
struct task_row {
    uint64_t batch;
    uint32_t index;
    const char *url, *host, *ext_id, *metadata, *spec; // spec: JSON text or NULL
    enum task_state state; // TASK_QUEUED when there is no result (the workers know if it runs)
    int attempts;          // made so far
    int64_t not_before_at; // of a waiting retry; 0
    const struct result_row *result; // or NULL
};

struct attempt_row {
    struct attempt attempt; // strings borrowed
};

struct host_row {
    struct host_record record;         // name borrowed
    int64_t queued, succeeded, failed; // tasks submitted for this host
    int64_t bytes_received;
};

struct batch_filter {
    int state;        // enum batch_state, or -1: any
    const char *name; // exact; NULL: any
    uint64_t before;  // row number; 0: from the newest
    unsigned limit;
};
