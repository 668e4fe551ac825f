// SPDX-License-Identifier: MIT
// The n-th write, sync or truncate fails, once or for ever, with "full", "I/O error" or "sync
// failed". Nothing may be answered that is not stored; a failing disk ends the store at once, and a
// full one only until there is space again; after a restart everything that was answered is there,
// also when what the failed sync had not written is lost with it.
//   faults_iofaults [--cycles N] [--seed N]     N values of n for each kind of fault
#include <sqlite3.h>

#include "tests/faults/faulty_vfs.h"
#include "tests/faults/options.h"
#include "tests/faults/store_load.h"

struct fault {
    const char *name;
    unsigned kinds;
    int code;
    bool for_ever;
};

static const struct fault faults[] = {
    {"full once", FAULTY_WRITE | FAULTY_TRUNCATE, SQLITE_FULL, false},
    {"full for ever", FAULTY_WRITE | FAULTY_TRUNCATE, SQLITE_FULL, true},
    {"index cannot grow", FAULTY_INDEX, SQLITE_IOERR_SHMSIZE, true},
    {"write fails once", FAULTY_WRITE, SQLITE_IOERR_WRITE, false},
    {"write fails for ever", FAULTY_WRITE, SQLITE_IOERR_WRITE, true},
    {"sync fails once", FAULTY_SYNC, SQLITE_IOERR_FSYNC, false},
    {"sync fails for ever", FAULTY_SYNC, SQLITE_IOERR_FSYNC, true},
};

struct sums {
    long cases, struck, fatal, refused, not_opened;
};

// The fault while the database is made: it cannot be opened, and later it can, or it went well.
static void meet_fault_opening(const struct fault *fault, uint64_t seed, long n, struct sums *sums)
{
    faulty_reset();
    struct load *l = load_new(seed, true);
    l->faults = faulty_failures;
    faulty_fail(fault->kinds, n, fault->code, fault->for_ever);
    bool opened = load_open(l);
    load_run(l, opened ? 3 : 0);
    faulty_fail(0, 0, 0, false);
    load_close(l);
    sums->not_opened += !opened;
    assert_true(load_open(l));
    load_check(l);
    load_close(l);
    sums->cases++;
    load_free(&l);
}

static void meet_fault(struct load *l, const struct fault *fault, long n, struct sums *sums)
{
    load_run(l, 5);
    assert_int_equal(l->f->fatal, 0);
    faulty_fail(fault->kinds, n, fault->code, fault->for_ever);
    load_run(l, fault->kinds == FAULTY_INDEX ? 100 : 25);
    long struck = faulty_failures();
    faulty_fail(0, 0, 0, false);
    if (fault->code == SQLITE_FULL || fault->code == SQLITE_IOERR_SHMSIZE) {
        assert_int_equal(l->f->fatal, 0);
        l->stuck = false;
        load_run(l, 3); // it goes on by itself
    } else if (struck > 0) {
        assert_int_equal(l->f->fatal, 1);
    }
    sums->struck += struck > 0;
    sums->fatal += l->f->fatal;
    sums->refused += l->refused;
}

static void run_case(uint64_t seed, const struct fault *fault, long n, struct sums *sums)
{
    faulty_reset();
    struct load *l = load_new(seed, true);
    l->faults = faulty_failures;
    l->body_max = n % 5 == 0 || fault->kinds == FAULTY_INDEX ? 300000 : 3000;
    assert_true(load_open(l));
    meet_fault(l, fault, n, sums);
    bool power_lost = load_random(l, 2) == 0;
    if (power_lost) {
        faulty_cut_now();
    }
    load_close(l);
    if (power_lost) {
        assert_int_equal(faulty_restore(seed), 0);
    }
    assert_true(load_open(l));
    load_check(l);
    load_close(l);
    assert_int_equal(l->f->fatal, 0);
    sums->cases++;
    load_free(&l);
}

int main(int argc, char **argv)
{
    struct options o = {.cycles = 7, .seed = 1};
    options_read(&o, argc, argv);
    assert_int_equal(faulty_install(), 0);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct sums sums = {0};
        for (long n = 1; n <= o.cycles; n++) {
            meet_fault_opening(&faults[i], o.seed + (uint64_t)n, n, &sums);
            run_case(o.seed + (uint64_t)n * 131 + i, &faults[i], n <= 20 ? n : 20 + (n - 20) * 7,
                     &sums);
        }
        printf("iofaults: %s: %ld cases; under load met in %ld, store ended in %ld, %ld requests "
               "refused; %ld times not opened\n",
               faults[i].name, sums.cases, sums.struck, sums.fatal, sums.refused, sums.not_opened);
        assert_true(sums.struck > 0);
    }
    return 0;
}
