// SPDX-License-Identifier: MIT
// The API over a real HTTP server, with a store and workers that are made up here: one thread, one
// loop, turned by the client's waiting. Included by the tests of the API as a whole alone.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "config/file.h"
#include "daemon/api/api.h"
#include "daemon/task/ring.h"

// Each test uses some of what is here.
#pragma GCC diagnostic ignored "-Wunused-function"

// What the tests want of the store, and what it saw.
struct fake {
    struct loop *loop;
    struct mailbox *store, *inbox;
    struct metrics metrics;
    struct config *config;
    struct api *api;
    char socket[64];

    struct batch_info *batch; // the only one there is, or NULL
    unsigned batch_reads;
    size_t n_results;
    bool withhold; // uploads are not answered
    bool full;
    enum err_code refuse; // uploads end with this
    unsigned pieces, tasks, aborts, controls;
    uint8_t request_hash[32];
    bool key_known;
    struct control last_control;
    unsigned host_queries;
    int64_t beat_ms;
    int refreshed;
};

static struct fake *fake_of(struct reader *r)
{
    return (struct fake *)(void *)r;
}

// ---- the store's reading side
// --------------------------------------------------------------------------------------

static struct batch_info *copy_batch(const struct batch_info *b)
{
    struct batch_info *copy = malloc(sizeof(*copy));
    if (!copy) {
        return NULL;
    }
    *copy = *b;
    copy->name = b->name ? strdup(b->name) : NULL;
    copy->metadata = b->metadata ? strdup(b->metadata) : NULL;
    copy->defaults = b->defaults ? strdup(b->defaults) : NULL;
    if ((b->name && !copy->name) || (b->metadata && !copy->metadata) ||
        (b->defaults && !copy->defaults)) {
        batch_info_free(&copy);
    }
    return copy;
}

static int fake_batch(struct reader *r, const uint8_t id[UUID_SIZE], struct err *e,
                      struct batch_info **ret)
{
    struct fake *f = fake_of(r);
    f->batch_reads++;
    if (!f->batch || memcmp(f->batch->now.id, id, UUID_SIZE) != 0) {
        return 0;
    }
    *ret = copy_batch(f->batch);
    return *ret ? 1 : err_set(e, ERR_OVERLOADED, "out of memory");
}

static int fake_batches(struct reader *r, const struct batch_filter *filter,
                        int (*fn)(void *ctx, const struct batch_info *b), void *ctx, struct err *e)
{
    struct fake *f = fake_of(r);
    (void)e;
    // Five copies of the one batch, rows 5 to 1.
    int n = 0;
    for (uint64_t row = 5; f->batch && row > 0 && (unsigned)n < filter->limit; row--) {
        struct batch_info b = *f->batch;
        b.now.batch = row;
        if (filter->before > 0 && row >= filter->before) {
            continue;
        }
        n++;
        if (fn(ctx, &b)) {
            break;
        }
    }
    return n;
}

static struct result_row fake_row(uint64_t batch, int64_t seq)
{
    static const char binary[] = "\xff\x00\x01";
    static char endless_type[2000]; // of the fifth
    memset(endless_type, 't', sizeof(endless_type) - 1);
    struct result_row row = {
        .batch = batch,
        .index = (uint32_t)seq - 1,
        .seq = seq,
        .url = "http://a.example/",
        .final_url = "http://a.example/",
        .redirects = "[]",
        .state = seq % 2 ? TASK_SUCCEEDED : TASK_FAILED,
        .status = seq % 2 ? 200 : 0,
        .error = seq % 2 ? TASK_OK : TASK_CONNECT_REFUSED,
        .attempts = seq % 2 ? 1 : 2,
        .has_body = seq % 2,
        .complete = seq % 2,
        .size = 3,
        .content_type = seq == 5 ? endless_type : "text/html",
        .timing = {.queued = 1, .dns = -1, .connect = -1, .tls = -1, .first_byte = 2, .total = 3},
        .started_at = 1000,
        .finished_at = 2000,
        .headers = "[[\"a\",\"b\"]]",
    };
    row.body = seq % 4 == 1 ? "abc" : binary;
    row.body_len = 3;
    return row;
}

static int fake_results(struct reader *r, const struct results_query *q,
                        int (*fn)(void *ctx, const struct result_row *row), void *ctx,
                        struct err *e)
{
    struct fake *f = fake_of(r);
    unsigned n = 0;
    (void)e;
    int64_t from = q->by_index ? q->after + 2 : q->after + 1; // index = seq - 1 here
    for (int64_t seq = from; seq <= (int64_t)f->n_results && n < q->limit; seq++) {
        struct result_row row = fake_row(q->batch, seq);
        if (q->states && !(q->states & 1u << row.state)) {
            continue;
        }
        n++;
        if (fn(ctx, &row)) {
            break;
        }
    }
    return (int)n;
}

