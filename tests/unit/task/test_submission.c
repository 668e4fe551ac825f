// SPDX-License-Identifier: MIT
// Submissions: the three formats, every refusal with its place, and the same outcome however the
// bytes are cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/task/submission.h"

struct outcome_text {
    struct buf tasks;   // "index host url id metadata spec\n" for each task
    struct buf errors;  // "line pointer code\n" for each kept error
    enum err_code code; // ERR_OK: accepted
    uint64_t accepted, errors_total;
    size_t pieces;
    struct batch_new *batch;
};

static struct address_policy policy;

static void collect(void *ctx, struct task_piece *piece)
{
    struct outcome_text *o = ctx;
    o->pieces++;
    for (size_t i = 0; i < piece->n; i++) {
        const struct new_task *t = &piece->v[i];
        buf_printf(&o->tasks, "%u %s %s %s %s %s\n", t->index, t->host, t->url,
                   t->ext_id ? t->ext_id : "-", t->metadata ? t->metadata : "-",
                   t->spec ? t->spec : "-");
    }
    task_piece_done(piece);
}

static struct submission_rules rules(bool partial)
{
    return (struct submission_rules){
        .limits = {.timeout_ms = 30000,
                   .connect_timeout_ms = 10000,
                   .max_body_bytes = 10 << 20,
                   .max_timeout_ms = 3600000,
                   .max_max_body_bytes = 1 << 30},
        .policy = &policy,
        .max_tasks = 2500,
        .max_line = 10000,
        .max_document = 1 << 20,
        .partial = partial,
    };
}

static int feed(struct submission *s, const char *text, size_t n, size_t cut, struct err *e)
{
    for (size_t at = 0; at < n;) {
        size_t step = n - at < cut ? n - at : cut;
        if (submission_feed(s, text + at, step, e) < 0) {
            return -1;
        }
        at += step;
    }
    return submission_end(s, e);
}

static void run(struct outcome_text *o, enum submission_format format, bool partial,
                const char *text, size_t n, size_t cut)
{
    struct submission *s = NULL;
    struct submission_rules r = rules(partial);
    struct err e = {.code = ERR_OK};
    *o = (struct outcome_text){.tasks = BUF_INIT(1 << 24), .errors = BUF_INIT(1 << 16)};
    o->batch = calloc(1, sizeof(*o->batch));
    o->batch->priority = 5;
    assert_int_equal(submission_new(format, &r, o->batch, collect, o, &s), 0);
    if (feed(s, text, n, cut, &e) == 0) {
        struct task_piece last;
        submission_take_last(s, &last);
        collect(o, &last);
    }
    o->code = e.code;
    o->accepted = submission_accepted(s);
    size_t n_errors = 0;
    const struct submission_error *v = submission_errors(s, &n_errors, &o->errors_total);
    for (size_t i = 0; i < n_errors; i++) {
        buf_printf(&o->errors, "%llu %s %s\n", (unsigned long long)v[i].line, v[i].what.pointer,
                   v[i].what.code);
    }
    submission_free(&s);
}

static void done(struct outcome_text *o)
{
    batch_new_free(&o->batch);
    buf_done(&o->tasks);
    buf_done(&o->errors);
}

