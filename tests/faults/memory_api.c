// SPDX-License-Identifier: MIT
// The n-th allocation of ours fails while a connection is accepted and a request is served, for
// every n that is reached. The answer is the same as with memory, or 503 or 500, or the connection
// is closed; the next request is served, and nothing is left behind. One loop serves both the API
// and the store that the test plays, which always has memory.
#include "tests/unit/api/api_fixture.h"

#include <sys/wait.h>

#include "tests/faults/allocations.h"

#define RESULTS 3

struct request {
    const char *head; // %s: the batch's id
    const char *body;
    bool changes; // what the answer says is not the same every time
};

#define URL_OBJECT                                                                                 \
    "{\"url\":\"http://a.example/\",\"headers\":{\"A\":\"b\"},\"metadata\":{\"m\":1}}"

static const struct request requests[] = {
    {"GET /livez HTTP/1.1", NULL, false},
    {"GET /readyz?verbose HTTP/1.1", NULL, true},
    {"GET /metrics HTTP/1.1", NULL, true},
    {"GET /openapi.json HTTP/1.1", NULL, false},
    {"GET /problems/not_found HTTP/1.1", NULL, false},
    {"GET /v1/stats HTTP/1.1", NULL, true},
    {"GET /nothing HTTP/1.1", NULL, false},
    {"BREW / HTTP/1.1", NULL, false},
    {"GET /v1/batches?limit=2&state=running HTTP/1.1", NULL, false},
    {"GET /v1/batches/%s HTTP/1.1", NULL, false},
    {"GET /v1/batches/%s?wait=0 HTTP/1.1\r\nIf-None-Match: \"x\", W/\"y\"", NULL, false},
    {"GET /v1/batches/%s/results?limit=2&include=headers,body,attempts HTTP/1.1", NULL, false},
    {"GET /v1/batches/%s/results HTTP/1.1\r\nAccept: application/x-ndjson", NULL, false},
    {"GET /v1/batches/%s/tasks/1 HTTP/1.1", NULL, false},
    {"GET /v1/batches/%s/tasks/2500 HTTP/1.1", NULL, false},
    {"GET /v1/batches/%s/tasks/0/body HTTP/1.1\r\nRange: bytes=1-", NULL, false},
    {"GET /v1/hosts?limit=2 HTTP/1.1", NULL, false},
    {"GET /v1/hosts/a.example HTTP/1.1", NULL, false},
    {"PATCH /v1/hosts/a.example HTTP/1.1\r\nContent-Type: application/json",
     "{\"max_concurrency\": 4, \"paused\": true}", true},
    {"POST /v1/batches/%s/pause HTTP/1.1", "", true},
    {"POST /v1/batches?name=n&priority=2 HTTP/1.1\r\nContent-Type: application/json\r\n"
     "Idempotency-Key: k",
     "{\"defaults\":{\"timeout_ms\":5},\"tasks\":[" URL_OBJECT "]}", true},
    {"POST /v1/batches HTTP/1.1\r\nContent-Type: application/x-ndjson",
     URL_OBJECT "\n\"http://b.example/\"\n", true},
    {"POST /v1/batches?partial=1 HTTP/1.1\r\nContent-Type: text/plain",
     "http://a.example/\nftp://b.example/\n", true},
    {"POST /v1/batches HTTP/1.1\r\nContent-Type: application/json", "[\"ftp://a.example/\"]",
     false},
    {"POST /v1/batches HTTP/1.1\r\nContent-Type: text/plain\r\nExpect: 100-continue",
     "http://a.example/\n", true},
    {"DELETE /v1/batches/%s?force=1 HTTP/1.1", NULL, false},
};

static void make_batch(struct fake *f)
{
    struct batch_new n = {.id = {1}, .priority = 5, .name = (char[]){"name"}};
    fake_make_batch(f, &n);
    f->n_results = RESULTS;
    f->tasks = 0;
    f->batch->now.counts = (struct batch_counts){.total = 3000, .succeeded = 2, .failed = 1};
    f->batch->now.version = 1;
}

static void send_all(const struct fake *f, const struct request *r, int fd)
{
    char id[UUID_TEXT_SIZE], text[2048], head[512];
    uuid_format(f->batch->now.id, id);
    const char *mark = strstr(r->head, "%s");
    int before = mark ? (int)(mark - r->head) : (int)strlen(r->head);
    snprintf(head, sizeof(head), "%.*s%s%s", before, r->head, mark ? id : "", mark ? mark + 2 : "");
    int n = snprintf(text, sizeof(text), "%s\r\nHost: localhost\r\nConnection: close\r\n", head);
    if (r->body) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "Content-Length: %zu\r\n",
                      strlen(r->body));
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, "\r\n%s", r->body ? r->body : "");
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
}

