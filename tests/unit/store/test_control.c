// SPDX-License-Identifier: MIT
// Cancel, pause, resume, retry, delete, fail_fast, deadlines, retention, limits of hosts.
#include "fixture.h"

static void check_reply(struct control_reply *r, int status, enum err_code code)
{
    assert_int_equal(r->status, status);
    if (status < 0) {
        assert_int_equal(r->err.code, code);
        assert_null(r->batch);
    }
    release_message(r);
}

static int count_result(void *ctx, const struct result_row *row)
{
    int *n = ctx;
    assert_int_equal(row->seq, *n + 1);
    ++*n;
    return 0;
}

// All results are there, numbered without gaps.
static int results_of(struct fixture *f, uint64_t batch)
{
    struct err e;
    int n = 0, got = 1;
    while (got > 0) {
        const struct results_query q = {.batch = batch, .after = n, .limit = 1000};
        got = reader_results(f->reader, &q, count_result, &n, &e);
        assert_true(got >= 0);
    }
    return n;
}

static void a_cancelled_small_batch_is_finished_in_the_answer(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 10, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 4, 4);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    struct control_reply *r = control_batch(f, CONTROL_CANCEL, b.id, false);
    assert_int_equal(r->batch->now.state, BATCH_FINISHED);
    assert_int_equal(r->batch->now.counts.succeeded, 1);
    assert_int_equal(r->batch->now.counts.cancelled, 9);
    assert_true(r->batch->now.cancel_requested_at > 0);
    uint64_t version = r->batch->now.version;
    release_message(r);
    for (int i = 0; i < WORKERS; i++) {
        struct batch_halt *h = take(&f->worker[i], RING_BATCH_HALT);
        assert_int_equal(h->batch, b.batch);
        assert_false(h->pause);
        release_message(h);
    }
    post_outcome(f, &c->tasks[1], TASK_SUCCEEDED); // too late
    flush_store(f);
    assert_int_equal(metrics_get(&f->metrics, METRIC_OUTCOMES_STALE), 1);
    assert_int_equal(results_of(f, b.batch), 10);
    r = control_batch(f, CONTROL_CANCEL, b.id, false); // again: nothing happens
    assert_int_equal(r->batch->now.version, version);
    release_message(r);
    release_message(c);
}

static void a_large_batch_is_cancelled_in_pieces(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 5000, .hosts = 3});
    struct claimed *c = claim_tasks(f, "h1.test", 10, 10);
    struct control_reply *r = control_batch(f, CONTROL_CANCEL, b.id, false);
    assert_int_equal(r->status, 0);
    release_message(r);
    struct batch_snapshot end = wait_changed(f, b.batch, is_finished);
    assert_int_equal(end.counts.cancelled, 5000);
    assert_int_equal(results_of(f, b.batch), 5000);
    release_message(c);
    c = claim_tasks(f, "h1.test", 10, 10);
    assert_int_equal(c->n, 0);
    release_message(c);
}

static void a_cancel_under_way_goes_on_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 20000, .host = "a.test"});
    release_message(control_batch(f, CONTROL_CANCEL, b.id, false));
    fixture_restart(f);
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    struct batch_info *info = NULL;
    struct err e;
    do {
        batch_info_free(&info);
        assert_int_equal(reader_batch(f->reader, b.id, &e, &info), 1);
    } while (info->now.state != BATCH_FINISHED && clock_monotonic_ms() < end);
    assert_int_equal(info->now.counts.cancelled, 20000);
    batch_info_free(&info);
    assert_int_equal(results_of(f, b.batch), 20000);
}

static void a_paused_batch_starts_nothing_until_it_is_resumed(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 10, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 2, 2);
    struct control_reply *r = control_batch(f, CONTROL_PAUSE, b.id, false);
    assert_int_equal(r->batch->now.state, BATCH_PAUSED);
    release_message(r);
    struct batch_halt *h = take(&f->worker[0], RING_BATCH_HALT);
    assert_true(h->pause);
    release_message(h);
    struct release *back = release_new(1);
    back->v[0] = c->tasks[1].ref;
    mailbox_post(store_mailbox(f->store), &back->msg);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED); // what was in flight goes on
    release_message(c);
    c = claim_tasks(f, "a.test", 20, 20);
    assert_int_equal(c->n, 0);
    assert_false(c->more);
    release_message(c);
    r = control_batch(f, CONTROL_RESUME, b.id, false);
    assert_int_equal(r->batch->now.state, BATCH_RUNNING);
    assert_int_equal(r->batch->now.counts.succeeded, 1);
    release_message(r);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 9);
    check_reply(control_batch(f, CONTROL_PAUSE, b.id, false), -1, ERR_CONFLICT);
    check_reply(control_batch(f, CONTROL_RESUME, b.id, false), -1, ERR_CONFLICT);
}

