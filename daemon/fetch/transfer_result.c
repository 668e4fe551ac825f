// SPDX-License-Identifier: MIT
// From the end of an exchange to its result. Worker thread only. Called once a transfer, after
// libcurl has let go of it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "daemon/fetch/transfer_private.h"

static struct fault fault_of(struct transfer *t, CURLcode code, enum phase phase)
{
    long os_errno = 0, connect_status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    return (struct fault){.code = code,
                          .phase = phase,
                          .os_errno = (int)os_errno,
                          .https = t->https,
                          .proxy = t->options->proxy != NULL,
                          .tunnelled = connect_status / 100 == 2,
                          .chunked = t->head.chunked,
                          .received = curl_loop_received_at_close(t->engine->curl, t->connected),
                          .text = t->error_text};
}

// libcurl is content; are we?
static void judge_success(struct transfer *t, enum phase phase)
{
    if (t->head.state !=
        RESPONSE_COMPLETE) { // libcurl takes a head that is cut off for a whole one
        struct fault f = fault_of(t, CURLE_GOT_NOTHING, phase);
        enum task_error error = classify_fault(&f).error;
        transfer_decide(t, error, classify_detail(error, &f));
    } else if (t->is_chunked && t->chunked.state != CHUNKED_END) {
        transfer_decide(t, TASK_TRUNCATED_BODY, NULL);
    } else if (t->decoder && !decoder_is_whole(t->decoder)) {
        transfer_decide(t, TASK_CONTENT_ENCODING, "The compressed body ends too early");
    }
}

static void judge(struct transfer *t, CURLcode code, enum phase phase)
{
    if (t->decided) {
        return;
    }
    if (code == CURLE_OK) {
        judge_success(t, phase);
        return;
    }
    if (phase == PHASE_CONNECT && t->blocked) {
        transfer_decide(t, TASK_BLOCKED_ADDRESS, NULL);
    } else if (phase == PHASE_CONNECT && t->shortage) {
        transfer_decide_shortage(t, "No socket could be opened");
    } else {
        struct fault f = fault_of(t, code, phase);
        t->verdict = classify_fault(&f);
        t->decided = true;
        t->why = classify_detail(t->verdict.error, &f);
        t->why = t->why || !t->error_text[0] ? t->why : t->error_text;
    }
}

// ---- pieces of the result

// `v` as UTF-8, taken for latin-1 if it is none; NULL if empty or without memory.
static char *text_of(const struct buf *v)
{
    if (v->len == 0 || utf8_valid(v->data, v->len)) {
        return v->len == 0 ? NULL : strndup(v->data, v->len);
    }
    char *text = malloc(v->len * 2 + 1), *out = text;
    if (!text) {
        return NULL;
    }
    for (size_t i = 0; i < v->len; i++) {
        unsigned char c = (unsigned char)v->data[i];
        if (c >= 0x80) {
            *out++ = (char)(0xc0 | c >> 6);
            c = 0x80 | (c & 0x3f);
        }
        *out++ = (char)c;
    }
    *out = '\0';
    return text;
}

// A date that has passed is that of another clock, and says nothing.
static int64_t retry_after_of(const struct buf *v)
{
    int64_t at = 0, now = clock_wall_at();
    return v->len > 0 && clock_parse_retry_after(v->data, now, &at) == 0 && at >= now ? at : 0;
}

static int32_t ms_between(curl_off_t from_us, curl_off_t to_us)
{
    return to_us > from_us ? (int32_t)((to_us - from_us) / 1000) : 0;
}

// Durations of phases that follow one another; libcurl counts all from the start of the transfer.
static void fill_timing(struct transfer *t, struct transfer_result *r)
{
    curl_off_t lookup_us = 0, connect_us = 0, tls_us = 0, ready_us = 0, first_us = 0;
    long connects = 0;
    curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(t->easy, CURLINFO_NAMELOOKUP_TIME_T, &lookup_us);
    curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &tls_us);
    curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    curl_easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &first_us);
    r->dns_ms = -1;
    r->connect_ms = connects > 0 && connect_us > 0 ? ms_between(lookup_us, connect_us) : -1;
    r->tls_ms = connects > 0 && tls_us > 0 ? ms_between(connect_us, tls_us) : -1;
    r->first_byte_ms = t->head.bytes > 0 ? ms_between(ready_us, first_us) : -1;
    if (t->sends_body && t->head.bytes > 0) { // libcurl may mean the body's: transfer_watch.c
        r->first_byte_ms = (int32_t)(t->first_line_ms - t->request_ms);
    }
    r->total_ms = (int32_t)(clock_monotonic_ms() - t->watch.started_ms);
}

// What the head says, when there is a final one.
static int fill_head(struct transfer *t, struct transfer_result *r)
{
    struct response_head *h = &t->head;
    if (h->state != RESPONSE_COMPLETE) {
        return 0;
    }
    r->status = h->status;
    r->http_version = strdup(h->version);
    r->headers = buf_steal(&h->fields, NULL);
    r->content_type = text_of(&h->content_type);
    r->retry_after_at = retry_after_of(&h->retry_after);
    bool missing = !r->http_version || !r->headers || (h->content_type.len > 0 && !r->content_type);
    if (response_head_redirects(h)) {
        r->location = strndup(h->location.data, h->location.len);
        missing = missing || !r->location;
    }
    return missing ? -1 : 0;
}

static int fill_body(struct transfer *t, struct transfer_result *r)
{
    bool kept = t->verdict.error == TASK_OK && !t->drop_body && t->method != METHOD_HEAD &&
                t->head.status != 304;
    r->size = t->drop_body ? t->wire : t->sink.size;
    r->bytes_received = t->wire;
    if (!kept) {
        sink_discard(&t->sink);
        return 0;
    }
    r->has_body = true;
    return sink_finish(&t->sink, &r->body, r->sha256);
}

void transfer_result_make(struct transfer *t, CURLcode code, struct transfer_result *ret)
{
    enum phase phase = transfer_phase(t);
    bool cut = t->decided; // from our side, before libcurl was done
    judge(t, code, phase);
    if (t->drop_body && phase == PHASE_BODY && !t->verdict.local_shortage) {
        // Where to go is known; how the rest of a redirect went matters to nobody.
        cut = cut || t->verdict.error != TASK_OK;
        t->verdict.error = TASK_OK;
        t->why = NULL;
    }
    *ret = (struct transfer_result){.sent = t->request_ms > 0, .sent_ms = t->request_ms};
    body_init(&ret->body);
    bool has_head = fill_head(t, ret) == 0;
    if (!has_head || fill_body(t, ret) < 0) {
        t->verdict = (struct verdict){TASK_INTERNAL, true};
        t->why = has_head ? strerror(errno) : "No memory for the result";
    }
    ret->error = t->verdict.error;
    ret->local_shortage = t->verdict.local_shortage;
    ret->complete = ret->error == TASK_OK && !cut;
    ret->message = ret->error != TASK_OK && t->why ? strdup(t->why) : NULL;
    ret->remote_ip = t->remote_ip[0] ? strdup(t->remote_ip) : NULL;
    fill_timing(t, ret);
}

void transfer_result_done(struct transfer_result *r)
{
    free(r->message);
    free(r->http_version);
    free(r->remote_ip);
    free(r->content_type);
    free(r->headers);
    free(r->location);
    body_done(&r->body);
    *r = (struct transfer_result){0};
    body_init(&r->body);
}
