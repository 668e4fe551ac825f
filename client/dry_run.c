// SPDX-License-Identifier: MIT
// Owns the report of a dry run: what would be accepted, what not and why, and how the URLs spread
// over hosts.
#include "client/dry_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "client/field.h"
#include "client/format.h"
#include "client/slurp.h"
#include "client/table.h"
#include "common/json.h"
#include "common/url.h"

// The daemon's defaults (fetch.host_concurrency, fetch.concurrency), since it is not asked here.
#define HOST_CONCURRENCY 8
#define CONCURRENCY      256
#define ANSWER_MS        INT64_C(500)

#define SHOWN_MAX     20             // rejected entries and hosts on a terminal; a pipe gets all
#define URL_SHOWN_MAX ((size_t)8192) // the daemon takes no longer one
#define LINE_MAX_LEN  ((size_t)2 << 20)
#define DOCUMENT_MAX  ((size_t)64 << 20)

struct host_count {
    char *name;
    int64_t count;
    UT_hash_handle hh;
};

struct report {
    struct output *out;
    struct host_count *hosts;
    int64_t accepted, rejected, host_count;
    struct table table; // of the rejected
    json_t *list;       // of the rejected, for --json
    bool failed;
};

static void count_host(struct report *r, const char *name)
{
    struct host_count *h = NULL;
    HASH_FIND_STR(r->hosts, name, h);
    if (!h) {
        h = calloc(1, sizeof *h);
        char *copy = strdup(name);
        if (!h || !copy) {
            free(h);
            free(copy);
            r->failed = true;
            return;
        }
        h->name = copy;
        HASH_ADD_KEYPTR(hh, r->hosts, h->name, strlen(h->name), h);
        r->host_count++;
    }
    h->count++;
}

static void reject(struct report *r, int64_t line, const char *code, const char *why,
                   const char *text)
{
    r->rejected++;
    if (r->out->json) {
        json_t *entry =
            json_pack("{s:I, s:s, s:s}", "line", (json_int_t)line, "code", code, "detail", why);
        r->failed = r->failed || json_array_append_new(r->list, entry) != 0;
        return;
    }
    if (r->out->terminal && r->rejected > SHOWN_MAX) {
        return;
    }
    if (!r->out->terminal) {
        table_add(&r->table, TINT_NONE, "rejected");
    }
    table_add_int(&r->table, line);
    table_add(&r->table, TINT_BAD, code);
    char *shown = strndup(text, URL_SHOWN_MAX);
    table_add(&r->table, TINT_NONE, shown ? shown : "");
    table_add(&r->table, TINT_NONE, why);
    free(shown);
    if (!r->out->terminal) {
        table_flush(&r->table);
    }
}

static void judge_url(struct report *r, int64_t line, const char *text, size_t n)
{
    struct url url;
    const char *why = "";
    enum url_verdict verdict = url_parse(text, n, &url, NULL, &why);
    if (verdict != URL_OK) {
        reject(r, line, url_verdict_name(verdict), why, text);
        return;
    }
    r->accepted++;
    count_host(r, url.host);
}

// A task of an NDJSON line or of a document: a URL or an object with one.
static void judge_value(struct report *r, int64_t line, const json_t *value, const char *text)
{
    const json_t *url = json_is_object(value) ? json_object_get(value, "url") : value;
    if (!json_is_string(url)) {
        reject(r, line, "wrong_type", "a task must be a URL or an object with the member \"url\"",
               text);
        return;
    }
    judge_url(r, line, json_string_value(url), json_string_length(url));
}

static void judge_line(struct report *r, enum input_form form, int64_t line, const char *text,
                       size_t n)
{
    if (form == INPUT_TEXT) {
        if (n > 0 && text[0] != '#') {
            judge_url(r, line, text, n);
        }
        return;
    }
    struct err e;
    json_t *value = n > 0 ? json_parse(text, n, &e) : NULL;
    if (value) {
        judge_value(r, line, value, text);
        json_decref(value);
    } else if (n > 0) {
        reject(r, line, "bad_json", e.text, text);
    }
}

