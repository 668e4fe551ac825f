// SPDX-License-Identifier: MIT
// Results: exactly one for each task, counts that add up, seq without gaps, "sent" marks, bodies.
#include <fcntl.h>

#include "fixture.h"

struct seen {
    int n;
    int64_t seq[64];
    uint32_t index[64];
    enum task_state state[64];
    enum task_error error[64];
    int attempts[64];
};

static int on_result(void *ctx, const struct result_row *row)
{
    struct seen *s = ctx;
    assert_in_range(s->n, 0, 63);
    s->seq[s->n] = row->seq;
    s->index[s->n] = row->index;
    s->state[s->n] = row->state;
    s->error[s->n] = row->error;
    s->attempts[s->n++] = row->attempts;
    return 0;
}

static struct seen read_results(struct fixture *f, uint64_t batch)
{
    struct seen s = {0};
    struct err e;
    const struct results_query q = {.batch = batch, .limit = 64};
    assert_true(reader_results(f->reader, &q, on_result, &s, &e) >= 0);
    return s;
}

static void results_are_numbered_in_the_order_of_their_commit(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 5, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    const int order[5] = {3, 0, 4, 2, 1};
    for (int i = 0; i < 5; i++) {
        post_outcome(f, &c->tasks[order[i]], i % 2 == 0 ? TASK_SUCCEEDED : TASK_FAILED);
    }
    struct batch_snapshot end = wait_changed(f, b.batch, is_finished);
    assert_int_equal(end.counts.succeeded, 3);
    assert_int_equal(end.counts.failed, 2);
    assert_int_equal(end.bytes_received, 50);
    assert_true(end.finished_at > 0);
    assert_int_equal(end.started_at, 1000);
    struct seen s = read_results(f, b.batch);
    assert_int_equal(s.n, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(s.seq[i], i + 1);
        assert_int_equal(s.index[i], order[i]);
    }
    release_message(c);
}

static void a_second_outcome_of_a_task_is_dropped(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    post_outcome(f, &c->tasks[0], TASK_FAILED);
    flush_store(f);
    post_outcome(f, &c->tasks[0], TASK_FAILED);
    post_outcome(f, &c->tasks[1], TASK_SUCCEEDED);
    struct batch_snapshot end = wait_changed(f, b.batch, is_finished);
    assert_int_equal(end.counts.succeeded, 2);
    assert_int_equal(end.counts.failed, 0);
    assert_int_equal(metrics_get(&f->metrics, METRIC_OUTCOMES_STALE), 2);
    assert_int_equal(read_results(f, b.batch).n, 2);
    release_message(c);
}

static void an_outcome_that_crossed_a_restart_is_recorded_once(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    struct claimed_task task = c->tasks[0];
    release_message(c);
    fixture_restart(f);
    c = claim_tasks(f, "a.test", 5, 5);
    assert_int_equal(c->n, 1);
    assert_int_equal(c->tasks[0].ref.task, task.ref.task);
    release_message(c);
    post_outcome(f, &task, TASK_SUCCEEDED);
    post_outcome(f, &task, TASK_SUCCEEDED);
    wait_changed(f, b.batch, is_finished);
    assert_int_equal(read_results(f, b.batch).n, 1);
}

static void running_counts_are_told_and_never_make_queued_negative(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    post_progress(f, b.batch, 1);
    struct batch_snapshot now = wait_changed(f, b.batch, is_running_one);
    assert_int_equal(batch_counts_queued(&now.counts), 1);
    assert_true(now.version > b.version);
    assert_true(now.started_at > 0);
    post_progress(f, b.batch, 1);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED); // before the end of the attempt is told
    post_outcome(f, &c->tasks[1], TASK_SUCCEEDED);
    now = wait_changed(f, b.batch, is_finished); // which checks the sum at every step
    assert_int_equal(now.counts.running, 0);
    post_progress(f, b.batch, -2);
    flush_store(f);
    release_message(c);
}

static void a_batch_has_started_when_the_first_of_its_tasks_had(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    const int64_t begun_at = clock_wall_at();
    while (clock_wall_at() == begun_at) {}
    post_progress(f, b.batch, 1);
    assert_true(wait_changed(f, b.batch, is_running_one).started_at > begun_at);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED); // of long before the batch: by a clock set back
    struct outcome *o = outcome_new(&c->tasks[1].ref);
    assert_non_null(o);
    o->state = TASK_SUCCEEDED;
    o->last = (struct attempt){
        .number = 1, .started_at = begun_at, .finished_at = begun_at, .status = 200};
    mailbox_post(store_mailbox(f->store), &o->msg);
    assert_int_equal(wait_changed(f, b.batch, is_finished).started_at, begun_at);
    release_message(c);
}

static int count_attempt(void *ctx, const struct attempt_row *row)
{
    int *n = ctx;
    ++*n;
    assert_int_equal(row->attempt.number, *n);
    if (*n == 1) {
        assert_string_equal(row->attempt.message, "too slow");
    }
    return 0;
}

static void attempts_are_kept_and_counted(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    for (int i = 0; i < 2; i++) {
        struct claimed *c = claim_tasks(f, "a.test", 5, 5);
        assert_int_equal(c->n, 1);
        assert_int_equal(c->tasks[0].attempts, i);
        if (i == 0) {
            post_retry(f, &c->tasks[0], clock_wall_at() - 1);
            flush_store(f);
        } else {
            post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
        }
        release_message(c);
    }
    wait_changed(f, b.batch, is_finished);
    int n = 0;
    struct err e;
    assert_int_equal(reader_attempts(f->reader, b.batch, 0, count_attempt, &n, &e), 2);
    assert_int_equal(n, 2);
    assert_int_equal(read_results(f, b.batch).attempts[0], 2);
}

