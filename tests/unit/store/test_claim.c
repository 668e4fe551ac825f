// SPDX-License-Identifier: MIT
// Claims: nothing twice, turns among flows, strict priority, a batch's own concurrency, retries,
// not_before.
#include "fixture.h"

static int of_batch(const struct claimed *c, uint64_t batch)
{
    int n = 0;
    for (size_t i = 0; i < c->n; i++) {
        n += c->batches[c->tasks[i].batch_at].batch == batch;
        assert_int_equal(task_key_batch(c->tasks[i].ref.task),
                         c->batches[c->tasks[i].batch_at].batch);
    }
    return n;
}

static void nothing_is_handed_out_twice(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 300, .host = "a.test", .priority = 3});
    bool seen[300] = {false};
    int sum = 0;
    for (int i = 0; i < 5; i++) {
        struct claimed *c = claim_tasks(f, "a.test", 100, 100);
        for (size_t k = 0; k < c->n; k++) {
            uint32_t index = task_key_index(c->tasks[k].ref.task);
            assert_false(seen[index]);
            seen[index] = true;
            assert_int_equal(c->tasks[k].ref.priority, 3);
            assert_string_equal(c->batches[c->tasks[k].batch_at].defaults, "{\"timeout_ms\":5}");
        }
        sum += (int)c->n;
        assert_int_equal(c->more, i < 3);
        release_message(c);
    }
    assert_int_equal(sum, 300);
}

static void after_a_restart_everything_unfinished_is_claimed_anew(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 10, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 6, 6);
    assert_int_equal(c->n, 6);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    flush_store(f);
    release_message(c);
    fixture_restart(f);
    struct work *w = take(&f->worker[0], RING_WORK);
    assert_true(w->more); // there is work: look for it
    release_message(w);
    assert_int_equal(work_off(f, "a.test", TASK_SUCCEEDED), 9);
}

static void what_is_released_can_be_claimed_again(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 10, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 10);
    struct release *r = release_new(2);
    r->v[0] = c->tasks[7].ref;
    r->v[1] = c->tasks[3].ref;
    mailbox_post(store_mailbox(f->store), &r->msg);
    release_message(c);
    c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 2);
    assert_int_equal(task_key_index(c->tasks[0].ref.task), 3);
    assert_int_equal(task_key_index(c->tasks[1].ref.task), 7);
    release_message(c);
}

static void a_small_batch_does_not_wait_for_a_large_one(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 3000, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 64, 64);
    assert_int_equal(c->n, 64);
    release_message(c);
    struct batch_snapshot small = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    c = claim_tasks(f, "a.test", 8, 8);
    assert_int_equal(of_batch(c, small.batch), 1);
    release_message(c);
}

static void flows_of_one_level_share_equally(void **state)
{
    struct fixture *f = *state;
    uint64_t batch[4];
    int got[4] = {0};
    for (int i = 0; i < 4; i++) {
        batch[i] = submit_batch(f, (struct submit){.n = 500, .host = "a.test"}).batch;
    }
    for (int k = 0; k < 10; k++) {
        struct claimed *c = claim_tasks(f, "a.test", 40, 40);
        assert_int_equal(c->n, 40);
        for (int i = 0; i < 4; i++) {
            got[i] += of_batch(c, batch[i]);
        }
        release_message(c);
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(got[i], 90, 110);
    }
}

static void the_highest_priority_goes_first(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot low =
        submit_batch(f, (struct submit){.n = 50, .host = "a.test", .priority = 1});
    struct batch_snapshot high =
        submit_batch(f, (struct submit){.n = 5, .host = "a.test", .priority = 9});
    struct claimed *c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(of_batch(c, high.batch), 5);
    assert_int_equal(of_batch(c, low.batch), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(c->batches[c->tasks[i].batch_at].batch, high.batch);
    }
    release_message(c);
}

static void a_batchs_own_concurrency_holds_over_all_hosts(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 20, .hosts = 2, .concurrency = 3});
    struct claimed *first = claim_tasks(f, "h0.test", 10, 2);
    assert_int_equal(first->n, 2); // no more than can start at once
    struct claimed *second = claim_tasks(f, "h1.test", 10, 10);
    assert_int_equal(second->n, 1);
    struct claimed *third = claim_tasks(f, "h1.test", 10, 10);
    assert_int_equal(third->n, 0);
    unsigned worker;
    uint64_t host = host_id(f, "h1.test", &worker);
    // Nothing is told while there is no room.
    flush_store(f);
    post_outcome(f, &first->tasks[0], TASK_SUCCEEDED);
    struct work *w = take(&f->worker[worker], RING_WORK); // the refused host is told
    while (w->n != 1 || w->v[0].host != host) {
        release_message(w);
        w = take(&f->worker[worker], RING_WORK);
    }
    release_message(w);
    struct claimed *fourth = claim_tasks(f, "h1.test", 10, 10);
    assert_int_equal(fourth->n, 1);
    release_message(first);
    release_message(second);
    release_message(third);
    release_message(fourth);
}

