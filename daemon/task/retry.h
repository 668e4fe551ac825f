// SPDX-License-Identifier: MIT
// Class x attempt x method -> verdict. One pure function decides whether and when a failed attempt
// is repeated.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/task_error.h"
#include "daemon/task/options.h"

struct retry_input {
    enum task_error error;
    int status;  // HTTP status, 0 if none
    int attempt; // the number of the attempt that failed, from 1
    enum fetch_method method;
    bool sent;              // request bytes may have reached the origin
    int64_t now_at;         // wall clock
    int64_t retry_after_at; // from Retry-After, 0: none
    uint32_t random;        // uniform
};

struct retry_verdict {
    bool retryable; // the failure is of a kind that may pass (the result's `retryable`)
    bool retry;     // repeat it
    int64_t at;     // wall clock, when `retry`
};

// Full-jitter exponential back-off: uniform in [min, min(max, min * 2^(attempt-1) * 2)], never
// before Retry-After (which is capped at one day). A method that is not idempotent is repeated only
// if nothing was sent or `unsafe` is set.
struct retry_verdict retry_decide(const struct retry_policy *policy, const struct retry_input *in);