static void an_unknown_batch_is_not_found(void **state)
{
    struct fixture *f = *state;
    const uint8_t id[UUID_SIZE] = {1};
    const enum control_verb verbs[] = {CONTROL_CANCEL, CONTROL_PAUSE, CONTROL_RESUME, CONTROL_RETRY,
                                       CONTROL_DELETE};
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        check_reply(control_batch(f, verbs[i], id, false), -1, ERR_NOT_FOUND);
    }
}

static void the_first_failure_cancels_a_fail_fast_batch(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b =
        submit_batch(f, (struct submit){.n = 10, .host = "a.test", .fail_fast = true});
    struct claimed *c = claim_tasks(f, "a.test", 3, 3);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    post_outcome(f, &c->tasks[1], TASK_FAILED);
    struct batch_snapshot end = wait_changed(f, b.batch, is_finished);
    assert_int_equal(end.counts.succeeded, 1);
    assert_int_equal(end.counts.failed, 1);
    assert_int_equal(end.counts.cancelled, 8);
    assert_true(end.cancel_requested_at > 0);
    release_message(take(&f->worker[0], RING_BATCH_HALT));
    release_message(c);
}

static void what_is_unfinished_at_the_deadline_expires(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b =
        submit_batch(f, (struct submit){.n = 10, .host = "a.test", .deadline_ms = 250});
    int64_t start = clock_wall_at();
    struct claimed *c = claim_tasks(f, "a.test", 3, 3);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    struct batch_snapshot end = wait_changed(f, b.batch, is_finished);
    assert_true(clock_wall_at() - start >= 200);
    assert_int_equal(end.counts.succeeded, 1);
    assert_int_equal(end.counts.expired, 9);
    assert_int_equal(end.cancel_requested_at, 0);
    release_message(c);
}

static int visible(struct fixture *f, const uint8_t id[UUID_SIZE])
{
    struct err e;
    struct batch_info *info = NULL;
    int n = reader_batch(f->reader, id, &e, &info);
    batch_info_free(&info);
    return n;
}

// Waits until no row of the batch is left.
static void wait_purged(struct fixture *f, uint64_t batch)
{
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    struct err e;
    struct buf b = BUF_INIT(10);
    int n = 1;
    while (n > 0 && clock_monotonic_ms() < end) {
        flush_store(f);
        n = results_of(f, batch) + reader_body(f->reader, batch, 0, 0, 1, &b, &e);
    }
    buf_done(&b);
    assert_int_equal(n, 0);
}

static void a_finished_batch_can_be_deleted(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b =
        submit_batch(f, (struct submit){.n = 10, .host = "a.test", .key = "k", .hash = 1});
    check_reply(control_batch(f, CONTROL_DELETE, b.id, false), -1, ERR_CONFLICT);
    work_off(f, "a.test", TASK_SUCCEEDED);
    check_reply(control_batch(f, CONTROL_DELETE, b.id, false), 0, ERR_OK);
    assert_int_equal(visible(f, b.id), 0);
    wait_changed(f, b.batch, is_deleted);
    check_reply(control_batch(f, CONTROL_DELETE, b.id, false), -1, ERR_NOT_FOUND);
    wait_purged(f, b.batch);
    // Its key is free again.
    submit_batch(f, (struct submit){.n = 1, .host = "a.test", .key = "k", .hash = 2});
}

static int store_queued(void *ctx, const struct host_row *row)
{
    *(int64_t *)ctx = row->queued;
    return 0;
}

static void a_running_batch_is_deleted_by_force(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 3000, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 3, 3);
    check_reply(control_batch(f, CONTROL_DELETE, b.id, true), 0, ERR_OK);
    assert_int_equal(visible(f, b.id), 0);
    release_message(take(&f->worker[0], RING_BATCH_HALT));
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    release_message(c);
    int64_t queued = 1, end = clock_monotonic_ms() + WAIT_MS;
    while (queued > 0 && clock_monotonic_ms() < end) {
        struct err e;
        flush_store(f);
        assert_int_equal(reader_host(f->reader, "a.test", store_queued, &queued, &e), 1);
    }
    assert_int_equal(queued, 0);
    assert_int_equal(metrics_get(&f->metrics, METRIC_OUTCOMES_STALE), 1);
    c = claim_tasks(f, "a.test", 3, 3);
    assert_int_equal(c->n, 0);
    release_message(c);
}

