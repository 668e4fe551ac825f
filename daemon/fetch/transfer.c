// SPDX-License-Identifier: MIT
// The transfer engine: a curl multi handle, the transfers in it and those kept for reuse. Worker
// thread only. A transfer ends in one place, finish(), which is reached from the loop: by libcurl
// (on_curl_done) or by the watch (transfer_end_now).
#include "daemon/fetch/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/fetch/transfer_private.h"

// Kept with their curl handle, since making one costs more than a small request.
#define MAX_IDLE 256

enum phase transfer_phase(struct transfer *t)
{
    long local_port = 0;
    if (t->head.state == RESPONSE_COMPLETE) {
        return PHASE_BODY;
    }
    if (t->head.bytes > 0 || t->watch.answered_ms > 0) {
        return PHASE_HEAD;
    }
    if (t->request_ms > 0) {
        return PHASE_WAIT;
    }
    // Known as soon as TCP is connected; CURLINFO_CONNECT_TIME_T only once the handshake is over.
    curl_easy_getinfo(t->easy, CURLINFO_LOCAL_PORT, &local_port);
    return t->https && local_port > 0 ? PHASE_TLS : PHASE_CONNECT;
}

void transfer_decide(struct transfer *t, enum task_error error, const char *why)
{
    if (!t->decided) {
        t->decided = true;
        t->verdict = (struct verdict){.error = error};
        t->why = why;
    }
}

void transfer_decide_shortage(struct transfer *t, const char *why)
{
    if (!t->decided) {
        transfer_decide(t, TASK_INTERNAL, why);
        t->verdict.local_shortage = true;
    }
}

static void destroy(struct transfer *t)
{
    list_remove(&t->link);
    curl_easy_cleanup(t->easy);
    curl_url_cleanup(t->target);
    buf_done(&t->unpin);
    curl_slist_free_all(t->fields);
    sink_done(&t->sink);
    response_head_done(&t->head);
    buf_done(&t->trailer);
    free(t);
}

static struct transfer *take(struct transfer_engine *e)
{
    struct list *link = list_pop_front(&e->idle);
    if (link) {
        e->n_idle--;
        return list_entry(link, struct transfer, link);
    }
    struct transfer *t = calloc(1, sizeof(*t));
    if (!t) {
        return NULL;
    }
    list_init(&t->link);
    list_init(&t->sent);
    t->engine = e;
    response_head_init(&t->head);
    t->easy = curl_easy_init();
    t->target = curl_url();
    buf_init(&t->unpin, URL_MAX);
    if (sink_init(&t->sink, e->sha256) < 0 || !t->easy || !t->target) {
        destroy(t);
        return NULL;
    }
    return t;
}

// Puts a new handle with the same options in the place of the used one, in which libcurl before
// 8.1.1 keeps a pointer to the last header of its answer, which it has freed: it would append to
// that the first header line of the next answer if that begins with white space (curl pull request
// 11103).
static int renew_handle(struct transfer *t)
{
    CURL *fresh = t->plain_for > 0 ? curl_easy_duphandle(t->easy) : curl_easy_init();
    curl_easy_cleanup(t->easy);
    t->easy = fresh;
    return fresh ? 0 : -1;
}

// Ends all that belongs to one exchange and keeps the rest for the next.
static void recycle(struct transfer *t)
{
    struct transfer_engine *e = t->engine;
    transfer_watch_stop(t);
    list_remove(&t->link);
    list_remove(&t->sent);
    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, NULL); // a copy would still point to the list
    curl_slist_free_all(t->resolve);
    t->resolve = NULL;
    if (t->plain_for == 0) {
        curl_slist_free_all(t->fields);
        t->fields = NULL;
    }
    buf_done(&t->trailer);
    decoder_free(&t->decoder);
    if (t->windows > 0) {
        t->sink.budget.give(t->sink.budget.ctx, (size_t)t->windows);
        t->windows = 0;
    }
    sink_discard(&t->sink);
    if (e->n_idle >= MAX_IDLE || renew_handle(t) < 0) {
        destroy(t);
        return;
    }
    list_push_front(&e->idle, &t->link);
    e->n_idle++;
}

