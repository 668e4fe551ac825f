// SPDX-License-Identifier: MIT
// Killed at a point with a name: the n-th write, sync, truncation or deletion of the database, its
// log or its journal, in each stage of the store's life. Nothing else that it does outlives it, so
// these are all the states that a kill can leave: before a commit, in its middle, between its last
// write and its sync, after it; and the same of migrations, checkpoints and recoveries. Each point
// is met twice: by a kill, after which everything written is there, and by a power cut, after which
// the unsynced is lost or torn.
//   faults_failpoints [--cycles N] [--seed N]     at most N points of one name; the test run's few
//   have the first and the last
#include <sqlite3.h>

#include "tests/faults/faulty_vfs.h"
#include "tests/faults/options.h"
#include "tests/faults/store_load.h"

static const char *const kinds[FAULTY_KINDS] = {"write", "sync", "truncate", "index", "delete"};
static const char *const files[FAULTY_FILES] = {"database", "log", "journal"};

// ---- stages: how each is reached, and what it is ----

static void nothing(struct load *l)
{
    (void)l;
}

static void open_it(struct load *l)
{
    (void)load_open(l); // false at the cut
}

static void open_and_work(struct load *l)
{
    assert_true(load_open(l));
    load_run(l, 12);
}

static void work(struct load *l)
{
    load_run(l, 15);
}

// The log is then written back and cut off.
static void find_the_disk_full(struct load *l)
{
    faulty_fail(FAULTY_WRITE, 2, SQLITE_FULL, false);
    load_run(l, 4);
    faulty_fail(0, 0, 0, false);
    l->stuck = false;
    load_run(l, 3);
}

static void be_killed_at_work(struct load *l)
{
    open_and_work(l);
    load_leave_unfinished(l);
    faulty_cut_now();
    load_close(l);
    assert_int_equal(faulty_restore_all(), 0);
}

static void recover(struct load *l)
{
    if (load_open(l)) {
        load_run(l, 3);
    }
}

static const struct stage {
    const char *name;
    void (*reach)(struct load *l);
    void (*pass)(struct load *l);
    bool closes;
} stages[] = {
    {"making and migrating", nothing, open_it, false},
    {"working", open_and_work, work, false},
    {"finding the disk full", open_and_work, find_the_disk_full, false},
    {"closing", open_and_work, load_close, true},
    {"recovering", be_killed_at_work, recover, false},
};

// ---- points ----

struct point {
    const struct stage *stage;
    enum faulty_kind kind;
    enum faulty_file file;
    long n;
};

// Whether it was met: the same requests need not be grouped in the same way.
static bool meet(const struct point *p, uint64_t seed, bool power)
{
    faulty_reset();
    struct load *l = load_new(seed, true);
    l->faults = faulty_failures;
    p->stage->reach(l);
    faulty_cut_at(p->kind, p->file, p->n);
    p->stage->pass(l);
    bool met = faulty_is_cut();
    faulty_cut_now();
    if (!p->stage->closes) {
        load_close(l);
    }
    assert_int_equal(power ? faulty_restore(seed + (uint64_t)p->n) : faulty_restore_all(), 0);
    assert_true(load_open(l));
    load_check(l);
    load_close(l);
    assert_int_equal(l->f->fatal, 0);
    load_free(&l);
    return met;
}

// How many operations of each kind on each file the stage has.
static void count(const struct stage *stage, uint64_t seed, long counts[FAULTY_KINDS][FAULTY_FILES])
{
    faulty_reset();
    struct load *l = load_new(seed, true);
    l->faults = faulty_failures;
    stage->reach(l);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < FAULTY_KINDS * FAULTY_FILES; i++) {
            long n = faulty_count(1U << (i / FAULTY_FILES), (enum faulty_file)(i % FAULTY_FILES));
            counts[i / FAULTY_FILES][i % FAULTY_FILES] =
                pass == 0 ? -n : n + counts[i / FAULTY_FILES][i % FAULTY_FILES];
        }
        if (pass == 0) {
            stage->pass(l);
        }
    }
    if (!stage->closes) {
        load_close(l);
    }
    load_free(&l);
}

// Of the `of` operations of one name at most `most`, with the first and the last; how many were
// met.
static long meet_some(struct point p, long of, const struct options *o)
{
    long n = of < o->cycles ? of : o->cycles, met = 0;
    for (long i = 0; i < n; i++) {
        p.n = n == 1 ? 1 : 1 + i * (of - 1) / (n - 1);
        met += meet(&p, o->seed, false);
        met += meet(&p, o->seed, true);
    }
    return met;
}

int main(int argc, char **argv)
{
    struct options o = {.cycles = 6, .seed = 1};
    options_read(&o, argc, argv);
    assert_int_equal(faulty_install(), 0);
    long sum = 0, names = 0;
    for (size_t s = 0; s < sizeof(stages) / sizeof(stages[0]); s++) {
        long counts[FAULTY_KINDS][FAULTY_FILES];
        count(&stages[s], o.seed, counts);
        for (int i = 0; i < FAULTY_KINDS * FAULTY_FILES; i++) {
            struct point p = {&stages[s], 1U << (i / FAULTY_FILES),
                              (enum faulty_file)(i % FAULTY_FILES), 0};
            long of = counts[i / FAULTY_FILES][i % FAULTY_FILES];
            if (of == 0 || p.kind == FAULTY_INDEX) {
                continue; // the log's index is made anew at every start
            }
            long met = meet_some(p, of, &o);
            printf("failpoints: %s: %s %s: %ld such, met %ld times\n", stages[s].name,
                   kinds[i / FAULTY_FILES], files[p.file], of, met);
            assert_true(met > 0);
            sum += met;
            names++;
        }
    }
    printf("failpoints: %ld names, %ld points met\n", names, sum);
    return 0;
}
