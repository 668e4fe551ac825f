// SPDX-License-Identifier: MIT
// Reading, waiting for and changing batches, over the wire.
#include "api_fixture.h"

// A daemon that has one running batch of two tasks.
static struct fake *start_with_batch(void)
{
    struct fake *f = fake_start();
    expect(f, "POST /v1/batches HTTP/1.1\r\nContent-Type: application/json",
           "[\"http://a.example/1\",\"http://b.example/2\"]", 202, NULL);
    return f;
}

static void status_needs_the_store_once(void **state)
{
    struct fake *f = start_with_batch();
    struct buf out;
    (void)state;
    f->batch_reads = 0;
    for (int i = 0; i < 3; i++) {
        expect(f, batch_head(f, "GET", ""), NULL, 200, "\"state\":\"running\"");
    }
    assert_int_equal(f->batch_reads, 0); // the submission's answer brought it
    f->batch->now.counts.running = 2;
    fake_tell(f, false);
    fake_turn(f);
    expect(f, batch_head(f, "GET", ""), NULL, 200, "\"queued\":0,\"running\":2");
    out = ask(f, batch_head(f, "HEAD", ""), NULL);
    assert_int_equal(status_of(&out), 200);
    assert_true(has(&out, "Content-Length: ") && !has(&out, "\"state\""));
    buf_done(&out);
    fake_stop(f);
}

static void a_known_state_is_304(void **state)
{
    struct fake *f = start_with_batch();
    char head[600];
    (void)state;
    expect(f, batch_head(f, "GET", ""), NULL, 200, "ETag: \"v1-0\"");
    snprintf(head, sizeof(head), "%s\r\nIf-None-Match: \"v1-0\"", batch_head(f, "GET", ""));
    expect(f, head, NULL, 304, "ETag: \"v1-0\"");
    fake_tell(f, false);
    fake_turn(f);
    expect(f, head, NULL, 200, "ETag: \"v2-0\"");
    fake_stop(f);
}

static void unknown_batches_are_404(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    static const char *const rests[] = {"", "?wait=10", "/results", "/tasks/0", "/tasks/0/body"};
    for (size_t i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
        char head[200];
        snprintf(head, sizeof(head),
                 "GET /v1/batches/0190a6ac-0000-7000-8000-0123456789ab%s HTTP/1.1", rests[i]);
        expect(f, head, NULL, 404, "\"code\":\"not_found\"");
    }
    expect(f, "POST /v1/batches/0190a6ac-0000-7000-8000-0123456789ab/cancel HTTP/1.1", "", 404,
           NULL);
    fake_stop(f);
}

// Opens a request that waits, and checks that it does.
static int begin_waiting(struct fake *f, const char *rest)
{
    int fd = client_open(f);
    send_request(f, fd, batch_head(f, "GET", rest), NULL);
    turn_for(f, 20);
    assert_int_equal(recv(fd, &(char){0}, 1, MSG_PEEK), -1);
    assert_int_equal(metrics_get(&f->metrics, METRIC_HTTP_WAITERS), 1);
    return fd;
}

static void end_waiting(struct fake *f, int fd, int status, const char *text)
{
    struct buf out = BUF_INIT(1u << 20);
    assert_true(client_read(f, fd, NULL, &out));
    if (status_of(&out) != status || !has(&out, text)) {
        fail_msg("expected %d with '%s', got %s", status, text, out.data);
    }
    assert_int_equal(metrics_get(&f->metrics, METRIC_HTTP_WAITERS), 0);
    buf_done(&out);
    close(fd);
}

static void a_wait_ends_with_the_batch(void **state)
{
    struct fake *f = start_with_batch();
    (void)state;
    int fd = begin_waiting(f, "?wait=99");
    f->batch->now.counts.succeeded = 1; // not what is waited for
    fake_tell(f, false);
    turn_for(f, 10);
    assert_int_equal(recv(fd, &(char){0}, 1, MSG_PEEK), -1);
    f->batch->now.state = BATCH_FINISHED;
    fake_tell(f, false);
    end_waiting(f, fd, 200, "Preference-Applied: wait=60");
    expect(f, batch_head(f, "GET", "?wait=30"), NULL, 200, "\"finished\""); // at once
    fake_stop(f);
}

