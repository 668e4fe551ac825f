// SPDX-License-Identifier: MIT
// The head of a submission: what it is, whether it may be, and how much memory it may take. Main
// thread.
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "daemon/api/submit.h"
#include "daemon/task/input_error.h"

// Memory that a streamed submission can hold: its line, and pieces being filled, waiting and
// unanswered.
#define STREAM_RESERVE (SUBMIT_MAX_LINE + (UPLINK_WINDOW + 2) * (uint64_t)TASK_PIECE_BYTES)

int api_check_room(const struct api *api, struct err *e)
{
    if (api->draining) {
        return err_set(e, ERR_DRAINING, "the daemon is shutting down");
    }
    if (api->ports.store_full(api->ports.ctx)) {
        return err_set(e, ERR_STORAGE_FULL, "the disk is nearly full: nothing new is accepted");
    }
    return 0;
}

static int check_single(const struct http_exchange *x, struct err *e)
{
    static const char *const names[] = {"Content-Type", "Content-Encoding", "Idempotency-Key"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (http_header_count(x, names[i]) > 1) {
            return err_set(e, ERR_BAD_REQUEST, "more than one %s field", names[i]);
        }
    }
    return 0;
}

static int read_fields(struct submit *s, struct err *e)
{
    const char *encoding = http_header(s->x, "Content-Encoding");
    const char *key = http_header(s->x, "Idempotency-Key");
    if (check_single(s->x, e) < 0 ||
        content_type_submission(http_header(s->x, "Content-Type"), &s->format, e) < 0) {
        return -1;
    }
    if (encoding && strcasecmp(encoding, "identity") != 0) {
        return err_set(e, ERR_UNSUPPORTED_MEDIA_TYPE,
                       "a compressed body is not accepted; send it without Content-Encoding");
    }
    char space[HTTP_LIST_SIZE];
    (void)prefer_wait(http_header_list(s->x, "Prefer", space), WAIT_MAX_S, &s->wait_s);
    return key ? idempotency_key_parse(key, s->key, e) : 0;
}

static int by_key(const void *a, const void *b)
{
    const struct query_pair *x = a, *y = b;
    return strcmp(x->key, y->key);
}

// What of the query an idempotency key stands for, in whatever order it came: all but `wait`.
static void digest_query(struct submit *s, const struct query *q)
{
    struct query_pair v[QUERY_MAX_PAIRS];
    memcpy(v, q->v, sizeof(v));
    qsort(v, q->n, sizeof(v[0]), by_key);
    for (size_t i = 0; i < q->n; i++) {
        if (strcmp(v[i].key, "wait") != 0) {
            EVP_DigestUpdate(s->digest, v[i].key, strlen(v[i].key) + 1);
            EVP_DigestUpdate(s->digest, v[i].value, strlen(v[i].value) + 1);
        }
    }
}

// Batch options as query.
static int read_query(struct submit *s, const struct query *q, struct batch_new *batch,
                      struct err *e)
{
    struct input_error what;
    if (query_flag(q, "partial", &s->partial, e) < 0 ||
        query_seconds(q, "wait", WAIT_MAX_S, &s->wait_s, e) < 0) {
        return -1;
    }
    digest_query(s, q);
    for (size_t i = 0; i < q->n; i++) {
        const char *key = q->v[i].key, *value = q->v[i].value;
        if (strcmp(key, "wait") != 0 && strcmp(key, "partial") != 0 &&
            batch_option_apply_text(batch, key, value, &what) < 0) {
            enum err_code code = input_error_is_memory(&what) ? ERR_OVERLOADED : ERR_BAD_REQUEST;
            return err_set(e, code, "query parameter '%s' %s", key, what.detail);
        }
    }
    return 0;
}

// Whether the key was used before. -1: the store could not tell.
static int look_up_key(struct submit *s, struct err *e)
{
    const struct api_ports *ports = &s->api->ports;
    int n =
        s->key[0] ? ports->idempotency(ports->reader, s->key, e, s->known_id, s->known_hash) : 0;
    s->known = n > 0;
    return n < 0 ? -1 : 0;
}

static int check_length(const struct submit *s, struct err *e)
{
    int64_t length = http_content_length(s->x);
    if (s->format == SUBMISSION_JSON && length > 0 &&
        (uint64_t)length > s->settings->json_document) {
        return err_set(e, ERR_PAYLOAD_TOO_LARGE,
                       "a JSON document has at most %llu bytes; send larger batches as "
                       "application/x-ndjson or text/plain",
                       (unsigned long long)s->settings->json_document);
    }
    return 0;
}

static int reserve(struct submit *s, struct err *e)
{
    struct api *api = s->api;
    int64_t length = http_content_length(s->x);
    uint64_t most = s->format == SUBMISSION_JSON ? s->settings->json_document : STREAM_RESERVE;
    uint64_t need = length >= 0 && (uint64_t)length < most ? (uint64_t)length : most;
    // A lone upload always gets in, so that a small budget means one at a time and not none.
    if (api->upload_bytes > 0 && api->upload_bytes + need > s->settings->upload_budget) {
        return err_set(e, ERR_OVERLOADED, "too many uploads are under way; try again");
    }
    s->reserved = need;
    api->upload_bytes += need;
    metrics_set(api->ports.metrics, METRIC_UPLOAD_BYTES, (int64_t)api->upload_bytes);
    return 0;
}

static struct batch_new *make_batch(struct submit *s)
{
    struct batch_new *batch = calloc(1, sizeof(*batch));
    if (!batch) {
        return NULL;
    }
    uuid_v7(clock_wall_at(), batch->id);
    batch->priority = 5;
    if (s->key[0]) {
        batch->idempotency_key = strdup(s->key);
        if (!batch->idempotency_key) {
            batch_new_free(&batch);
        }
    }
    return batch;
}

static int read_head(struct submit *s, const struct query *q, struct batch_new *batch,
                     struct err *e)
{
    const char format = "jnt"[s->format];
    EVP_DigestUpdate(s->digest, &format, 1);
    if (s->api->draining) {
        return api_check_room(s->api, e);
    }
    if (read_query(s, q, batch, e) < 0 || check_length(s, e) < 0 || look_up_key(s, e) < 0) {
        return -1;
    }
    if (!s->known && api_check_room(s->api, e) < 0) {
        return -1;
    }
    return reserve(s, e);
}

struct submit *submit_new(struct request *r)
{
    struct err e;
    struct batch_new *batch = NULL;
    struct submit *s = calloc(1, sizeof(*s));
    if (!s) {
        answer_out_of_memory(r->api, r->x);
        return NULL;
    }
    s->api = r->api;
    s->x = r->x;
    s->settings = api_settings_ref(r->api->settings);
    s->digest = EVP_MD_CTX_new();
    err_set(&e, ERR_OVERLOADED, "out of memory");
    if (!s->digest || EVP_DigestInit_ex(s->digest, EVP_sha256(), NULL) != 1 ||
        read_fields(s, &e) < 0 || !(batch = make_batch(s)) ||
        read_head(s, &r->query, batch, &e) < 0 || (!s->known && submit_open(s, &batch) < 0)) {
        batch_new_free(&batch);
        answer_error(r->api, r->x, &e);
        submit_free(s);
        return NULL;
    }
    batch_new_free(&batch); // only a known key leaves it here
    return s;
}
