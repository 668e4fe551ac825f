// SPDX-License-Identifier: MIT
// What the files of the API share: the API object, a request on its way to its handler, and how
// answers are given. Included by daemon/api/*.c only. Main thread.
#pragma once

#include "daemon/api/api.h"
#include "daemon/api/http_server.h"
#include "daemon/api/query.h"
#include "daemon/api/rates.h"
#include "daemon/api/render.h"
#include "daemon/api/route.h"
#include "daemon/api/api_settings.h"
#include "daemon/api/snapshot_cache.h"
#include "daemon/api/waiters.h"

#define WAIT_MAX_S 60

struct pending;
struct uplink;

// One batch as JSON, in the state that its entity tag names.
struct batch_text {
    uint8_t id[UUID_SIZE];
    char etag[RENDER_ETAG_SIZE];
    struct buf json; // empty: none
};

struct api {
    struct loop *loop;
    struct api_ports ports;
    struct api_settings *settings;
    struct http_server *server;
    struct snapshot_cache *cache;
    struct waiters *waiters;
    struct timer waiter_timer, rates_timer;
    int64_t waiter_due_ms; // when waiter_timer fires; INT64_MAX: it is not set
    struct rates rates;
    bool rates_rest;         // nothing grows: no sample is taken until something does
    struct pending *pending; // by token (pending.c)
    struct uplink *uplinks;  // by number (uplink.c)
    uint64_t next_number;    // of tokens and uploads
    uint64_t upload_bytes;   // reserved of the upload budget
    int64_t started_at, started_ms;
    struct batch_text last_batch; // what was shown last
    bool ready, draining;
    char why_not[128]; // not ready
};

// A request during its handler's call. What outlives the call is copied by the handler.
struct request {
    struct api *api;
    struct http_exchange *x;
    const struct route *route;
    struct route_params params;
    struct query query;
};

// ---- answers (answer.c). After any of these the exchange is over for the caller.
// --------------------------------

#define ANSWER_MAX_FIELDS 8

struct answer {
    int status;
    const char *content_type;
    struct http_field fields[ANSWER_MAX_FIELDS]; // values must live until it is sent
    size_t n_fields;
    struct buf body;
};

#define ANSWER_MAX_BODY (256u * 1024 * 1024)

// A page of a list ends after about so many bytes, with more = true; at least one row is given.
#define PAGE_BYTES (4u * 1024 * 1024)

// -1 with ERR_OVERLOADED while so many pages wait for clients to read them that no more are made.
int api_check_unsent(const struct api *api, struct err *e);

struct answer answer_json(int status); // write into `body`, then send
void answer_field(struct answer *a, const char *name, const char *value);
void answer_send(struct api *api, struct http_exchange *x, struct answer *a); // takes a->body
void answer_error(struct api *api, struct http_exchange *x, const struct err *e);
void answer_error_more(struct api *api, struct http_exchange *x, const struct err *e,
                       struct answer *fields, const char *extra); // with fields and members
void answer_out_of_memory(struct api *api, struct http_exchange *x);

// ---- batches (batches.c)
// ----------------------------------------------------------------------------------------

// The batch from the cache or the store; borrowed until the next look-up. NULL with ERR_NOT_FOUND
// or the store's error.
const struct batch_info *batch_find(struct api *api, const uint8_t id[UUID_SIZE], struct err *e);
// Whether what was read of the batch before is whole: nothing of it is deleted before itself, but
// the cache may not have heard of that yet. -1 as batch_find.
int batch_check_kept(struct api *api, const uint8_t id[UUID_SIZE], struct err *e);

// ---- waiting (wait.c)
// -----------------------------------------------------------------------------------------------

// As waiters_add, for at most `seconds` (UINT64_MAX: for ever); -1 without memory.
int api_wait(struct api *api, struct waiter *w, uint64_t batch, uint64_t seconds);
void api_unwait(struct api *api, struct waiter *w);
void api_on_waiter_timer(void *ctx);

// "wait=N" for a Preference-Applied field.
#define PREFERENCE_SIZE 32
void preference_applied(uint64_t seconds, char ret[PREFERENCE_SIZE]);

// ---- messages (pending.c, uplink.c)
// -------------------------------------------------------------------------------

void pending_on_control_reply(struct api *api, struct control_reply *reply);
void pending_on_host_query(struct api *api, struct host_query *q);
void uplink_on_reply(struct api *api, struct upload_reply *reply);

// ERR_DRAINING or ERR_STORAGE_FULL if new work is refused now (submit_head.c).
int api_check_room(const struct api *api, struct err *e);

// ---- handlers
// -----------------------------------------------------------------------------------------------------

void handle_submit(struct request *r);
void handle_batch_list(struct request *r);
void handle_batch(struct request *r);
void handle_batch_cancel(struct request *r);
void handle_batch_pause(struct request *r);
void handle_batch_resume(struct request *r);
void handle_batch_retry(struct request *r);
void handle_batch_delete(struct request *r);
void handle_results(struct request *r);
void handle_task(struct request *r);
void handle_task_body(struct request *r);
void handle_host_list(struct request *r);
void handle_host(struct request *r);
void handle_host_patch(struct request *r);
void handle_stats(struct request *r);
void handle_livez(struct request *r);
void handle_readyz(struct request *r);
void handle_metrics(struct request *r);
void handle_openapi(struct request *r);
void handle_problem_page(struct request *r);