static int judge_lines(struct report *r, struct input *in, FILE *f, struct err *e)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    errno = 0;
    for (int64_t number = 1; (n = getline(&line, &room, f)) >= 0; number++) {
        while (n > 0 && strchr(" \t\r\n", line[n - 1]) && line[n - 1]) {
            line[--n] = '\0';
        }
        size_t mark = number == 1 ? input_mark(line, (size_t)n) : 0; // the daemon skips it, too
        size_t skip = mark + strspn(line + mark, " \t");
        judge_line(r, in->form, number, line + skip, (size_t)n - skip);
    }
    free(line);
    return ferror(f) ? err_set_errno(e, errno, "cannot read %s", in->name) : 0;
}

static int judge_document(struct report *r, struct input *in, FILE *f, struct err *e)
{
    struct buf text = BUF_INIT(DOCUMENT_MAX);
    json_t *document = NULL;
    if (slurp_file(f, in->name, &text, e) == 0) {
        document = json_parse(text.data ? text.data : "", text.len, e);
    }
    buf_done(&text);
    if (!document) {
        e->code = e->code == ERR_BAD_REQUEST ? ERR_INVALID_BATCH : e->code;
        return err_prefix(e, "%s", in->name);
    }
    const json_t *tasks = json_object_get(document, "tasks");
    const json_t *urls = json_object_get(document, "urls");
    const json_t *list = json_is_array(document) ? document : tasks ? tasks : urls;
    int rc = 0;
    size_t i;
    const json_t *value;
    if (tasks && urls) {
        list = NULL;
        rc =
            err_set(e, ERR_INVALID_BATCH, "%s: a batch has either \"urls\" or \"tasks\"", in->name);
    } else if (!json_is_array(list)) {
        rc = err_set(e, ERR_INVALID_BATCH,
                     "%s: neither a list nor an object with \"urls\" or \"tasks\"", in->name);
    }
    json_array_foreach(list, i, value)
    {
        judge_value(r, (int64_t)i, value, "");
    }
    json_decref(document);
    return rc;
}

static int by_count(const struct host_count *a, const struct host_count *b)
{
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->name, b->name);
}

static void print_hosts(struct report *r)
{
    static const struct column shown[] = {{"urls", true, false}, {"host", false, true}, {0}};
    static const struct column piped[] = {
        {"", false, false}, {"host", false, false}, {"urls", false, false}, {0}};
    struct table table;
    struct host_count *h, *next;
    int64_t left = r->out->terminal ? SHOWN_MAX : INT64_MAX;
    table_init(&table, r->out, r->out->terminal ? shown : piped);
    HASH_ITER(hh, r->hosts, h, next)
    {
        if (left-- <= 0) {
            break;
        }
        if (r->out->terminal) {
            table_add_int(&table, h->count);
            table_add(&table, TINT_NONE, h->name);
        } else {
            table_add(&table, TINT_NONE, "host");
            table_add(&table, TINT_NONE, h->name);
            table_add_int(&table, h->count);
        }
    }
    if (r->out->terminal && r->rejected > 0 && r->host_count > 0) {
        output_line(r->out, "");
    }
    table_done(&table);
    if (r->out->terminal && r->host_count > SHOWN_MAX) {
        printf("... and %" PRId64 " hosts more\n", r->host_count - SHOWN_MAX);
    }
}

// How long it may take: the busiest host, or all together, whichever takes longer.
static int64_t estimate_ms(const struct report *r)
{
    int64_t busiest = r->hosts ? r->hosts->count : 0; // they are sorted
    int64_t host_rounds = (busiest + HOST_CONCURRENCY - 1) / HOST_CONCURRENCY;
    int64_t all_rounds = (r->accepted + CONCURRENCY - 1) / CONCURRENCY;
    return ANSWER_MS * (host_rounds > all_rounds ? host_rounds : all_rounds);
}