static void a_wait_ends_with_the_next_result_or_failure(void **state)
{
    struct fake *f = start_with_batch();
    (void)state;
    int fd = begin_waiting(f, "?wait=30&return_when=first_completed&after_seq=1");
    f->batch->now.counts.succeeded = 1;
    fake_tell(f, false);
    turn_for(f, 10);
    assert_int_equal(recv(fd, &(char){0}, 1, MSG_PEEK), -1);
    f->batch->now.counts.succeeded = 2;
    fake_tell(f, false);
    end_waiting(f, fd, 200, "\"succeeded\":2");
    fd = begin_waiting(f, "?wait=30&return_when=first_failed");
    f->batch->now.counts.succeeded = 1;
    f->batch->now.counts.failed = 1;
    fake_tell(f, false);
    end_waiting(f, fd, 200, "\"failed\":1");
    expect(f, batch_head(f, "GET", "?return_when=never"), NULL, 400, "return_when");
    fake_stop(f);
}

static void a_wait_ends_in_time_with_the_present_state(void **state)
{
    struct fake *f = start_with_batch();
    (void)state;
    int64_t began = clock_monotonic_ms();
    int fd = begin_waiting(f, "?wait=1");
    end_waiting(f, fd, 200, "\"running\"");
    assert_in_range(clock_monotonic_ms() - began, 900, 3000);
    fake_stop(f);
}

static void a_wait_ends_when_the_batch_is_deleted_or_the_client_leaves(void **state)
{
    struct fake *f = start_with_batch();
    (void)state;
    int fd = begin_waiting(f, "?wait=30");
    close(fd);
    assert_true(turn_until(f, metrics_get(&f->metrics, METRIC_HTTP_WAITERS) == 0));
    fd = begin_waiting(f, "?wait=30");
    fake_tell(f, true);
    batch_info_free(&f->batch);
    end_waiting(f, fd, 404, "not_found");
    fake_stop(f);
}

static void what_was_deleted_is_gone_at_once(void **state)
{
    struct fake *f = start_with_batch();
    char *head = strdup(batch_head(f, "GET", "")); // the next head takes its place
    (void)state;
    assert_non_null(head);
    int fd = begin_waiting(f, "?wait=30");
    // The store says nothing but its reply.
    expect(f, batch_head(f, "DELETE", "?force=1"), NULL, 204, NULL);
    expect(f, head, NULL, 404, "not_found");
    end_waiting(f, fd, 404, "not_found");
    fake_stop(f);
    free(head);
}

static void waits_are_answered_when_the_daemon_drains(void **state)
{
    struct fake *f = start_with_batch();
    (void)state;
    int fd = begin_waiting(f, "?wait=30");
    int kept = client_open(f); // its next request comes on an open connection
    fake_turn(f);
    api_drain(f->api);
    end_waiting(f, fd, 200, "Connection: close");
    close(kept);
    fake_stop(f);
}

static void control_is_the_stores_to_decide(void **state)
{
    struct fake *f = start_with_batch();
    (void)state;
    expect(f, batch_head(f, "POST", "/cancel"), "", 200, "\"state\":");
    expect(f, batch_head(f, "POST", "/cancel"), NULL, 200, "\"state\":"); // curl -X POST
    assert_int_equal(f->last_control.verb, CONTROL_CANCEL);
    expect(f, batch_head(f, "POST", "/pause"), "", 200, "ETag: ");
    assert_int_equal(f->last_control.verb, CONTROL_PAUSE);
    expect(f, batch_head(f, "POST", "/resume"), "", 200, NULL);
    assert_int_equal(f->last_control.verb, CONTROL_RESUME);
    expect(f, batch_head(f, "POST", "/retry"), "", 202, "Location: /v1/batches/");
    assert_int_equal(f->last_control.retry_states,
                     1u << TASK_FAILED | 1u << TASK_STATE_CANCELLED | 1u << TASK_STATE_EXPIRED);
    expect(f, batch_head(f, "POST", "/retry?state=failed"), "", 202, NULL);
    assert_int_equal(f->last_control.retry_states, 1u << TASK_FAILED);
    expect(f, batch_head(f, "POST", "/retry?state=succeeded"), "", 400, "state");
    expect(f, batch_head(f, "DELETE", "?force=1"), NULL, 204, NULL);
    assert_true(f->last_control.force);
    fake_stop(f);
}