static void failed_tasks_are_retried_as_a_new_batch(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b =
        submit_batch(f, (struct submit){.n = 2000, .host = "a.test", .priority = 7, .name = "x"});
    check_reply(control_batch(f, CONTROL_RETRY, b.id, false), -1, ERR_CONFLICT);
    int sum = 0;
    while (sum < 2000) {
        struct claimed *c = claim_tasks(f, "a.test", 500, 500);
        for (size_t i = 0; i < c->n; i++) {
            bool odd = task_key_index(c->tasks[i].ref.task) % 2 == 1;
            post_outcome(f, &c->tasks[i], odd ? TASK_FAILED : TASK_SUCCEEDED);
        }
        sum += (int)c->n;
        release_message(c);
    }
    wait_changed(f, b.batch, is_finished);
    struct control_reply *r = control_batch(f, CONTROL_RETRY, b.id, false);
    assert_int_equal(r->status, 0);
    assert_int_equal(r->batch->now.counts.total, 1000);
    assert_int_equal(r->batch->now.state, BATCH_RUNNING);
    assert_int_equal(r->batch->priority, 7);
    assert_string_equal(r->batch->name, "x");
    assert_true(r->batch->has_retry_of);
    assert_memory_equal(r->batch->retry_of, b.id, UUID_SIZE);
    uint64_t copy = r->batch->now.batch;
    release_message(r);
    struct claimed *c = claim_tasks(f, "a.test", 1, 1);
    assert_int_equal(c->tasks[0].ref.task, task_key(copy, 0));
    assert_string_equal(c->tasks[0].url, "http://a.test/1");
    assert_int_equal(c->tasks[0].attempts, 0);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    release_message(c);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 999);
}

static void a_retry_without_such_tasks_is_a_conflict(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
    work_off(f, "a.test", TASK_SUCCEEDED);
    check_reply(control_batch(f, CONTROL_RETRY, b.id, false), -1, ERR_CONFLICT);
}

static void a_retry_beyond_the_quota_is_refused_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 1200, .host = "a.test"});
    work_off(f, "a.test", TASK_FAILED);
    flush_store(f);
    struct config config = f->config;
    config.fetch.max_queued = 1100; // met by the third piece
    store_post_config(f->store, &config);
    check_reply(control_batch(f, CONTROL_RETRY, b.id, false), -1, ERR_QUOTA_EXCEEDED);
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (metrics_get(&f->metrics, METRIC_TASKS_UNFINISHED) > 0 && clock_monotonic_ms() < end) {
        flush_store(f);
    }
    assert_int_equal(metrics_get(&f->metrics, METRIC_TASKS_UNFINISHED), 0);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 0);
}

static void finished_batches_are_forgotten_after_the_retention(void **state)
{
    struct fixture *f = *state;
    struct config config = f->config;
    config.store.retention_ms = 300;
    store_post_config(f->store, &config);
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
    struct batch_snapshot open = submit_batch(f, (struct submit){.n = 1, .host = "b.test"});
    work_off(f, "a.test", TASK_SUCCEEDED);
    assert_int_equal(visible(f, b.id), 1);
    wait_changed(f, b.batch, is_deleted);
    assert_int_equal(visible(f, b.id), 0);
    assert_int_equal(visible(f, open.id), 1);
}

static void a_changed_retention_holds_at_once_in_an_idle_store(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
    work_off(f, "a.test", TASK_SUCCEEDED);
    flush_store(f);
    struct config config = f->config;
    config.store.retention_ms = 1;
    store_post_config(f->store, &config);
    wait_changed(f, b.batch, is_deleted);
}

static void a_batch_can_be_deleted_at_the_moment_its_retention_ends(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    work_off(f, "a.test", TASK_SUCCEEDED);
    wait_changed(f, b.batch, is_finished);
    fixture_stop(f);
    f->config.store.retention_ms = 1;
    fixture_open(f);
    struct control *c = control_new(CONTROL_DELETE, 1); // in the group that forgets it, too
    assert_non_null(c);
    memcpy(c->id, b.id, UUID_SIZE);
    mailbox_post(store_mailbox(f->store), &c->msg);
    fixture_run(f);
    check_reply(take(&f->api, RING_CONTROL_REPLY), 0, ERR_OK);
    wait_purged(f, b.batch);
}

