// SPDX-License-Identifier: MIT
// A full disk refuses what asks and keeps what reports; a failing disk stops the store, and nothing
// is answered that was not stored.
#include "fixture.h"
#include "faulty_vfs.h"

static void wait_for_space(struct fixture *f)
{
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (store_is_full(f->store) && clock_monotonic_ms() < end) {
        flush_store(f); // a turn looks at the disk
    }
    assert_false(store_is_full(f->store));
}

static void wait_until_nothing_is_unfinished(struct fixture *f)
{
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (metrics_get(&f->metrics, METRIC_TASKS_UNFINISHED) > 0 && clock_monotonic_ms() < end) {
        flush_store(f);
    }
    assert_int_equal(metrics_get(&f->metrics, METRIC_TASKS_UNFINISHED), 0);
}

static void on_a_full_disk_submissions_are_refused_and_outcomes_kept(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 5, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    faulty_write = SQLITE_FULL;
    for (size_t i = 0; i < c->n; i++) {
        post_outcome(f, &c->tasks[i], TASK_SUCCEEDED);
    }
    struct upload_reply *r = try_submit(f, &(struct submit){.n = 3, .host = "b.test"});
    assert_int_equal(r->status, -1);
    assert_int_equal(r->err.code, ERR_STORAGE_FULL);
    release_message(r);
    struct control_reply *reply = control_batch(f, CONTROL_CANCEL, b.id, false);
    assert_int_equal(reply->status, -1);
    assert_int_equal(reply->err.code, ERR_STORAGE_FULL);
    release_message(reply);
    faulty_write = 0;
    struct batch_snapshot end = wait_changed(f, b.batch, is_finished);
    assert_int_equal(end.counts.succeeded, 5);
    assert_int_equal(metrics_get(&f->metrics, METRIC_TASKS_SUCCEEDED), 5);
    assert_int_equal(metrics_get(&f->metrics, METRIC_OUTCOMES_STALE), 0);
    release_message(c);
    // And submissions are taken again.
    struct upload_reply *again = try_submit(f, &(struct submit){.n = 3, .host = "b.test"});
    for (int i = 0; again->status != 0 && i < 50; i++) {
        release_message(again);
        usleep(100000);
        again = try_submit(f, &(struct submit){.n = 3, .host = "b.test"});
    }
    assert_int_equal(again->status, 0);
    release_message(again);
    assert_int_equal(work_off(f, "b.test", TASK_SUCCEEDED), 3);
}

// Else workers would go on making results that only memory can hold.
static void outcomes_that_cannot_be_recorded_count_as_waiting_for_the_store(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 300, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 300, 300);
    faulty_write = SQLITE_FULL;
    for (size_t i = 0; i < c->n; i++) {
        post_outcome(f, &c->tasks[i], TASK_SUCCEEDED);
    }
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (!store_is_full(f->store) && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    while (mailbox_length(store_mailbox(f->store)) != 300 && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    assert_int_equal(mailbox_length(store_mailbox(f->store)), 300);
    faulty_write = 0;
    while (mailbox_length(store_mailbox(f->store)) > 0 && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    assert_int_equal(metrics_get(&f->metrics, METRIC_TASKS_SUCCEEDED), 300);
    release_message(c);
}

static void a_large_upload_that_met_a_full_disk_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 3000, .host = "a.test"};
    post_piece(f, 5, &s, 0, 1000, false);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    faulty_write = SQLITE_FULL;
    post_piece(f, 5, &s, 1000, 1000, false);
    struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
    assert_int_equal(r->err.code, ERR_STORAGE_FULL);
    release_message(r);
    faulty_write = 0;
    post_piece(f, 5, &s, 2000, 1000, true);
    r = take(&f->api, RING_UPLOAD_REPLY);
    assert_int_equal(r->err.code, ERR_STORAGE_FULL);
    release_message(r);
    wait_until_nothing_is_unfinished(f);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 0);
}

// Each task carries so much that the transaction writes to the log before its end.
static void post_heavy_batch(struct fixture *f, uint64_t upload, int n)
{
    const struct submit s = {.n = n, .host = "heavy.test", .priority = 9};
    struct upload_piece *p = upload_piece_new(upload);
    assert_non_null(p);
    p->batch = new_batch(&s);
    fill_piece(&p->tasks, &s, 0, n);
    char text[65536];
    memset(text, 'x', sizeof(text));
    const char *metadata = task_piece_copy(&p->tasks, text, sizeof(text));
    for (size_t i = 0; i < p->tasks.n; i++) {
        p->tasks.v[i].metadata = metadata;
    }
    p->last = true;
    mailbox_post(store_mailbox(f->store), &p->msg);
}

