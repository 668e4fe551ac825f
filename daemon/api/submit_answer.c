// SPDX-License-Identifier: MIT
// The answers to a submission. Main thread.
#include <stdio.h>
#include <string.h>

#include "daemon/api/render.h"
#include "daemon/api/submit.h"

static void render_error(struct json_writer *w, const struct submission_error *error)
{
    jw_object(w);
    if (error->line > 0) {
        jw_key_int(w, "line", (int64_t)error->line);
    }
    if (error->line == 0 || error->what.pointer[0]) {
        jw_key_str(w, "pointer", error->what.pointer);
    }
    jw_key_str(w, "code", error->what.code);
    jw_key_str(w, "detail", error->what.detail);
    jw_object_end(w);
}

void submit_render_errors(const struct submission *parser, const char *name, struct buf *out)
{
    size_t n = 0;
    uint64_t total = 0;
    const struct submission_error *errors = submission_errors(parser, &n, &total);
    struct json_writer w = JSON_WRITER(out);
    buf_init(out, ANSWER_MAX_BODY);
    jw_key(&w, name);
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        render_error(&w, &errors[i]);
    }
    jw_array_end(&w);
    buf_printf(out, ",\"%s_total\":%llu", name, (unsigned long long)total);
}

void submit_fail(struct submit *s, const struct err *e)
{
    struct buf errors = BUF_INIT(0);
    struct err why = *e; // `e` may belong to what is freed
    bool of_entries =
        s->parser && (why.code == ERR_INVALID_BATCH || why.code == ERR_NOT_IMPLEMENTED);
    if (of_entries) {
        submit_render_errors(s->parser, "errors", &errors);
    }
    if (errors.failed) {
        buf_reset(&errors);
        err_set(&why, ERR_OVERLOADED, "out of memory");
    }
    answer_error_more(s->api, s->x, &why, NULL, errors.len ? errors.data : NULL);
    buf_done(&errors);
    submit_free(s);
}

static void render_accepted(struct submit *s, const struct batch_info *b, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jw_object(&w);
    render_batch_members(&w, b);
    if (s->partial && s->rejected.len > 0) {
        buf_append_char(out, ',');
        buf_append(out, s->rejected.data, s->rejected.len);
    }
    jw_object_end(&w);
}

void submit_answer(struct submit *s)
{
    struct err e;
    char id[UUID_TEXT_SIZE], location[64], preference[PREFERENCE_SIZE];
    const struct batch_info *b = batch_find(s->api, s->id, &e);
    if (!b) {
        submit_fail(s, &e);
        return;
    }
    struct answer a = answer_json(202);
    uuid_format(s->id, id);
    snprintf(location, sizeof(location), "/v1/batches/%s", id);
    answer_field(&a, "Location", location);
    if (s->replayed) {
        answer_field(&a, "Idempotency-Replayed", "true");
    }
    if (s->wait_s > 0) {
        preference_applied(s->wait_s, preference);
        answer_field(&a, "Preference-Applied", preference);
    }
    render_accepted(s, b, &a.body);
    answer_send(s->api, s->x, &a);
    submit_free(s);
}