// Whose reply comes next.
static uint64_t take_reply(struct fixture *f)
{
    struct control_reply *r = take(&f->api, RING_CONTROL_REPLY);
    uint64_t token = r->token;
    check_reply(r, r->status, r->err.code);
    return token;
}

static void post_retry_of(struct fixture *f, const uint8_t id[UUID_SIZE], uint64_t token)
{
    struct control *c = control_new(CONTROL_RETRY, token);
    assert_non_null(c);
    memcpy(c->id, id, UUID_SIZE);
    uuid_v7(clock_wall_at(), c->new_id);
    c->retry_states = 1U << TASK_FAILED;
    mailbox_post(store_mailbox(f->store), &c->msg);
}

static void a_small_batch_is_copied_for_a_retry_beside_a_large_one(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot large = submit_batch(f, (struct submit){.n = 10000, .host = "a.test"});
    struct batch_snapshot small = submit_batch(f, (struct submit){.n = 1, .host = "b.test"});
    work_off(f, "a.test", TASK_FAILED);
    work_off(f, "b.test", TASK_FAILED);
    flush_store(f);
    post_retry_of(f, large.id, 101);
    post_retry_of(f, small.id, 102);
    assert_int_equal(take_reply(f), 102);
    assert_int_equal(take_reply(f), 101);
}

static void a_batch_that_is_copied_for_a_retry_is_not_removed(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 1200, .host = "a.test"});
    work_off(f, "a.test", TASK_FAILED);
    wait_changed(f, b.batch, is_finished);
    fixture_stop(f);
    fixture_open(f); // so that both are in one group
    post_retry_of(f, b.id, 101);
    struct control *c = control_new(CONTROL_DELETE, 102);
    assert_non_null(c);
    memcpy(c->id, b.id, UUID_SIZE);
    mailbox_post(store_mailbox(f->store), &c->msg);
    fixture_run(f);
    check_reply(take(&f->api, RING_CONTROL_REPLY), -1, ERR_CONFLICT);
    assert_int_equal(take_reply(f), 101);
    check_reply(control_batch(f, CONTROL_DELETE, b.id, false), 0, ERR_OK);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 1200);
}

static void a_stop_amid_a_copy_leaves_all_of_it_or_nothing(void **state)
{
    enum { N = 20000 };
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = N, .host = "a.test"});
    work_off(f, "a.test", TASK_FAILED);
    wait_changed(f, b.batch, is_finished);
    fixture_stop(f);
    fixture_open(f);
    post_retry_of(f, b.id, 101);
    fixture_run(f);
    fixture_restart(f);
    int ready = work_off(f, "a.test", TASK_SUCCEEDED);
    assert_true(ready == 0 || ready == N);
}

static void a_retry_has_as_long_to_live_as_what_it_repeats(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b =
        submit_batch(f, (struct submit){.n = 1, .host = "a.test", .deadline_ms = 600000});
    work_off(f, "a.test", TASK_FAILED);
    wait_changed(f, b.batch, is_finished);
    struct control_reply *r = control_batch(f, CONTROL_RETRY, b.id, false);
    assert_int_equal(r->batch->deadline_at - r->batch->created_at, 600000);
    release_message(r);
}

static void a_small_batch_expires_beside_the_cancel_of_a_large_one(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot large = submit_batch(f, (struct submit){.n = 30000, .host = "a.test"});
    release_message(control_batch(f, CONTROL_CANCEL, large.id, false));
    struct batch_snapshot small =
        submit_batch(f, (struct submit){.n = 1, .host = "b.test", .deadline_ms = 1});
    bool small_ended = false;
    while (!small_ended) {
        struct changed *c = take(&f->api, RING_CHANGED);
        for (size_t i = 0; i < c->n; i++) {
            small_ended |= c->v[i].batch == small.batch && is_finished(&c->v[i]);
            assert_false(c->v[i].batch == large.batch && is_finished(&c->v[i]));
        }
        release_message(c);
    }
}

