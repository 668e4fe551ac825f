// SPDX-License-Identifier: MIT
// Owns the arithmetic and the layout of progress. Pure; must never print. See progress.h.
#include "client/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/field.h"
#include "client/format.h"

#define SMOOTHING_MS 5000.0
#define BAR_MIN      5
#define BAR_MAX      30
#define LINE_MAX_LEN 1024
#define COUNT_MAX    (INT64_MAX / 8)

static int64_t count_of(const json_t *counts, const char *key)
{
    int64_t n = field_int(counts, key);
    return n < 0 ? 0 : n > COUNT_MAX ? COUNT_MAX : n;
}

struct counts counts_of(const json_t *batch)
{
    const json_t *c = json_object_get(batch, "counts");
    return (struct counts){
        .total = count_of(c, "total"),
        .queued = count_of(c, "queued"),
        .running = count_of(c, "running"),
        .succeeded = count_of(c, "succeeded"),
        .failed = count_of(c, "failed"),
        .cancelled = count_of(c, "cancelled"),
        .expired = count_of(c, "expired"),
    };
}

int64_t counts_done(const struct counts *c)
{
    return c->succeeded + c->failed + c->cancelled + c->expired;
}

double counts_share(const struct counts *c)
{
    int64_t done = counts_done(c);
    return c->total == 0 ? 0 : done >= c->total ? 1 : (double)done / (double)c->total;
}

bool counts_clean(const struct counts *c)
{
    return c->succeeded == c->total;
}

void progress_update(struct progress *p, int64_t now_ms, int64_t done)
{
    if (p->last_ms >= 0 && now_ms > p->last_ms) {
        double elapsed = (double)(now_ms - p->last_ms);
        double rate = (double)(done - p->last_done) * 1000.0 / elapsed;
        double weight = 1.0 - exp(-elapsed / SMOOTHING_MS);
        p->rate = p->rate < 0 ? rate : p->rate + (rate - p->rate) * weight;
    }
    if (p->last_ms < 0 || now_ms > p->last_ms) {
        p->last_ms = now_ms;
        p->last_done = done;
    }
}

void progress_bar(struct buf *out, double fraction, int width, bool utf8)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    double filled = (fraction < 0 ? 0 : fraction > 1 ? 1 : fraction) * width;
    int whole = (int)filled;
    int part = (int)((filled - whole) * 8);
    for (int i = 0; i < width; i++) {
        if (!utf8) {
            buf_append_char(out, i < whole ? '#' : '.');
        } else if (i < whole) {
            buf_append_str(out, "█");
        } else {
            buf_append_str(out, i == whole ? eighths[part] : " ");
        }
    }
}

// " cancelled 3", if there are any.
static void append_count(struct buf *out, const char *name, int64_t n, bool always)
{
    if (n > 0 || always) {
        char text[FORMAT_SIZE];
        format_count(n, text);
        buf_printf(out, " %s %s", name, text);
    }
}

static void append_tail(struct buf *out, const struct progress *p, const struct counts *c)
{
    int64_t left = c->total - counts_done(c);
    char text[FORMAT_SIZE];
    if (p->rate >= 0 && left > 0) {
        format_rate(p->rate, text);
        buf_printf(out, " %s", text);
    }
    append_count(out, "ok", c->succeeded, true);
    append_count(out, "fail", c->failed, false);
    append_count(out, "cancelled", c->cancelled, false);
    append_count(out, "expired", c->expired, false);
    if (p->rate >= 0.05 && left > 0 && (double)left / p->rate < 1e9) {
        int64_t eta_s = (int64_t)((double)left / p->rate);
        format_duration(eta_s * 1000, text);
        if (eta_s < 60) {
            snprintf(text, sizeof text, "%ds", (int)eta_s); // tenths would only flicker
        }
        buf_printf(out, " eta %s", text);
    }
}

void progress_render(struct buf *out, const struct progress *p, const struct counts *c, int width,
                     bool utf8)
{
    struct buf head = BUF_INIT(LINE_MAX_LEN), tail = BUF_INIT(LINE_MAX_LEN);
    int64_t done = counts_done(c);
    double share = counts_share(c);
    char done_text[FORMAT_SIZE], total_text[FORMAT_SIZE];
    format_count(done, done_text);
    format_count(c->total, total_text);
    buf_printf(&head, "%s/%s %d%%", done_text, total_text, (int)(share * 100.0));
    append_tail(&tail, p, c);
    int left = width - (int)head.len - (int)tail.len - 3;
    if (!head.failed && !tail.failed) {
        struct buf line = BUF_INIT(LINE_MAX_LEN);
        buf_append(&line, head.data, head.len);
        if (left >= BAR_MIN) {
            buf_append_str(&line, utf8 ? " ▕" : " [");
            progress_bar(&line, share, left > BAR_MAX ? BAR_MAX : left, utf8);
            buf_append_str(&line, utf8 ? "▏" : "]");
        }
        buf_append(&line, tail.data, tail.len);
        text_cut(out, line.data ? line.data : "", (size_t)width, utf8);
        buf_done(&line);
    }
    buf_done(&head);
    buf_done(&tail);
}
