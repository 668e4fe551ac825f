// SPDX-License-Identifier: MIT
// The body of an answer on its way from libcurl to the sink: chunks, content codings, caps. Worker
// thread only, inside libcurl: nothing here may end a transfer directly or call the owner; it
// decides (transfer_decide) and makes libcurl stop.
//
// libcurl hands chunked bodies on as they came, since it reads them too leniently (chunked.h). It
// reads them all the same to find their end, so the connection can be used again, and an answer is
// whole only if both agree.
#include <errno.h>
#include <string.h>

#include "daemon/fetch/transfer_private.h"

#define WINDOW_MAX ((uint64_t)16 << 20) // of brotli, the largest (RFC 7932)
// Decoded at once; then others have their turn, since a few bytes may become a gigabyte.
#define PUMP_MAX ((size_t)4 << 20)

enum flow { FLOW_ON, FLOW_WAIT, FLOW_STOP };

static enum flow put(struct transfer *t, const void *p, size_t n)
{
    uint64_t room = (uint64_t)t->options->max_body_bytes - t->sink.size;
    bool too_large = n > room;
    if (too_large && !t->keep_beginning) {
        transfer_decide(t, TASK_BODY_TOO_LARGE, NULL);
        return FLOW_STOP;
    }
    switch (sink_write(&t->sink, p, too_large ? (size_t)room : n)) {
    case SINK_OK:
        if (too_large) {
            transfer_decide(t, TASK_OK, NULL);
        }
        return too_large ? FLOW_STOP : FLOW_ON;
    case SINK_WAIT: return FLOW_WAIT;
    case SINK_FAILED: break;
    }
    transfer_decide_shortage(t, strerror(errno));
    return FLOW_STOP;
}

// A decoder keeps at most its window of what it has put out. For the last coding the sink counts
// that; each before it may put out as much and leave nothing to count.
static enum flow begin_decoding(struct transfer *t)
{
    uint64_t max = (uint64_t)t->options->max_body_bytes;
    uint64_t windows = (t->codings.n - 1) * (max < WINDOW_MAX ? max : WINDOW_MAX);
    if (windows > 0 && !t->sink.budget.take(t->sink.budget.ctx, (size_t)windows)) {
        return FLOW_WAIT;
    }
    t->windows = windows;
    if (decoder_new(&t->codings, max, &t->decoder) < 0) {
        transfer_decide_shortage(t, "No memory to decode the body");
        return FLOW_STOP;
    }
    return FLOW_ON;
}

// Decodes what the decoder holds into the sink.
static enum flow pump(struct transfer *t)
{
    for (size_t n = 0; n < PUMP_MAX;) {
        if (t->piece_n > 0) {
            enum flow flow = put(t, t->piece, t->piece_n);
            if (flow != FLOW_ON) {
                return flow;
            }
            n += t->piece_n;
            t->piece_n = 0;
        }
        switch (decoder_pull(t->decoder, &t->piece, &t->piece_n)) {
        case DECODER_OUTPUT: break;
        case DECODER_MORE: t->piece_n = 0; return FLOW_ON;
        case DECODER_TOO_LARGE:
            transfer_decide(t, t->keep_beginning ? TASK_OK : TASK_BODY_TOO_LARGE, NULL);
            return FLOW_STOP;
        case DECODER_CORRUPT: transfer_decide(t, TASK_CONTENT_ENCODING, NULL); return FLOW_STOP;
        case DECODER_NO_MEMORY:
            transfer_decide_shortage(t, "No memory to decode the body");
            return FLOW_STOP;
        }
    }
    return FLOW_WAIT;
}

// Takes bytes of the body in; *ret_used of them when it has to wait.
static enum flow decode_body(struct transfer *t, const char *p, size_t n, size_t *ret_used)
{
    *ret_used = 0;
    if (t->drop_body) {
        *ret_used = n;
        if (t->wire + n > TRANSFER_MAX_DROPPED) {
            transfer_decide(t, TASK_OK, NULL);
            return FLOW_STOP;
        }
        return FLOW_ON;
    }
    if (t->wire + n > (uint64_t)t->options->max_body_bytes && !t->keep_beginning) {
        transfer_decide(t, TASK_BODY_TOO_LARGE, NULL);
        return FLOW_STOP;
    }
    if (t->codings.n == 0) {
        enum flow flow = put(t, p, n);
        *ret_used = flow == FLOW_ON ? n : 0;
        return flow;
    }
    enum flow flow = t->decoder ? FLOW_ON : begin_decoding(t);
    if (flow != FLOW_ON) {
        return flow;
    }
    decoder_feed(t->decoder, p, n);
    flow = pump(t);
    *ret_used = n - decoder_take_back(t->decoder);
    return flow;
}