static const struct row {
    const char *name;
    enum submission_format format;
    bool partial;
    const char *text;
    enum err_code code;
    const char *tasks, *errors;
} rows[] = {
    {"array", SUBMISSION_JSON, false, "[\"https://a.example/x\", \"http://B.example\"]", ERR_OK,
     "0 a.example https://a.example/x - - -\n1 b.example http://B.example - - -\n", ""},
    {"urls", SUBMISSION_JSON, false, "{\"urls\": [\"http://a.example/\"]}", ERR_OK,
     "0 a.example http://a.example/ - - -\n", ""},
    {"tasks", SUBMISSION_JSON, false,
     "{\"tasks\": [{\"url\": \"http://a.example/\", \"id\": \"r1\", \"metadata\": {\"k\": 1},"
     " \"timeout_ms\": 9}]}",
     ERR_OK, "0 a.example http://a.example/ r1 {\"k\":1} {\"timeout_ms\":9}\n", ""},
    {"one bad refuses all", SUBMISSION_JSON, false, "[\"http://a.example/\", \"ftp://b/\"]",
     ERR_INVALID_BATCH, "", "0 /1 unsupported_scheme\n"},
    {"partial keeps the rest and its positions", SUBMISSION_JSON, true,
     "[\"ftp://b/\", \"http://a.example/\"]", ERR_OK, "1 a.example http://a.example/ - - -\n",
     "0 /0 unsupported_scheme\n"},
    {"partial with nothing left", SUBMISSION_JSON, true, "[\"ftp://b/\"]", ERR_INVALID_BATCH, "",
     "0 /0 unsupported_scheme\n"},
    {"partial does not excuse the batch", SUBMISSION_JSON, true,
     "{\"urls\": [\"http://a.example/\"], \"priority\": 10}", ERR_INVALID_BATCH, "",
     "0 /priority out_of_range\n"},
    {"scalar", SUBMISSION_JSON, false, "3", ERR_INVALID_BATCH, "", "0  wrong_type\n"},
    {"numbers", SUBMISSION_JSON, false, "[1, null]", ERR_INVALID_BATCH, "",
     "0 /0 wrong_type\n0 /1 wrong_type\n"},
    {"no urls", SUBMISSION_JSON, false, "{}", ERR_INVALID_BATCH, "", "0  missing\n"},
    {"both", SUBMISSION_JSON, false, "{\"urls\": [], \"tasks\": []}", ERR_INVALID_BATCH, "",
     "0  conflict\n"},
    {"null urls", SUBMISSION_JSON, false, "{\"urls\": null}", ERR_INVALID_BATCH, "",
     "0 /urls wrong_type\n"},
    {"empty urls", SUBMISSION_JSON, false, "{\"urls\": []}", ERR_INVALID_BATCH, "",
     "0 /urls empty\n"},
    {"unknown member", SUBMISSION_JSON, false, "{\"urls\": [\"http://a.example/\"], \"color\": 1}",
     ERR_INVALID_BATCH, "", "0 /color unknown_field\n"},
    {"bad defaults", SUBMISSION_JSON, false,
     "{\"urls\": [\"http://a.example/\"], \"defaults\": {\"timeout_ms\": 0}}", ERR_INVALID_BATCH,
     "", "0 /defaults/timeout_ms out_of_range\n"},
    {"a task's header", SUBMISSION_JSON, false,
     "{\"tasks\": [{\"url\": \"http://a.example/\", \"headers\": {\"Host\": \"x\"}}]}",
     ERR_INVALID_BATCH, "", "0 /tasks/0/headers/Host forbidden_header\n"},
    {"no url in a task", SUBMISSION_JSON, false, "{\"tasks\": [{\"id\": \"x\"}]}",
     ERR_INVALID_BATCH, "", "0 /tasks/0/url missing\n"},
    {"loopback", SUBMISSION_JSON, false, "[\"http://127.1/\"]", ERR_INVALID_BATCH, "",
     "0 /0 blocked_address\n"},
    {"port", SUBMISSION_JSON, false, "[\"http://a.example:25/\"]", ERR_INVALID_BATCH, "",
     "0 /0 blocked_port\n"},
    {"webhook", SUBMISSION_JSON, false, "{\"urls\": [\"http://a.example/\"], \"webhook\": {}}",
     ERR_NOT_IMPLEMENTED, "", "0 /webhook not_implemented\n"},
    {"broken JSON", SUBMISSION_JSON, false, "[\"http://a.example/\"", ERR_BAD_REQUEST, "", ""},
    {"empty JSON", SUBMISSION_JSON, false, "", ERR_BAD_REQUEST, "", ""},
    {"text", SUBMISSION_TEXT, false,
     "\xEF\xBB\xBF# list\nhttp://a.example/1\r\n\n  http://a.example/2 \nhttp://b.example/", ERR_OK,
     "0 a.example http://a.example/1 - - -\n1 a.example http://a.example/2 - - -\n"
     "2 b.example http://b.example/ - - -\n",
     ""},
    {"bad line", SUBMISSION_TEXT, false, "http://a.example/\nnonsense\n\nhttp://x:0/\n",
     ERR_INVALID_BATCH, "0 a.example http://a.example/ - - -\n",
     "2  invalid_url\n4  invalid_url\n"},
    {"empty text", SUBMISSION_TEXT, false, "", ERR_BAD_REQUEST, "", ""},
    {"only comments", SUBMISSION_TEXT, false, "# nothing\n", ERR_INVALID_BATCH, "", ""},
    {"ndjson", SUBMISSION_NDJSON, false,
     "\"http://a.example/\"\n{\"url\": \"http://b.example/\", \"id\": \"x\"}\n\n", ERR_OK,
     "0 a.example http://a.example/ - - -\n1 b.example http://b.example/ x - -\n", ""},
    {"bad ndjson lines", SUBMISSION_NDJSON, true,
     "{\n\"http://a.example/\"\n7\n{\"url\": \"http://a.example/\", \"nope\": 1}\n", ERR_OK,
     "1 a.example http://a.example/ - - -\n",
     "1  invalid_json\n3  wrong_type\n4 /nope unknown_field\n"},
};

