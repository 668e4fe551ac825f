// SPDX-License-Identifier: MIT
// Decides whether and when a failed attempt is repeated. Pure: clock and randomness come with the
// input.
#include "daemon/task/retry.h"

static const int64_t max_retry_after_ms = INT64_C(24) * 60 * 60 * 1000;

// The bits of enum task_error_class that `error` with `status` belongs to.
static unsigned class_of(enum task_error error, int status)
{
    if (error != TASK_HTTP_STATUS) {
        return task_error_info(error)->class;
    }
    if (status == 429) {
        return TASK_CLASS_STATUS_429;
    }
    if (status == 408) { // the server waited in vain; often for a connection it was about to close
        return TASK_CLASS_TIMEOUT;
    }
    return status >= 500 && status <= 599 ? TASK_CLASS_STATUS_5XX : TASK_CLASS_NONE;
}

// min * 2^attempt, at most max, without overflow.
static int64_t ceiling_ms(const struct retry_policy *policy, int attempt)
{
    int64_t ceiling = policy->min_backoff_ms;
    for (int i = 0; i < attempt; i++) {
        if (ceiling > policy->max_backoff_ms / 2) {
            return policy->max_backoff_ms;
        }
        ceiling *= 2;
    }
    return ceiling;
}

static int64_t backoff_ms(const struct retry_policy *policy, int attempt, uint32_t random)
{
    int64_t high = ceiling_ms(policy, attempt);
    int64_t low = policy->min_backoff_ms < high ? policy->min_backoff_ms : high;
    // Both bounds are reached: the product is below (high - low + 1) << 32.
    __extension__ typedef unsigned __int128 wide;
    return low + (int64_t)((wide)(uint64_t)(high - low + 1) * random >> 32);
}

static int64_t due_at(const struct retry_policy *policy, const struct retry_input *in)
{
    int64_t at = in->now_at + backoff_ms(policy, in->attempt, in->random);
    int64_t asked = in->retry_after_at;
    if (asked > in->now_at + max_retry_after_ms) {
        asked = in->now_at + max_retry_after_ms;
    }
    return asked > at ? asked : at;
}

struct retry_verdict retry_decide(const struct retry_policy *policy, const struct retry_input *in)
{
    unsigned class = class_of(in->error, in->status);
    bool repeatable = fetch_method_is_idempotent(in->method) || !in->sent || policy->unsafe;
    struct retry_verdict v = {.retryable = class != TASK_CLASS_NONE};
    v.retry = (class & policy->on) != 0 && in->attempt < policy->max_attempts && repeatable;
    if (v.retry) {
        v.at = due_at(policy, in);
    }
    return v;
}
