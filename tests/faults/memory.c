// SPDX-License-Identifier: MIT
// The n-th allocation fails, for every n that a module reaches: of ours, or of jansson. What comes
// out is the same as with memory, or a failure that says it is ours and not the caller's; nothing
// crashes, and nothing is left behind. What runs on a loop or a thread is in memory_api.c,
// memory_fetch.c and iofaults.c.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/heap.h"
#include "common/json.h"
#include "common/url.h"
#include "config/file.h"
#include "daemon/api/access.h"
#include "daemon/api/query.h"
#include "daemon/api/snapshot_cache.h"
#include "daemon/api/waiters.h"
#include "daemon/fetch/decoder.h"
#include "daemon/fetch/dns_cache.h"
#include "daemon/fetch/response_head.h"
#include "daemon/fetch/robots_cache.h"
#include "daemon/fetch/settings.h"
#include "daemon/fetch/sink.h"
#include "daemon/task/ring.h"
#include "daemon/task/submission.h"
#include "tests/faults/allocations.h"

// Writes what came out to `out`, which has room. -1: it failed, and `e` says how.
typedef int scenario_fn(struct buf *out, struct err *e);

static int no_memory(struct err *e)
{
    return err_set(e, ERR_OVERLOADED, "out of memory");
}

// ---- common ----

static int run_buf(struct buf *out, struct err *e)
{
    struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < 2000; i++) {
        buf_printf(&b, "%d,", i);
    }
    size_t n;
    char *text = buf_steal(&b, &n);
    if (text != NULL) {
        buf_append(out, text, n);
    }
    free(text);
    buf_done(&b);
    return text == NULL ? no_memory(e) : 0;
}

static int run_heap(struct buf *out, struct err *e)
{
    struct heap heap = {0};
    struct heap_node nodes[100] = {{0}};
    int status = 0;
    for (int i = 0; i < 100 && status == 0; i++) {
        status = heap_put(&heap, &nodes[i], (i * 37) % 100);
    }
    for (struct heap_node *n = heap_first(&heap); n != NULL; n = heap_first(&heap)) {
        buf_printf(out, "%d ", (int)n->key);
        heap_remove(&heap, n);
    }
    heap_done(&heap);
    return status < 0 ? no_memory(e) : 0;
}

static int run_json(struct buf *out, struct err *e)
{
    static const char text[] = "{\"a\": [1, 2.5, true, null, \"\\u00e4\"], \"b\": {\"c\": {}}}";
    json_t *v = json_parse(text, sizeof(text) - 1, e);
    if (v == NULL) {
        return -1;
    }
    buf_printf(out, "%zu %zu", json_object_size(v), json_array_size(json_object_get(v, "a")));
    json_decref(v);
    return 0;
}

static int run_url(struct buf *out, struct err *e)
{
    static const char text[] = "http://B\xc3\xbc"
                               "cher.example/\xc3\xa4?q#f";
    struct buf normal = BUF_INIT(URL_MAX);
    struct url url;
    enum url_verdict verdict = url_parse(text, sizeof(text) - 1, &url, &normal, NULL);
    if (verdict == URL_OK) {
        buf_printf(out, "%s %s", url.host, normal.data);
    }
    buf_done(&normal);
    if (verdict == URL_NO_MEMORY) {
        return no_memory(e);
    }
    return verdict == URL_OK ? 0 : err_set(e, ERR_BAD_REQUEST, "refused");
}

// ---- task ----

static void collect(void *ctx, struct task_piece *piece)
{
    struct buf *out = ctx;
    for (size_t i = 0; i < piece->n; i++) {
        const struct new_task *t = &piece->v[i];
        buf_printf(out, "%u %s %s %s %s %s\n", t->index, t->host, t->url,
                   t->ext_id ? t->ext_id : "-", t->metadata ? t->metadata : "-",
                   t->spec ? t->spec : "-");
    }
    task_piece_done(piece);
}

static const struct address_policy no_exceptions;