static int fake_task(struct reader *r, uint64_t batch, uint32_t index,
                     int (*fn)(void *ctx, const struct task_row *row), void *ctx, struct err *e)
{
    struct fake *f = fake_of(r);
    struct result_row result = fake_row(batch, (int64_t)index + 1);
    struct task_row row = {.batch = batch,
                           .index = index,
                           .url = "http://a.example/",
                           .host = "a.example",
                           .spec = "{\"headers\":{\"Cookie\":\"secret\"}}",
                           .state = TASK_QUEUED};
    (void)e;
    if (index >= 3000) {
        return 0;
    }
    if (index < f->n_results) {
        row.result = &result;
    }
    fn(ctx, &row);
    return 1;
}

static int fake_attempts(struct reader *r, uint64_t batch, uint32_t index,
                         int (*fn)(void *ctx, const struct attempt_row *row), void *ctx,
                         struct err *e)
{
    struct attempt_row row = {.attempt = {.number = 1, .error = TASK_DNS_TEMPORARY}};
    (void)r;
    (void)batch;
    (void)e;
    return index % 2 ? (fn(ctx, &row), 1) : 0;
}

static int fake_body(struct reader *r, uint64_t batch, uint32_t index, uint64_t offset, size_t n,
                     struct buf *out, struct err *e)
{
    struct result_row row = fake_row(batch, (int64_t)index + 1);
    (void)r;
    assert_true(offset + n <= row.body_len);
    return buf_append(out, (const char *)row.body + offset, n) == 0
               ? 1
               : err_set(e, ERR_OVERLOADED, "out of memory");
}

static int fake_hosts(struct reader *r, const char *after, unsigned limit,
                      int (*fn)(void *ctx, const struct host_row *row), void *ctx, struct err *e)
{
    static char names[3][12] = {"a.example", "b.example", "c.example"};
    unsigned n = 0;
    (void)r;
    (void)e;
    for (unsigned i = 0; i < 3 && n < limit; i++) {
        struct host_row row = {.record = {.name = names[i], .limits = {3, -1, -1, false}},
                               .queued = i};
        if (strcmp(names[i], after ? after : "") > 0) {
            n++;
            if (fn(ctx, &row)) {
                break;
            }
        }
    }
    return (int)n;
}

static int fake_host(struct reader *r, const char *name,
                     int (*fn)(void *ctx, const struct host_row *row), void *ctx, struct err *e)
{
    return strcmp(name, "a.example") == 0 ? fake_hosts(r, "", 1, fn, ctx, e) : 0;
}

static int fake_idempotency(struct reader *r, const char *key, struct err *e,
                            uint8_t ret_id[UUID_SIZE], uint8_t ret_hash[32])
{
    struct fake *f = fake_of(r);
    (void)e;
    if (!f->key_known || strcmp(key, "known") != 0) {
        return 0;
    }
    memcpy(ret_id, f->batch->now.id, UUID_SIZE);
    memcpy(ret_hash, f->request_hash, 32);
    return 1;
}

// ---- the store's writing side
// ----------------------------------------------------------------------------------------

static void fake_make_batch(struct fake *f, const struct batch_new *n)
{
    batch_info_free(&f->batch);
    f->batch = calloc(1, sizeof(*f->batch));
    assert_non_null(f->batch);
    memcpy(f->batch->now.id, n->id, UUID_SIZE);
    f->batch->now.batch = 7;
    f->batch->now.version = 1;
    f->batch->now.state = BATCH_RUNNING;
    f->batch->priority = n->priority;
    f->batch->created_at = 1000;
    f->batch->name = n->name ? strdup(n->name) : NULL;
}

static void fake_on_upload(struct fake *f, struct upload_piece *p)
{
    f->pieces++;
    f->tasks += (unsigned)p->tasks.n;
    if (p->batch) {
        fake_make_batch(f, p->batch);
    }
    if (p->abort) {
        f->aborts++;
        batch_info_free(&f->batch);
        return;
    }
    if (f->withhold) {
        return;
    }
    struct upload_reply *reply = upload_reply_new(p->upload);
    assert_non_null(reply);
    reply->last = p->last;
    if (f->refuse != ERR_OK) {
        reply->status = err_set(&reply->err, f->refuse, "refused by the test");
    } else if (p->last) {
        memcpy(f->request_hash, p->request_hash, 32);
        f->batch->now.counts.total = f->tasks;
        reply->batch = copy_batch(f->batch);
    }
    mailbox_post(f->inbox, &reply->msg);
}

