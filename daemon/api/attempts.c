// SPDX-License-Identifier: MIT
// Reads and renders attempts. Main thread.
#include "daemon/api/attempts.h"

struct attempts_page {
    struct json_writer *w;
    int last; // highest number shown
};

static int on_attempt(void *ctx, const struct attempt_row *row)
{
    struct attempts_page *page = ctx;
    const struct attempt *a = &row->attempt;
    struct attempt_view view = {
        .number = a->number,
        .status = a->status,
        .started_at = a->started_at,
        .finished_at = a->finished_at,
        .error = a->error,
        .message = a->message,
        .remote_ip = a->remote_ip,
        .timing = &a->timing,
    };
    render_attempt(page->w, &view);
    page->last = a->number;
    return 0;
}

// The store keeps no row of an attempt that ended the task.
static void render_last(const struct result_row *r, struct json_writer *w)
{
    struct attempt_view view = {
        .number = r->attempts,
        .status = r->status,
        .started_at = r->started_at,
        .finished_at = r->finished_at,
        .error = r->error,
        .message = r->message,
        .remote_ip = r->remote_ip,
        .timing = &r->timing,
    };
    render_attempt(w, &view);
}

int attempts_render(const struct api_ports *ports, uint64_t task, const struct result_row *result,
                    struct json_writer *w, struct err *e)
{
    struct attempts_page page = {.w = w};
    jw_array(w);
    int n = ports->attempts(ports->reader, task_key_batch(task), task_key_index(task), on_attempt,
                            &page, e);
    if (result && result->attempts > page.last) {
        render_last(result, w);
    }
    jw_array_end(w);
    return n < 0 ? -1 : 0;
}