static void an_attempt_that_does_not_count_is_not_recorded(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    struct retry_later *r = retry_later_new(&c->tasks[0].ref);
    r->attempt.number = 1;
    r->not_before_at = clock_wall_at() - 1;
    mailbox_post(store_mailbox(f->store), &r->msg);
    flush_store(f);
    release_message(c);
    c = claim_tasks(f, "a.test", 5, 5);
    assert_int_equal(c->n, 1);
    assert_int_equal(c->tasks[0].attempts, 0);
    release_message(c);
    struct err e;
    int n = 0;
    assert_int_equal(reader_attempts(f->reader, b.batch, 0, count_attempt, &n, &e), 0);
}

static int mark(struct fixture *f, const struct claimed_task *t)
{
    unsigned worker = store_worker_of("a.test", WORKERS);
    struct mark_sent *m = mark_sent_new(worker, &t->ref);
    mailbox_post(store_mailbox(f->store), &m->msg);
    struct mark_sent *answer = take(&f->worker[worker], RING_SENT_MARKED);
    assert_int_equal(answer->ref.task, t->ref.task);
    int status = answer->status;
    release_message(answer);
    return status;
}

static void what_was_being_sent_at_a_crash_ends_as_interrupted(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    assert_int_equal(mark(f, &c->tasks[1]), 0);
    release_message(c);
    fixture_restart(f);
    struct seen s = read_results(f, b.batch);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.index[0], 1);
    assert_int_equal(s.state[0], TASK_FAILED);
    assert_int_equal(s.error[0], TASK_INTERRUPTED);
    assert_int_equal(s.attempts[0], 1);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 1);
    s = read_results(f, b.batch);
    assert_int_equal(s.seq[1], 2);
}

static void a_task_that_has_ended_must_not_be_sent(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    release_message(control_batch(f, CONTROL_CANCEL, b.id, false));
    assert_int_equal(mark(f, &c->tasks[1]), 1);
    release_message(c);
}

// ---- bodies ----

static char pattern(uint64_t at)
{
    return (char)(at * 31 + at / 4096);
}

static void check_body(struct fixture *f, uint64_t batch, uint32_t index, uint64_t size)
{
    struct err e;
    struct buf b = BUF_INIT(SIZE_MAX / 2);
    const uint64_t offsets[] = {0, 1, 262143, 262144, size - 1, size, size + 10};
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        buf_reset(&b);
        assert_int_equal(reader_body(f->reader, batch, index, offsets[i], 300000, &b, &e), 1);
        uint64_t left = offsets[i] < size ? size - offsets[i] : 0;
        assert_int_equal(b.len, left < 300000 ? left : 300000);
        for (size_t k = 0; k < b.len; k++) {
            assert_int_equal(b.data[k], pattern(offsets[i] + k));
        }
    }
    buf_done(&b);
}

static void bodies_come_from_memory_and_from_files(void **state)
{
    struct fixture *f = *state;
    const uint64_t sizes[3] = {0, 1000, 600000};
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 4, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 5, 5);
    for (int i = 0; i < 3; i++) {
        struct outcome *o = outcome_new(&c->tasks[i].ref);
        o->state = TASK_SUCCEEDED;
        o->has_body = true;
        o->size = sizes[i];
        o->body.size = sizes[i];
        char *data = sizes[i] > 0 ? malloc(sizes[i]) : NULL;
        for (uint64_t k = 0; k < sizes[i]; k++) {
            data[k] = pattern(k);
        }
        if (i == 2) {
            char path[160];
            snprintf(path, sizeof(path), "%s/body", f->dir);
            o->body.fd = open(path, O_RDWR | O_CREAT, 0600);
            assert_int_equal(write(o->body.fd, data, sizes[i]), sizes[i]);
            unlink(path);
            free(data);
        } else {
            o->body.data = data;
        }
        mailbox_post(store_mailbox(f->store), &o->msg);
    }
    post_outcome(f, &c->tasks[3], TASK_FAILED);
    wait_changed(f, b.batch, is_finished);
    release_message(c);
    struct err e;
    struct buf out = BUF_INIT(100);
    assert_int_equal(reader_body(f->reader, b.batch, 0, 0, 100, &out, &e), 1);
    assert_int_equal(out.len, 0);
    assert_int_equal(reader_body(f->reader, b.batch, 3, 0, 100, &out, &e), 0);
    assert_int_equal(reader_body(f->reader, b.batch, 9, 0, 100, &out, &e), 0);
    check_body(f, b.batch, 2, sizes[2]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(results_are_numbered_in_the_order_of_their_commit),
        TEST(a_second_outcome_of_a_task_is_dropped),
        TEST(an_outcome_that_crossed_a_restart_is_recorded_once),
        TEST(running_counts_are_told_and_never_make_queued_negative),
        TEST(a_batch_has_started_when_the_first_of_its_tasks_had),
        TEST(attempts_are_kept_and_counted),
        TEST(an_attempt_that_does_not_count_is_not_recorded),
        TEST(what_was_being_sent_at_a_crash_ends_as_interrupted),
        TEST(a_task_that_has_ended_must_not_be_sent),
        TEST(bodies_come_from_memory_and_from_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