static int submit(enum submission_format format, const char *text, bool partial, struct buf *out,
                  struct err *e)
{
    const struct submission_rules rules = {.limits = {.timeout_ms = 30000,
                                                      .connect_timeout_ms = 10000,
                                                      .max_body_bytes = 1 << 20,
                                                      .max_timeout_ms = 3600000,
                                                      .max_max_body_bytes = 1 << 30},
                                           .policy = &no_exceptions,
                                           .max_tasks = 5000,
                                           .max_line = 10000,
                                           .max_document = 1 << 20,
                                           .partial = partial};
    struct batch_new *batch = calloc(1, sizeof(*batch));
    struct submission *s = NULL;
    if (batch == NULL || submission_new(format, &rules, batch, collect, out, &s) < 0) {
        batch_new_free(&batch);
        return no_memory(e);
    }
    int status = submission_feed(s, text, strlen(text) / 2, e);
    if (status == 0) {
        status = submission_feed(s, text + strlen(text) / 2, strlen(text) - strlen(text) / 2, e);
    }
    if (status == 0 && (status = submission_end(s, e)) == 0) {
        struct task_piece last;
        submission_take_last(s, &last);
        collect(out, &last);
        uint64_t rejected;
        size_t n;
        submission_errors(s, &n, &rejected);
        buf_printf(out, "name %s defaults %s metadata %s, %d rejected\n",
                   batch->name ? batch->name : "-", batch->defaults ? batch->defaults : "-",
                   batch->metadata ? batch->metadata : "-", (int)rejected);
    }
    submission_free(&s);
    batch_new_free(&batch);
    return status;
}

#define TASK                                                                                       \
    "{\"url\":\"http://b\xc3\xbc"                                                                  \
    "cher.example/\",\"id\":\"x\",\"metadata\":{\"a\":[1,{\"b\":2}]},"                             \
    "\"method\":\"POST\",\"headers\":{\"Cookie\":\"c=1\",\"X-Two\":\"2\"},\"body\":\"text\","      \
    "\"accept_status\":\"200,404\",\"proxy\":\"http://"                                            \
    "proxy.example:3128\",\"retry\":{\"on\":[\"429\"]}}"

static int run_document(struct buf *out, struct err *e)
{
    return submit(
        SUBMISSION_JSON,
        "{\"name\":\"n\",\"metadata\":{\"k\":\"v\"},\"defaults\":{\"timeout_ms\":5,\"headers\":"
        "{\"A\":\"b\"}},\"tasks\":[" TASK ",{\"url\":\"http://a.example/2\"}]}",
        false, out, e);
}

static int run_urls(struct buf *out, struct err *e)
{
    return submit(SUBMISSION_JSON,
                  "[\"http://a.example/1\",\"http://c.example/2\",\"http://10.0.0.1/\"]", true, out,
                  e);
}

static int run_lines(struct buf *out, struct err *e)
{
    return submit(SUBMISSION_NDJSON,
                  "\"http://a.example/1\"\n" TASK "\n{\"url\":\"ftp://a.example/\"}\n", true, out,
                  e);
}

static int run_text(struct buf *out, struct err *e)
{
    return submit(SUBMISSION_TEXT, "# three\nhttp://a.example/1\n\nhttp://b.example/\nhttp://\n",
                  true, out, e);
}

static int run_options(struct buf *out, struct err *e)
{
    static const struct task_limits limits = {.timeout_ms = 1, .max_timeout_ms = 3600000};
    static const char *const skip[] = {"url", "id", "metadata", NULL};
    struct task_options o, copy;
    struct input_error what = {.code = NULL};
    allocations_spare(true);
    json_t *v = json_loads(TASK, 0, NULL);
    allocations_spare(false);
    if (task_options_init(&o, &limits) < 0) {
        json_decref(v);
        return no_memory(e);
    }
    int status = task_options_apply(&o, v, skip, &limits, &what);
    if (status == 0 && (status = task_options_copy(&copy, &o)) == 0) {
        buf_printf(out, "%s %zu %s %s %s", fetch_method_name(copy.method), copy.n_headers,
                   copy.headers[1].value, copy.body, copy.proxy);
        task_options_done(&copy);
    }
    task_options_done(&o);
    json_decref(v);
    return status == 0 ? 0 : no_memory(e);
}

static int run_policy(struct buf *out, struct err *e)
{
    const char *const allow[] = {"10.0.0.0/8", "fd00::/8"}, *const deny[] = {"10.1.0.0/16"};
    const char *const ports[] = {"22", "8000-9000"};
    struct address_policy p;
    if (address_policy_init(&p, &(struct address_policy_text){allow, deny, ports, 2, 1, 2}, e) <
        0) {
        return -1;
    }
    buf_printf(out, "%d %d", address_policy_allows_port(&p, 22),
               address_policy_allows_port(&p, 25));
    address_policy_done(&p);
    return 0;
}

