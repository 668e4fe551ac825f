// SPDX-License-Identifier: MIT
// A table of marks, found by open addressing. A remembered task keeps its place for the process's
// life and all such places are taken before any other, so that a task that enters again finds its
// own before a free one. The file's blocks are reserved, so that on most file systems no access can
// fail for want of space. Where one fails all the same (a file system that never writes in place is
// full, the disk fails, somebody cut the file short), the marks go on in memory alone.
#include "daemon/loop/running.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_STEPS 32 // from where a task's mark should be

struct running_mark {
    _Atomic uint64_t task;  // 0: free
    _Atomic uint64_t state; // deaths << 1 | runs now
};

struct running {
    struct running_mark marks[RUNNING_MAX];
};

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would stay with the process that held it");

// What is mapped from the file, for the signal handler.
static _Atomic(struct running *) mapped;

// The access that failed is made again when this returns: to memory, or to end the process.
static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    uintptr_t start = (uintptr_t)atomic_load(&mapped), at = (uintptr_t)info->si_addr;
    bool ours = start != 0 && at >= start && at - start < sizeof(struct running);
    if (!ours || mmap(atomic_load(&mapped), sizeof(struct running), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        signal(number, SIG_DFL);
    }
    errno = saved;
}

static void outlive_bus_errors(struct running *r)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_RESTART};
    atomic_store(&mapped, r);
    (void)sigaction(SIGBUS, &action, NULL);
}

static int map_file(int fd, struct running **ret)
{
    struct stat st;
    int r = fstat(fd, &st) < 0 ? errno : 0;
    if (r == 0 && st.st_size != (off_t)sizeof(struct running) && ftruncate(fd, 0) < 0) {
        r = errno;
    }
    r = r == 0 ? posix_fallocate(fd, 0, sizeof(struct running)) : r;
    if (r != 0) {
        return r;
    }
    void *p = mmap(NULL, sizeof(struct running), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        return errno;
    }
    // Spares a loop the wait for a page from the disk. Where a service may lock no memory
    // (RLIMIT_MEMLOCK, a filter of system calls) the marks are as good without.
    (void)mlock(p, sizeof(struct running));
    *ret = p;
    outlive_bus_errors(p);
    return 0;
}

int running_open(const char *path, struct err *e, struct running **ret)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? errno : map_file(fd, ret);
    if (fd >= 0) {
        close(fd);
    }
    return r == 0 ? 0 : err_set_errno(e, r, "cannot use the file %s", path);
}

void running_leave_all(struct running *r)
{
    for (size_t i = 0; r != NULL && i < RUNNING_MAX; i++) {
        atomic_fetch_and(&r->marks[i].state, ~UINT64_C(1));
    }
}

void running_close(struct running **r)
{
    if (*r != NULL) {
        running_leave_all(*r);
        atomic_store(&mapped, NULL);
        munmap(*r, sizeof(struct running));
        *r = NULL;
    }
}

static size_t place_of(uint64_t task)
{
    return (size_t)((task * 0x9e3779b97f4a7c15u) >> 32) % RUNNING_MAX;
}

size_t running_take(struct running *r, struct running_death v[RUNNING_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < RUNNING_MAX; i++) {
        struct running_mark *m = &r->marks[i];
        uint64_t state = atomic_load(&m->state);
        bool last = (state & 1) != 0;
        uint64_t deaths = (state >> 1) + last;
        atomic_store(&m->state, deaths << 1);
        if (atomic_load(&m->task) != 0 && deaths > 0) {
            v[n++] = (struct running_death){
                .task = atomic_load(&m->task),
                .deaths = deaths > 1000 ? 1000 : (unsigned)deaths,
                .last = last,
            };
        }
    }
    return n;
}

// The task's own mark, or one that was free.
static struct running_mark *find(struct running *r, uint64_t task)
{
    for (size_t i = 0; i < MAX_STEPS; i++) {
        struct running_mark *m = &r->marks[(place_of(task) + i) % RUNNING_MAX];
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&m->task, &there, task) || there == task) {
            return m;
        }
    }
    return NULL;
}

void running_remember(struct running *r, const struct running_death *v, size_t n)
{
    memset(r, 0, sizeof(*r));
    for (size_t i = 0; i < n; i++) {
        struct running_mark *m = find(r, v[i].task);
        if (m != NULL) {
            atomic_store(&m->state, (uint64_t)v[i].deaths << 1);
        }
    }
}

struct running_mark *running_enter(struct running *r, uint64_t task)
{
    struct running_mark *m = r == NULL ? NULL : find(r, task);
    if (m != NULL) {
        atomic_fetch_or(&m->state, 1);
    }
    return m;
}

void running_leave(struct running_mark **mark)
{
    struct running_mark *m = *mark;
    *mark = NULL;
    if (m == NULL) {
        return;
    }
    bool remembered = atomic_fetch_and(&m->state, ~UINT64_C(1)) > 1;
    if (!remembered) {
        atomic_store(&m->task, 0);
    }
}
