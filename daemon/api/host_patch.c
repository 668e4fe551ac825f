// SPDX-License-Identifier: MIT
// Changing the limits of a host: PATCH /v1/hosts/{host}. Main thread. The store keeps them and
// tells the workers.
#include <string.h>

#include "daemon/api/context.h"
#include "daemon/api/hosts.h"
#include "daemon/api/pending.h"
#include "daemon/api/render.h"
#include "daemon/api/small_body.h"

#define MAX_CONCURRENCY 10000
#define MAX_DELAY_MS    INT64_C(86400000)
#define MAX_RATE        1e6

static int set_concurrency(const json_t *value, struct host_limits *l, struct err *e)
{
    json_int_t n = json_is_null(value) ? -1 : json_integer_value(value);
    if (!json_is_null(value) && (!json_is_integer(value) || n < 1 || n > MAX_CONCURRENCY)) {
        return err_set(e, ERR_INVALID_REQUEST,
                       "max_concurrency must be a whole number from 1 to %d, or null",
                       MAX_CONCURRENCY);
    }
    l->max_concurrency = (int32_t)n;
    return 0;
}

static int set_delay(const json_t *value, struct host_limits *l, struct err *e)
{
    json_int_t n = json_is_null(value) ? -1 : json_integer_value(value);
    if (!json_is_null(value) && (!json_is_integer(value) || n < 0 || n > MAX_DELAY_MS)) {
        return err_set(e, ERR_INVALID_REQUEST,
                       "delay_ms must be a whole number from 0 to %lld, or null",
                       (long long)MAX_DELAY_MS);
    }
    l->delay_ms = n;
    return 0;
}

static int set_rate(const json_t *value, struct host_limits *l, struct err *e)
{
    double rate = json_is_null(value) ? -1 : json_number_value(value);
    if (!json_is_null(value) && (!json_is_number(value) || rate < 0 || rate > MAX_RATE)) {
        return err_set(e, ERR_INVALID_REQUEST,
                       "rate_per_s must be a number from 0 (no limit) to %g, or null", MAX_RATE);
    }
    l->rate_per_s = rate;
    return 0;
}

static int set_paused(const json_t *value, struct host_limits *l, struct err *e)
{
    if (!json_is_boolean(value) && !json_is_null(value)) {
        return err_set(e, ERR_INVALID_REQUEST, "paused must be true, false or null");
    }
    l->paused = json_is_true(value);
    return 0;
}

int host_patch_parse(const json_t *patch, unsigned *ret_fields, struct host_limits *ret,
                     struct err *e)
{
    static const struct {
        const char *name;
        unsigned field;
        int (*set)(const json_t *value, struct host_limits *l, struct err *e);
    } members[] = {
        {"max_concurrency", HOST_FIELD_CONCURRENCY, set_concurrency},
        {"delay_ms", HOST_FIELD_DELAY, set_delay},
        {"rate_per_s", HOST_FIELD_RATE, set_rate},
        {"paused", HOST_FIELD_PAUSED, set_paused},
    };
    size_t known = 0;
    *ret = (struct host_limits){.max_concurrency = -1, .delay_ms = -1, .rate_per_s = -1};
    *ret_fields = 0;
    if (!json_is_object(patch)) {
        return err_set(e, ERR_INVALID_REQUEST, "the body must be a JSON object");
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const json_t *value = json_object_get(patch, members[i].name);
        if (!value) {
            continue;
        }
        if (members[i].set(value, ret, e) < 0) {
            return -1;
        }
        *ret_fields |= members[i].field;
        known++;
    }
    if (known != json_object_size(patch)) {
        return err_set(e, ERR_INVALID_REQUEST,
                       "only max_concurrency, delay_ms, rate_per_s and paused "
                       "can be set");
    }
    return 0;
}

static void on_document(struct request *r, const json_t *document)
{
    struct err e;
    struct host_limits limits;
    unsigned fields;
    if (host_patch_parse(document, &fields, &limits, &e) < 0) {
        answer_error(r->api, r->x, &e);
        return;
    }
    struct pending *p = pending_new(r);
    struct control *c = p ? control_new(CONTROL_HOST_SET, p->token) : NULL;
    char *host = c ? strdup(r->params.host) : NULL;
    if (!host) {
        if (c) {
            c->msg.free(&c->msg);
        }
        if (p) {
            pending_drop(p);
        }
        answer_out_of_memory(r->api, r->x);
        return;
    }
    c->host = host;
    c->host_fields = fields;
    c->limits = limits;
    p->on_control = host_answer_set;
    pending_post_control(p, c);
}

void handle_host_patch(struct request *r)
{
    small_body_read(r, on_document);
}
