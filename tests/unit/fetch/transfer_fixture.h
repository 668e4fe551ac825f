// SPDX-License-Identifier: MIT
// A transfer engine on a loop of its own, against a scripted server: what the transfer tests share.
// Only tests include this.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "daemon/fetch/transfer.h"
#include "tests/unit/fetch/scripted_server.h"

#define MAX_BODY      100000
#define FIRST_BYTE_MS 2000
#define STALL_MS      1500
// Under a sanitizer on a busy machine the loop may turn only every few seconds; a limit that no row
// is to reach must be far from those that rows do reach.
#define TOTAL_MS         100000
#define TEST_PATIENCE_MS (TOTAL_MS + 10000)

struct fixture {
    struct loop *loop;
    struct metrics metrics;
    struct transfer_engine *engine;
    struct address_policy policy;
    struct task_options options; // borrowed strings only
    struct body_budget_ops budget;
    size_t budget_limit, budget_taken;
    struct timer patience;
    int waiting; // transfers under way
    bool late;
    struct scripted_server server;
};

// One transfer and what came of it.
struct probe {
    struct fixture *f;
    struct url url;
    char text[200];
    struct transfer_request request;
    struct transfer *transfer;
    struct transfer_result result;
    bool done;
    char *body; // NUL-terminated copy; NULL: none
};

static inline bool fixture_take(void *ctx, size_t n)
{
    struct fixture *f = ctx;
    if (f->budget_taken + n > f->budget_limit) {
        return false;
    }
    f->budget_taken += n;
    return true;
}

static inline void fixture_give(void *ctx, size_t n)
{
    struct fixture *f = ctx;
    assert_true(n <= f->budget_taken);
    f->budget_taken -= n;
}

static inline void fixture_late(void *ctx)
{
    struct fixture *f = ctx;
    f->late = true;
    loop_stop(f->loop);
}

static inline void fixture_new(struct fixture *f, const char *ca_file)
{
    struct err e;
    const char *allow[] = {"127.0.0.0/8"};
    struct address_policy_text text = {.allow = allow, .n_allow = 1};
    struct transfer_settings s = {.user_agent = "test/1",
                                  .ca_file = ca_file,
                                  .first_byte_timeout_ms = FIRST_BYTE_MS,
                                  .stall_timeout_ms = STALL_MS,
                                  .max_header_bytes = (size_t)256 * 1024,
                                  .max_idle_connections = 200,
                                  .memory_body = 20000,
                                  .spill_dir = "/tmp"};
    memset(f, 0, sizeof(*f));
    f->options = (struct task_options){.timeout_ms = TOTAL_MS,
                                       .connect_timeout_ms = 5000,
                                       .max_body_bytes = MAX_BODY,
                                       .verify_tls = true};
    f->budget_limit = SIZE_MAX / 2;
    f->budget = (struct body_budget_ops){fixture_take, fixture_give, f};
    assert_int_equal(loop_new("test", &e, &f->loop), 0);
    assert_int_equal(address_policy_init(&f->policy, &text, &e), 0);
    assert_int_equal(timer_init(&f->patience, f->loop, fixture_late, f, &e), 0);
    assert_int_equal(transfer_engine_new(f->loop, &s, &f->metrics, &e, &f->engine), 0);
}

static inline void fixture_free(struct fixture *f)
{
    assert_int_equal(f->budget_taken, 0);
    transfer_engine_free(&f->engine);
    assert_null(f->engine);
    timer_done(&f->patience);
    loop_free(&f->loop);
    address_policy_done(&f->policy);
}

// A GET of https?://www.test:PORT/ROW with the name pinned to 127.0.0.1.
static inline void probe_init(struct probe *p, struct fixture *f, bool https, const char *host,
                              size_t row)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memset(p, 0, sizeof(*p));
    p->f = f;
    snprintf(p->text, sizeof(p->text), "http%s://%s:%u/%zu", https ? "s" : "", host, f->server.port,
             row);
    assert_int_equal(url_parse(p->text, strlen(p->text), &p->url, NULL, NULL), URL_OK);
    p->request = (struct transfer_request){.url = &p->url,
                                           .url_text = p->text,
                                           .options = &f->options,
                                           .method = METHOD_GET,
                                           .total_timeout_ms = f->options.timeout_ms,
                                           .n_addresses = 1,
                                           .policy = &f->policy};
    memcpy(&p->request.addresses[0], &a, sizeof(a));
}

static inline void probe_on_done(void *ctx, struct transfer_result *r)
{
    struct probe *p = ctx;
    assert_false(p->done);
    p->done = true;
    p->transfer = NULL;
    p->result = *r;
    if (r->has_body) {
        p->body = calloc(1, (size_t)r->body.size + 1);
        assert_non_null(p->body);
        if (r->body.fd >= 0) {
            assert_int_equal(pread(r->body.fd, p->body, (size_t)r->body.size, 0),
                             (ssize_t)r->body.size);
        } else if (r->body.size > 0) {
            memcpy(p->body, r->body.data, (size_t)r->body.size);
        }
    }
    if (--p->f->waiting == 0) {
        loop_stop(p->f->loop);
    }
}

static inline void probe_start(struct probe *p)
{
    struct fixture *f = p->f;
    p->done = false;
    f->waiting++;
    assert_int_equal(
        transfer_start(f->engine, &p->request, &f->budget, probe_on_done, p, &p->transfer), 0);
    assert_false(p->done);
}

static inline void fixture_run(struct fixture *f)
{
    timer_set_ms(&f->patience, TEST_PATIENCE_MS);
    loop_run(f->loop);
    timer_cancel(&f->patience);
    assert_false(f->late);
}

static inline void probe_done(struct probe *p)
{
    transfer_result_done(&p->result);
    free(p->body);
    p->body = NULL;
}

static inline const char *error_name(enum task_error e)
{
    return e == TASK_OK ? "ok" : task_error_info(e)->name;
}

// Says what is not as expected, so that one run tells of every row.
static inline bool probe_matches(const struct probe *p, const char *name, enum task_error error,
                                 int status)
{
    if (p->done && p->result.error == error && p->result.status == status) {
        return true;
    }
    print_error("%s: %s with status %d (%s), expected %s with %d\n", name,
                error_name(p->result.error), p->result.status,
                p->result.message ? p->result.message : "", error_name(error), status);
    return false;
}

static inline void probe_expect(const struct probe *p, const char *name, enum task_error error,
                                int status)
{
    assert_true(probe_matches(p, name, error, status));
}