static void each_submission_ends_as_its_row_says_however_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        size_t n = strlen(r->text);
        for (size_t cut = 1; cut <= n + 1; cut += cut < 4 ? 1 : 7) {
            struct outcome_text o;
            run(&o, r->format, r->partial, r->text, n, cut);
            if (o.code != r->code ||
                (r->code == ERR_OK && strcmp(o.tasks.data ? o.tasks.data : "", r->tasks) != 0) ||
                strcmp(o.errors.data ? o.errors.data : "", r->errors) != 0) {
                fail_msg("%s cut at %zu: code %d, tasks [%s], errors [%s]", r->name, cut, o.code,
                         o.tasks.data ? o.tasks.data : "", o.errors.data ? o.errors.data : "");
            }
            done(&o);
        }
    }
}

static void batch_options_come_from_the_document(void **state)
{
    (void)state;
    static const char text[] =
        "{\"urls\": [\"http://a.example/\"], \"name\": \"nightly\", \"priority\": 9,"
        " \"concurrency\": 50, \"not_before\": \"2030-01-01T00:00:00Z\", \"deadline_ms\": 600000,"
        " \"fail_fast\": true, \"metadata\": {\"a\": [1]}, \"defaults\": {\"timeout_ms\": 5}}";
    struct outcome_text o;
    run(&o, SUBMISSION_JSON, false, text, strlen(text), 1000);
    assert_int_equal(o.code, ERR_OK);
    assert_string_equal(o.batch->name, "nightly");
    assert_int_equal(o.batch->priority, 9);
    assert_int_equal(o.batch->concurrency, 50);
    assert_true(o.batch->not_before_at == INT64_C(1893456000000));
    assert_int_equal(o.batch->deadline_ms, 600000);
    assert_true(o.batch->fail_fast);
    assert_string_equal(o.batch->metadata, "{\"a\":[1]}");
    assert_string_equal(o.batch->defaults, "{\"timeout_ms\":5}");
    done(&o);
}

static void batch_options_come_from_the_query(void **state)
{
    (void)state;
    struct batch_new *b = calloc(1, sizeof(*b));
    struct input_error bad;
    assert_int_equal(batch_option_apply_text(b, "name", "n", &bad), 0);
    assert_int_equal(batch_option_apply_text(b, "priority", "0", &bad), 0);
    assert_int_equal(batch_option_apply_text(b, "fail_fast", "1", &bad), 0);
    assert_int_equal(batch_option_apply_text(b, "deadline_ms", "5", &bad), 0);
    assert_true(b->fail_fast);
    assert_string_equal(b->name, "n");
    static const char *const refused[][2] = {
        {"priority", "10"}, {"priority", ""},   {"priority", "+1"},
        {"priority", "1x"}, {"fail_fast", ""},  {"deadline_ms", "0"},
        {"color", "1"},     {"metadata", "{}"}, {"not_before", "tomorrow"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(batch_option_apply_text(b, refused[i][0], refused[i][1], &bad), -1);
    }
    batch_new_free(&b);
}

// `n` lines of text, each a URL.
static void lines(struct buf *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "http://a.example/%zu\n", i);
    }
}

