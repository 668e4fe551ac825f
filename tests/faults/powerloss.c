// SPDX-License-Identifier: MIT
// Power loss at any moment of the store's life: while the database is made, under load, in the
// middle of a checkpoint, at the end, and again after a restart. With synchronous=FULL nothing that
// was answered may be lost; with NORMAL, as the control, the same test must see losses, or it would
// prove nothing.
//   faults_powerloss [--cycles N] [--seed N]
#include <inttypes.h>

#include "tests/faults/faulty_vfs.h"
#include "tests/faults/options.h"
#include "tests/faults/store_load.h"

struct sums {
    long cuts, cuts_while_opening, answered;
    int64_t lost;
};

// How many operations the disk may do at most before the cut: while the database is made, in the
// first groups, under load, until a checkpoint.
static const uint64_t reaches[] = {40, 300, 1500, 5000, 12000};

// Lives of one database, each ended by a cut.
static void run_case(uint64_t seed, bool full, struct sums *sums)
{
    faulty_reset();
    struct load *l = load_new(seed, full);
    l->faults = faulty_failures;
    l->tolerant = !full;
    l->body_max =
        load_random(l, 6) == 0 ? 300000 : 3000; // large ones fill the log to its checkpoint
    for (int life = 0; life < 3; life++) {
        uint64_t reach = reaches[load_random(l, sizeof(reaches) / sizeof(reaches[0]))];
        faulty_cut((long)(1 + load_random(l, reach)));
        if (load_open(l)) {
            load_run(l, 150);
            if (load_random(l, 2) == 0) {
                faulty_cut_now(); // else the cut comes while it is closed, or after
            }
        } else {
            assert_true(faulty_is_cut());
            sums->cuts_while_opening++;
        }
        load_close(l);
        faulty_cut_now();
        sums->cuts++;
        assert_int_equal(faulty_restore(load_random(l, 1U << 31)), 0);
        assert_true(load_open(l));
        load_check(l);
        load_close(l);
        assert_int_equal(l->f->fatal, 0);
    }
    sums->answered += l->answered;
    sums->lost += l->lost;
    load_free(&l);
}

int main(int argc, char **argv)
{
    struct options o = {.cycles = 15, .seed = 1};
    options_read(&o, argc, argv);
    assert_int_equal(faulty_install(), 0);
    struct sums full = {0}, normal = {0};
    for (long i = 0; i < o.cycles; i++) {
        run_case(o.seed + (uint64_t)i, true, &full);
        run_case(o.seed + (uint64_t)i, false, &normal);
    }
    printf("powerloss: FULL: %ld cuts (%ld while opening), %ld positive answers, %" PRId64
           " lost; NORMAL: %ld cuts, %ld positive answers, %" PRId64 " lost\n",
           full.cuts, full.cuts_while_opening, full.answered, full.lost, normal.cuts,
           normal.answered, normal.lost);
    if (normal.lost == 0) {
        fprintf(stderr, "the control has lost nothing: the test does not test\n");
        return 1;
    }
    return full.lost == 0 ? 0 : 1;
}