static uint64_t told_host(struct fixture *f)
{
    for (;;) {
        struct work *w = take(&f->worker[0], RING_WORK);
        uint64_t host = w->n > 0 ? w->v[0].host : 0;
        release_message(w);
        if (host != 0) {
            return host;
        }
    }
}

static void claim_in_vain(struct fixture *f, const char *host)
{
    struct claimed *c = claim_tasks(f, host, 1, 1);
    assert_int_equal(c->n, 0);
    release_message(c);
}

// The first that is told may be blocked or paused, and then asks for nothing.
static void a_refused_host_that_does_not_ask_again_is_passed_over(void **state)
{
    struct fixture *f = *state;
    const char *names[3] = {0};
    char name[16][32];
    int n = 0;
    for (int i = 0; n < 3; i++) { // of one worker
        snprintf(name[i % 16], sizeof(name[0]), "h%d.test", i);
        if (store_worker_of(name[i % 16], WORKERS) == 0) {
            names[n++] = name[i % 16];
        }
    }
    struct submit s = {.n = 1, .host = names[0], .concurrency = 1};
    uint64_t upload = ++f->next_upload;
    struct upload_piece *p = upload_piece_new(upload);
    assert_non_null(p);
    p->batch = new_batch(&s);
    assert_int_equal(task_piece_init(&p->tasks), 0);
    for (uint32_t i = 0; i < 3; i++) {
        const char *host = task_piece_copy(&p->tasks, names[i], strlen(names[i]));
        task_piece_add(&p->tasks, &(struct new_task){.index = i, .host = host, .url = host});
    }
    p->last = true;
    mailbox_post(store_mailbox(f->store), &p->msg);
    release_message(take(&f->api, RING_UPLOAD_REPLY));
    struct claimed *c = claim_tasks(f, names[0], 1, 1);
    assert_int_equal(c->n, 1);
    claim_in_vain(f, names[1]);
    claim_in_vain(f, names[2]);
    unsigned worker;
    uint64_t second = host_id(f, names[1], &worker), third = host_id(f, names[2], &worker);
    flush_store(f);
    for (struct message *m; (m = take_within(&f->worker[0], RING_WORK, 0)) != NULL;) {
        m->free(m); // told before
    }
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    release_message(c);
    assert_int_equal(told_host(f), second); // there is room for one
    assert_int_equal(told_host(f), third);
}

static void a_limited_batch_gives_one_task_to_a_busy_host_that_gets_nothing_else(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 20, .host = "a.test", .concurrency = 3});
    struct claimed *c = claim_tasks(f, "a.test", 10, 0);
    assert_int_equal(c->n, 1);
    assert_true(c->more);
    release_message(c);
}

static void a_retry_waits_for_its_time(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 3, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 1, 1);
    int64_t due = clock_wall_at() + 300;
    post_retry(f, &c->tasks[0], due);
    release_message(c);
    c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 2);
    assert_int_equal(c->next_due_at, due);
    release_message(c);
    unsigned worker;
    uint64_t host = host_id(f, "a.test", &worker);
    bool told = false; // when it is due the worker is told, should it have forgotten the host
    while (!told) {
        struct work *w = take(&f->worker[worker], RING_WORK);
        told = w->n == 1 && w->v[0].host == host && clock_wall_at() >= due;
        release_message(w);
    }
    c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 1);
    assert_int_equal(c->tasks[0].attempts, 1);
    assert_int_equal(c->tasks[0].queued_at, due);
    post_outcome(f, &c->tasks[0], TASK_SUCCEEDED);
    release_message(c);
    flush_store(f);
    c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 0);
    assert_int_equal(c->next_due_at, 0);
    release_message(c);
}

// After a redirect it ends at another host's worker, which cannot know when to claim it again.
static void a_retry_that_ended_elsewhere_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 1, 1);
    unsigned worker;
    uint64_t host = host_id(f, "a.test", &worker);
    struct retry_later *r = retry_later_new(&c->tasks[0].ref);
    assert_non_null(r);
    int64_t due = clock_wall_at() + 60000;
    r->not_before_at = due;
    r->elsewhere = true;
    release_message(c);
    mailbox_post(store_mailbox(f->store), &r->msg);
    struct work *w = take(&f->worker[worker], RING_WORK);
    assert_int_equal(w->v[0].host, host);
    release_message(w);
    c = claim_tasks(f, "a.test", 1, 1);
    assert_int_equal(c->n, 0);
    assert_int_equal(c->next_due_at, due);
    release_message(c);
}