static int run_messages(struct buf *out, struct err *e)
{
    const struct task_ref ref = {0};
    struct message *made[] = {
        (struct message *)upload_piece_new(1),
        (struct message *)upload_reply_new(1),
        (struct message *)control_new(CONTROL_PAUSE, 1),
        (struct message *)control_reply_new(1),
        (struct message *)changed_new(3),
        (struct message *)work_new(3),
        (struct message *)host_scan_new(0, 0, 3),
        (struct message *)host_lookup_new(0, "a.example"),
        (struct message *)claim_new(0, 1),
        (struct message *)claimed_new(1, 5),
        (struct message *)retry_later_new(&ref),
        (struct message *)release_new(2),
        (struct message *)progress_new(2),
        (struct message *)mark_sent_new(0, &ref),
        (struct message *)host_state_new("a.example"),
        (struct message *)batch_halt_new(1, true),
        (struct message *)host_limits_changed_new("a.example"),
        (struct message *)host_query_new(1, 2),
        (struct message *)outcome_new(&ref),
    };
    int n = 0;
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        n += made[i] != NULL;
        if (made[i] != NULL) {
            made[i]->free(made[i]);
        }
    }
    buf_printf(out, "%d", n);
    return n < (int)(sizeof(made) / sizeof(made[0])) ? no_memory(e) : 0;
}

// ---- configuration ----

static int load(struct config **ret, struct err *e)
{
    static const char *const set[] = {"listen.tcp=127.0.0.1:1,[::1]:2", "listen.allowed_hosts=a,b",
                                      "fetch.user_agent=robot/1",
                                      "fetch.allow_addresses=10.0.0.0/8"};
    static char level[] = "GATHERD_LOG__LEVEL=warn";
    static char *const environment[] = {level, NULL};
    const struct config_sources sources = {
        .file = "tests/faults/memory.conf", .environment = environment, .set = set, .n_set = 4};
    return config_load(&sources, e, ret);
}

static int run_config(struct buf *out, struct err *e)
{
    struct config *c = NULL;
    if (load(&c, e) < 0) {
        return -1;
    }
    for (size_t i = 0; i < c->listen.tcp.n; i++) {
        buf_printf(out, "%s ", c->listen.tcp.v[i]);
    }
    buf_printf(out, "%s %zu %s", c->fetch.user_agent, c->n_hosts, c->hosts[0].name);
    config_free(&c);
    return 0;
}

static int run_settings(struct buf *out, struct err *e)
{
    struct config *c = NULL;
    allocations_spare(true);
    int loaded = load(&c, e);
    allocations_spare(false);
    assert_int_equal(loaded, 0);
    const struct fetch_settings *s = NULL;
    int status = fetch_settings_new(c, e, &s);
    if (status == 0) {
        const struct host_limits unset = {-1, -1, -1, false};
        struct host_limits limits = fetch_settings_limits(s, "slow.example", &unset);
        buf_printf(out, "%zu %d %s", s->n_rules, limits.max_concurrency, s->transfer.user_agent);
        fetch_settings_unref(&s);
    }
    config_free(&c);
    return status;
}

// ---- api ----

static int run_query(struct buf *out, struct err *e)
{
    static const char *const keys[] = {"a", "b", NULL};
    struct query q;
    if (query_parse("a=1&b=%C3%A4", keys, &q, e) < 0) {
        return -1;
    }
    buf_printf(out, "%s %s", query_get(&q, "a"), query_get(&q, "b"));
    query_done(&q);
    return 0;
}

static int run_tokens(struct buf *out, struct err *e)
{
    struct token_set *t = NULL;
    if (token_set_load("tests/faults/memory.tokens", e, &t) < 0) {
        return -1;
    }
    buf_printf(out, "%zu", token_set_size(t));
    token_set_free(&t);
    return 0;
}