static void print_json(struct report *r)
{
    json_t *hosts = json_object();
    struct host_count *h, *next;
    HASH_ITER(hh, r->hosts, h, next)
    {
        json_object_set_new(hosts, h->name, json_integer(h->count));
    }
    json_t *all = json_pack("{s:I, s:I, s:I, s:O, s:o}", "estimated_ms", (json_int_t)estimate_ms(r),
                            "accepted", (json_int_t)r->accepted, "rejected",
                            (json_int_t)r->rejected, "errors", r->list, "hosts", hosts);
    output_json(r->out, all);
    json_decref(all);
}

static void print_report(struct report *r)
{
    HASH_SORT(r->hosts, by_count);
    if (r->out->json) {
        print_json(r);
        return;
    }
    table_flush(&r->table);
    if (r->out->terminal && r->rejected > SHOWN_MAX) {
        printf("... and %" PRId64 " rejected more\n", r->rejected - SHOWN_MAX);
    }
    print_hosts(r);
    output_note(r->out,
                "nothing was sent; would be accepted: %" PRId64 ", rejected: %" PRId64
                ", hosts: %" PRId64,
                r->accepted, r->rejected, r->host_count);
    char duration[FORMAT_SIZE];
    format_duration(estimate_ms(r), duration);
    if (r->accepted > 0) {
        output_note(
            r->out,
            "it would take about %s, with half a second an answer and %d at once for a host",
            duration, HOST_CONCURRENCY);
    }
    output_note(r->out, "whether addresses and ports may be fetched is for the daemon to say");
}

static void report_init(struct report *r, struct output *out)
{
    static const struct column shown[] = {{"line", true, false},
                                          {"code", false, false},
                                          {"url", false, true},
                                          {"why", false, true},
                                          {0}};
    static const struct column piped[] = {{"", false, false},     {"line", false, false},
                                          {"code", false, false}, {"url", false, false},
                                          {"why", false, false},  {0}};
    *r = (struct report){.out = out};
    r->list = json_array();
    table_init(&r->table, out, out->terminal ? shown : piped);
}

static int report_end(struct report *r, int rc, struct err *e)
{
    if (rc == 0 && r->accepted + r->rejected == 0) {
        rc = err_set(e, ERR_INVALID_BATCH, "a batch must hold at least one URL");
    }
    if (rc == 0) {
        print_report(r);
    }
    bool failed = r->failed || r->table.failed;
    int status = r->rejected > 0 ? err_info(ERR_INVALID_BATCH)->exit_status : 0;
    struct host_count *h, *next;
    HASH_ITER(hh, r->hosts, h, next)
    {
        HASH_DEL(r->hosts, h);
        free(h->name);
        free(h);
    }
    table_done(&r->table);
    json_decref(r->list);
    if (rc == 0 && failed) {
        rc = err_set(e, ERR_SYSTEM, "out of memory");
    }
    return rc != 0 ? -1 : status;
}

int dry_run_urls(struct output *out, const char *const *urls, size_t n, struct err *e)
{
    struct report r;
    report_init(&r, out);
    for (size_t i = 0; i < n; i++) {
        judge_url(&r, (int64_t)i + 1, urls[i], strlen(urls[i]));
    }
    return report_end(&r, 0, e);
}

// Lets stdio read an input, whose first bytes were taken already.
static ssize_t cookie_read(void *cookie, char *to, size_t n)
{
    struct input *in = cookie;
    return in->source.read(&in->source, to, n);
}

int dry_run_input(struct output *out, struct input *in, struct err *e)
{
    struct report r;
    FILE *f = fopencookie(in, "r", (cookie_io_functions_t){.read = cookie_read});
    if (!f) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    report_init(&r, out);
    int rc = in->form == INPUT_JSON ? judge_document(&r, in, f, e) : judge_lines(&r, in, f, e);
    fclose(f);
    return report_end(&r, rc, e);
}
