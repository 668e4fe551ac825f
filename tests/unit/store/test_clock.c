// SPDX-License-Identifier: MIT
// The store while the wall clock is set.
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "fixture.h"

static _Atomic int64_t ahead_ms; // of the real clock

// In the place of the C library's, for the whole program.
int clock_gettime(clockid_t id, struct timespec *ret)
{
    int r = (int)syscall(SYS_clock_gettime, id, ret);
    if (r == 0 && id == CLOCK_REALTIME) {
        int64_t ns = ret->tv_nsec + atomic_load(&ahead_ms) * 1000000;
        ret->tv_sec += (time_t)(ns / 1000000000);
        ret->tv_nsec = (long)(ns % 1000000000);
    }
    return r;
}

static struct fixture *start_ahead(int64_t ms)
{
    atomic_store(&ahead_ms, ms);
    struct fixture *f = fixture_new();
    fixture_start(f);
    return f;
}

static void stop(struct fixture *f)
{
    fixture_stop(f);
    fixture_remove(f);
    atomic_store(&ahead_ms, 0);
}

// Whether the worker of a.test is told of it.
static bool is_told(struct fixture *f, int64_t timeout_ms)
{
    struct inbox *in = &f->worker[store_worker_of("a.test", WORKERS)];
    for (;;) {
        struct work *w = (struct work *)take_within(in, RING_WORK, timeout_ms);
        bool named = w != NULL && w->n > 0 && strcmp(w->v[0].name, "a.test") == 0;
        if (w != NULL) {
            release_message(w);
        }
        if (w == NULL || named) {
            return named;
        }
    }
}

// What was due by the old time was told by the old time; a time of the same second comes again.
static void a_start_is_told_also_after_the_clock_was_set_back_a_little(void **state)
{
    (void)state;
    struct fixture *f = start_ahead(800);
    flush_store(f);
    atomic_store(&ahead_ms, 0);
    int64_t soon_at = clock_wall_at() + 300;
    submit_batch(f, (struct submit){.n = 1, .host = "a.test", .not_before_at = soon_at});
    assert_true(is_told(f, 5000));
    assert_true(clock_wall_at() >= soon_at);
    stop(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_is_told_also_after_the_clock_was_set_back_a_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
