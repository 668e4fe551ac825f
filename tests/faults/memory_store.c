// SPDX-License-Identifier: MIT
// The n-th allocation of the store's thread fails, ours or SQLite's, once or for ever, under load
// and while the database is opened. What cannot be recorded ends the store at once or is refused;
// nothing that was answered is missing after the restart, and nothing is left behind.
//   faults_memory_store [--cycles N] [--seed N]     N values of n for each kind
#include <string.h>

#include "tests/faults/allocations.h"
#include "tests/faults/options.h"
#include "tests/faults/store_load.h"

struct kind {
    const char *name;
    unsigned sources;
    bool for_ever;
};

static const struct kind kinds[] = {
    {"ours fails once", ALLOCATIONS_OURS, false},
    {"ours fails for ever", ALLOCATIONS_OURS, true},
    {"SQLite's fails once", ALLOCATIONS_LIBRARIES, false},
    {"SQLite's fails for ever", ALLOCATIONS_LIBRARIES, true},
};

struct sums {
    long cases, met, ended, refused, not_opened;
};

// The test's own thread plays the API and the workers, who have memory.
static void meet_under_load(const struct kind *k, uint64_t seed, long n, struct sums *sums)
{
    allocations_note();
    struct load *l = load_new(seed, false);
    assert_true(load_open(l));
    load_run(l, 5);
    assert_int_equal(l->f->fatal, 0);
    allocations_fail(k->sources, n, k->for_ever);
    load_run(l, 15);
    sums->met += allocations_failed() > 0;
    allocations_fail(0, 0, false);
    load_close(l);
    sums->ended += l->f->fatal;
    sums->refused += l->refused;
    assert_true(load_open(l));
    load_check(l);
    load_close(l);
    assert_int_equal(l->f->fatal, 0);
    assert_int_equal(allocations_left(), 0);
    sums->cases++;
    load_free(&l);
}

// False once n is beyond what opening needs.
static bool meet_opening(const struct kind *k, uint64_t seed, long n, struct sums *sums)
{
    struct load *l = load_new(seed, false);
    struct store_ports ports = {.n_workers = 0, .metrics = &l->f->metrics, .ctx = l->f};
    struct err e = {0};
    allocations_note();
    allocations_spare(false);
    allocations_fail(k->sources, n, k->for_ever);
    int status = store_open(&l->f->config, &ports, &e, &l->f->store);
    bool met = allocations_failed() > 0;
    allocations_fail(0, 0, false);
    if (status < 0) {
        sums->not_opened++;
        assert_true(e.code != ERR_OK && e.text[0] != '\0');
    } else {
        store_close(&l->f->store);
    }
    allocations_spare(true);
    assert_int_equal(allocations_left(), 0);
    assert_true(load_open(l));
    load_close(l);
    load_free(&l);
    return met;
}

int main(int argc, char **argv)
{
    struct options o = {.cycles = 6, .seed = 1};
    options_read(&o, argc, argv);
    allocations_hook();
    allocations_spare(true);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct sums sums = {0};
        for (long n = 1; n <= o.cycles; n++) {
            meet_under_load(&kinds[i], o.seed + (uint64_t)n * 131 + i, n * n, &sums);
        }
        long steps = 1 + 4000 / o.cycles; // opening needs thousands
        for (long n = 1; meet_opening(&kinds[i], o.seed, n, &sums); n += steps) {}
        printf("memory_store: %s: %ld cases; met in %ld, store ended in %ld, %ld requests refused; "
               "%ld times not opened\n",
               kinds[i].name, sums.cases, sums.met, sums.ended, sums.refused, sums.not_opened);
        assert_true(sums.met > 0 && sums.not_opened > 0);
    }
    return 0;
}
