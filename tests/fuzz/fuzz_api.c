// SPDX-License-Identifier: MIT
// Any bytes on a connection to the whole API: the server lives, and the statuses it answers with do
// not depend on how the bytes were cut. The first byte is the size of the pieces. The store and the
// workers are those of the API's own tests.
#include "fuzz.h"

#include "tests/unit/api/api_fixture.h"

#define QUIET_TURNS  12 // without a byte: no more comes
#define STATUSES_MAX 64

static struct fake *api(void)
{
    static struct fake *f;
    if (f == NULL) {
        f = fake_start();
    }
    return f;
}

// A finished batch, so that nothing waits for it.
static void make_batch(struct fake *f)
{
    struct batch_new n = {.id = {1}, .priority = 5};
    fake_make_batch(f, &n);
    f->n_results = 3;
    f->tasks = 0;
    f->batch->now.state = BATCH_FINISHED;
    f->batch->now.counts = (struct batch_counts){.total = 3, .succeeded = 2, .failed = 1};
}

// Every status line in what was answered, at the start of an answer.
static size_t statuses(const struct buf *b, int ret[STATUSES_MAX])
{
    size_t n = 0;
    for (const char *p = b->data; p != NULL && n < STATUSES_MAX; p = strstr(p + 1, "HTTP/1.1 ")) {
        if (strncmp(p, "HTTP/1.1 ", 9) == 0 && strncmp(p + 9, "100", 3) != 0) {
            ret[n++] = (int)strtol(p + 9, NULL, 10);
        }
    }
    return n;
}

static void take(struct fake *f, int fd, struct buf *out)
{
    char block[16384];
    for (int quiet = 0; quiet < QUIET_TURNS; quiet++) {
        fake_turn(f);
        for (ssize_t n; (n = recv(fd, block, sizeof(block), 0)) > 0; quiet = 0) {
            buf_append(out, block, (size_t)n);
        }
    }
}

static size_t converse(struct fake *f, const uint8_t *p, size_t n, size_t cut,
                       int ret[STATUSES_MAX])
{
    struct buf out = BUF_INIT(1u << 24);
    make_batch(f);
    int fd = client_open(f);
    for (size_t at = 0; at < n; at += cut) {
        if (send(fd, p + at, n - at < cut ? n - at : cut, MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
            break;
        }
        fake_turn(f);
    }
    take(f, fd, &out);
    size_t found = statuses(&out, ret);
    buf_done(&out);
    close(fd);
    take(f, -1, &out);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int whole[STATUSES_MAX], pieces[STATUSES_MAX];
    if (n < 2 || n > 4096) {
        return 0;
    }
    struct fake *f = api();
    size_t n_whole = converse(f, data + 1, n - 1, n, whole);
    size_t n_pieces = converse(f, data + 1, n - 1, 1 + data[0], pieces);
    FUZZ_CHECK(n_whole == n_pieces && memcmp(whole, pieces, n_whole * sizeof(whole[0])) == 0);
    return 0;
}
