// SPDX-License-Identifier: MIT
// Results and attempts as JSON. Pure. What comes from origin servers (bodies, header values,
// content types) is untrusted bytes here; the writer makes valid JSON of any of them.
#include "daemon/api/render.h"

static void render_status(struct json_writer *w, int status)
{
    jw_key(w, "status");
    if (status > 0) {
        jw_int(w, status);
    } else {
        jw_null(w);
    }
}

static void render_ms(struct json_writer *w, const char *key, int32_t ms)
{
    jw_key(w, key);
    if (ms >= 0) {
        jw_int(w, ms);
    } else {
        jw_null(w);
    }
}

static void render_timing(struct json_writer *w, const struct timing *t)
{
    jw_key(w, "timing_ms");
    jw_object(w);
    render_ms(w, "queued", t->queued);
    render_ms(w, "dns", t->dns);
    render_ms(w, "connect", t->connect);
    render_ms(w, "tls", t->tls);
    render_ms(w, "first_byte", t->first_byte);
    render_ms(w, "total", t->total);
    jw_object_end(w);
}

static const char *message_of(enum task_error error, const char *message)
{
    return message ? message : task_error_info(error)->message;
}

static void render_error(struct json_writer *w, const struct result_row *r)
{
    jw_key(w, "error");
    if (r->error == TASK_OK) {
        jw_null(w);
        return;
    }
    jw_object(w);
    jw_key_str(w, "code", task_error_info(r->error)->name);
    jw_key_str(w, "message", message_of(r->error, r->message));
    jw_key_bool(w, "retryable", r->retryable);
    jw_object_end(w);
}

static void render_hash(struct json_writer *w, const struct result_row *r)
{
    char hex[2 * sizeof(r->sha256) + 1];
    if (!r->has_body) {
        jw_key_null(w, "sha256");
        return;
    }
    render_hex(r->sha256, sizeof(r->sha256), hex);
    jw_key_str(w, "sha256", hex);
}

static void render_body(struct json_writer *w, const struct result_row *r)
{
    if (!r->has_body) {
        jw_key_null(w, "body");
    } else if (!r->body) { // it is larger than RENDER_BODY_MAX
        jw_key_null(w, "body");
        jw_key_bool(w, "body_omitted", true);
    } else if (utf8_valid(r->body, r->body_len)) {
        jw_key(w, "body");
        jw_strn(w, r->body, r->body_len);
    } else {
        jw_key(w, "body_base64");
        jw_base64(w, r->body, r->body_len);
    }
}

void render_result_members(struct json_writer *w, const struct result_row *r, unsigned include)
{
    jw_key_int(w, "seq", r->seq);
    jw_key_int(w, "index", r->index);
    jw_key_str(w, "id", r->ext_id);
    jw_key_str(w, "url", r->url);
    jw_key_str(w, "final_url", r->final_url);
    jw_key_str(w, "state", task_state_name(r->state));
    render_status(w, r->status);
    render_error(w, r);
    if (!(include & RESULTS_WITH_ATTEMPTS)) {
        jw_key_int(w, "attempts", r->attempts);
    }
    jw_key_raw(w, "redirects", r->redirects);
    jw_key_str(w, "http_version", r->http_version);
    jw_key_str(w, "remote_ip", r->remote_ip);
    jw_key_str(w, "content_type", r->content_type);
    jw_key_int(w, "size", (int64_t)r->size);
    render_hash(w, r);
    jw_key_bool(w, "complete", r->complete);
    render_timing(w, &r->timing);
    jw_key_time(w, "started_at", r->started_at);
    jw_key_time(w, "finished_at", r->finished_at);
    jw_key_raw(w, "metadata", r->metadata ? r->metadata : "{}");
    if (include & RESULTS_WITH_HEADERS) {
        jw_key_raw(w, "headers", r->headers ? r->headers : "[]");
    }
    if (include & RESULTS_WITH_BODY) {
        render_body(w, r);
    }
}

void render_attempt(struct json_writer *w, const struct attempt_view *a)
{
    jw_object(w);
    jw_key_int(w, "number", a->number);
    jw_key_time(w, "started_at", a->started_at);
    jw_key_time(w, "finished_at", a->finished_at);
    render_status(w, a->status);
    jw_key(w, "error");
    if (a->error == TASK_OK) {
        jw_null(w);
    } else {
        jw_object(w);
        jw_key_str(w, "code", task_error_info(a->error)->name);
        jw_key_str(w, "message", message_of(a->error, a->message));
        jw_object_end(w);
    }
    jw_key_str(w, "remote_ip", a->remote_ip);
    render_timing(w, a->timing);
    jw_object_end(w);
}
