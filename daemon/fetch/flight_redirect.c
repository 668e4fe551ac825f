// SPDX-License-Identifier: MIT
// What a redirect does to a flight's request (RFC 9110 §15.4, and the Fetch standard where that
// leaves a choice). It sends nothing; address and port of the new URL are judged when the hop
// begins.
#include <string.h>

#include "common/json.h"
#include "daemon/fetch/flight.h"

static void fail_with(struct flight *f, struct transfer_result *r, enum task_error error)
{
    r->error = error;
    flight_settle(f, r);
}

// Every method but GET and HEAD becomes GET after a 303; only POST does after a 301 or 302, as all
// browsers have it.
static void rewrite_method(struct flight *f, int status)
{
    bool to_get = status == 303 ? f->method != METHOD_HEAD && f->method != METHOD_GET
                                : (status == 301 || status == 302) && f->method == METHOD_POST;
    if (to_get) {
        f->method = METHOD_GET;
        f->send_body = false;
    }
}

static void add_to_chain(struct flight *f, int status)
{
    struct json_writer w = JSON_WRITER(&f->chain);
    buf_append_char(&f->chain, f->chain.len == 0 ? '[' : ',');
    jw_object(&w);
    jw_key_int(&w, "status", status);
    jw_key_str(&w, "url", f->url_text.data);
    jw_object_end(&w);
}

// Credentials once dropped stay dropped, also when a chain comes back to where it began.
static void turn_to(struct flight *f, const struct url *to, struct buf *text)
{
    if (!url_same_origin(&f->url, to)) {
        f->drop_credentials = true;
    }
    f->url = *to;
    buf_done(&f->url_text);
    f->url_text = *text;
    f->hops++;
}

bool flight_redirected(struct flight *f, struct transfer_result *r)
{
    if (r->error != TASK_OK || !r->location || f->options.max_redirects == 0) {
        return false;
    }
    if (f->hops >= f->options.max_redirects) {
        fail_with(f, r, TASK_TOO_MANY_REDIRECTS);
        return true;
    }
    struct url to;
    struct buf text = BUF_INIT(URL_MAX);
    enum task_error error;
    if (location_resolve(f->url_text.data, r->location, &to, &text, &error) < 0) {
        buf_done(&text);
        if (error == TASK_INTERNAL) { // no memory
            transfer_result_done(r);
            flight_give_back(f, FLIGHT_SHORTAGE_MS);
        } else {
            fail_with(f, r, error);
        }
        return true;
    }
    add_to_chain(f, r->status);
    rewrite_method(f, r->status);
    turn_to(f, &to, &text);
    transfer_result_done(r);
    if (f->chain.failed) {
        flight_give_back(f, FLIGHT_SHORTAGE_MS);
        return true;
    }
    metrics_add(f->worker->shared->metrics, METRIC_REDIRECT_HOPS, 1);
    flight_hop(f);
    return true;
}
