// SPDX-License-Identifier: MIT
// Submissions from the wire to the store's mailbox: what is stored, what is refused, what a client
// that leaves costs.
#include "api_fixture.h"

#define POST_JSON   "POST /v1/batches HTTP/1.1\r\nContent-Type: application/json"
#define POST_TEXT   "POST /v1/batches HTTP/1.1\r\nContent-Type: text/plain"
#define POST_NDJSON "POST /v1/batches%s HTTP/1.1\r\nContent-Type: application/x-ndjson"

static const char two[] = "[\"http://a.example/1\",\"http://b.example/2\"]";

static void a_document_becomes_a_batch(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    struct buf out = ask(f, POST_JSON, two);
    assert_int_equal(status_of(&out), 202);
    assert_true(has(&out, "Location: /v1/batches/"));
    assert_true(has(&out, "\"counts\":{\"total\":2,\"queued\":2,"));
    assert_true(has(&out, "\"priority\":5"));
    assert_int_equal(f->pieces, 1);
    assert_int_equal(f->tasks, 2);
    buf_done(&out);
    fake_stop(f);
}

static void options_come_as_query(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    expect(f,
           "POST /v1/batches?name=nightly&priority=9 HTTP/1.1\r\nContent-Type: text/plain; "
           "charset=utf-8",
           "# urls\n\nhttp://a.example/\n", 202, "\"name\":\"nightly\"");
    assert_int_equal(f->batch->priority, 9);
    expect(f, "POST /v1/batches?priority=10 HTTP/1.1\r\nContent-Type: text/plain",
           "http://a.example/", 400, "priority");
    expect(f, "POST /v1/batches?colour=1 HTTP/1.1\r\nContent-Type: text/plain", "http://a.example/",
           400, "colour");
    expect(f, POST_TEXT, NULL, 411, "length_required");
    fake_stop(f);
}

static void types_that_are_not_read_are_415(void **state)
{
    static const char *const heads[] = {
        "POST /v1/batches HTTP/1.1",
        "POST /v1/batches HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
        "POST /v1/batches HTTP/1.1\r\nContent-Type: application/json; charset=utf-16",
        POST_JSON "\r\nContent-Encoding: gzip",
    };
    struct fake *f = fake_start();
    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        expect(f, heads[i], two, 415, "\"code\":\"unsupported_media_type\"");
    }
    assert_int_equal(f->pieces, 0);
    fake_stop(f);
}

static void nothing_of_an_invalid_batch_is_stored(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    expect(f, POST_JSON, "[\"http://a.example/\",\"nonsense\",\"ftp://a.example/\"]", 422,
           "\"errors_total\":2");
    expect(f, POST_JSON, "[\"http://a.example/\",\"nonsense\"]", 422, "\"pointer\":\"/1\"");
    expect(f, POST_TEXT, "http://a.example/\nnonsense\n", 422, "\"line\":2");
    expect(f, POST_JSON, "[\"http://a.example/\"", 400, "line 1");
    expect(f, POST_JSON, "", 400, "bad_request");
    expect(f, POST_TEXT, "", 400, "bad_request");
    expect(f, POST_JSON,
           "{\"urls\":[\"http://a.example/\"],\"webhook\":{\"url\":\"http://a.example/\"}}", 501,
           "not_implemented");
    assert_int_equal(f->tasks, 0);
    fake_stop(f);
}

static void a_partial_submission_lists_what_was_rejected(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    struct buf out = ask(f, "POST /v1/batches?partial=1 HTTP/1.1\r\nContent-Type: application/json",
                         "[\"http://a.example/\",\"nonsense\"]");
    assert_int_equal(status_of(&out), 202);
    assert_true(has(&out, "\"rejected\":[{\"pointer\":\"/1\",\"code\":\"invalid_url\""));
    assert_true(has(&out, "\"rejected_total\":1}"));
    assert_int_equal(f->tasks, 1);
    buf_done(&out);
    fake_stop(f);
}

