// SPDX-License-Identifier: MIT
// A store under a random load on a disk that may go wrong, and the notes of what it promised: which
// batches it accepted, how many results it told of, what it cancelled and deleted. After a restart
// the notes are compared with what is there, and everything is run to its end.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/store/fixture.h"

#define LOAD_BATCHES_MAX 512

struct noted {
    uint8_t id[UUID_SIZE];
    uint64_t batch;
    int64_t total, told_done;
    bool cancelled;             // said so
    bool delete_asked, deleted; // asked; said so
};

struct load {
    struct fixture *f;
    struct noted v[LOAD_BATCHES_MAX];
    int n;
    uint64_t random;
    uint64_t token;
    size_t body_max;
    long (*faults)(void); // how many were met; NULL: there may be one at any time
    bool stuck;           // nothing was answered for a while: the disk is full
    long answered;        // positive replies
    long refused;         // negative ones
    int64_t lost;         // contradictions found by load_check
    bool tolerant;        // the control: what is lost is counted, else it ends the program
};

struct load *load_new(uint64_t seed, bool full_sync);
void load_free(struct load **l);

bool load_open(struct load *l); // false: the store could not be opened
void load_close(struct load *l);

// So many random requests, or fewer when the store has failed (f->fatal) or is stuck.
void load_run(struct load *l, int steps);
// What a restart has to see to: an upload that has not ended, and a request that may have been
// sent.
void load_leave_unfinished(struct load *l);
void load_collect(struct load *l); // what was answered and not yet taken

// On an open store: everything promised is there, the file is sound, and all work comes to its end.
void load_check(struct load *l);

uint64_t load_random(struct load *l, uint64_t n); // 0 .. n - 1
