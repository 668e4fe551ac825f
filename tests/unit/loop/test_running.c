// SPDX-License-Identifier: MIT
// Marks of tasks in flight: what was marked when a process ended is counted once for each end, what
// was left is not, and a remembered task finds its own mark again. A process that ends is one that
// opens the file and does not close it.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/loop/running.h"

static char path[] = "/tmp/gatherd-running-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/gatherd-running-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static struct running *open_marks(void)
{
    struct running *r = NULL;
    struct err e;
    assert_int_equal(running_open(path, &e, &r), 0);
    return r;
}

// What the next process finds and remembers; at most 4.
static size_t die_and_take(struct running_death v[4])
{
    struct running_death all[RUNNING_MAX];
    struct running *r = open_marks();
    size_t n = running_take(r, all);
    assert_true(n <= 4);
    memcpy(v, all, n * sizeof(*v));
    running_remember(r, all, n);
    return n; // the mapping stays, as the first process's does: both see the same marks
}

static void each_end_counts_once_for_what_was_in_flight(void **state)
{
    (void)state;
    struct running *r = open_marks();
    struct running_mark *left = running_enter(r, 7), *kept = running_enter(r, 8);
    assert_non_null(kept);
    running_leave(&left);
    assert_null(left);
    struct running_death v[4];
    assert_int_equal(die_and_take(v), 1);
    assert_int_equal(v[0].task, 8);
    assert_int_equal(v[0].deaths, 1);
    assert_true(v[0].last);
    assert_int_equal(die_and_take(v), 1); // it did not run again
    assert_int_equal(v[0].deaths, 1);
    assert_false(v[0].last);
    kept = running_enter(r, 8);
    assert_int_equal(die_and_take(v), 1);
    assert_int_equal(v[0].deaths, 2);
    kept = running_enter(r, 8);
    running_leave(&kept);
    assert_int_equal(die_and_take(v), 1); // it ran to an end, and will be found to be done
    assert_int_equal(v[0].deaths, 2);
    assert_false(v[0].last);
    running_close(&r);
}

static void what_is_not_remembered_is_forgotten(void **state)
{
    (void)state;
    struct running *r = open_marks();
    running_enter(r, 8);
    struct running_death v[RUNNING_MAX];
    assert_int_equal(running_take(r, v), 1);
    running_remember(r, v, 0);
    assert_int_equal(running_take(r, v), 0);
    running_close(&r);
}

static void a_clean_end_leaves_nothing(void **state)
{
    (void)state;
    struct running *r = open_marks();
    running_enter(r, 8);
    running_close(&r);
    assert_null(r);
    running_close(&r);
    struct running_death v[4];
    assert_int_equal(die_and_take(v), 0);
}

static void a_full_table_marks_no_more_and_empties_again(void **state)
{
    (void)state;
    struct running *r = open_marks();
    static struct running_mark *marks[2 * RUNNING_MAX];
    size_t n = 0;
    for (uint64_t task = 1; task <= 2 * RUNNING_MAX; task++) {
        marks[task - 1] = running_enter(r, task);
        n += marks[task - 1] != NULL;
    }
    assert_in_range(n, RUNNING_MAX / 2, RUNNING_MAX);
    for (size_t i = 0; i < 2 * RUNNING_MAX; i++) {
        running_leave(&marks[i]);
    }
    struct running_mark *again = running_enter(r, 1);
    assert_non_null(again);
    assert_null(running_enter(NULL, 1));
    running_close(&r);
}

static void a_file_of_another_size_begins_anew_and_what_is_no_file_is_refused(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("something else", f);
    fclose(f);
    struct running *r = open_marks();
    struct running_death v[RUNNING_MAX];
    assert_int_equal(running_take(r, v), 0);
    running_close(&r);
    struct err e;
    assert_int_equal(running_open("/tmp", &e, &r), -1);
    assert_non_null(strstr(e.text, "cannot use the file /tmp"));
}

static void marks_go_on_without_a_file_that_is_cut_short(void **state)
{
    (void)state;
    struct running *r = open_marks();
    struct running_mark *before = running_enter(r, 7);
    assert_int_equal(truncate(path, 0), 0);
    struct running_mark *after = running_enter(r, 8);
    assert_non_null(after);
    running_leave(&before);
    running_leave(&after);
    struct running_death v[RUNNING_MAX];
    assert_int_equal(running_take(r, v), 0);
    running_close(&r);
    r = open_marks(); // and have one again at the next start
    assert_non_null(running_enter(r, 9));
    struct running_death found[4];
    assert_int_equal(die_and_take(found), 1);
    assert_int_equal(found[0].task, 9);
}

// How a child ends that touches memory of a file, not ours, that was cut short under it.
static int status_after_a_bus_error(void)
{
    pid_t child = fork();
    if (child == 0) {
        FILE *f = tmpfile();
        char *p = f != NULL ? mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(f), 0) : MAP_FAILED;
        alarm(10);
        _exit(p != MAP_FAILED ? *(volatile char *)p : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void a_bus_error_elsewhere_ends_the_process(void **state)
{
    (void)state;
    struct running *r = open_marks();
    int status = status_after_a_bus_error();
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    running_close(&r);
    status = status_after_a_bus_error(); // with nothing mapped, too
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

static void a_file_that_finds_no_room_is_refused(void **state)
{
    (void)state;
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct running *r = NULL;
    struct err e;
    int rc = running_open(path, &e, &r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(rc, -1);
    assert_null(r);
    assert_non_null(strstr(e.text, "File too large"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_end_counts_once_for_what_was_in_flight),
        TEST(what_is_not_remembered_is_forgotten),
        TEST(a_clean_end_leaves_nothing),
        TEST(a_full_table_marks_no_more_and_empties_again),
        TEST(marks_go_on_without_a_file_that_is_cut_short),
        TEST(a_file_of_another_size_begins_anew_and_what_is_no_file_is_refused),
        TEST(a_bus_error_elsewhere_ends_the_process),
        TEST(a_file_that_finds_no_room_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