static void a_due_retry_goes_before_fresh_tasks_and_survives_a_restart(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 30, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 30, 30);
    post_retry(f, &c->tasks[20], clock_wall_at() - 10);
    flush_store(f);
    release_message(c);
    fixture_restart(f);
    c = claim_tasks(f, "a.test", 2, 2);
    assert_int_equal(c->n, 2);
    assert_int_equal(task_key_index(c->tasks[0].ref.task), 20);
    assert_int_equal(c->tasks[0].attempts, 1);
    assert_int_equal(task_key_index(c->tasks[1].ref.task), 0);
    release_message(c);
}

static void many_due_retries_leave_half_of_a_host_to_others(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot large = submit_batch(f, (struct submit){.n = 100, .host = "a.test"});
    struct claimed *c = claim_tasks(f, "a.test", 100, 100);
    for (size_t i = 0; i < c->n; i++) {
        post_retry(f, &c->tasks[i], clock_wall_at() - 10);
    }
    release_message(c);
    struct batch_snapshot small =
        submit_batch(f, (struct submit){.n = 20, .host = "a.test", .priority = 1});
    c = claim_tasks(f, "a.test", 16, 16);
    assert_int_equal(of_batch(c, large.batch), 8);
    assert_int_equal(of_batch(c, small.batch), 8);
    release_message(c);
    int got = 0; // also of a host that is asked for one task at a time
    for (int i = 0; i < 8; i++) {
        c = claim_tasks(f, "a.test", 1, 1);
        assert_int_equal(c->n, 1);
        got += of_batch(c, small.batch);
        release_message(c);
    }
    assert_int_equal(got, 4);
    c = claim_tasks(f, "a.test", 100, 100); // what one side leaves is the other's
    assert_int_equal(of_batch(c, small.batch), 8);
    assert_int_equal(of_batch(c, large.batch), 88);
    release_message(c);
}

static void a_batch_starts_at_its_not_before(void **state)
{
    struct fixture *f = *state;
    int64_t start = clock_wall_at() + 300;
    struct batch_snapshot b =
        submit_batch(f, (struct submit){.n = 3, .host = "a.test", .not_before_at = start});
    struct claimed *c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 0);
    release_message(c);
    bool told = false;
    while (!told) {
        struct work *w = take(&f->worker[store_worker_of("a.test", WORKERS)], RING_WORK);
        told = w->n == 1 && clock_wall_at() >= start;
        release_message(w);
    }
    c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(of_batch(c, b.batch), 3);
    assert_int_equal(c->tasks[0].queued_at, start);
    release_message(c);
}

static void a_scan_finds_every_host_with_work_once(void **state)
{
    struct fixture *f = *state;
    submit_batch(f, (struct submit){.n = 200, .hosts = 50});
    int found = 0;
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        uint64_t after = 0;
        for (bool more = true; more;) {
            struct host_scan *scan = host_scan_new(worker, after, 7);
            mailbox_post(store_mailbox(f->store), &scan->msg);
            struct work *w = take(&f->worker[worker], RING_WORK);
            while (!w->scan_answer) {
                release_message(w);
                w = take(&f->worker[worker], RING_WORK);
            }
            for (size_t i = 0; i < w->n; i++) {
                assert_true(w->v[i].host > after);
                assert_int_equal(store_worker_of(w->v[i].name, WORKERS), worker);
                after = w->v[i].host;
                found++;
            }
            more = w->more;
            release_message(w);
        }
    }
    assert_int_equal(found, 50);
}

static void many_paused_batches_do_not_hide_a_running_one(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = {0};
    for (int i = 0; i < 40; i++) {
        b = submit_batch(f, (struct submit){.n = 1, .host = "a.test"});
        if (i != 20) {
            release_message(control_batch(f, CONTROL_PAUSE, b.id, false));
        }
    }
    struct claimed *c = claim_tasks(f, "a.test", 10, 10);
    assert_int_equal(c->n, 1);
    release_message(c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_handed_out_twice),
        TEST(after_a_restart_everything_unfinished_is_claimed_anew),
        TEST(what_is_released_can_be_claimed_again),
        TEST(a_small_batch_does_not_wait_for_a_large_one),
        TEST(flows_of_one_level_share_equally),
        TEST(the_highest_priority_goes_first),
        TEST(a_batchs_own_concurrency_holds_over_all_hosts),
        TEST(a_refused_host_that_does_not_ask_again_is_passed_over),
        TEST(a_limited_batch_gives_one_task_to_a_busy_host_that_gets_nothing_else),
        TEST(a_retry_waits_for_its_time),
        TEST(a_retry_that_ended_elsewhere_is_told_at_once),
        TEST(a_due_retry_goes_before_fresh_tasks_and_survives_a_restart),
        TEST(many_due_retries_leave_half_of_a_host_to_others),
        TEST(a_batch_starts_at_its_not_before),
        TEST(a_scan_finds_every_host_with_work_once),
        TEST(many_paused_batches_do_not_hide_a_running_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
