// SPDX-License-Identifier: MIT
// Results, tasks, bodies and hosts, over the wire.
#include "api_fixture.h"
#include "daemon/api/cursor.h"

static struct fake *start_with_results(size_t n)
{
    struct fake *f = fake_start();
    expect(f, "POST /v1/batches HTTP/1.1\r\nContent-Type: application/json",
           "[\"http://a.example/1\",\"http://b.example/2\"]", 202, NULL);
    f->n_results = n;
    f->batch->now.counts = (struct batch_counts){.total = 3000, .succeeded = (int64_t)n};
    fake_tell(f, false);
    fake_turn(f);
    return f;
}

static unsigned count_of(const struct buf *b, const char *text)
{
    unsigned n = 0;
    for (const char *p = b->data; p && (p = strstr(p, text)); p++) {
        n++;
    }
    return n;
}

// The page after the cursor in `page`.
static struct buf next_page(struct fake *f, const struct buf *page, const char *query)
{
    char rest[500];
    const char *next = strstr(page->data, "\"next\":\"");
    assert_non_null(next);
    next += strlen("\"next\":\"");
    snprintf(rest, sizeof(rest), "/results?after=%.*s%s", (int)strcspn(next, "\""), next, query);
    return ask(f, batch_head(f, "GET", rest), NULL);
}

// Whoever reads the source can make a cursor that is whole and leads to other batches' rows.
static void a_made_cursor_does_not_leave_the_batch(void **state)
{
    static const uint64_t positions[] = {TASK_INDEX_MAX, (uint64_t)TASK_INDEX_MAX + 1, INT64_MAX,
                                         UINT64_MAX - TASK_INDEX_MAX, UINT64_MAX};
    struct fake *f = start_with_results(3);
    struct cursor_scope scope = {.kind = CURSOR_BY_SEQ};
    memcpy(scope.batch, f->batch->now.id, UUID_SIZE);
    (void)state;
    for (size_t i = 0; i < sizeof(positions) / sizeof(positions[0]); i++) {
        char text[CURSOR_TEXT_SIZE], rest[CURSOR_TEXT_SIZE + 20];
        cursor_encode_number(&scope, positions[i], text);
        snprintf(rest, sizeof(rest), "/results?after=%s", text);
        expect(f, batch_head(f, "GET", rest), NULL, i == 0 ? 200 : 400, NULL);
    }
    fake_stop(f);
}

static void pages_follow_each_other(void **state)
{
    static const char *const orders[] = {"&order=completed", "&order=input"};
    struct fake *f = start_with_results(25);
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char rest[100];
        snprintf(rest, sizeof(rest), "/results?limit=20%s", orders[i]);
        struct buf first = ask(f, batch_head(f, "GET", rest), NULL);
        assert_int_equal(count_of(&first, "\"seq\":"), 20);
        assert_true(has(&first, "\"more\":true"));
        struct buf second = next_page(f, &first, orders[i]);
        assert_int_equal(count_of(&second, "\"seq\":"), 5);
        assert_true(has(&second, "\"more\":false") && has(&second, "\"batch\":{\"id\""));
        struct buf third = next_page(f, &second, orders[i]);
        assert_true(has(&third, "\"results\":[],\"next\":\""));
        struct buf wrong = next_page(f, &first, orders[1 - i]);
        assert_int_equal(status_of(&wrong), 400);
        buf_done(&first);
        buf_done(&second);
        buf_done(&third);
        buf_done(&wrong);
    }
    fake_stop(f);
}

static void rows_show_what_was_asked_for(void **state)
{
    struct fake *f = start_with_results(3);
    (void)state;
    struct buf out = ask(f, batch_head(f, "GET", "/results?include=headers,body,attempts"), NULL);
    assert_true(has(&out, "\"body\":\"abc\""));
    assert_true(has(&out, "\"body_base64\":\"/wAB\""));
    assert_true(has(&out, "\"body\":null"));
    assert_true(has(&out, "\"headers\":[[\"a\",\"b\"]]"));
    assert_true(has(&out, "\"attempts\":[{\"number\":1,"));
    assert_true(has(&out, "{\"number\":2,"));
    assert_true(has(&out, "\"error\":{\"code\":\"connect_refused\",\"message\":\""));
    buf_done(&out);
    out = ask(f, batch_head(f, "GET", "/results?state=failed"), NULL);
    assert_int_equal(count_of(&out, "\"seq\":"), 1);
    assert_true(has(&out, "\"attempts\":2") && !has(&out, "\"headers\"") && !has(&out, "\"body"));
    assert_true(has(&out, "\"dns\":null") && has(&out, "\"sha256\":null"));
    buf_done(&out);
    fake_stop(f);
}

