// SPDX-License-Identifier: MIT
// The verb `errors`: what failed, grouped by cause, so that ten thousand failures read as three
// problems with a hint each.
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "client/batch.h"
#include "client/field.h"
#include "client/format.h"
#include "client/pages.h"
#include "client/verbs.h"
#include "common/task_error.h"
#include "common/url.h"

#define TOP          3
#define TEXT_MAX     ((size_t)64 << 10)
#define MAX_MESSAGES 1000 // told apart; some name a number of bytes, and each is another then

// How often something occurred.
struct tally {
    char *name;
    int64_t count;
    UT_hash_handle hh;
};

struct cause {
    char *key; // "http_status 503"
    char *code;
    int64_t status, count;
    int64_t index; // of the first of its tasks
    struct tally *hosts, *messages;
    UT_hash_handle hh;
};

static void tally_free(struct tally *all)
{
    struct tally *t, *next;
    HASH_ITER(hh, all, t, next)
    {
        HASH_DEL(all, t);
        free(t->name);
        free(t);
    }
}

static void cause_free(struct cause *c)
{
    tally_free(c->hosts);
    tally_free(c->messages);
    free(c->key);
    free(c->code);
    free(c);
}

static struct cause *cause_new(const char *key, const char *code, const json_t *result)
{
    struct cause *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    c->key = strdup(key);
    c->code = strdup(code);
    c->status = strcmp(code, "http_status") == 0 ? field_int(result, "status") : 0;
    c->index = field_int(result, "index");
    if (!c->key || !c->code) {
        cause_free(c);
        return NULL;
    }
    return c;
}

static int tally_count(struct tally **all, const char *name, unsigned max)
{
    struct tally *t = NULL;
    HASH_FIND_STR(*all, name, t);
    if (!t) {
        if (HASH_COUNT(*all) >= max) {
            return 0;
        }
        t = calloc(1, sizeof *t);
        char *copy = strdup(name);
        if (!t || !copy) {
            free(t);
            free(copy);
            return -1;
        }
        t->name = copy;
        HASH_ADD_KEYPTR(hh, *all, t->name, strlen(t->name), t);
    }
    t->count++;
    return 0;
}

static int count_host(struct cause *c, const char *url_text)
{
    struct url url;
    bool known = url_parse(url_text, strlen(url_text), &url, NULL, NULL) == URL_OK;
    return tally_count(&c->hosts, known ? url.host : url_text, UINT_MAX);
}

static int count_result(struct cause **causes, const json_t *result, struct err *e)
{
    const json_t *error = json_object_get(result, "error");
    const char *code = field_str(error, "code");
    char key[128];
    struct cause *c = NULL;
    code = *code ? code : field_str(result, "state");
    if (strcmp(code, "http_status") == 0) {
        snprintf(key, sizeof key, "%.64s %" PRId64, code, field_int(result, "status"));
    } else {
        snprintf(key, sizeof key, "%.64s", code);
    }
    HASH_FIND_STR(*causes, key, c);
    if (!c) {
        c = cause_new(key, code, result);
        if (!c) {
            return err_set(e, ERR_SYSTEM, "out of memory");
        }
        HASH_ADD_KEYPTR(hh, *causes, c->key, strlen(c->key), c);
    }
    c->count++;
    int64_t index = field_int(result, "index");
    c->index = index < c->index ? index : c->index;
    bool counted = count_host(c, field_str(result, "url")) == 0 &&
                   tally_count(&c->messages, field_str(error, "message"), MAX_MESSAGES) == 0;
    return counted ? 0 : err_set(e, ERR_SYSTEM, "out of memory");
}

static int gather_state(struct app *app, const char *id, const char *state, struct cause **causes,
                        struct err *e)
{
    char path[160];
    struct pages pages;
    json_t *result;
    int rc;
    snprintf(path, sizeof path, "/v1/batches/%s/results?limit=1000&state=%s", id, state);
    pages_init(&pages, path, "results");
    while ((rc = pages_next(app, &pages, &result, e)) > 0) {
        if (count_result(causes, result, e) != 0) {
            rc = -1;
            break;
        }
    }
    pages_done(&pages);
    return rc;
}

static int by_count(const struct cause *a, const struct cause *b)
{
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->key, b->key);
}

static int by_tally(const struct tally *a, const struct tally *b)
{
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->name, b->name);
}

// "example.org (18), other.example (3) and 4 more hosts"; no number where it goes without saying
static void top_hosts(struct cause *c, struct buf *out)
{
    struct tally *h, *next;
    unsigned all = HASH_COUNT(c->hosts), shown = 0;
    char count[FORMAT_SIZE];
    HASH_ITER(hh, c->hosts, h, next)
    {
        if (shown == TOP) {
            break;
        }
        format_count(h->count, count);
        buf_printf(out, all > 1 && h->count > 1 ? "%s%s (%s)" : "%s%s", shown > 0 ? ", " : "",
                   h->name, count);
        shown++;
    }
    if (all > shown) {
        buf_printf(out, " and %u more host%s", all - shown, all - shown > 1 ? "s" : "");
    }
}