// The whole answer, once the server has closed; false after too long.
static bool read_all(struct fake *f, int fd, struct buf *out)
{
    char block[65536];
    int64_t end = clock_monotonic_ms() + CLIENT_TIMEOUT_MS;
    while (clock_monotonic_ms() < end) {
        event_base_loop(loop_base(f->loop), EVLOOP_NONBLOCK);
        allocations_spare(true);
        fake_step(f);
        ssize_t n = recv(fd, block, sizeof(block), 0);
        int error = errno;
        if (n > 0) {
            buf_append(out, block, (size_t)n);
        }
        allocations_spare(false);
        if (n == 0 || (n < 0 && error != EAGAIN)) {
            return true;
        }
        if (n < 0) {
            usleep(20);
        }
    }
    return false;
}

// What the client sees when the n-th allocation fails (0: none), and whether that was reached.
static bool serve(struct fake *f, const struct request *r, long n, bool for_ever, struct buf *out)
{
    make_batch(f);
    buf_reset(out);
    int fd = client_open(f);
    send_all(f, r, fd);
    allocations_fail(ALLOCATIONS_ALL, n, for_ever);
    bool ended = read_all(f, fd, out);
    bool failed = allocations_failed() > 0;
    allocations_fail(0, 0, false);
    close(fd);
    if (!ended) {
        fail_msg("%s, allocation %ld: no end of the answer: %s", r->head, n, out->data);
    }
    return failed;
}

static const char *body_of(const struct buf *b)
{
    const char *end = b->data ? strstr(b->data, "\r\n\r\n") : NULL;
    return end ? end + 4 : "";
}

static void check(const struct request *r, long n, const struct buf *wanted, const struct buf *got)
{
    int status = status_of(got);
    if (got->len == 0) {
        return; // closed
    }
    if (status == 503 || status == 500) {
        bool said = has(got, "application/problem+json") || has(got, "Content-Length: 0\r\n");
        if (!said || (status == 503 && !has(got, "Retry-After"))) {
            fail_msg("%s, allocation %ld: %s", r->head, n, got->data);
        }
        return;
    }
    bool stream = has(wanted, "Transfer-Encoding: chunked");
    bool cut = stream && !strstr(body_of(got), "\r\n0\r\n\r\n");
    if (status != status_of(wanted) || has(got, "\"rejected\"") != has(wanted, "\"rejected\"") ||
        (!r->changes && !cut && strcmp(body_of(got), body_of(wanted)) != 0)) {
        fprintf(stderr, "with memory: %s\nwithout: %s\n", wanted->data, got->data);
        fail_msg("%s, allocation %ld: another answer", r->head, n);
    }
}

static long fail_each(struct fake *f, const struct request *r)
{
    struct buf wanted = BUF_INIT(1u << 20), got = BUF_INIT(1u << 20);
    const struct request plain = {"GET /livez HTTP/1.1", NULL, false};
    serve(f, r, 0, false, &wanted);
    assert_true(status_of(&wanted) > 0);
    long n = 1;
    for (bool reached = true; reached; n++) {
        reached = serve(f, r, n, false, &got);
        check(r, n, &wanted, &got);
        serve(f, r, n, true, &got);
        check(r, n, &wanted, &got);
        serve(f, &plain, 0, false, &got);
        assert_int_equal(status_of(&got), 200);
    }
    buf_done(&wanted);
    buf_done(&got);
    return n - 2;
}

static void each_request_survives_each_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        allocations_note();
        struct fake *f = fake_start();
        long n = fail_each(f, &requests[i]);
        batch_info_free(&f->batch);
        fake_stop(f);
        long left = allocations_left();
        printf("memory_api: %.60s: %ld allocations\n", requests[i].head, n);
        if (left > 0) {
            fail_msg("%s: %ld blocks are left", requests[i].head, left);
        }
    }
}

void *__real_memory_demand(size_t n);

// What libevent or libevhtp cannot do without ends the process, and says why.
static void libraries_without_memory_end_the_process(void **state)
{
    (void)state;
    int ends[2], status;
    char text[256] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        allocations_fail(ALLOCATIONS_OURS, 1, true);
        __real_memory_demand(100);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FAILURE);
    assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "out of memory"));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    allocations_hook();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_survives_each_failure),
        cmocka_unit_test(libraries_without_memory_end_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
