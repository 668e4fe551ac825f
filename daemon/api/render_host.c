// SPDX-License-Identifier: MIT
// Hosts as JSON: what the store keeps of a host beside what its worker says of it now. Pure.
#include "daemon/api/render.h"

// What an administrator set; null where the configuration holds.
static void render_overrides(struct json_writer *w, const struct host_limits *l)
{
    jw_key(w, "overrides");
    jw_object(w);
    jw_key(w, "max_concurrency");
    if (l->max_concurrency >= 0) {
        jw_int(w, l->max_concurrency);
    } else {
        jw_null(w);
    }
    jw_key(w, "delay_ms");
    if (l->delay_ms >= 0) {
        jw_int(w, l->delay_ms);
    } else {
        jw_null(w);
    }
    jw_key(w, "rate_per_s");
    if (l->rate_per_s >= 0) {
        jw_real(w, l->rate_per_s);
    } else {
        jw_null(w);
    }
    jw_object_end(w);
}

static void render_limits(struct json_writer *w, const struct host_limits *l)
{
    jw_key_int(w, "max_concurrency", l->max_concurrency);
    jw_key_int(w, "delay_ms", l->delay_ms);
    jw_key(w, "rate_per_s");
    jw_real(w, l->rate_per_s);
    jw_key_bool(w, "paused", l->paused);
}

void render_host(struct json_writer *w, const struct host_row *row,
                 const struct host_status *status)
{
    const struct host_record *record = &row->record;
    // A worker that holds the host knows better than the last commit.
    int64_t blocked_until = status->known ? status->blocked_until : record->blocked_until;
    int32_t level = status->known ? status->backoff_level : record->backoff_level;
    jw_object(w);
    jw_key_str(w, "host", record->name);
    jw_key_int(w, "queued", row->queued);
    jw_key_int(w, "in_flight", status->in_flight);
    jw_key_int(w, "waiting", status->waiting);
    jw_key_int(w, "succeeded", row->succeeded);
    jw_key_int(w, "failed", row->failed);
    jw_key_int(w, "bytes_received", row->bytes_received);
    render_limits(w, &status->effective);
    render_overrides(w, &record->limits);
    jw_key_time(w, "blocked_until", blocked_until);
    jw_key_int(w, "backoff_level", level);
    jw_key_str(w, "reason",
               status->known && status->reason != WAIT_NONE ? wait_reason_name(status->reason)
                                                            : NULL);
    jw_key_time(w, "next_start_at", status->known ? status->next_start_at : 0);
    jw_object_end(w);
}