static void bad_queries_are_400(void **state)
{
    static const char *const queries[] = {
        "limit=0",  "limit=1001", "order=random", "state=running", "include=all", "wait=x",
        "follow=2", "colour=1",   "after=",       "after=AAAA",    "follow=1"};
    struct fake *f = start_with_results(3);
    (void)state;
    for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
        char rest[100];
        snprintf(rest, sizeof(rest), "/results?%s", queries[i]);
        expect(f, batch_head(f, "GET", rest), NULL, 400, "bad_request");
    }
    char head[600];
    snprintf(head, sizeof(head), "%s\r\nAccept: text/event-stream",
             batch_head(f, "GET", "/results"));
    expect(f, head, NULL, 501, "not_implemented");
    fake_stop(f);
}

static void a_page_waits_for_something_new(void **state)
{
    struct fake *f = start_with_results(0);
    struct buf out = BUF_INIT(1u << 20);
    (void)state;
    int fd = client_open(f);
    send_request(f, fd, batch_head(f, "GET", "/results?wait=30&state=failed"), NULL);
    turn_for(f, 20);
    f->n_results = 1; // a success, which is not asked for
    f->batch->now.counts.succeeded = 1;
    fake_tell(f, false);
    turn_for(f, 20);
    assert_int_equal(recv(fd, &(char){0}, 1, MSG_PEEK), -1);
    f->n_results = 2;
    f->batch->now.counts.failed = 1;
    fake_tell(f, false);
    assert_true(client_read(f, fd, NULL, &out));
    assert_int_equal(count_of(&out, "\"seq\":2"), 1);
    buf_done(&out);
    close(fd);
    fake_stop(f);
}

static void a_stream_has_all_results(void **state)
{
    struct fake *f = start_with_results(2000);
    char head[600];
    (void)state;
    snprintf(head, sizeof(head), "%s\r\nAccept: application/x-ndjson",
             batch_head(f, "GET", "/results?include=body,headers"));
    struct buf out = ask(f, head, NULL);
    assert_int_equal(status_of(&out), 200);
    assert_true(has(&out, "Content-Type: application/x-ndjson"));
    assert_int_equal(count_of(&out, "{\"seq\":"), 2000);
    assert_int_equal(count_of(&out, "}\n"), 2000);
    buf_done(&out);
    fake_stop(f);
}

static void a_followed_stream_ends_with_the_batch(void **state)
{
    struct fake *f = start_with_results(1);
    struct buf out = BUF_INIT(1u << 20);
    char head[600];
    (void)state;
    int fd = client_open(f);
    snprintf(head, sizeof(head), "%s\r\nAccept: application/x-ndjson",
             batch_head(f, "GET", "/results?follow=1"));
    send_request(f, fd, head, NULL);
    assert_true(client_read(f, fd, "{\"seq\":1,", &out));
    turn_for(f, 20);
    assert_null(strstr(out.data, "{\"seq\":2,"));
    f->n_results = 2;
    f->batch->now.counts.succeeded = 2;
    fake_tell(f, false);
    assert_true(client_read(f, fd, "{\"seq\":2,", &out));
    f->n_results = 3;
    f->batch->now.state = BATCH_FINISHED;
    fake_tell(f, false);
    assert_true(client_read(f, fd, NULL, &out));
    assert_int_equal(count_of(&out, "{\"seq\":"), 3);
    assert_true(has(&out, "\r\n0\r\n\r\n")); // complete
    assert_int_equal(metrics_get(&f->metrics, METRIC_HTTP_WAITERS), 0);
    buf_done(&out);
    close(fd);
    fake_stop(f);
}

static void a_stream_that_cannot_go_on_is_cut(void **state)
{
    struct fake *f = start_with_results(1);
    struct buf out = BUF_INIT(1u << 20);
    char head[600];
    (void)state;
    int fd = client_open(f);
    snprintf(head, sizeof(head), "%s\r\nAccept: application/x-ndjson",
             batch_head(f, "GET", "/results?follow=1"));
    send_request(f, fd, head, NULL);
    assert_true(client_read(f, fd, "{\"seq\":1,", &out));
    api_drain(f->api);
    assert_true(client_read(f, fd, NULL, &out));
    assert_false(has(&out, "\r\n0\r\n\r\n"));
    buf_done(&out);
    close(fd);
    fake_stop(f);
}

static void a_task_says_why_it_waits(void **state)
{
    struct fake *f = start_with_results(2);
    (void)state;
    struct buf out = ask(f, batch_head(f, "GET", "/tasks/9"), NULL);
    assert_int_equal(status_of(&out), 200);
    assert_int_equal(f->host_queries, 1);
    assert_true(has(&out, "\"state\":\"queued\",\"waiting_for\":{\"reason\":\"host_concurrency\""));
    assert_true(has(&out, "\"result\":null"));
    assert_true(has(&out, "\"method\":\"GET\",\"url\":\"http://a.example/\""));
    assert_true(has(&out, "[\"Cookie\",\"(not shown)\"]") && !has(&out, "secret"));
    buf_done(&out);
    expect(f, batch_head(f, "GET", "/tasks/1"), NULL, 200, "\"waiting_for\":null");
    assert_int_equal(f->host_queries, 1); // what has a result needs no worker
    expect(f, batch_head(f, "GET", "/tasks/3000"), NULL, 404, "no such task");
    fake_stop(f);
}