static void fake_on_control(struct fake *f, struct control *c)
{
    struct control_reply *reply = control_reply_new(c->token);
    assert_non_null(reply);
    f->controls++;
    f->last_control = *c;
    if (c->verb != CONTROL_HOST_SET &&
        (!f->batch || memcmp(f->batch->now.id, c->id, UUID_SIZE) != 0)) {
        reply->status = err_set(&reply->err, ERR_NOT_FOUND, "there is no such batch");
    } else if (c->verb != CONTROL_DELETE && c->verb != CONTROL_HOST_SET) {
        f->batch->now.version++;
        reply->batch = copy_batch(f->batch);
    }
    if (c->verb == CONTROL_DELETE && reply->status == 0) {
        batch_info_free(&f->batch);
    }
    mailbox_post(f->inbox, &reply->msg);
}

static void fake_step(struct fake *f)
{
    struct list messages, *link;
    list_init(&messages);
    mailbox_take(f->store, &messages);
    while ((link = list_pop_front(&messages))) {
        struct message *m = list_entry(link, struct message, link);
        if (m->kind == RING_UPLOAD) {
            fake_on_upload(f, (struct upload_piece *)m);
        } else {
            assert_int_equal(m->kind, RING_CONTROL);
            fake_on_control(f, (struct control *)m);
        }
        m->free(m);
    }
}

// Tells the API of the batch as it is now.
static void fake_tell(struct fake *f, bool deleted)
{
    struct changed *c = changed_new(1);
    assert_non_null(c);
    c->n = 1;
    f->batch->now.version++;
    c->v[0] = f->batch->now;
    c->v[0].deleted = deleted;
    mailbox_post(f->inbox, &c->msg);
}

// ---- the other ports
// ---------------------------------------------------------------------------------------------------

static void fake_host_query(void *ctx, struct host_query *q)
{
    struct fake *f = ctx;
    f->host_queries++;
    for (size_t i = 0; i < q->n; i++) {
        q->v[i].known = true;
        q->v[i].in_flight = 2;
        q->v[i].reason = WAIT_HOST_CONCURRENCY;
        q->v[i].effective = (struct host_limits){8, 0, 0, false};
    }
    mailbox_post(f->inbox, &q->msg);
}

static bool fake_full(void *ctx)
{
    return ((struct fake *)ctx)->full;
}

static int64_t fake_beat(void *ctx)
{
    return clock_monotonic_ms() - ((struct fake *)ctx)->beat_ms;
}

static void fake_refresh(void *ctx)
{
    ((struct fake *)ctx)->refreshed++;
}

static int64_t fake_lag(void *ctx)
{
    (void)ctx;
    return 1500;
}

static void fake_on_message(void *ctx, struct message *m)
{
    api_on_message(((struct fake *)ctx)->api, m);
}

static struct api_ports fake_ports(struct fake *f)
{
    return (struct api_ports){
        .store = f->store,
        .inbox = f->inbox,
        .host_query = fake_host_query,
        .store_full = fake_full,
        .oldest_beat_ms = fake_beat,
        .refresh_metrics = fake_refresh,
        .take_lag_us = fake_lag,
        .ctx = f,
        .metrics = &f->metrics,
        .reader = (struct reader *)(void *)f,
        .batch = fake_batch,
        .batches = fake_batches,
        .results = fake_results,
        .task = fake_task,
        .attempts = fake_attempts,
        .body = fake_body,
        .hosts = fake_hosts,
        .host = fake_host,
        .idempotency = fake_idempotency,
    };
}

// ---- life
// ------------------------------------------------------------------------------------------------------------------

// `more`: further settings, NULL-terminated.
static struct fake *fake_start_with(const char *const *more)
{
    struct fake *f = calloc(1, sizeof(*f));
    struct err e = {.code = ERR_OK};
    char listen[100];
    assert_non_null(f);
    static unsigned started; // a test that failed leaves its socket behind
    snprintf(f->socket, sizeof(f->socket), "/tmp/gatherd-api-%d-%u.sock", (int)getpid(), started++);
    snprintf(listen, sizeof(listen), "listen.socket=%s", f->socket);
    const char *set[8] = {listen, "fetch.allow_addresses=127.0.0.0/8"};
    size_t n = 2;
    for (; more && *more; more++) {
        set[n++] = *more;
    }
    struct config_sources sources = {.file = "/dev/null", .set = set, .n_set = n};
    if (config_load(&sources, &e, &f->config) < 0 || loop_new("test", &e, &f->loop) < 0 ||
        mailbox_new(&e, &f->store) < 0 || mailbox_new(&e, &f->inbox) < 0 ||
        loop_serve_mailbox(f->loop, f->inbox, fake_on_message, NULL, f, &e) < 0) {
        fail_msg("%s", e.text);
    }
    struct api_ports ports = fake_ports(f);
    if (api_new(f->loop, f->config, &ports, NULL, 0, &e, &f->api) < 0) {
        fail_msg("%s", e.text);
    }
    api_set_ready(f->api, true, NULL);
    return f;
}