static int run_snapshots(struct buf *out, struct err *e)
{
    struct snapshot_cache *c = snapshot_cache_new(2);
    bool kept = c != NULL;
    for (uint8_t i = 1; i <= 3 && kept; i++) {
        allocations_spare(true);
        struct batch_info *b = calloc(1, sizeof(*b));
        allocations_spare(false);
        assert_non_null(b);
        b->now = (struct batch_snapshot){.batch = i, .id = {i}, .version = 1};
        kept = snapshot_cache_put(c, b) != NULL;
    }
    if (kept) {
        const uint8_t first[UUID_SIZE] = {1}, last[UUID_SIZE] = {3};
        buf_printf(out, "%d %d", snapshot_cache_get(c, first) != NULL,
                   snapshot_cache_get(c, last) != NULL);
    }
    snapshot_cache_free(&c);
    return kept ? 0 : no_memory(e);
}

static void on_wake(struct waiter *w, enum wake why, const struct batch_snapshot *now)
{
    (void)w;
    (void)why;
    (void)now;
}

static int run_waiters(struct buf *out, struct err *e)
{
    struct waiters *ws = waiters_new();
    struct waiter w[20] = {{.wake = on_wake}};
    int n = 0;
    for (int i = 0; i < 20 && ws != NULL; i++) {
        w[i].wake = on_wake;
        n += waiters_add(ws, &w[i], (uint64_t)i / 2, 100 - i) == 0;
    }
    size_t waiting = ws != NULL ? waiters_count(ws) : 0;
    assert_int_equal(n, waiting);
    if (ws != NULL) {
        waiters_shutdown(ws);
    }
    waiters_free(&ws);
    buf_printf(out, "%d", n);
    return n < 20 ? no_memory(e) : 0;
}

// ---- fetch ----

static int run_decoder(struct buf *out, struct err *e)
{
    static const uint8_t gzip[] = {0x1f, 0x8b, 8, 0, 0,    0,    0,    0,    0, 3, 0xcb, 0x48, 0xcd,
                                   0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0,    0};
    struct codings codings;
    struct decoder *d = NULL;
    codings_parse("gzip", &codings);
    if (decoder_new(&codings, UINT64_MAX, &d) < 0) {
        return no_memory(e);
    }
    decoder_feed(d, gzip, sizeof(gzip));
    const void *p;
    size_t n;
    enum decoder_status status;
    while ((status = decoder_pull(d, &p, &n)) == DECODER_OUTPUT) {
        buf_append(out, p, n);
    }
    decoder_free(&d);
    assert_int_not_equal(status, DECODER_CORRUPT);
    return status == DECODER_NO_MEMORY ? no_memory(e) : 0;
}

static int run_response_head(struct buf *out, struct err *e)
{
    static const char *const lines[] = {"HTTP/1.1 302 Found\r\n",
                                        "Content-Type: text/html\r\n",
                                        "Location: /elsewhere\r\n",
                                        "Retry-After: 5\r\n",
                                        "Content-Encoding: gzip\r\n",
                                        "X-Folded: a\r\n",
                                        " b\r\n",
                                        "\r\n"};
    struct response_head h;
    response_head_init(&h);
    response_head_begin(&h, 4096, false);
    int status = 0;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]) && status == 0; i++) {
        status = response_head_line(&h, lines[i], strlen(lines[i]));
    }
    if (status == 0) {
        buf_printf(out, "%d %s %s %s", h.status, h.location.data, h.fields.data,
                   h.content_encoding.data);
    } else {
        err_set(e, h.error == TASK_INTERNAL ? ERR_OVERLOADED : ERR_BAD_REQUEST, "%s", h.why);
    }
    response_head_done(&h);
    return status;
}

static int run_robots(struct buf *out, struct err *e)
{
    static const char text[] =
        "User-agent: *\nDisallow: /a\nAllow: /a/b\nDisallow: /c\nDisallow: /*.d$\n";
    struct robots_cache c;
    robots_cache_init(&c);
    struct robots_entry *entry = robots_cache_get(&c, "http://a.example:80");
    const struct robots_answer answer = {.status = 200, .text = text, .n = sizeof(text) - 1};
    int status = entry == NULL ? -1 : robots_cache_learn(&c, entry, &answer, "robot", 1000);
    if (status == 0) {
        buf_printf(out, "%d %d", robots_cache_check(entry, "/a/c", 1000),
                   robots_cache_check(entry, "/a/b", 1000));
    }
    robots_cache_done(&c);
    return status < 0 ? no_memory(e) : 0;
}