static void print_json(const struct cause *c, const char *hint)
{
    json_t *hosts = json_object();
    struct tally *h, *next;
    HASH_ITER(hh, c->hosts, h, next)
    {
        json_object_set_new(hosts, h->name, json_integer(h->count));
    }
    json_t *status = c->status > 0 ? json_integer(c->status) : json_null();
    json_t *line =
        json_pack("{s:s, s:o, s:I, s:o, s:s, s:s, s:I}", "code", c->code, "status", status, "count",
                  (json_int_t)c->count, "hosts", hosts, "message", c->messages->name, "hint", hint,
                  "example_index", (json_int_t)c->index);
    output_ndjson(line);
    json_decref(line);
}

// The message, or the most frequent ones with how often each occurred.
static void print_messages(struct output *out, const struct cause *c)
{
    int64_t others = c->count;
    unsigned shown = 0;
    char count[FORMAT_SIZE], text[1024];
    if (HASH_COUNT(c->messages) == 1) {
        output_paragraph(out, 8, c->messages->name);
        return;
    }
    for (const struct tally *t = c->messages; t && shown < TOP; t = t->hh.next, shown++) {
        format_count(t->count, count);
        snprintf(text, sizeof text, "%s: %s", count, t->name);
        output_paragraph(out, 8, text);
        others -= t->count;
    }
    if (others > 0) {
        format_count(others, count);
        snprintf(text, sizeof text, "%s: other messages", count);
        output_paragraph(out, 8, text);
    }
}

static const char *hint_of(const struct cause *c)
{
    const char *hint = c->status > 0 ? task_error_status_hint((int)c->status) : NULL;
    return hint ? hint : task_error_info(task_error_by_name(c->code))->hint;
}

static void print_for_people(struct output *out, const struct cause *c, const char *where,
                             const char *hint)
{
    char count[FORMAT_SIZE], text[1024];
    format_count(c->count, count);
    printf("%6s  ", count);
    output_text(out, TINT_BAD, c->key);
    putchar('\n');
    snprintf(text, sizeof text, "at %s; %stask %" PRId64, where, c->count > 1 ? "first " : "",
             c->index);
    output_paragraph(out, 8, text);
    print_messages(out, c);
    if (hint && *hint) {
        snprintf(text, sizeof text, "Hint: %s", hint);
        output_paragraph(out, 8, text);
    }
    putchar('\n');
}

static void print_cause(struct output *out, struct cause *c)
{
    struct buf hosts = BUF_INIT(TEXT_MAX);
    const char *hint = hint_of(c);
    HASH_SORT(c->hosts, by_tally);
    HASH_SORT(c->messages, by_tally);
    top_hosts(c, &hosts);
    const char *where = hosts.data ? hosts.data : "";
    if (out->json) {
        print_json(c, hint ? hint : "");
    } else if (out->terminal) {
        print_for_people(out, c, where, hint);
    } else {
        const char *const fields[] = {c->key, where, c->messages->name, hint ? hint : ""};
        struct buf line = BUF_INIT(TEXT_MAX);
        buf_printf(&line, "%" PRId64, c->count);
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
            buf_append_char(&line, '\t');
            text_tsv(&line, fields[i]);
        }
        buf_append_char(&line, '\n');
        output_raw(line.data, line.len);
        buf_done(&line);
    }
    buf_done(&hosts);
}

static void suggest_next(struct output *out, const char *id, int64_t index)
{
    char command[80];
    if (out->quiet) {
        return;
    }
    output_note(out, "look at one of them, list them, repeat them with");
    snprintf(command, sizeof command, "gather show %s %" PRId64, id, index);
    output_message_part(out, command);
    snprintf(command, sizeof command, "gather results --failed %s", id);
    output_message_part(out, command);
    snprintf(command, sizeof command, "gather retry %s", id);
    output_message_part(out, command);
}

int verb_errors(struct app *app, const struct args *a, struct err *e)
{
    char id[UUID_TEXT_SIZE];
    struct cause *causes = NULL, *c, *next;
    if (batch_resolve(app, a->positional[0], id, e) != 0) {
        return -1;
    }
    int rc = gather_state(app, id, "failed", &causes, e);
    rc = rc == 0 ? gather_state(app, id, "expired", &causes, e) : rc;
    HASH_SORT(causes, by_count);
    if (rc == 0 && !causes) {
        output_note(&app->out, "no task of %s has failed", id);
    }
    bool for_people = causes && app->out.terminal && !app->out.json;
    int64_t index = causes ? causes->index : 0;
    HASH_ITER(hh, causes, c, next)
    {
        HASH_DEL(causes, c);
        if (rc == 0) {
            print_cause(&app->out, c);
        }
        cause_free(c);
    }
    if (rc == 0 && for_people) {
        suggest_next(&app->out, id, index);
    }
    return rc;
}