static void a_client_that_leaves_before_the_reply_harms_nothing(void **state)
{
    struct fake *f = start_with_batch();
    (void)state;
    int fd = client_open(f);
    struct buf text = BUF_INIT(1000);
    buf_printf(&text, "%s\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
               batch_head(f, "POST", "/cancel"));
    assert_int_equal(send(fd, text.data, text.len, MSG_NOSIGNAL), text.len);
    close(fd);
    assert_true(turn_until(f, f->controls == 1));
    turn_for(f, 20);
    buf_done(&text);
    fake_stop(f);
}

// Asks for a page, and for the one that follows it, which must be the last.
static void read_two_pages(struct fake *f, const char *first, struct buf ret[2])
{
    char head[600];
    ret[0] = ask(f, first, NULL);
    assert_true(has(&ret[0], "\"more\":true"));
    const char *next = strstr(ret[0].data, "\"next\":\"");
    assert_non_null(next);
    next += strlen("\"next\":\"");
    snprintf(head, sizeof(head), "GET /v1/batches?limit=100&after=%.*s HTTP/1.1",
             (int)strcspn(next, "\""), next);
    ret[1] = ask(f, head, NULL);
    assert_true(has(&ret[1], "\"next\":null,\"more\":false"));
}

static void a_list_of_large_batches_has_short_pages(void **state)
{
    enum { SIZE = 1500000 };
    struct fake *f = start_with_batch();
    struct buf pages[2];
    (void)state;
    char *metadata = malloc(SIZE + 1);
    assert_non_null(metadata);
    snprintf(metadata, SIZE + 1, "\"%0*d\"", SIZE - 2, 7);
    free(f->batch->metadata);
    f->batch->metadata = metadata;
    read_two_pages(f, "GET /v1/batches?limit=100 HTTP/1.1", pages);
    assert_in_range(pages[0].len, 3 * SIZE, 4 * SIZE);
    assert_in_range(pages[1].len, 2 * SIZE, 3 * SIZE);
    buf_done(&pages[0]);
    buf_done(&pages[1]);
    fake_stop(f);
}

static void lists_go_page_by_page(void **state)
{
    struct fake *f = start_with_batch();
    struct buf pages[2];
    (void)state;
    read_two_pages(f, "GET /v1/batches?limit=2 HTTP/1.1", pages);
    buf_done(&pages[0]);
    buf_done(&pages[1]);
    expect(f, "GET /v1/batches?after=nonsense HTTP/1.1", NULL, 400, "cursor");
    expect(f, "GET /v1/batches?state=loading HTTP/1.1", NULL, 400, "state");
    expect(f, "GET /v1/batches?limit=0 HTTP/1.1", NULL, 400, "limit");
    expect(f, "GET /v1/batches?limit=1&limit=1 HTTP/1.1", NULL, 400, "twice");
    fake_stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_needs_the_store_once),
        cmocka_unit_test(a_known_state_is_304),
        cmocka_unit_test(unknown_batches_are_404),
        cmocka_unit_test(a_wait_ends_with_the_batch),
        cmocka_unit_test(a_wait_ends_with_the_next_result_or_failure),
        cmocka_unit_test(a_wait_ends_in_time_with_the_present_state),
        cmocka_unit_test(a_wait_ends_when_the_batch_is_deleted_or_the_client_leaves),
        cmocka_unit_test(what_was_deleted_is_gone_at_once),
        cmocka_unit_test(waits_are_answered_when_the_daemon_drains),
        cmocka_unit_test(control_is_the_stores_to_decide),
        cmocka_unit_test(a_client_that_leaves_before_the_reply_harms_nothing),
        cmocka_unit_test(lists_go_page_by_page),
        cmocka_unit_test(a_list_of_large_batches_has_short_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