static void large_submissions_come_in_pieces_up_to_the_limit(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    struct outcome_text o;
    lines(&text, 2500);
    run(&o, SUBMISSION_TEXT, false, text.data, text.len, 4096);
    assert_int_equal(o.code, ERR_OK);
    assert_int_equal(o.accepted, 2500);
    assert_int_equal(o.pieces, 3);
    done(&o);
    buf_append_str(&text, "http://a.example/one-more\n");
    run(&o, SUBMISSION_TEXT, false, text.data, text.len, 4096);
    assert_int_equal(o.code, ERR_INVALID_BATCH);
    done(&o);
    buf_done(&text);
}

static void a_large_document_comes_in_pieces_too(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    struct outcome_text o;
    buf_append_char(&text, '[');
    for (int i = 0; i < 2100; i++) {
        buf_printf(&text, "%s\"http://a.example/%d\"", i > 0 ? "," : "", i);
    }
    buf_append_char(&text, ']');
    run(&o, SUBMISSION_JSON, false, text.data, text.len, 5000);
    assert_int_equal(o.code, ERR_OK);
    assert_int_equal(o.accepted, 2100);
    assert_int_equal(o.pieces, 3);
    done(&o);
    buf_done(&text);
}

static void lines_and_documents_have_limits(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(3 << 20);
    struct outcome_text o;
    buf_append_str(&text, "http://a.example/1\n");
    for (int i = 0; i < 20000; i++) {
        buf_append_char(&text, 'x');
    }
    buf_append_str(&text, "\nhttp://a.example/2\n");
    for (size_t cut = 1; cut < 40000; cut = cut * 3 + 1) {
        run(&o, SUBMISSION_TEXT, true, text.data, text.len, cut);
        assert_int_equal(o.code, ERR_OK);
        assert_int_equal(o.accepted, 2);
        assert_string_equal(o.errors.data, "2  too_long\n");
        done(&o);
    }
    buf_reset(&text);
    while (text.len < (1 << 20) + 1) {
        buf_append_str(&text, "[{},{},{},{},{},{},{},{},{},{}],");
    }
    run(&o, SUBMISSION_JSON, false, text.data, text.len, 65536);
    assert_int_equal(o.code, ERR_PAYLOAD_TOO_LARGE);
    done(&o);
    buf_done(&text);
}

static void errors_are_counted_to_the_end_and_the_first_are_kept(void **state)
{
    (void)state;
    struct buf text = BUF_INIT(1 << 20);
    struct outcome_text o;
    for (int i = 0; i < 500; i++) {
        buf_append_str(&text, "nonsense\n");
    }
    run(&o, SUBMISSION_TEXT, false, text.data, text.len, 100);
    assert_int_equal(o.code, ERR_INVALID_BATCH);
    assert_int_equal(o.errors_total, 500);
    done(&o);
    buf_done(&text);
}

static int setup(void **state)
{
    (void)state;
    struct address_policy_text none = {0};
    return address_policy_init(&policy, &none, NULL);
}

static int teardown(void **state)
{
    (void)state;
    address_policy_done(&policy);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_submission_ends_as_its_row_says_however_cut),
        cmocka_unit_test(batch_options_come_from_the_document),
        cmocka_unit_test(batch_options_come_from_the_query),
        cmocka_unit_test(large_submissions_come_in_pieces_up_to_the_limit),
        cmocka_unit_test(a_large_document_comes_in_pieces_too),
        cmocka_unit_test(lines_and_documents_have_limits),
        cmocka_unit_test(errors_are_counted_to_the_end_and_the_first_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