static void finish(struct transfer *t, CURLcode code)
{
    struct transfer_result result;
    transfer_done_fn *on_done = t->on_done;
    void *ctx = t->ctx;
    transfer_result_make(t, code, &result);
    metrics_add(t->engine->metrics, METRIC_BYTES_RECEIVED, (int64_t)t->wire);
    recycle(t);
    on_done(ctx, &result);
}

// Nothing came, and not because of what was sent: the kept connection that libcurl had chosen says
// something unasked, or libcurl's words are of other connections; or only kept ones were tried, up
// to six, and all died, or the last did when another transfer had taken the host's pin out of
// libcurl's table; or an HTTP/2 server wound the connection down (GOAWAY) and left the request out,
// of which libcurl says not a word (RFC 9113 §6.8).
static bool wants_new_connection(const struct transfer *t, CURLcode code)
{
    bool unanswered = !t->decided && t->request_ms > 0 && t->head.bytes == 0;
    bool died = t->n_sockets == 0 && (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
                                      code == CURLE_COULDNT_RESOLVE_HOST);
    bool left_out = code == CURLE_HTTP2 && !t->error_text[0];
    return t->stale ||
           (unanswered && (died || left_out) && !t->again && fetch_method_is_idempotent(t->method));
}

static int begin_again(struct transfer *t)
{
    t->plain_for = 0;
    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(t->easy, CURLOPT_RESOLVE, t->resolve); // it puts pins in once only
    if (curl_loop_add(t->engine->curl, t->easy) < 0) {
        return -1;
    }
    t->again = true;
    t->stale = false;
    t->error_text[0] = '\0';
    t->request_ms = 0;
    t->n_sockets = 0;
    t->connected = -1;
    t->watch.moved_ms = 0;
    t->watch.answered_ms = 0;
    list_remove(&t->sent);
    return 0;
}

static void on_tell(void *ctx)
{
    struct transfer_engine *e = ctx;
    struct list *link;
    while ((link = list_pop_front(&e->sent))) {
        struct transfer *t = list_entry(link, struct transfer, sent);
        t->on_sent(t->ctx, t->request_ms);
    }
}

static void on_curl_done(void *ctx, CURL *easy, CURLcode code)
{
    struct transfer *t = NULL;
    (void)ctx;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
    if (wants_new_connection(t, code)) {
        if (begin_again(t) == 0) {
            return;
        }
        transfer_decide_shortage(t, "No memory to ask again on a new connection");
    }
    finish(t, code);
}

void transfer_end_now(struct transfer *t)
{
    curl_loop_remove(t->engine->curl, t->easy);
    finish(t, CURLE_OK);
}

static void begin(struct transfer *t, const struct transfer_request *r,
                  const struct body_budget_ops *budget)
{
    struct transfer_engine *e = t->engine;
    t->options = r->options;
    t->policy = r->policy;
    t->on_sent = r->on_sent;
    t->method = r->method;
    t->https = r->url->https;
    t->literal = r->url->host_kind != URL_HOST_NAME;
    t->may_redirect = r->may_redirect;
    t->keep_beginning = r->keep_beginning;
    t->sends_body = r->send_body;
    t->n_addresses =
        r->n_addresses < TRANSFER_MAX_ADDRESSES ? r->n_addresses : TRANSFER_MAX_ADDRESSES;
    memcpy(t->addresses, r->addresses, t->n_addresses * sizeof(t->addresses[0]));
    t->n_sockets = 0;
    t->connected = -1;
    t->request_ms = 0;
    t->first_line_ms = 0;
    t->remote_ip[0] = '\0';
    t->error_text[0] = '\0';
    t->blocked = false;
    t->shortage = false;
    t->stale = false;
    t->again = false;
    t->n_progress = 0;
    t->is_chunked = false;
    t->codings = (struct codings){0};
    t->drop_body = false;
    t->wire = 0;
    t->redelivered = 0;
    t->piece_n = 0;
    t->decided = false;
    t->verdict = (struct verdict){0};
    t->why = NULL;
    response_head_begin(&t->head, e->settings.max_header_bytes, t->https);
    sink_begin(&t->sink, budget, e->settings.spill_dir, e->settings.memory_body);
}

