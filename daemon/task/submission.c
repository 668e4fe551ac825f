// SPDX-License-Identifier: MIT
// The parser of submissions: lines are taken as they arrive and only a cut line is kept; a document
// is kept whole up to its limit. The outcome never depends on how the bytes were cut. Pure.
#include "daemon/task/submission.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/task/input_error.h"
#include "daemon/task/submission_parser.h"

int submission_new(enum submission_format format, const struct submission_rules *rules,
                   struct batch_new *batch, submission_piece_fn *on_piece, void *ctx,
                   struct submission **ret)
{
    struct submission *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return -1;
    }
    s->format = format;
    s->rules = *rules;
    s->batch = batch;
    s->on_piece = on_piece;
    s->ctx = ctx;
    buf_init(&s->input, format == SUBMISSION_JSON ? rules->max_document : rules->max_line);
    if (task_options_init(&s->base, &rules->limits) < 0 || task_piece_init(&s->piece) < 0) {
        submission_free(&s);
        return -1;
    }
    *ret = s;
    return 0;
}

void submission_free(struct submission **s)
{
    if (*s == NULL) {
        return;
    }
    task_options_done(&(*s)->base);
    task_piece_done(&(*s)->piece);
    buf_done(&(*s)->input);
    json_decref((*s)->document);
    free(*s);
    *s = NULL;
}

static int text_line(struct submission *s, const char *p, size_t n, struct err *e)
{
    while (n > 0 && (p[n - 1] == '\r' || p[n - 1] == ' ' || p[n - 1] == '\t')) {
        n--;
    }
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    if (n == 0 || *p == '#') {
        return 0;
    }
    return submission_entry_url(s, p, n, "", e);
}

static int json_line(struct submission *s, const char *p, size_t n, struct err *e)
{
    size_t blank = 0;
    while (blank < n && strchr(" \t\r", p[blank]) != NULL && p[blank] != '\0') {
        blank++;
    }
    if (blank == n) {
        return 0;
    }
    struct err parse;
    json_t *v = json_parse(p, n, &parse);
    if (v == NULL && parse.code == ERR_OVERLOADED) {
        *e = parse;
        return -1;
    }
    if (v == NULL) {
        struct input_error bad;
        s->entries++;
        input_error_set(&bad, "", "invalid_json", "%.200s", parse.text);
        submission_note_error(s, "", &bad);
        return 0;
    }
    int status = submission_entry_json(s, v, "", e);
    json_decref(v);
    return status;
}

static int take_line(struct submission *s, const char *p, size_t n, struct err *e)
{
    s->line++;
    if (s->line == 1 && n >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) {
        p += 3; // a byte order mark, as some editors write
        n -= 3;
    }
    return s->format == SUBMISSION_TEXT ? text_line(s, p, n, e) : json_line(s, p, n, e);
}

static int line_too_long(struct submission *s, struct err *e)
{
    struct input_error bad;
    s->line++;
    s->entries++;
    if (s->entries > s->rules.max_tasks) {
        return err_set(e, ERR_INVALID_BATCH, "a batch holds at most %llu tasks; submit several",
                       (unsigned long long)s->rules.max_tasks);
    }
    input_error_set(&bad, "", "too_long", "a line has at most %zu bytes", s->rules.max_line);
    submission_note_error(s, "", &bad);
    return 0;
}

// Keeps the beginning of a line whose end has not come yet.
static int keep_rest(struct submission *s, const char *p, size_t n, struct err *e)
{
    if (s->skipping_line || n == 0) {
        return 0;
    }
    if (s->input.len + n > s->rules.max_line) {
        s->skipping_line = true;
        buf_reset(&s->input);
        return line_too_long(s, e);
    }
    return buf_append(&s->input, p, n) < 0
               ? err_set(e, ERR_OVERLOADED, "out of memory while reading the submission")
               : 0;
}

// A line that ends here: p[0..n) completes what was kept.
static int end_line(struct submission *s, const char *p, size_t n, struct err *e)
{
    if (s->skipping_line) {
        s->skipping_line = false;
        return 0;
    }
    if (s->input.len == 0) {
        return n > s->rules.max_line ? line_too_long(s, e) : take_line(s, p, n, e);
    }
    if (keep_rest(s, p, n, e) < 0) {
        return -1;
    }
    if (s->skipping_line) {
        s->skipping_line = false;
        return 0;
    }
    int status = take_line(s, s->input.data, s->input.len, e);
    buf_reset(&s->input);
    return status;
}

int submission_feed(struct submission *s, const void *data, size_t n, struct err *e)
{
    const char *p = data;
    if (s->format == SUBMISSION_JSON) {
        if (n > s->rules.max_document - s->input.len) {
            return err_set(e, ERR_PAYLOAD_TOO_LARGE,
                           "a JSON document has at most %zu bytes; send larger batches as "
                           "application/x-ndjson or text/plain, one URL a line",
                           s->rules.max_document);
        }
        return buf_append(&s->input, p, n) < 0
                   ? err_set(e, ERR_OVERLOADED, "out of memory while reading the submission")
                   : 0;
    }
    const char *end = p + n;
    for (const char *nl = memchr(p, '\n', n); nl != NULL; nl = memchr(p, '\n', (size_t)(end - p))) {
        if (end_line(s, p, (size_t)(nl - p), e) < 0) {
            return -1;
        }
        p = nl + 1;
    }
    return keep_rest(s, p, (size_t)(end - p), e);
}

static int verdict(struct submission *s, struct err *e)
{
    if (s->no_memory) {
        return err_set(e, ERR_OVERLOADED, "out of memory while reading the submission");
    }
    if (s->not_implemented) {
        return err_set(e, ERR_NOT_IMPLEMENTED, "%s", s->errors[0].what.detail);
    }
    if (s->errors_total > 0 && (!s->rules.partial || s->accepted == 0)) {
        if (s->entries == 0) {
            return err_set(e, ERR_INVALID_BATCH, "the batch is not valid; nothing was stored");
        }
        return err_set(e, ERR_INVALID_BATCH, "%llu error%s in a batch of %llu; nothing was stored",
                       (unsigned long long)s->errors_total, s->errors_total == 1 ? "" : "s",
                       (unsigned long long)s->entries);
    }
    if (s->accepted == 0) {
        return err_set(
            e, s->format != SUBMISSION_JSON && s->line == 0 ? ERR_BAD_REQUEST : ERR_INVALID_BATCH,
            "the submission holds no URLs");
    }
    return 0;
}

int submission_end(struct submission *s, struct err *e)
{
    if (s->format == SUBMISSION_JSON) {
        if (submission_document_check(s, e) < 0 || verdict(s, e) < 0 ||
            submission_document_add(s, e) < 0) {
            return -1;
        }
        return verdict(s, e); // the second pass needs memory, too
    }
    if (!s->skipping_line && s->input.len > 0) {
        int status = take_line(s, s->input.data, s->input.len, e);
        if (status < 0) {
            return -1;
        }
    }
    return verdict(s, e);
}

void submission_take_last(struct submission *s, struct task_piece *ret)
{
    *ret = s->piece;
    s->piece = (struct task_piece){0};
}

uint64_t submission_accepted(const struct submission *s)
{
    return s->accepted;
}

const struct submission_error *submission_errors(const struct submission *s, size_t *ret_n,
                                                 uint64_t *ret_total)
{
    *ret_n = s->n_errors;
    *ret_total = s->errors_total;
    return s->errors;
}