static enum flow take_body(struct transfer *t, const char *p, size_t n, size_t *ret_used)
{
    enum flow flow = decode_body(t, p, n, ret_used);
    t->wire += flow == FLOW_STOP ? n : *ret_used; // received, though perhaps not used
    return flow;
}

static int keep_part_of_line(struct transfer *t, const char *p, size_t n)
{
    size_t max = t->engine->settings.max_header_bytes;
    t->trailer.max = max;
    if (buf_append(&t->trailer, p, n) == 0) {
        return 0;
    }
    if (t->trailer.len + n > max) {
        transfer_decide(t, TASK_HEADER_TOO_LARGE, "A line of the trailer exceeds the limit");
    } else {
        transfer_decide_shortage(t, "No memory for the trailer");
    }
    return -1;
}

// Fields behind the last chunk. Whatever comes behind them belongs to no answer.
static void take_trailers(struct transfer *t, const char *p, size_t n)
{
    while (n > 0 && t->chunked.state == CHUNKED_TRAILERS) {
        const char *lf = memchr(p, '\n', n);
        size_t k = lf ? (size_t)(lf - p) + 1 : n;
        if (keep_part_of_line(t, p, k) < 0) {
            return;
        }
        p += k;
        n -= k;
        if (!lf) {
            return;
        }
        if (transfer_take_line(t, t->trailer.data, t->trailer.len) < 0) {
            return;
        }
        if (strcmp(t->trailer.data, "\n") == 0 || strcmp(t->trailer.data, "\r\n") == 0) {
            chunked_end(&t->chunked);
        }
        buf_reset(&t->trailer);
    }
    if (n > 0 || t->chunked.bare_lf) {
        transfer_distrust(t);
    }
}

static enum flow take_chunks(struct transfer *t, const char *p, size_t n, size_t *ret_used)
{
    enum flow flow = FLOW_ON;
    size_t at = 0;
    while (at < n && flow == FLOW_ON && t->chunked.state < CHUNKED_TRAILERS) {
        const char *why = NULL;
        ptrdiff_t skipped = chunked_read(&t->chunked, p + at, n - at, &why);
        if (skipped < 0) {
            transfer_decide(t, TASK_HTTP_PROTOCOL, why);
            return FLOW_STOP;
        }
        at += (size_t)skipped;
        if (t->chunked.state == CHUNKED_DATA && at < n) {
            size_t used, piece = t->chunked.left < n - at ? (size_t)t->chunked.left : n - at;
            flow = take_body(t, p + at, piece, &used);
            chunked_take(&t->chunked, used);
            at += used;
        }
    }
    if (at < n && flow == FLOW_ON) {
        take_trailers(t, p + at, n - at);
        at = n;
    }
    *ret_used = at;
    return t->decided ? FLOW_STOP : flow;
}

// After a pause libcurl delivers again from the start of what it delivered last, although part of
// it was used.
size_t transfer_on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    n *= size;
    if (t->decided) {
        return TRANSFER_STOP;
    }
    size_t skip = t->redelivered < n ? t->redelivered : n;
    size_t used = 0;
    enum flow flow = skip > 0 ? take_body(t, p, 0, &used) : FLOW_ON; // what the decoder holds
    if (flow == FLOW_ON) {
        flow = t->is_chunked ? take_chunks(t, p + skip, n - skip, &used)
                             : take_body(t, p + skip, n - skip, &used);
    }
    if (flow == FLOW_STOP) {
        return TRANSFER_STOP;
    }
    if (flow == FLOW_WAIT) {
        t->redelivered = skip + used;
        transfer_watch_paused(t);
        return CURL_WRITEFUNC_PAUSE;
    }
    t->redelivered -= skip;
    return n;
}