int transfer_start(struct transfer_engine *e, const struct transfer_request *r,
                   const struct body_budget_ops *budget, transfer_done_fn *on_done, void *ctx,
                   struct transfer **ret)
{
    struct transfer *t = take(e);
    if (!t) {
        return -1;
    }
    begin(t, r, budget);
    t->on_done = on_done;
    t->ctx = ctx;
    list_push_back(&e->running, &t->link);
    if (transfer_setup(t, r) < 0 || transfer_watch_start(t, r->total_timeout_ms) < 0 ||
        curl_loop_add(e->curl, t->easy) < 0) {
        recycle(t);
        return -1;
    }
    *ret = t;
    return 0;
}

void transfer_abort(struct transfer **t_ptr)
{
    struct transfer *t = *t_ptr;
    if (t) {
        curl_loop_remove(t->engine->curl, t->easy);
        recycle(t);
        *t_ptr = NULL;
    }
}

static void free_settings(struct transfer_settings *s)
{
    union {
        const char *kept;
        char *owned;
    } strings[] = {{s->user_agent}, {s->ca_file}, {s->spill_dir}};
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        free(strings[i].owned);
    }
    *s = (struct transfer_settings){0};
}

static int copy_settings(const struct transfer_settings *from, struct transfer_settings *ret)
{
    *ret = *from;
    ret->user_agent = strdup(from->user_agent ? from->user_agent : "");
    ret->ca_file = strdup(from->ca_file ? from->ca_file : "");
    ret->spill_dir = strdup(from->spill_dir ? from->spill_dir : "/tmp");
    if (!ret->user_agent || !ret->ca_file || !ret->spill_dir) {
        free_settings(ret);
        return -1;
    }
    return 0;
}

int transfer_engine_new(struct loop *loop, const struct transfer_settings *s, struct metrics *m,
                        struct err *err, struct transfer_engine **ret)
{
    struct transfer_engine *e = calloc(1, sizeof(*e));
    if (!e) {
        return err_set(err, ERR_SYSTEM, "no memory for the transfer engine");
    }
    e->metrics = m;
    e->generation = 1;
    list_init(&e->running);
    list_init(&e->idle);
    list_init(&e->sent);
    buf_init(&e->scratch, OPTIONS_MAX_HEADER_BYTES + (size_t)4 * URL_MAX);
    e->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!e->sha256 || copy_settings(s, &e->settings) < 0) {
        err_set(err, ERR_SYSTEM, "cannot set up the transfer engine");
        transfer_engine_free(&e);
        return -1;
    }
    if (timer_init(&e->tell, loop, on_tell, e, err) < 0 || transfer_watch_init(e, loop, err) < 0 ||
        curl_loop_new(loop, on_curl_done, e, err, &e->curl) < 0) {
        transfer_engine_free(&e);
        return -1;
    }
    curl_loop_set_max_idle(e->curl, s->max_idle_connections);
    *ret = e;
    return 0;
}

void transfer_engine_configure(struct transfer_engine *e, const struct transfer_settings *s)
{
    struct transfer_settings copy;
    if (copy_settings(s, &copy) < 0) {
        return; // the former settings stay
    }
    // A running transfer's sink borrows the spill directory's name; it goes on with the new one.
    list_for_each (link, &e->running) {
        list_entry(link, struct transfer, link)->sink.spill_dir = copy.spill_dir;
    }
    free_settings(&e->settings);
    e->settings = copy;
    e->generation++;
    curl_loop_set_max_idle(e->curl, s->max_idle_connections);
}

void transfer_engine_free(struct transfer_engine **e_ptr)
{
    struct transfer_engine *e = *e_ptr;
    if (!e) {
        return;
    }
    list_for_each_safe (link, tmp, &e->idle) {
        destroy(list_entry(link, struct transfer, link));
    }
    curl_loop_free(&e->curl);
    timer_done(&e->tell);
    transfer_watch_done(e);
    EVP_MD_free(e->sha256);
    buf_done(&e->scratch);
    free_settings(&e->settings);
    free(e);
    *e_ptr = NULL;
}
