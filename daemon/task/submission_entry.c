// SPDX-License-Identifier: MIT
// One entry of a submission: its URL against the rules and the address policy, its options against
// the table, then a row in the piece being filled. Pure.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/url.h"
#include "daemon/task/input_error.h"
#include "daemon/task/submission_parser.h"

#define MAX_ID_BYTES       255
#define MAX_METADATA_BYTES (16 * 1024)

static const char *const not_options[] = {"url", "id", "metadata", NULL};

void submission_note_error(struct submission *s, const char *prefix, const struct input_error *e)
{
    s->no_memory |= input_error_is_memory(e);
    if (s->adding) {
        return;
    }
    s->errors_total++;
    s->not_implemented |= strcmp(e->code, "not_implemented") == 0;
    if (s->n_errors == SUBMISSION_MAX_ERRORS) {
        return;
    }
    struct submission_error *kept = &s->errors[s->n_errors++];
    kept->what = *e;
    kept->line = s->format == SUBMISSION_JSON ? 0 : s->line;
    snprintf(kept->what.pointer, sizeof(kept->what.pointer), "%s%.*s", prefix,
             (int)(sizeof(e->pointer) - 1 - strnlen(prefix, 64)), e->pointer);
}

static int check_url(const struct submission *s, const char *text, size_t n, struct url *u,
                     struct input_error *e)
{
    const char *detail = "";
    enum url_verdict verdict = url_parse(text, n, u, NULL, &detail);
    if (verdict != URL_OK) {
        return input_error_set(e, "", url_verdict_name(verdict), "%s", detail);
    }
    switch (address_policy_check_url(s->rules.policy, u)) {
    case URL_POLICY_BLOCKED_ADDRESS:
        return input_error_set(e, "", "blocked_address",
                               "this server does not fetch from that address");
    case URL_POLICY_BLOCKED_PORT:
        return input_error_set(e, "", "blocked_port", "this server does not fetch from port %u",
                               u->port);
    case URL_POLICY_OK: break;
    }
    return 0;
}

static int no_memory(struct err *e)
{
    return err_set(e, ERR_OVERLOADED, "out of memory while reading the submission");
}

// Hands a full piece over and begins the next.
static int flush_if_full(struct submission *s, struct err *e)
{
    if (!task_piece_full(&s->piece)) {
        return 0;
    }
    s->on_piece(s->ctx, &s->piece);
    s->last_host = NULL;
    return task_piece_init(&s->piece) < 0 ? no_memory(e) : 0;
}

static const char *copy_text(struct submission *s, const char *text)
{
    return text == NULL ? NULL : task_piece_copy(&s->piece, text, strlen(text));
}

struct entry_texts {
    const char *url;
    size_t url_len;
    const char *ext_id, *metadata, *spec; // or NULL
};

static int add_task(struct submission *s, const struct url *u, const struct entry_texts *texts,
                    struct err *e)
{
    if (s->errors_total > 0 && !s->rules.partial) {
        return 0; // nothing of it will be stored: only counting goes on
    }
    if (s->checking) {
        s->accepted++;
        return 0;
    }
    if (flush_if_full(s, e) < 0) {
        return -1;
    }
    if (s->last_host == NULL || strcmp(s->last_host, u->host) != 0) {
        s->last_host = copy_text(s, u->host);
    }
    struct new_task t = {
        .index = (uint32_t)(s->entries - 1),
        .host = s->last_host,
        .url = task_piece_copy(&s->piece, texts->url, texts->url_len),
        .ext_id = copy_text(s, texts->ext_id),
        .metadata = copy_text(s, texts->metadata),
        .spec = copy_text(s, texts->spec),
    };
    if (t.host == NULL || t.url == NULL || (texts->ext_id != NULL && t.ext_id == NULL) ||
        (texts->metadata != NULL && t.metadata == NULL) ||
        (texts->spec != NULL && t.spec == NULL)) {
        return no_memory(e);
    }
    task_piece_add(&s->piece, &t);
    s->accepted++;
    return 0;
}

static int count_entry(struct submission *s, struct err *e)
{
    if (s->entries >= s->rules.max_tasks) {
        return err_set(e, ERR_INVALID_BATCH, "a batch holds at most %llu tasks; submit several",
                       (unsigned long long)s->rules.max_tasks);
    }
    s->entries++;
    return 0;
}

