// SPDX-License-Identifier: MIT
// See allocations.h. Any thread; the counters are atomic, the notes stand under a lock.
#include "tests/faults/allocations.h"

#include <ares.h>
#include <curl/curl.h>
#include <idn2.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTES 65536 // a power of two

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
int __real_idn2_lookup_u8(const uint8_t *text, uint8_t **ret, int flags);

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
void __wrap_free(void *p);
int __wrap_idn2_lookup_u8(const uint8_t *text, uint8_t **ret, int flags);
void *__wrap_memory_demand(size_t n);
void *__wrap_memory_demand_again(void *p, size_t n);

static atomic_uint failing_sources;
static atomic_long until_failure, failed;
static atomic_bool fails_for_ever;
static _Thread_local bool spared;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *notes[NOTES]; // open addressing
static size_t n_notes;
static bool noting;

void allocations_fail(unsigned sources, long n, bool for_ever)
{
    atomic_store(&failing_sources, 0);
    atomic_store(&until_failure, n);
    atomic_store(&fails_for_ever, for_ever);
    atomic_store(&failed, 0);
    atomic_store(&failing_sources, n > 0 ? sources : 0);
}

long allocations_failed(void)
{
    return atomic_load(&failed);
}

void allocations_spare(bool on)
{
    spared = on;
}

static bool must_fail(enum allocation_source source)
{
    if (spared || (atomic_load(&failing_sources) & source) == 0) {
        return false;
    }
    long left = atomic_fetch_sub(&until_failure, 1);
    if (left > 1 || (left < 1 && !atomic_load(&fails_for_ever))) {
        return false;
    }
    atomic_fetch_add(&failed, 1);
    return true;
}

// ---- notes ----

static size_t place_of(const void *p)
{
    size_t at = (size_t)(((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 40) % NOTES;
    while (notes[at] != NULL && notes[at] != p) {
        at = (at + 1) % NOTES;
    }
    return at;
}

static void *note(void *p)
{
    if (p == NULL || spared) {
        return p;
    }
    pthread_mutex_lock(&lock);
    if (noting && n_notes < NOTES / 2) {
        notes[place_of(p)] = p;
        n_notes++;
    }
    pthread_mutex_unlock(&lock);
    return p;
}

static void forget(const void *p)
{
    pthread_mutex_lock(&lock);
    size_t at = n_notes > 0 && p != NULL ? place_of(p) : 0;
    if (n_notes > 0 && p != NULL && notes[at] == p) {
        n_notes--;
        notes[at] = NULL;
        for (at = (at + 1) % NOTES; notes[at] != NULL; at = (at + 1) % NOTES) {
            void *moved = notes[at]; // what stood behind it must be found without it
            notes[at] = NULL;
            notes[place_of(moved)] = moved;
        }
    }
    pthread_mutex_unlock(&lock);
}

void allocations_note(void)
{
    pthread_mutex_lock(&lock);
    memset(notes, 0, sizeof(notes));
    n_notes = 0;
    noting = true;
    pthread_mutex_unlock(&lock);
}

long allocations_left(void)
{
    pthread_mutex_lock(&lock);
    noting = false;
    long n = (long)n_notes;
    n_notes = 0;
    pthread_mutex_unlock(&lock);
    return n;
}

// ---- in place of the C library's ----

void *__wrap_malloc(size_t n)
{
    return must_fail(ALLOCATIONS_OURS) ? NULL : note(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return must_fail(ALLOCATIONS_OURS) ? NULL : note(__real_calloc(n, size));
}

static void *resize(void *p, size_t n)
{
    forget(p);
    void *q = __real_realloc(p, n);
    note(q != NULL ? q : p);
    return q;
}

void *__wrap_realloc(void *p, size_t n)
{
    return must_fail(ALLOCATIONS_OURS) ? NULL : resize(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
    size_t bytes;
    bool fails = __builtin_mul_overflow(n, size, &bytes) || must_fail(ALLOCATIONS_OURS);
    return fails ? NULL : resize(p, bytes);
}

char *__wrap_strndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *copy = __wrap_malloc(n + 1);
    if (copy != NULL) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *s)
{
    return __wrap_strndup(s, strlen(s));
}

void __wrap_free(void *p)
{
    forget(p);
    __real_free(p);
}

// ---- in the libraries ----

int __wrap_idn2_lookup_u8(const uint8_t *text, uint8_t **ret, int flags)
{
    return must_fail(ALLOCATIONS_LIBRARIES) ? IDN2_MALLOC : __real_idn2_lookup_u8(text, ret, flags);
}

static void *library_malloc(size_t n)
{
    return must_fail(ALLOCATIONS_LIBRARIES) ? NULL : __real_malloc(n);
}

static void *library_calloc(size_t n, size_t size)
{
    return must_fail(ALLOCATIONS_LIBRARIES) ? NULL : __real_calloc(n, size);
}

static void *library_realloc(void *p, size_t n)
{
    return must_fail(ALLOCATIONS_LIBRARIES) ? NULL : __real_realloc(p, n);
}

static char *library_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = library_malloc(n);
    return copy == NULL ? NULL : memcpy(copy, s, n);
}

void *__wrap_memory_demand(size_t n)
{
    return __real_malloc(n);
}

void *__wrap_memory_demand_again(void *p, size_t n)
{
    return __real_realloc(p, n);
}

static sqlite3_mem_methods sqlite_own; // beneath the two below

static void *sqlite_malloc(int n)
{
    return must_fail(ALLOCATIONS_LIBRARIES) ? NULL : sqlite_own.xMalloc(n);
}

static void *sqlite_realloc(void *p, int n)
{
    return must_fail(ALLOCATIONS_LIBRARIES) ? NULL : sqlite_own.xRealloc(p, n);
}

static void hook_sqlite(void)
{
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_own);
    sqlite3_mem_methods ours = sqlite_own;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK) {
        fprintf(stderr, "SQLite takes no hook: it was in use already\n");
        abort();
    }
}

void allocations_hook(void)
{
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, library_malloc, __real_free, library_realloc,
                         library_strdup, library_calloc);
    ares_library_init_mem(ARES_LIB_INIT_ALL, library_malloc, __real_free, library_realloc);
    hook_sqlite();
}
