// SPDX-License-Identifier: MIT
// Batches as JSON. Pure.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api/render.h"

static void render_counts(struct json_writer *w, const struct batch_counts *c)
{
    jw_key(w, "counts");
    jw_object(w);
    jw_key_int(w, "total", c->total);
    jw_key_int(w, "queued", batch_counts_queued(c));
    jw_key_int(w, "running", c->running);
    jw_key_int(w, "succeeded", c->succeeded);
    jw_key_int(w, "failed", c->failed);
    jw_key_int(w, "cancelled", c->cancelled);
    jw_key_int(w, "expired", c->expired);
    jw_object_end(w);
}

static void render_links(struct json_writer *w, const char *id)
{
    char link[UUID_TEXT_SIZE + 32];
    jw_key(w, "links");
    jw_object(w);
    snprintf(link, sizeof(link), "/v1/batches/%s", id);
    jw_key_str(w, "self", link);
    snprintf(link, sizeof(link), "/v1/batches/%s/results", id);
    jw_key_str(w, "results", link);
    jw_object_end(w);
}

void render_batch_members(struct json_writer *w, const struct batch_info *b)
{
    char id[UUID_TEXT_SIZE], origin[UUID_TEXT_SIZE];
    uuid_format(b->now.id, id);
    jw_key_str(w, "id", id);
    jw_key_str(w, "name", b->name);
    jw_key_str(w, "state", batch_state_name(b->now.state));
    jw_key_int(w, "priority", b->priority);
    jw_key(w, "concurrency");
    if (b->concurrency > 0) {
        jw_int(w, b->concurrency);
    } else {
        jw_null(w);
    }
    jw_key_bool(w, "fail_fast", b->fail_fast);
    jw_key_time(w, "created_at", b->created_at);
    jw_key_time(w, "not_before", b->not_before_at);
    jw_key_time(w, "started_at", b->now.started_at);
    jw_key_time(w, "finished_at", b->now.finished_at);
    jw_key_time(w, "deadline_at", b->deadline_at);
    jw_key_time(w, "cancel_requested_at", b->now.cancel_requested_at);
    if (b->has_retry_of) {
        uuid_format(b->retry_of, origin);
    }
    jw_key_str(w, "retry_of", b->has_retry_of ? origin : NULL);
    render_counts(w, &b->now.counts);
    jw_key_int(w, "bytes_received", b->now.bytes_received);
    jw_key_raw(w, "metadata", b->metadata ? b->metadata : "{}");
    render_links(w, id);
}

void render_batch(struct json_writer *w, const struct batch_info *b)
{
    jw_object(w);
    render_batch_members(w, b);
    jw_object_end(w);
}

void render_etag(const struct batch_snapshot *s, char ret[RENDER_ETAG_SIZE])
{
    // The running count changes without a commit, hence without a new version.
    snprintf(ret, RENDER_ETAG_SIZE, "\"v%" PRIu64 "-%" PRId64 "\"", s->version, s->counts.running);
}

void render_hex(const uint8_t *p, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *ret++ = digits[p[i] >> 4];
        *ret++ = digits[p[i] & 15];
    }
    *ret = '\0';
}
