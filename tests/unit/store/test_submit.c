// SPDX-License-Identifier: MIT
// Submissions: accepted means durable, large ones are invisible until their last piece, idempotency
// keys.
#include "fixture.h"

static int count_row(void *ctx, const struct batch_info *b)
{
    (void)b;
    ++*(int *)ctx;
    return 0;
}

static int visible_batches(struct fixture *f)
{
    struct err e;
    int n = 0;
    const struct batch_filter all = {.state = -1, .limit = 1000};
    assert_true(reader_batches(f->reader, &all, count_row, &n, &e) >= 0);
    return n;
}

static struct batch_info *read_batch(struct fixture *f, const uint8_t id[UUID_SIZE])
{
    struct err e;
    struct batch_info *b = NULL;
    assert_true(reader_batch(f->reader, id, &e, &b) >= 0);
    return b;
}

static void a_submitted_batch_is_there_after_its_answer(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(
        f, (struct submit){.n = 3, .host = "a.test", .priority = 5, .name = "nightly"});
    assert_int_equal(b.state, BATCH_RUNNING);
    assert_int_equal(b.counts.total, 3);
    struct batch_info *info = read_batch(f, b.id);
    assert_non_null(info);
    assert_string_equal(info->name, "nightly");
    assert_string_equal(info->defaults, "{\"timeout_ms\":5}");
    assert_int_equal(info->priority, 5);
    assert_int_equal(info->now.counts.total, 3);
    assert_int_equal(info->now.version, b.version);
    batch_info_free(&info);
    fixture_restart(f);
    info = read_batch(f, b.id);
    assert_non_null(info);
    batch_info_free(&info);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 3);
}

static void the_worker_is_told_of_the_host(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
    struct work *w = take(&f->worker[store_worker_of("a.test", WORKERS)], RING_WORK);
    assert_int_equal(w->n, 1);
    assert_false(w->more);
    assert_string_equal(w->v[0].name, "a.test");
    assert_int_equal(w->v[0].limits.max_concurrency, -1);
    release_message(w);
}

static void a_large_upload_is_invisible_until_its_last_piece(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 2500, .host = "a.test"};
    for (int from = 0; from < 2000; from += 1000) {
        post_piece(f, 77, &s, from, 1000, false);
        struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
        assert_int_equal(r->status, 0);
        assert_null(r->batch);
        release_message(r);
    }
    assert_int_equal(visible_batches(f), 0);
    struct claimed *c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 0);
    release_message(c);
    post_piece(f, 77, &s, 2000, 500, true);
    struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
    assert_int_equal(r->status, 0);
    assert_int_equal(r->batch->now.counts.total, 2500);
    release_message(r);
    assert_int_equal(visible_batches(f), 1);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 2500);
}

static void what_is_loading_is_removed_at_start(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 2500, .host = "a.test"};
    post_piece(f, 77, &s, 0, 1000, false);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    fixture_restart(f);
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 5, .host = "a.test"});
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 5);
    assert_int_equal(visible_batches(f), 1);
    assert_true(b.batch > 1); // numbers are not used twice
}

static int store_queued(void *ctx, const struct host_row *row)
{
    *(int64_t *)ctx = row->queued;
    return 0;
}

static int64_t queued_of(struct fixture *f, const char *host)
{
    struct err e;
    int64_t n = -1;
    assert_int_equal(reader_host(f->reader, host, store_queued, &n, &e), 1);
    return n;
}

static void an_aborted_upload_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 2500, .host = "a.test"};
    post_piece(f, 9, &s, 0, 1000, false);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    struct upload_piece *p = upload_piece_new(9);
    p->abort = true;
    mailbox_post(store_mailbox(f->store), &p->msg);
    struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
    assert_null(r->batch);
    release_message(r);
    for (int64_t end = clock_monotonic_ms() + WAIT_MS;
         queued_of(f, "a.test") > 0 && clock_monotonic_ms() < end;) {
        flush_store(f);
    }
    assert_int_equal(queued_of(f, "a.test"), 0);
    assert_int_equal(visible_batches(f), 0);
}