static int run_dns_cache(struct buf *out, struct err *e)
{
    struct dns_cache *c = NULL;
    if (dns_cache_new(10, &c) < 0) {
        return no_memory(e);
    }
    struct dns_answer *a = dns_answer_new(2);
    if (a != NULL) {
        a->n = 2;
        dns_cache_put(c, "a.example", a, 1000);
    }
    bool kept = dns_cache_get(c, "a.example", 500) != NULL;
    dns_cache_free(&c);
    buf_printf(out, "%d", kept);
    return kept ? 0 : no_memory(e);
}

static bool budget_take(void *ctx, size_t n)
{
    *(size_t *)ctx += n;
    return true;
}

static void budget_give(void *ctx, size_t n)
{
    *(size_t *)ctx -= n;
}

static int run_sink(struct buf *out, struct err *e)
{
    size_t held = 0;
    const struct body_budget_ops budget = {.take = budget_take, .give = budget_give, .ctx = &held};
    struct sink s;
    static EVP_MD *sha256;
    sha256 = sha256 ? sha256 : EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sink_init(&s, sha256) < 0) {
        return no_memory(e);
    }
    sink_begin(&s, &budget, "/tmp", 4096);
    enum sink_status status = SINK_OK;
    for (int i = 0; i < 100 && status == SINK_OK; i++) {
        status =
            sink_write(&s, "0123456789012345678901234567890123456789012345678901234567890123", 64);
    }
    buf_printf(out, "%d %d", (int)s.size, s.fd >= 0);
    sink_discard(&s);
    sink_done(&s);
    assert_int_equal(held, 0);
    return status == SINK_OK ? 0 : no_memory(e);
}

static const struct {
    const char *name;
    scenario_fn *run;
} scenarios[] = {
    {"buf", run_buf},
    {"heap", run_heap},
    {"json", run_json},
    {"url", run_url},
    {"json document", run_document},
    {"json array", run_urls},
    {"json lines", run_lines},
    {"text lines", run_text},
    {"task options", run_options},
    {"address policy", run_policy},
    {"messages", run_messages},
    {"configuration", run_config},
    {"settings of fetch", run_settings},
    {"query", run_query},
    {"tokens", run_tokens},
    {"snapshots", run_snapshots},
    {"waiters", run_waiters},
    {"decoder", run_decoder},
    {"response head", run_response_head},
    {"robots.txt", run_robots},
    {"dns cache", run_dns_cache},
    {"sink", run_sink},
};

static int wrong; // runs that did not hold

static void report(size_t i, long n, const char *what, const char *more)
{
    fprintf(stderr, "memory: %s, allocation %ld: %s%s\n", scenarios[i].name, n, what, more);
    wrong++;
}

// One run in which the n-th allocation fails, and all after it, or that alone. Whether it was met.
static bool run_once(size_t i, long n, bool for_ever, const struct buf *wanted, struct buf *out)
{
    struct err e = {.code = ERR_OK};
    buf_reset(out);
    allocations_note();
    allocations_fail(ALLOCATIONS_ALL, n, for_ever);
    int status = scenarios[i].run(out, &e);
    bool failed = allocations_failed() > 0;
    allocations_fail(0, 0, false);
    if (allocations_left() != 0) {
        report(i, n, "something is left behind", "");
    }
    if (status == 0 &&
        (out->len != wanted->len || memcmp(out->data, wanted->data, out->len) != 0)) {
        report(i, n, "another result: ", out->data);
    }
    if (status < 0 && e.code != ERR_OVERLOADED && e.code != ERR_INTERNAL && e.code != ERR_SYSTEM) {
        report(i, n, "blamed on others: ", e.text);
    }
    return failed;
}

static void test_each_allocation_may_fail(void **state)
{
    (void)state;
    struct buf wanted = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
    buf_reserve(&wanted, 1 << 19);
    buf_reserve(&out, 1 << 19);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        struct err e = {.code = ERR_OK};
        buf_reset(&wanted);
        if (scenarios[i].run(&wanted, &e) < 0) {
            fail_msg("%s: %s", scenarios[i].name, e.text);
        }
        long n = 1;
        while (run_once(i, n, false, &wanted, &out)) {
            run_once(i, n, true, &wanted, &out);
            n++;
        }
        printf("memory: %s: %ld allocations\n", scenarios[i].name, n - 1);
        assert_true(n > 1);
    }
    assert_int_equal(wrong, 0);
    buf_done(&wanted);
    buf_done(&out);
}

int main(void)
{
    allocations_hook();
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