static struct fake *fake_start(void)
{
    return fake_start_with((const char *const[]){"listen.tcp=", NULL});
}

static void fake_turn(struct fake *f)
{
    event_base_loop(loop_base(f->loop), EVLOOP_NONBLOCK);
    fake_step(f);
}

static void fake_stop(struct fake *f)
{
    fake_turn(f);
    api_free(&f->api);
    // libevent ends bufferevents in a turn of the loop.
    event_base_loop(loop_base(f->loop), EVLOOP_NONBLOCK);
    fake_step(f);
    mailbox_free(&f->inbox);
    mailbox_free(&f->store);
    loop_free(&f->loop);
    config_free(&f->config);
    batch_info_free(&f->batch);
    free(f);
}

// ---- the client
// ------------------------------------------------------------------------------------------------------------

#define CLIENT_TIMEOUT_MS 5000

static int client_open(const struct fake *f)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(a.sun_path, f->socket, strlen(f->socket) + 1);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void client_send(struct fake *f, int fd, const char *p, size_t n)
{
    int64_t end = clock_monotonic_ms() + CLIENT_TIMEOUT_MS;
    while (n > 0 && clock_monotonic_ms() < end) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return; // the answer tells why
        }
        fake_turn(f);
    }
}

// Reads until `until` has come, or the end of the connection if it is NULL. False after too long.
static bool client_read(struct fake *f, int fd, const char *until, struct buf *out)
{
    char block[65536];
    int64_t end = clock_monotonic_ms() + CLIENT_TIMEOUT_MS;
    while (clock_monotonic_ms() < end) {
        fake_turn(f);
        ssize_t n = recv(fd, block, sizeof(block), 0);
        if (n > 0) {
            assert_int_equal(buf_append(out, block, (size_t)n), 0);
        } else if (n == 0 || errno != EAGAIN) {
            return until == NULL;
        } else {
            usleep(200);
        }
        if (until && out->data && strstr(out->data, until)) {
            return true;
        }
    }
    return false;
}

static void turn_for(struct fake *f, int64_t ms)
{
    int64_t end = clock_monotonic_ms() + ms;
    do {
        fake_turn(f);
        usleep(200);
    } while (clock_monotonic_ms() < end);
}

// Turns the loop until `condition` holds; false after too long.
#define turn_until(f, condition)                                                                   \
    ({                                                                                             \
        int64_t turn_end = clock_monotonic_ms() + CLIENT_TIMEOUT_MS;                               \
        while (!(condition) && clock_monotonic_ms() < turn_end) {                                  \
            turn_for(f, 0);                                                                        \
        }                                                                                          \
        (condition);                                                                               \
    })

static void send_request(struct fake *f, int fd, const char *head, const char *body)
{
    struct buf text = BUF_INIT(1u << 26);
    buf_printf(&text, "%s\r\nHost: localhost\r\nConnection: close\r\n", head);
    if (body) {
        buf_printf(&text, "Content-Length: %zu\r\n", strlen(body));
    }
    buf_append_str(&text, "\r\n");
    if (body) {
        buf_append_str(&text, body);
    }
    client_send(f, fd, text.data, text.len);
    buf_done(&text);
}

// The whole answer to "METHOD TARGET HTTP/1.1\r\nField: ..." and a body (NULL: none). The caller
// frees it.
static struct buf ask(struct fake *f, const char *head, const char *body)
{
    struct buf out = BUF_INIT(1u << 26);
    int fd = client_open(f);
    send_request(f, fd, head, body);
    assert_true(client_read(f, fd, NULL, &out));
    close(fd);
    return out;
}

static int status_of(const struct buf *b)
{
    return b->len > 12 ? (int)strtol(b->data + 9, NULL, 10) : 0;
}

static bool has(const struct buf *b, const char *text)
{
    return b->data && strstr(b->data, text);
}

// Asks, and checks the status and a text in the answer.
static void expect(struct fake *f, const char *head, const char *body, int status, const char *text)
{
    struct buf out = ask(f, head, body);
    if (status_of(&out) != status || (text && !has(&out, text))) {
        fail_msg("%s: expected %d with '%s', got %s", head, status, text ? text : "", out.data);
    }
    if (status >= 400 && !has(&out, "application/problem+json")) {
        fail_msg("%s: no problem document: %s", head, out.data);
    }
    buf_done(&out);
}

// A target below the batch there is: "GET /v1/batches/ID" + `rest`.
static const char *batch_head(const struct fake *f, const char *method, const char *rest)
{
    static char head[1024];
    char id[UUID_TEXT_SIZE];
    uuid_format(f->batch->now.id, id);
    assert_true(strlen(rest) < 900);
    snprintf(head, sizeof(head), "%s /v1/batches/%s%s HTTP/1.1", method, id, rest);
    return head;
}
