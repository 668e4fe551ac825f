// SPDX-License-Identifier: MIT
// The query of a request for results, strictly read. Pure.
#include <string.h>

#include "daemon/api/results.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000

// The words of a comma-separated list as bits; -1 if one is unknown.
static int parse_words(const char *text, const char *const *words, unsigned *ret)
{
    *ret = 0;
    while (text) {
        size_t n = strcspn(text, ",");
        unsigned i = 0;
        while (words[i] && (strlen(words[i]) != n || memcmp(words[i], text, n) != 0)) {
            i++;
        }
        if (!words[i]) {
            return -1;
        }
        *ret |= 1u << i;
        text = text[n] ? text + n + 1 : NULL;
    }
    return 0;
}

static int parse_include(const struct query *q, struct results_request *rq, struct err *e)
{
    // In the order of the bits RESULTS_WITH_*.
    static const char *const words[] = {"headers", "body", "attempts", NULL};
    const char *text = query_get(q, "include");
    if (text && parse_words(text, words, &rq->include) < 0) {
        return err_set(e, ERR_BAD_REQUEST, "include may list headers, body and attempts");
    }
    return 0;
}

static int parse_states(const struct query *q, struct results_request *rq, struct err *e)
{
    static const char *const words[] = {"succeeded", "failed", "cancelled", "expired", NULL};
    const char *text = query_get(q, "state");
    if (text && parse_words(text, words, &rq->states) < 0) {
        return err_set(e, ERR_BAD_REQUEST,
                       "state may list succeeded, failed, cancelled and expired");
    }
    rq->states <<= TASK_SUCCEEDED; // from the first bit to those of enum task_state
    return 0;
}

static int parse_order(const struct query *q, struct results_request *rq, struct err *e)
{
    const char *text = query_get(q, "order");
    if (text && strcmp(text, "input") != 0 && strcmp(text, "completed") != 0) {
        return err_set(e, ERR_BAD_REQUEST, "order must be completed or input");
    }
    rq->by_index = text && strcmp(text, "input") == 0;
    rq->after = rq->by_index ? -1 : 0;
    return 0;
}

struct cursor_scope results_cursor_scope(const struct results_request *rq,
                                         const uint8_t id[UUID_SIZE])
{
    struct cursor_scope scope = {.kind = rq->by_index ? CURSOR_BY_INDEX : CURSOR_BY_SEQ};
    memcpy(scope.batch, id, UUID_SIZE);
    return scope;
}

void results_cursor(const struct results_request *rq, const uint8_t id[UUID_SIZE],
                    char ret[CURSOR_TEXT_SIZE])
{
    struct cursor_scope scope = results_cursor_scope(rq, id);
    cursor_encode_number(&scope, (uint64_t)rq->after, ret);
}

int results_request_parse(const struct query *q, const uint8_t id[UUID_SIZE],
                          struct results_request *ret, struct err *e)
{
    struct query_range limits = {1, LIMIT_MAX};
    const char *after = query_get(q, "after");
    uint64_t position;
    *ret = (struct results_request){.limit = LIMIT_DEFAULT, .has_limit = query_get(q, "limit")};
    if (parse_order(q, ret, e) < 0 || parse_states(q, ret, e) < 0 || parse_include(q, ret, e) < 0 ||
        query_flag(q, "follow", &ret->follow, e) < 0 ||
        query_seconds(q, "wait", WAIT_MAX_S, &ret->wait_s, e) < 0 ||
        query_uint(q, "limit", limits, &ret->limit, e) < 0) {
        return -1;
    }
    if (ret->follow && ret->by_index) {
        return err_set(e, ERR_BAD_REQUEST,
                       "follow gives results as they complete, not order=input");
    }
    if (!after) {
        return 0;
    }
    struct cursor_scope scope = results_cursor_scope(ret, id);
    if (cursor_decode_number(&scope, after, &position, e) < 0) {
        return -1;
    }
    // A cursor can be made by whoever reads how. Beyond these lie the results of other batches.
    bool before_all = ret->by_index && position == UINT64_MAX;
    if (position > TASK_INDEX_MAX && !before_all) {
        return err_set(e, ERR_BAD_REQUEST, "'after' is not a cursor of this list");
    }
    ret->after = (int64_t)position;
    return 0;
}