static void bodies_are_bytes_that_nobody_runs(void **state)
{
    struct fake *f = start_with_results(5);
    char head[600];
    (void)state;
    struct buf out = ask(f, batch_head(f, "GET", "/tasks/0/body"), NULL);
    assert_int_equal(status_of(&out), 200);
    assert_true(has(&out, "Content-Length: 3\r\n") && has(&out, "\r\n\r\nabc"));
    assert_true(has(&out, "Content-Type: application/octet-stream"));
    assert_true(has(&out, "X-Origin-Content-Type: text/html"));
    assert_true(has(&out, "nosniff") && has(&out, "attachment") && has(&out, "ETag: \"0000"));
    buf_done(&out);
    snprintf(head, sizeof(head), "%s\r\nRange: bytes=1-", batch_head(f, "GET", "/tasks/0/body"));
    out = ask(f, head, NULL);
    assert_int_equal(status_of(&out), 206);
    assert_true(has(&out, "Content-Range: bytes 1-2/3") && has(&out, "\r\n\r\nbc"));
    buf_done(&out);
    snprintf(head, sizeof(head), "%s\r\nRange: bytes=3-", batch_head(f, "GET", "/tasks/0/body"));
    expect(f, head, NULL, 416, "Content-Range: bytes */3");
    snprintf(head, sizeof(head), "%s\r\nRange: bytes=1-\r\nRange: bytes=2-",
             batch_head(f, "GET", "/tasks/0/body"));
    expect(f, head, NULL, 200, "\r\n\r\nabc"); // no one knows which: the whole
    snprintf(head, sizeof(head), "%s\r\nIf-None-Match: *", batch_head(f, "GET", "/tasks/0/body"));
    expect(f, head, NULL, 304, NULL);
    out = ask(f, batch_head(f, "HEAD", "/tasks/0/body"), NULL);
    assert_true(has(&out, "Content-Length: 3\r\n") && !has(&out, "abc"));
    buf_done(&out);
    snprintf(head, sizeof(head), "%s\r\nRange: bytes=1-", batch_head(f, "HEAD", "/tasks/0/body"));
    expect(f, head, NULL, 200, "Content-Length: 3\r\n"); // RFC 9110 §14.2: GET alone has ranges
    out = ask(f, batch_head(f, "GET", "/tasks/4/body"), NULL);
    assert_true(has(&out, "\r\n\r\nabc") && !has(&out, "X-Origin-Content-Type"));
    buf_done(&out);
    expect(f, batch_head(f, "GET", "/tasks/1/body"), NULL, 404, "no body");
    expect(f, batch_head(f, "GET", "/tasks/9/body"), NULL, 404, "no body");
    fake_stop(f);
}

static void hosts_are_listed_shown_and_set(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    struct buf out = ask(f, "GET /v1/hosts?limit=2 HTTP/1.1", NULL);
    assert_int_equal(count_of(&out, "\"host\":"), 2);
    assert_true(has(&out, "\"more\":true") && has(&out, "\"in_flight\":2"));
    buf_done(&out);
    expect(f, "GET /v1/hosts/A.example HTTP/1.1", NULL, 200, "\"max_concurrency\":3");
    expect(f, "GET /v1/hosts/z.example HTTP/1.1", NULL, 404, "not_found");
    expect(f, "PATCH /v1/hosts/a.example HTTP/1.1\r\nContent-Type: application/json",
           "{\"delay_ms\":500,\"paused\":true}", 200, "\"host\":\"a.example\"");
    assert_int_equal(f->last_control.verb, CONTROL_HOST_SET);
    assert_int_equal(f->last_control.host_fields, 2 | 8);
    assert_int_equal(f->last_control.limits.delay_ms, 500);
    expect(f, "PATCH /v1/hosts/a.example HTTP/1.1\r\nContent-Type: application/json", "{\"x\":1}",
           422, "invalid_request");
    expect(f, "PATCH /v1/hosts/a.example HTTP/1.1\r\nContent-Type: application/json", "{", 400,
           "line 1");
    expect(f, "PATCH /v1/hosts/a.example HTTP/1.1\r\nContent-Type: text/plain", "{}", 415, NULL);
    fake_stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_follow_each_other),
        cmocka_unit_test(a_made_cursor_does_not_leave_the_batch),
        cmocka_unit_test(rows_show_what_was_asked_for),
        cmocka_unit_test(bad_queries_are_400),
        cmocka_unit_test(a_page_waits_for_something_new),
        cmocka_unit_test(a_stream_has_all_results),
        cmocka_unit_test(a_followed_stream_ends_with_the_batch),
        cmocka_unit_test(a_stream_that_cannot_go_on_is_cut),
        cmocka_unit_test(a_task_says_why_it_waits),
        cmocka_unit_test(bodies_are_bytes_that_nobody_runs),
        cmocka_unit_test(hosts_are_listed_shown_and_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
