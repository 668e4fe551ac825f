// SPDX-License-Identifier: MIT
// What a request for results asks, and the one reader of rows that pages and streams share. Main
// thread.
#pragma once

#include "daemon/api/context.h"
#include "daemon/api/cursor.h"
#include "daemon/api/render.h"
#include "daemon/api/results_body.h"

struct results_request {
    bool by_index, follow;
    bool has_limit;
    uint64_t limit; // of a page, or of a whole stream if has_limit
    uint64_t wait_s;
    unsigned states, include;
    int64_t after; // seq or index of the last one seen
};

// Reads the query. `id` is the batch's, to check the cursor by. -1: ERR_BAD_REQUEST.
int results_request_parse(const struct query *q, const uint8_t id[UUID_SIZE],
                          struct results_request *ret, struct err *e);

struct cursor_scope results_cursor_scope(const struct results_request *rq,
                                         const uint8_t id[UUID_SIZE]);
void results_cursor(const struct results_request *rq, const uint8_t id[UUID_SIZE],
                    char ret[CURSOR_TEXT_SIZE]);

// Appends up to `max_rows` results after rq->after to `out`, and moves rq->after on.
struct results_take {
    struct buf *out;
    uint64_t max_rows;
    size_t max_bytes; // stop once `out` has as many
    // NULL: a comma between results. Else a newline after each, and a body larger than max_bytes is
    // the last thing taken: its line stays open, and the body is to begin.
    struct results_body *body;
};
// The number of results, or -1 with the store's error. *ret_more: more were there.
int64_t results_take(const struct api_ports *ports, uint64_t batch, struct results_request *rq,
                     const struct results_take *take, bool *ret_more, struct err *e);

// Sends all results line by line (results_stream.c). `rq` is copied.
void results_stream_start(struct request *r, const struct batch_info *b,
                          const struct results_request *rq);
