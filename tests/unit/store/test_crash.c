// SPDX-License-Identifier: MIT
// Tasks that were in flight when the daemon ended: counted, started apart, given up; whoever ends
// by a stop is not.
#include "fixture.h"

struct seen {
    int n;
    uint32_t index[8];
    enum task_error error[8];
};

static int on_result(void *ctx, const struct result_row *row)
{
    struct seen *s = ctx;
    assert_in_range(s->n, 0, 7);
    s->index[s->n] = row->index;
    s->error[s->n++] = row->error;
    return 0;
}

static struct seen read_results(struct fixture *f, uint64_t batch)
{
    struct seen s = {0};
    struct err e;
    const struct results_query q = {.batch = batch, .limit = 8};
    assert_true(reader_results(f->reader, &q, on_result, &s, &e) >= 0);
    return s;
}

// The daemon ends by a crash while `n` tasks of the batch run, the first one being `first`, and
// starts again.
static void crash(struct fixture *f, uint64_t batch, uint32_t first, uint32_t n)
{
    fixture_stop(f);
    char path[160];
    snprintf(path, sizeof(path), "%s.running", f->path);
    struct running *r = NULL;
    struct err e;
    assert_int_equal(running_open(path, &e, &r), 0);
    for (uint32_t i = first; i < first + n; i++) {
        assert_non_null(running_enter(r, task_key(batch, i)));
    }
    fixture_start(f); // the marks are not taken back
    running_close(&r);
}

static size_t claimable(struct fixture *f)
{
    struct claimed *c = claim_tasks(f, "a.test", 8, 8);
    size_t n = c->n;
    release_message(c);
    return n;
}

static void a_task_in_flight_at_five_crashes_is_given_up(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 4, .host = "a.test"});
    for (int i = 0; i < 4; i++) {
        crash(f, b.batch, 1, 1);
        assert_int_equal(claimable(f), i < 2 ? 4 : 3); // from the third on it is started later
        fixture_restart(f);                            // what is claimed is in memory only
    }
    assert_int_equal(read_results(f, b.batch).n, 0);
    crash(f, b.batch, 1, 1);
    struct seen s = read_results(f, b.batch);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.index[0], 1);
    assert_int_equal(s.error[0], TASK_CRASH_LOOP);
    assert_int_equal(claimable(f), 3);
}

static void those_that_were_there_by_chance_are_told_apart(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 4, .host = "a.test"});
    for (int i = 0; i < 3; i++) {
        crash(f, b.batch, 0, 3);
    }
    assert_int_equal(claimable(f), 1);
    crash(f, b.batch, 2, 1); // started apart from the others, one is found in flight twice more
    crash(f, b.batch, 2, 1);
    struct seen s = read_results(f, b.batch);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.index[0], 2);
    crash(f, b.batch, 3, 1);
    assert_int_equal(read_results(f, b.batch).n, 1);
}

static void stops_and_tasks_that_have_ended_do_not_count(void **state)
{
    struct fixture *f = *state;
    struct batch_snapshot b = submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    for (int i = 0; i < 6; i++) {
        assert_non_null(running_enter(store_running(f->store), task_key(b.batch, 0)));
        fixture_restart(f);
    }
    assert_int_equal(claimable(f), 2);
    release_message(control_batch(f, CONTROL_CANCEL, b.id, false));
    for (int i = 0; i < 6; i++) {
        crash(f, b.batch, 0, 2);
    }
    struct seen s = read_results(f, b.batch);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.error[0], TASK_CANCELLED);
}

static void without_room_for_the_marks_it_starts_all_the_same(void **state)
{
    struct fixture *f = *state;
    fixture_stop(f);
    char path[160];
    snprintf(path, sizeof(path), "%s.running", f->path);
    unlink(path);
    assert_int_equal(symlink("/nowhere", path), 0);
    fixture_start(f);
    assert_null(store_running(f->store));
    submit_batch(f, (struct submit){.n = 2, .host = "a.test"});
    assert_int_equal(claimable(f), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_task_in_flight_at_five_crashes_is_given_up),
        TEST(those_that_were_there_by_chance_are_told_apart),
        TEST(stops_and_tasks_that_have_ended_do_not_count),
        TEST(without_room_for_the_marks_it_starts_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
