// SPDX-License-Identifier: MIT
// The n-th allocation of the workers fails, ours or libcurl's, once or for a while, through whole
// transfers: a large body, a redirect to a host of the other worker, a status that is tried again,
// a request that must not be sent twice. A shortage here is no task's fault: each ends once, as it
// would have with memory, and nothing is left behind.
//   faults_memory_fetch [--cycles N]     about N values of n, once and for a while
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>

#include "tests/faults/allocations.h"
#include "tests/faults/options.h"
#include "tests/unit/fetch/rig.h"

#define AWHILE_MS 20

enum { LARGE, REDIRECTED, REPEATED, ONCE_ONLY, N_TASKS };

// What was given back for want of memory is offered again at once, as if its second were over.
static void offer_again(struct rig *r)
{
    bool any = false;
    for (size_t i = 0; i < r->n_tasks; i++) {
        struct rig_task *t = &r->tasks[i];
        if (t->state == RIG_READY && t->last_retry && !t->last_retry->counts) {
            t->not_before_at = 0;
            any = true;
        }
    }
    if (any) {
        rig_tell(r);
    }
}

static void check(const struct rig *r)
{
    static const int status[N_TASKS] = {
        [LARGE] = 200, [REDIRECTED] = 200, [REPEATED] = 500, [ONCE_ONLY] = 200};
    for (int i = 0; i < N_TASKS; i++) {
        const struct outcome *o = r->tasks[i].outcome;
        bool sent_in_vain = i == ONCE_ONLY && o->last.error == TASK_INTERNAL;
        if (!sent_in_vain) {
            assert_int_equal(o->last.error, i == REPEATED ? TASK_HTTP_STATUS : TASK_OK);
            assert_int_equal(o->last.status, status[i]);
            assert_true(o->complete);
        }
    }
    assert_int_equal(r->tasks[LARGE].outcome->size, 400 * 1024);
    assert_non_null(r->tasks[REDIRECTED].outcome->redirects);
    assert_int_equal(r->tasks[REPEATED].outcome->last.number, 2);
    assert_in_range(r->origins[4].requests, 0, 1);
}

// False once n is beyond what the transfers need.
static bool meet(long n, bool once)
{
    const char *set[] = {"fetch.workers=2"};
    allocations_note();
    struct rig *r = rig_new(set, 1);
    rig_add(r, 1, "/big/400", NULL);
    rig_add(r, 2, "/to/302/3/x", NULL);
    rig_add(r, 1, "/status/500",
            "{\"retry\":{\"max_attempts\":2,\"min_backoff_ms\":1,\"max_backoff_ms\":1}}");
    rig_add(r, 4, "/once", "{\"method\":\"POST\",\"body\":\"pay\",\"retry\":{\"max_attempts\":1}}");
    allocations_fail(ALLOCATIONS_OURS, n, !once);
    rig_tell(r);
    bool met = false;
    int64_t end = clock_monotonic_ms() + RIG_DEADLINE_MS, until = INT64_MAX;
    while (r->n_ended < r->n_tasks && clock_monotonic_ms() < end) {
        rig_run(r, 2);
        if (!met && allocations_failed() > 0) {
            met = true;
            until = clock_monotonic_ms() + AWHILE_MS;
        }
        if (!once && clock_monotonic_ms() > until) {
            allocations_fail(0, 0, false);
        }
        offer_again(r);
    }
    met |= allocations_failed() > 0;
    if (r->n_ended < r->n_tasks) {
        fail_msg("n = %ld, %s: tasks are stuck", n, once ? "once" : "for a while");
    }
    check(r);
    allocations_fail(0, 0, false);
    rig_free(r);
    assert_int_equal(allocations_left(), 0);
    return met;
}

int main(int argc, char **argv)
{
    struct options o = {.cycles = 60, .seed = 1};
    options_read(&o, argc, argv);
    signal(SIGPIPE, SIG_IGN); // as the daemon has it
    allocations_hook();
    allocations_spare(true);
    for (int once = 0; once < 2; once++) {
        long cases = 0;
        for (long n = 1; meet(n, once); n += 1 + 300 / o.cycles) {
            cases++;
        }
        printf("memory_fetch: %s: %ld cases\n", once ? "once" : "for a while", cases);
        assert_true(cases > 10);
    }
    return 0;
}