static void many_small_batches_are_removed_in_few_commits(void **state)
{
    enum { N = 200 };
    struct fixture *f = *state;
    struct batch_snapshot b[N];
    for (int i = 0; i < N; i++) {
        b[i] = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    }
    work_off(f, "a.test", TASK_SUCCEEDED);
    flush_store(f);
    int64_t before = metrics_get(&f->metrics, METRIC_STORE_COMMITS);
    for (int i = 0; i < N; i++) {
        struct control *c = control_new(CONTROL_DELETE, 1);
        assert_non_null(c);
        memcpy(c->id, b[i].id, UUID_SIZE);
        mailbox_post(store_mailbox(f->store), &c->msg);
    }
    for (int i = 0; i < N; i++) {
        check_reply(take(&f->api, RING_CONTROL_REPLY), 0, ERR_OK);
    }
    int64_t end = clock_monotonic_ms() + WAIT_MS;
    while (results_of(f, b[N - 1].batch) > 0 && clock_monotonic_ms() < end) {
        usleep(1000);
    }
    assert_int_equal(results_of(f, b[N - 1].batch), 0);
    // A commit for each delete at most, and a few for all rows.
    assert_in_range(metrics_get(&f->metrics, METRIC_STORE_COMMITS) - before, 1, N + N / 4);
}

struct host_seen {
    struct host_limits limits;
    int64_t blocked_until;
};

static int see_host(void *ctx, const struct host_row *row)
{
    struct host_seen *s = ctx;
    s->limits = row->record.limits;
    s->blocked_until = row->record.blocked_until;
    return 0;
}

static void limits_of_a_host_are_kept_and_told(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        struct control *c = control_new(CONTROL_HOST_SET, 1);
        c->host = strdup("a.test");
        c->host_fields = i == 0 ? 1U | 4U : 8U;
        c->limits = (struct host_limits){.max_concurrency = 3, .rate_per_s = 0.5, .paused = true};
        mailbox_post(store_mailbox(f->store), &c->msg);
        check_reply(take(&f->api, RING_CONTROL_REPLY), 0, ERR_OK);
        struct host_limits_changed *m =
            take(&f->worker[store_worker_of("a.test", WORKERS)], RING_HOST_LIMITS);
        assert_int_equal(m->limits.max_concurrency, 3);
        assert_int_equal(m->limits.delay_ms, -1);
        assert_int_equal(m->limits.paused, i == 1);
        release_message(m);
    }
    struct host_state *m = host_state_new("a.test");
    m->blocked_until = 99;
    m->backoff_level = 2;
    mailbox_post(store_mailbox(f->store), &m->msg);
    flush_store(f);
    fixture_restart(f);
    struct err e;
    struct host_seen seen;
    assert_int_equal(reader_host(f->reader, "a.test", see_host, &seen, &e), 1);
    assert_true(seen.limits.rate_per_s > 0.4 && seen.limits.rate_per_s < 0.6);
    assert_true(seen.limits.paused);
    assert_int_equal(seen.blocked_until, 99);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_cancelled_small_batch_is_finished_in_the_answer),
        TEST(a_large_batch_is_cancelled_in_pieces),
        TEST(a_cancel_under_way_goes_on_after_a_restart),
        TEST(a_paused_batch_starts_nothing_until_it_is_resumed),
        TEST(an_unknown_batch_is_not_found),
        TEST(the_first_failure_cancels_a_fail_fast_batch),
        TEST(what_is_unfinished_at_the_deadline_expires),
        TEST(a_finished_batch_can_be_deleted),
        TEST(a_running_batch_is_deleted_by_force),
        TEST(failed_tasks_are_retried_as_a_new_batch),
        TEST(a_retry_without_such_tasks_is_a_conflict),
        TEST(a_retry_beyond_the_quota_is_refused_and_leaves_nothing),
        TEST(finished_batches_are_forgotten_after_the_retention),
        TEST(a_changed_retention_holds_at_once_in_an_idle_store),
        TEST(a_batch_can_be_deleted_at_the_moment_its_retention_ends),
        TEST(a_small_batch_is_copied_for_a_retry_beside_a_large_one),
        TEST(a_batch_that_is_copied_for_a_retry_is_not_removed),
        TEST(a_stop_amid_a_copy_leaves_all_of_it_or_nothing),
        TEST(a_retry_has_as_long_to_live_as_what_it_repeats),
        TEST(a_small_batch_expires_beside_the_cancel_of_a_large_one),
        TEST(many_small_batches_are_removed_in_few_commits),
        TEST(limits_of_a_host_are_kept_and_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