static int check_queued(void *ctx, const struct host_row *row)
{
    assert_int_equal(row->queued, 500);
    ++*(int *)ctx;
    return 0;
}

static void of_a_very_large_upload_every_task_is_ready(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 150000, .hosts = 300});
    assert_int_equal(b.counts.total, 150000);
    struct err e;
    int hosts = 0;
    assert_int_equal(reader_hosts(f->reader, "h", 1000, check_queued, &hosts, &e), 300);
    assert_int_equal(hosts, 300);
    assert_int_equal(work_off(f, "h17.test", TASK_SUCCEEDED), 500);
}

static int check_two(void *ctx, const struct host_row *row)
{
    (void)ctx;
    assert_int_equal(row->queued, 2);
    return 0;
}

static void a_host_is_the_same_when_more_are_known_than_are_remembered(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 33000, .hosts = 33000});
    submit_batch(f, (struct submit){.n = 2, .hosts = 2});
    flush_store(f);
    struct err e;
    for (int i = 0; i < 2; i++) {
        char host[16];
        snprintf(host, sizeof(host), "h%d.test", i);
        assert_int_equal(reader_host(f->reader, host, check_two, NULL, &e), 1);
        assert_int_equal(work_off(f, host, TASK_SUCCEEDED), 2);
    }
}

static void an_upload_can_be_aborted_while_its_rows_are_inserted(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 60000, .hosts = 300};
    for (int from = 0; from < s.n; from += 1000) {
        post_piece(f, 4, &s, from, 1000, from + 1000 == s.n);
    }
    for (int i = 0; i < 59; i++) {
        release_message(take(&f->api, RING_UPLOAD_REPLY));
    }
    struct upload_piece *p = upload_piece_new(4);
    p->abort = true;
    mailbox_post(store_mailbox(f->store), &p->msg);
    // Whether the abort or the end came first: each piece is answered, and there is a batch or
    // there is none.
    int accepted = 0;
    for (int i = 0; i < 2; i++) {
        struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
        accepted += r->batch != NULL;
        release_message(r);
    }
    assert_int_equal(visible_batches(f), accepted);
}

static void the_same_key_and_request_give_the_same_batch(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 3, .host = "a.test", .key = "k1", .hash = 1};
    struct batch_snapshot first = submit_batch(f, s);
    struct upload_reply *r = try_submit(f, &s);
    assert_int_equal(r->status, 0);
    assert_true(r->replayed);
    assert_memory_equal(r->batch->now.id, first.id, UUID_SIZE);
    release_message(r);
    assert_int_equal(visible_batches(f), 1);
    uint8_t id[UUID_SIZE], hash[32];
    struct err e;
    assert_int_equal(reader_idempotency(f->reader, "k1", &e, id, hash), 1);
    assert_memory_equal(id, first.id, UUID_SIZE);
    assert_int_equal(hash[31], 1);
    assert_int_equal(reader_idempotency(f->reader, "k2", &e, id, hash), 0);
}

static void the_same_key_for_another_request_is_refused(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 3, .host = "a.test", .key = "k1", .hash = 1});
    const struct submit other = {.n = 2, .host = "a.test", .key = "k1", .hash = 2};
    struct upload_reply *r = try_submit(f, &other);
    assert_int_equal(r->status, -1);
    assert_int_equal(r->err.code, ERR_IDEMPOTENCY_KEY_REUSED);
    release_message(r);
    assert_int_equal(visible_batches(f), 1);
}

