// SPDX-License-Identifier: MIT
// A default VFS for SQLite that plays a disk going wrong. It passes everything to the real one and
// can do two things: fail chosen operations with a chosen code, and cut the power.
//
// For the second it remembers, file by file, what is on the platter (as of the last sync) and what
// was written since. At the cut every further operation fails, so whatever the program answered it
// answered before. Of the unsynced writes each is then lost, kept or torn at a sector's bounds, in
// any combination, and a file that was deleted or made without a sync of its directory may be there
// or not. faulty_restore puts what survived in the place of the files.
//
// Any thread may use the files; the functions below belong to the test's thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum faulty_kind {
    FAULTY_WRITE = 1,
    FAULTY_SYNC = 2,
    FAULTY_TRUNCATE = 4,
    FAULTY_INDEX = 8,
    FAULTY_DELETE = 16
};
enum { FAULTY_KINDS = 5 };
enum faulty_file { FAULTY_DATABASE, FAULTY_LOG, FAULTY_JOURNAL, FAULTY_FILES };

int faulty_install(void); // becomes the default VFS

// FAULTY_INDEX is the growth of the log's index (the file -shm) beyond its first page.
// The n-th operation from now (1 is the next) of one of `kinds` fails with `code`; `for_ever`: and
// all such after it. n = 0: none.
void faulty_fail(unsigned kinds, long n, int code, bool for_ever);
long faulty_failures(void); // how often that has happened

// The power is cut at the n-th operation from now. 0: never.
void faulty_cut(long n);
// The same at the n-th operation of one kind on one file: a point that has a name.
void faulty_cut_at(enum faulty_kind kind, enum faulty_file file, long n);
long faulty_count(enum faulty_kind kind, enum faulty_file file); // such operations so far
bool faulty_is_cut(void);
void faulty_cut_now(void);
long faulty_operations(void); // since faulty_reset

// Replaces the files by what survived, as `seed` chooses, and has the power again. 0, or -1 with
// errno.
int faulty_restore(uint64_t seed);
int faulty_restore_all(void); // what was written is there: it was a kill, not a power cut

void faulty_reset(void); // forgets all files and faults; no file may be open
