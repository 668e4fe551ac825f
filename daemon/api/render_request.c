// SPDX-License-Identifier: MIT
// A task's request as JSON: what will be sent, with all defaults applied. Pure. Credentials are not
// shown: whoever submitted them knows them, and a token of scope read must not give them away.
#include <strings.h>

#include "daemon/api/render.h"

static bool is_secret(const char *name)
{
    static const char *const secrets[] = {"Authorization", "Cookie"};
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        if (strcasecmp(name, secrets[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void render_headers(struct json_writer *w, const struct task_options *o)
{
    jw_key(w, "headers");
    jw_array(w);
    for (size_t i = 0; i < o->n_headers; i++) {
        const struct header_field *h = &o->headers[i];
        jw_array(w);
        jw_str(w, h->name);
        jw_str(w, is_secret(h->name) ? "(not shown)" : h->value);
        jw_array_end(w);
    }
    jw_array_end(w);
}

static void render_accept_status(struct json_writer *w, const struct task_options *o)
{
    char space[OPTIONS_MAX_RANGES * 16];
    struct buf text = BUF_OVER(space);
    for (size_t i = 0; i < o->n_accept; i++) {
        const struct status_range *range = &o->accept[i];
        buf_printf(&text, "%s%u", i ? "," : "", range->first);
        if (range->last != range->first) {
            buf_printf(&text, "-%u", range->last);
        }
    }
    jw_key_str(w, "accept_status", text.data);
}

static void render_retry(struct json_writer *w, const struct retry_policy *p)
{
    static const struct {
        unsigned bit;
        const char *name;
    } classes[] = {
        {TASK_CLASS_NETWORK, "network"},
        {TASK_CLASS_TIMEOUT, "timeout"},
        {TASK_CLASS_STATUS_429, "429"},
        {TASK_CLASS_STATUS_5XX, "5xx"},
    };
    jw_key(w, "retry");
    jw_object(w);
    jw_key_int(w, "max_attempts", p->max_attempts);
    jw_key_int(w, "min_backoff_ms", p->min_backoff_ms);
    jw_key_int(w, "max_backoff_ms", p->max_backoff_ms);
    jw_key(w, "on");
    jw_array(w);
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (p->on & classes[i].bit) {
            jw_str(w, classes[i].name);
        }
    }
    jw_array_end(w);
    jw_key_bool(w, "unsafe", p->unsafe);
    jw_object_end(w);
}

void render_request(struct json_writer *w, const char *url, const struct task_options *o)
{
    jw_object(w);
    jw_key_str(w, "method", fetch_method_name(o->method));
    jw_key_str(w, "url", url);
    render_headers(w, o);
    jw_key_int(w, "body_size", (int64_t)o->body_len);
    jw_key_int(w, "timeout_ms", o->timeout_ms);
    jw_key_int(w, "connect_timeout_ms", o->connect_timeout_ms);
    jw_key_int(w, "max_body_bytes", o->max_body_bytes);
    jw_key_int(w, "max_redirects", o->max_redirects);
    render_accept_status(w, o);
    render_retry(w, &o->retry);
    jw_key_bool(w, "verify_tls", o->verify_tls);
    jw_key_bool(w, "proxied", o->proxy != NULL); // its URL may hold a password
    jw_object_end(w);
}