int submission_entry_url(struct submission *s, const char *url, size_t n, const char *prefix,
                         struct err *e)
{
    struct url u;
    struct input_error bad;
    if (count_entry(s, e) < 0) {
        return -1;
    }
    if (check_url(s, url, n, &u, &bad) < 0) {
        submission_note_error(s, prefix, &bad);
        return 0;
    }
    return add_task(s, &u, &(struct entry_texts){.url = url, .url_len = n}, e);
}

static int check_id(const json_t *object, const char **ret, struct input_error *bad)
{
    const json_t *v = json_object_get(object, "id");
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    *ret = input_text(v, "/id", MAX_ID_BYTES, bad);
    return *ret == NULL ? -1 : 0;
}

static int check_metadata(const json_t *object, char **ret, struct input_error *bad)
{
    const json_t *v = json_object_get(object, "metadata");
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    if (!json_is_object(v)) {
        return input_error_set(bad, "/metadata", "wrong_type", "must be an object");
    }
    *ret = json_text(v);
    if (*ret == NULL) {
        return input_error_memory(bad, "/metadata");
    }
    if (strlen(*ret) > MAX_METADATA_BYTES) {
        return input_error_set(bad, "/metadata", "too_long", "must have at most %d bytes as JSON",
                               MAX_METADATA_BYTES);
    }
    return 0;
}

// Applies the entry's own options over the batch's to see that they are valid; their text is what
// is kept.
static int check_options(struct submission *s, const json_t *object, struct buf *text,
                         struct input_error *bad)
{
    size_t others = (json_object_get(object, "url") != NULL) +
                    (size_t)(json_object_get(object, "id") != NULL) +
                    (size_t)(json_object_get(object, "metadata") != NULL);
    if (json_object_size(object) == others) {
        return 0;
    }
    struct task_options o;
    if (task_options_copy(&o, &s->base) < 0) {
        return input_error_memory(bad, "");
    }
    int status = task_options_apply(&o, object, not_options, &s->rules.limits, bad);
    task_options_done(&o);
    if (status == 0 && task_options_text(object, not_options, text) < 0) {
        status = input_error_memory(bad, "");
    }
    return status;
}

static int check_object_url(struct submission *s, const json_t *object, struct url *u,
                            struct input_error *bad)
{
    const json_t *v = json_object_get(object, "url");
    if (v == NULL) {
        return input_error_set(bad, "/url", "missing", "a task needs a \"url\"");
    }
    if (!json_is_string(v)) {
        return input_error_set(bad, "/url", "wrong_type", "must be a string");
    }
    if (check_url(s, json_string_value(v), json_string_length(v), u, bad) < 0) {
        snprintf(bad->pointer, sizeof(bad->pointer), "/url");
        return -1;
    }
    return 0;
}

static int entry_object(struct submission *s, const json_t *object, const char *prefix,
                        struct err *e)
{
    struct url u;
    struct input_error bad;
    struct entry_texts texts = {0};
    char *metadata = NULL;
    struct buf spec = BUF_INIT(4 * 1024 * 1024);
    int status = 0;
    if (check_object_url(s, object, &u, &bad) < 0 || check_id(object, &texts.ext_id, &bad) < 0 ||
        check_metadata(object, &metadata, &bad) < 0 || check_options(s, object, &spec, &bad) < 0) {
        submission_note_error(s, prefix, &bad);
    } else {
        const json_t *url = json_object_get(object, "url");
        texts.url = json_string_value(url);
        texts.url_len = json_string_length(url);
        texts.metadata = metadata;
        texts.spec = spec.len > 0 ? spec.data : NULL;
        status = add_task(s, &u, &texts, e);
    }
    free(metadata);
    buf_done(&spec);
    return status;
}

int submission_entry_json(struct submission *s, const json_t *v, const char *prefix, struct err *e)
{
    if (json_is_string(v)) {
        return submission_entry_url(s, json_string_value(v), json_string_length(v), prefix, e);
    }
    if (count_entry(s, e) < 0) {
        return -1;
    }
    if (!json_is_object(v)) {
        struct input_error bad;
        input_error_set(&bad, "", "wrong_type", "must be a URL string or a task object");
        submission_note_error(s, prefix, &bad);
        return 0;
    }
    return entry_object(s, v, prefix, e);
}
