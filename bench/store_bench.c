// SPDX-License-Identifier: MIT
// How fast the store takes submissions, hands out tasks and records results, driven through its
// mailbox as the API and one worker would. bench_store DIR [TASKS [HOSTS]]; the database is written
// to DIR, with every commit synchronised.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/store/store.h"
#include "daemon/task/ring.h"

struct inbox {
    struct mailbox *mailbox;
    struct list list;
};

struct bench {
    struct config config;
    struct metrics metrics;
    struct inbox api, worker;
    struct store *store;
    long tasks, hosts;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

static void on_fatal(void *ctx, const char *why)
{
    (void)ctx;
    die(why);
}

// The next message of `kind`; others are dropped.
static struct message *take(struct inbox *in, unsigned kind)
{
    for (;;) {
        struct list *link = list_pop_front(&in->list);
        if (link == NULL) {
            struct pollfd p = {.fd = mailbox_fd(in->mailbox), .events = POLLIN};
            poll(&p, 1, -1);
            mailbox_take(in->mailbox, &in->list);
            continue;
        }
        struct message *m = list_entry(link, struct message, link);
        if (m->kind == kind) {
            return m;
        }
        m->free(m);
    }
}

static void post_piece(struct bench *b, uint64_t upload, long from, long n, bool last)
{
    struct upload_piece *p = upload_piece_new(upload);
    if (p == NULL || task_piece_init(&p->tasks) < 0) {
        die("out of memory");
    }
    if (from == 0) {
        p->batch = calloc(1, sizeof(*p->batch));
        if (p->batch == NULL) {
            die("out of memory");
        }
        uuid_v7(clock_wall_at(), p->batch->id);
        p->batch->priority = 5;
    }
    p->last = last;
    for (long i = from; i < from + n; i++) {
        char host[64], url[128];
        int host_len = snprintf(host, sizeof(host), "host-%ld.example.com", i % b->hosts);
        int url_len =
            snprintf(url, sizeof(url), "https://%s/some/path/of/a/page?number=%ld", host, i);
        struct new_task t = {.index = (uint32_t)i,
                             .host = task_piece_copy(&p->tasks, host, (size_t)host_len),
                             .url = task_piece_copy(&p->tasks, url, (size_t)url_len)};
        task_piece_add(&p->tasks, &t);
    }
    mailbox_post(store_mailbox(b->store), &p->msg);
}

static void submit(struct bench *b)
{
    int64_t since = clock_monotonic_us();
    long pieces = (b->tasks + TASK_PIECE_MAX - 1) / TASK_PIECE_MAX, posted = 0, answered = 0;
    while (answered < pieces) {
        while (posted < pieces && posted - answered < 8) {
            long from = posted++ * TASK_PIECE_MAX;
            long n = b->tasks - from < TASK_PIECE_MAX ? b->tasks - from : TASK_PIECE_MAX;
            post_piece(b, 1, from, n, posted == pieces);
        }
        struct upload_reply *r = (struct upload_reply *)take(&b->api, RING_UPLOAD_REPLY);
        if (r->status != 0) {
            die(r->err.text);
        }
        answered++;
        r->msg.free(&r->msg);
    }
    double s = (double)(clock_monotonic_us() - since) / 1e6;
    printf("submitted  %ld tasks in %.2f s: %.0f a second\n", b->tasks, s, (double)b->tasks / s);
}

static void post_outcome(struct bench *b, const struct claimed_task *t)
{
    struct outcome *o = outcome_new(&t->ref);
    if (o == NULL) {
        die("out of memory");
    }
    o->state = TASK_SUCCEEDED;
    o->last.number = 1;
    o->last.status = 200;
    o->last.started_at = clock_wall_at();
    o->last.finished_at = o->last.started_at + 50;
    o->last.remote_ip = strdup("192.0.2.17");
    o->content_type = strdup("text/html; charset=utf-8");
    o->http_version = strdup("1.1");
    o->headers = strdup("[[\"server\",\"nginx\"],[\"content-type\",\"text/html; charset=utf-8\"],"
                        "[\"date\",\"Mon, 23 Nov 2026 08:00:00 GMT\"],[\"etag\",\"\\\"abc\\\"\"]]");
    o->size = 1234;
    o->bytes_received = 1234;
    o->complete = true;
    mailbox_post(store_mailbox(b->store), &o->msg);
}

static void claim(struct bench *b, uint64_t host)
{
    struct claim *c = claim_new(0, host);
    if (c == NULL) {
        die("out of memory");
    }
    c->n = 200;
    c->slots = 200;
    mailbox_post(store_mailbox(b->store), &c->msg);
}

// Claims of 200 tasks, 16 hosts under way at once, as workers with many slots would.
static void record(struct bench *b)
{
    int64_t since = clock_monotonic_us();
    long done = 0, next_host = 1, open = 0;
    while (done < b->tasks) {
        while (open < 16 && next_host <= b->hosts) {
            claim(b, (uint64_t)next_host++);
            open++;
        }
        struct claimed *c = (struct claimed *)take(&b->worker, RING_CLAIMED);
        for (size_t i = 0; i < c->n; i++) {
            post_outcome(b, &c->tasks[i]);
        }
        done += (long)c->n;
        if (c->more) {
            claim(b, c->host);
        } else {
            open--;
        }
        c->msg.free(&c->msg);
    }
    while (metrics_get(&b->metrics, METRIC_TASKS_SUCCEEDED) < b->tasks) {
        poll(NULL, 0, 1);
    }
    double s = (double)(clock_monotonic_us() - since) / 1e6;
    printf("recorded   %ld results in %.2f s: %.0f a second\n", b->tasks, s, (double)b->tasks / s);
}

int main(int argc, char **argv)
{
    static struct bench b;
    if (argc < 2) {
        die("usage: bench_store DIR [TASKS [HOSTS]]");
    }
    log_init(LOG_LEVEL_WARN);
    char path[512];
    snprintf(path, sizeof(path), "%s/bench.db", argv[1]);
    b.tasks = argc > 2 ? strtol(argv[2], NULL, 10) : 1000000;
    b.hosts = argc > 3 ? strtol(argv[3], NULL, 10) : 1000;
    b.config.store.path = path;
    b.config.store.synchronous = STORE_SYNCHRONOUS_FULL;
    b.config.fetch.max_queued = 100000000;
    struct err e;
    list_init(&b.api.list);
    list_init(&b.worker.list);
    if (b.tasks <= 0 || b.hosts <= 0 || mailbox_new(&e, &b.api.mailbox) < 0 ||
        mailbox_new(&e, &b.worker.mailbox) < 0) {
        die("bad arguments");
    }
    struct store_ports ports = {.api = b.api.mailbox,
                                .workers = &b.worker.mailbox,
                                .n_workers = 1,
                                .metrics = &b.metrics,
                                .on_fatal = on_fatal};
    if (store_open(&b.config, &ports, &e, &b.store) < 0 || store_start(b.store, &e) < 0) {
        die(e.text);
    }
    submit(&b);
    record(&b);
    int64_t commits = metrics_get(&b.metrics, METRIC_STORE_COMMITS);
    printf("commits    %lld, %.2f ms each\n", (long long)commits,
           (double)metrics_get(&b.metrics, METRIC_STORE_COMMIT_US) / 1000 / (double)commits);
    store_close(&b.store);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("memory     %ld MiB at most\n", usage.ru_maxrss / 1024);
    return 0;
}