static char *many_lines(size_t n)
{
    struct buf b = BUF_INIT(1u << 26);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&b, "\"http://host%zu.example/path/%zu\"\n", i % 10, i);
    }
    return buf_steal(&b, NULL);
}

static void a_large_upload_goes_piece_by_piece(void **state)
{
    struct fake *f = fake_start();
    char *body = many_lines(20000), head[200];
    (void)state;
    snprintf(head, sizeof(head), POST_NDJSON, "");
    expect(f, head, body, 202, "\"total\":20000");
    assert_int_equal(f->tasks, 20000);
    assert_true(f->pieces >= 20);
    free(body);
    fake_stop(f);
}

static void at_most_four_pieces_are_unanswered(void **state)
{
    struct fake *f = fake_start();
    char *body = many_lines(20000), head[200];
    (void)state;
    f->withhold = true;
    snprintf(head, sizeof(head), POST_NDJSON, "");
    int fd = client_open(f);
    struct buf text = BUF_INIT(1u << 26);
    buf_printf(&text, "%s\r\nHost: h\r\nContent-Length: %zu\r\n\r\n%s", head, strlen(body), body);
    size_t sent = 0;
    for (int i = 0; i < 2000 && sent < text.len; i++) {
        ssize_t n = send(fd, text.data + sent, text.len - sent, MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        fake_turn(f);
    }
    assert_int_equal(f->pieces, 4);
    assert_true(sent < text.len); // the client is held back
    close(fd);
    assert_true(turn_until(f, f->aborts == 1)); // and its upload forgotten when it leaves
    assert_null(f->batch);
    assert_int_equal(metrics_get(&f->metrics, METRIC_UPLOAD_BYTES), 0);
    buf_done(&text);
    free(body);
    fake_stop(f);
}

static void a_client_that_leaves_stores_nothing(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    int fd = client_open(f);
    static const char cut[] =
        POST_TEXT "\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhttp://a.example/\n";
    client_send(f, fd, cut, sizeof(cut) - 1);
    turn_for(f, 20);
    assert_true(metrics_get(&f->metrics, METRIC_UPLOAD_BYTES) > 0);
    close(fd);
    assert_true(turn_until(f, metrics_get(&f->metrics, METRIC_UPLOAD_BYTES) == 0));
    assert_int_equal(f->tasks, 0);
    fake_stop(f);
}

static void the_verdict_of_the_store_is_told(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    f->refuse = ERR_QUOTA_EXCEEDED;
    expect(f, POST_JSON, two, 429, "Retry-After");
    f->refuse = ERR_IDEMPOTENCY_KEY_REUSED;
    expect(f, POST_JSON, two, 422, "idempotency_key_reused");
    f->refuse = ERR_INTERNAL;
    expect(f, POST_JSON, two, 500, "\"code\":\"internal\"");
    f->refuse = ERR_OK;
    f->full = true;
    expect(f, POST_JSON, two, 507, "storage_full");
    fake_stop(f);
}

// To a request that had begun: connections without one are closed, and new ones not accepted.
static void a_draining_daemon_takes_nothing_new(void **state)
{
    struct fake *f = fake_start();
    struct buf out = BUF_INIT(1u << 20);
    (void)state;
    int fd = client_open(f);
    client_send(f, fd, "\r\n", 2);
    turn_for(f, 20);
    api_drain(f->api);
    send_request(f, fd, POST_JSON, two);
    assert_true(client_read(f, fd, NULL, &out));
    assert_int_equal(status_of(&out), 503);
    assert_true(has(&out, "\"code\":\"draining\"") && has(&out, "\r\nRetry-After: "));
    assert_true(has(&out, "\r\nConnection: close\r\n"));
    assert_int_equal(f->pieces, 0);
    close(fd);
    buf_done(&out);
    fake_stop(f);
}

static void a_known_key_gives_the_same_batch(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    expect(f, POST_JSON "\r\nIdempotency-Key: \"known\"", two, 202, "Location");
    f->key_known = true;
    unsigned pieces = f->pieces;
    f->full = true; // what was accepted is still told
    expect(f, POST_JSON "\r\nIdempotency-Key: known", two, 202, "Idempotency-Replayed: true");
    expect(f, POST_JSON "\r\nIdempotency-Key: known", "[\"http://a.example/1\"]", 422,
           "idempotency_key_reused");
    assert_int_equal(f->pieces, pieces);
    expect(f, POST_JSON "\r\nIdempotency-Key: a b", two, 400, "visible ASCII");
    fake_stop(f);
}

static void an_answer_may_wait_for_the_end(void **state)
{
    struct fake *f = fake_start();
    struct buf out = BUF_INIT(1u << 20);
    (void)state;
    int fd = client_open(f);
    send_request(f, fd, POST_JSON "\r\nPrefer: wait=120", two);
    turn_for(f, 30);
    assert_int_equal(f->tasks, 2);
    assert_int_equal(recv(fd, &(char){0}, 1, MSG_PEEK), -1);
    assert_int_equal(metrics_get(&f->metrics, METRIC_HTTP_WAITERS), 1);
    f->batch->now.state = BATCH_FINISHED;
    f->batch->now.counts.succeeded = 2;
    fake_tell(f, false);
    assert_true(client_read(f, fd, NULL, &out));
    assert_int_equal(status_of(&out), 202);
    assert_true(has(&out, "Preference-Applied: wait=60"));
    assert_true(has(&out, "\"state\":\"finished\""));
    assert_int_equal(metrics_get(&f->metrics, METRIC_HTTP_WAITERS), 0);
    buf_done(&out);
    close(fd);
    fake_stop(f);
}

static void large_documents_are_told_of_ndjson(void **state)
{
    struct fake *f =
        fake_start_with((const char *const[]){"listen.tcp=", "limits.json_document=4K", NULL});
    char body[8000];
    (void)state;
    memset(body, ' ', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    expect(f, POST_JSON, body, 413, "application/x-ndjson");
    fake_stop(f);
}

static void uploads_share_a_budget(void **state)
{
    struct fake *f = fake_start_with((const char *const[]){"listen.tcp=", "limits.upload_budget=4M",
                                                           "limits.request_body=4M", NULL});
    static const char begin[] =
        POST_TEXT "\r\nHost: h\r\nContent-Length: 4194304\r\n\r\nhttp://a.example/\n";
    (void)state;
    int fd = client_open(f);
    client_send(f, fd, begin, sizeof(begin) - 1);
    turn_for(f, 20);
    expect(f, POST_JSON, two, 503, "Retry-After");
    close(fd);
    assert_true(turn_until(f, metrics_get(&f->metrics, METRIC_UPLOAD_BYTES) == 0));
    expect(f, POST_JSON, two, 202, NULL);
    fake_stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_a_batch),
        cmocka_unit_test(options_come_as_query),
        cmocka_unit_test(types_that_are_not_read_are_415),
        cmocka_unit_test(nothing_of_an_invalid_batch_is_stored),
        cmocka_unit_test(a_partial_submission_lists_what_was_rejected),
        cmocka_unit_test(a_large_upload_goes_piece_by_piece),
        cmocka_unit_test(at_most_four_pieces_are_unanswered),
        cmocka_unit_test(a_client_that_leaves_stores_nothing),
        cmocka_unit_test(the_verdict_of_the_store_is_told),
        cmocka_unit_test(a_draining_daemon_takes_nothing_new),
        cmocka_unit_test(a_known_key_gives_the_same_batch),
        cmocka_unit_test(an_answer_may_wait_for_the_end),
        cmocka_unit_test(large_documents_are_told_of_ndjson),
        cmocka_unit_test(uploads_share_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