static void a_disk_that_fills_among_a_batchs_tasks_leaves_nothing_of_it_for_the_next(void **state)
{
    struct fixture *f = *state;
    faulty_write = SQLITE_FULL;
    post_heavy_batch(f, 5, 1000);
    struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
    assert_int_equal(r->err.code, ERR_STORAGE_FULL);
    release_message(r);
    faulty_write = 0;
    // The next batch gets the same row number.
    const struct submit s = {.n = 3, .host = "b.test", .priority = 2};
    r = try_submit(f, &s);
    for (int i = 0; r->status != 0 && i < 50; i++) {
        release_message(r);
        usleep(100000);
        r = try_submit(f, &s);
    }
    assert_int_equal(r->status, 0);
    struct batch_snapshot b = r->batch->now;
    release_message(r);
    struct claimed *c = claim_tasks(f, "b.test", 3, 3);
    assert_int_equal(c->n, 3);
    assert_int_equal(c->tasks[0].ref.priority, 2);
    for (size_t i = 0; i < c->n; i++) {
        post_outcome(f, &c->tasks[i], TASK_SUCCEEDED);
    }
    release_message(c);
    struct batch_snapshot end = wait_changed(f, b.batch, is_finished);
    assert_memory_equal(end.id, b.id, UUID_SIZE);
}

// In the group that the copy begins in, and in a later one.
static void a_retry_that_meets_a_full_disk_is_refused_once_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 6000, .host = "a.test"});
    assert_int_equal(work_off(f, "a.test", TASK_FAILED), 6000);
    flush_store(f);
    for (int i = 0; i < 2; i++) {
        faulty_after = i * 300;
        faulty_write = SQLITE_FULL;
        struct control_reply *r = control_batch(f, CONTROL_RETRY, b.id, false);
        assert_int_equal(r->status, -1);
        assert_int_equal(r->err.code, ERR_STORAGE_FULL);
        release_message(r);
        faulty_write = 0;
        wait_for_space(f);
    }
    wait_until_nothing_is_unfinished(f);
    assert_null(take_within(&f->api, RING_CONTROL_REPLY, 0));
    struct control_reply *r = control_batch(f, CONTROL_RETRY, b.id, false);
    assert_int_equal(r->status, 0);
    assert_int_equal(r->batch->now.counts.total, 6000);
    release_message(r);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 6000);
}

static void a_disk_that_fills_while_rows_are_inserted_ends_the_upload_once(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 60000, .hosts = 300};
    for (int from = 0; from < s.n; from += 1000) {
        post_piece(f, 4, &s, from, 1000, from + 1000 == s.n);
    }
    for (int i = 0; i < 59; i++) {
        release_message(take(&f->api, RING_UPLOAD_REPLY));
    }
    faulty_write = SQLITE_FULL;
    struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
    assert_true(r->last);
    assert_int_equal(r->status == 0, r->batch != NULL); // it may have been done before
    release_message(r);
    faulty_write = 0;
    assert_null(take_within(&f->api, RING_UPLOAD_REPLY, 50));
}

static void a_quota_that_is_used_up_is_a_full_disk(void **state)
{
    struct fixture *f = *state;
    faulty_errno = EDQUOT;
    faulty_write = SQLITE_IOERR_WRITE;
    struct upload_reply *r = try_submit(f, &(struct submit){.n = 3, .host = "a.test"});
    assert_int_equal(r->err.code, ERR_STORAGE_FULL);
    release_message(r);
    assert_int_equal(f->fatal, 0);
    faulty_write = 0;
    faulty_errno = 0;
}

static void after_a_failed_sync_nothing_is_answered(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    f->config.store.synchronous = STORE_SYNCHRONOUS_FULL;
    fixture_start(f);
    faulty_sync = SQLITE_IOERR_FSYNC;
    post_piece(f, 5, &(struct submit){.n = 3, .host = "a.test"}, 0, 3, true);
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (f->fatal == 0 && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    assert_int_equal(f->fatal, 1);
    assert_null(take_within(&f->api, RING_UPLOAD_REPLY, 50));
    faulty_sync = 0;
    f->fatal = 0;
    fixture_stop(f);
    fixture_remove(f);
}

int main(void)
{
    faulty_install();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(on_a_full_disk_submissions_are_refused_and_outcomes_kept,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            outcomes_that_cannot_be_recorded_count_as_waiting_for_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_upload_that_met_a_full_disk_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_disk_that_fills_among_a_batchs_tasks_leaves_nothing_of_it_for_the_next, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            a_retry_that_meets_a_full_disk_is_refused_once_and_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_disk_that_fills_while_rows_are_inserted_ends_the_upload_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_quota_that_is_used_up_is_a_full_disk, setup, teardown),
        cmocka_unit_test(after_a_failed_sync_nothing_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