static void of_two_concurrent_uploads_with_one_key_one_wins(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 1500, .host = "a.test", .key = "k1", .hash = 1};
    post_piece(f, 1, &s, 0, 1000, false);
    post_piece(f, 2, &s, 0, 1000, false);
    post_piece(f, 2, &s, 1000, 500, true);
    post_piece(f, 1, &s, 1000, 500, true);
    uint8_t winner[UUID_SIZE] = {0};
    int replayed = 0;
    for (int i = 0; i < 4; i++) {
        struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
        assert_int_equal(r->status, 0);
        if (r->last && r->upload == 2) {
            memcpy(winner, r->batch->now.id, UUID_SIZE);
        } else if (r->last) {
            assert_memory_equal(r->batch->now.id, winner, UUID_SIZE);
            replayed = r->replayed;
        }
        release_message(r);
    }
    assert_true(replayed);
    assert_int_equal(visible_batches(f), 1);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 1500);
}

static void more_than_max_queued_is_refused(void **state)
{
    struct fixture *f = *state;
    struct config config = f->config;
    config.fetch.max_queued = 10;
    store_post_config(f->store, &config);
    submit_batch(f, (struct submit){.n = 8, .host = "a.test"});
    struct upload_reply *r = try_submit(f, &(struct submit){.n = 3, .host = "a.test"});
    assert_int_equal(r->status, -1);
    assert_int_equal(r->err.code, ERR_QUOTA_EXCEEDED);
    release_message(r);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 8);
    submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
}

static void a_full_disk_refuses_submissions_and_records_results(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    struct config config = f->config;
    config.store.min_free = UINT64_MAX;
    store_post_config(f->store, &config);
    for (int64_t end = clock_monotonic_ms() + WAIT_MS;
         !store_is_full(f->store) && clock_monotonic_ms() < end;) {
        flush_store(f);
        usleep(10000);
    }
    struct upload_reply *r = try_submit(f, &(struct submit){.n = 3, .host = "a.test"});
    assert_int_equal(r->err.code, ERR_STORAGE_FULL);
    release_message(r);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 2);
}

static void later_pieces_of_a_refused_upload_are_refused(void **state)
{
    struct fixture *f = *state;
    struct config config = f->config;
    config.fetch.max_queued = 1500;
    store_post_config(f->store, &config);
    const struct submit s = {.n = 3000, .host = "a.test"};
    for (int from = 0; from < 3000; from += 1000) {
        post_piece(f, 5, &s, from, 1000, from == 2000);
        struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
        assert_int_equal(r->status, from == 0 ? 0 : -1);
        if (from > 0) {
            assert_int_equal(r->err.code, ERR_QUOTA_EXCEEDED);
        }
        release_message(r);
    }
    assert_int_equal(visible_batches(f), 0);
}

static void pieces_out_of_order_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct submit s = {.n = 3000, .host = "a.test"};
    post_piece(f, 5, &s, 0, 10, false);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    post_piece(f, 5, &s, 5, 10, true);
    struct upload_reply *r = take(&f->api, RING_UPLOAD_REPLY);
    assert_int_equal(r->status, -1);
    release_message(r);
}

static void an_empty_batch_is_finished_at_once(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 0, .host = "a.test"});
    assert_int_equal(b.state, BATCH_FINISHED);
    assert_true(b.finished_at > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_submitted_batch_is_there_after_its_answer),
        TEST(the_worker_is_told_of_the_host),
        TEST(a_large_upload_is_invisible_until_its_last_piece),
        TEST(what_is_loading_is_removed_at_start),
        TEST(an_aborted_upload_leaves_nothing),
        TEST(of_a_very_large_upload_every_task_is_ready),
        TEST(an_upload_can_be_aborted_while_its_rows_are_inserted),
        TEST(the_same_key_and_request_give_the_same_batch),
        TEST(the_same_key_for_another_request_is_refused),
        TEST(of_two_concurrent_uploads_with_one_key_one_wins),
        TEST(more_than_max_queued_is_refused),
        TEST(a_host_is_the_same_when_more_are_known_than_are_remembered),
        TEST(a_full_disk_refuses_submissions_and_records_results),
        TEST(later_pieces_of_a_refused_upload_are_refused),
        TEST(pieces_out_of_order_are_refused),
        TEST(an_empty_batch_is_finished_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
