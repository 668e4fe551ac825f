// SPDX-License-Identifier: MIT
// GET /problems/NAME: what the `type` of a problem document leads to. Main thread.
#include "daemon/api/context.h"

// What a person can do about each; the rest is said by the problem's own detail.
static const char *advice(enum err_code code)
{
    static const char *const texts[ERR__COUNT] = {
        [ERR_BAD_REQUEST] =
            "The request cannot be understood as it is. Its detail names the query parameter, "
            "field or "
            "place in the body that is wrong. Sending it again unchanged cannot help.",
        [ERR_UNAUTHORIZED] = "Send a token: Authorization: Bearer TOKEN. An administrator makes "
                             "one with `gather token "
                             "create NAME --scope read|submit|admin`. The unix socket needs none.",
        [ERR_FORBIDDEN] = "The token is valid, but its scope is too small: read < submit < admin.",
        [ERR_NOT_FOUND] = "There is nothing at this path, or no longer. Ids are lower-case UUIDs; "
                          "paths have no trailing "
                          "slash and are not normalised.",
        [ERR_METHOD_NOT_ALLOWED] =
            "The path exists, but not for this method. The Allow field lists those it has.",
        [ERR_REQUEST_TIMEOUT] = "The request did not arrive in time.",
        [ERR_CONFLICT] = "The batch is not in a state in which this can be done. Wait until it is "
                         "finished, or cancel it.",
        [ERR_LENGTH_REQUIRED] = "Send Content-Length, or Transfer-Encoding: chunked.",
        [ERR_PAYLOAD_TOO_LARGE] =
            "Send less at once. Large batches are sent as application/x-ndjson or text/plain, "
            "whose "
            "limit is limits.request_body; a JSON document's is limits.json_document.",
        [ERR_URI_TOO_LONG] = "The request target is too long.",
        [ERR_UNSUPPORTED_MEDIA_TYPE] =
            "Send application/json, application/x-ndjson or text/plain, in UTF-8 and not "
            "compressed. With curl: --data-binary @file -H 'Content-Type: text/plain'.",
        [ERR_RANGE_NOT_SATISFIABLE] =
            "The range lies beyond the body; Content-Range tells its size.",
        [ERR_EXPECTATION_FAILED] = "Only Expect: 100-continue is understood.",
        [ERR_MISDIRECTED] = "The Host field names a host that is not in listen.allowed_hosts. This "
                            "protects against DNS "
                            "rebinding.",
        [ERR_INVALID_BATCH] = "Nothing was stored. `errors` lists what is wrong, by JSON pointer "
                              "or line; with ?partial=1 "
                              "the valid rest is accepted.",
        [ERR_IDEMPOTENCY_KEY_REUSED] =
            "The Idempotency-Key was used for another request within the last 24 hours. Use a "
            "new key for a new request.",
        [ERR_QUOTA_EXCEEDED] =
            "Too many tasks are unfinished (fetch.max_queued). Try again when some are done.",
        [ERR_HEADERS_TOO_LARGE] = "The request head is too large.",
        [ERR_INTERNAL] = "A fault of the daemon. Its log says more.",
        [ERR_NOT_IMPLEMENTED] = "This version cannot do that.",
        [ERR_OVERLOADED] = "The daemon is busy. Try again after the time that Retry-After gives.",
        [ERR_DRAINING] =
            "The daemon is shutting down. Try again after the time that Retry-After gives.",
        [ERR_VERSION_NOT_SUPPORTED] = "Speak HTTP/1.1; other versions are not understood.",
        [ERR_STORAGE_FULL] = "The disk is nearly full (store.min_free), so nothing new is "
                             "accepted; what was accepted goes "
                             "on. Delete batches, or make room.",
    };
    return texts[code] ? texts[code] : "";
}

void handle_problem_page(struct request *r)
{
    enum err_code code = err_code_by_name(r->params.name);
    const struct err_info *info = err_info(code);
    if (code == ERR_OK || info->http_status == 0) {
        struct err e;
        err_set(&e, ERR_NOT_FOUND, "there is no problem of this name");
        answer_error(r->api, r->x, &e);
        return;
    }
    struct answer a = answer_json(200);
    a.content_type = "text/plain; charset=utf-8";
    buf_printf(&a.body, "%s (%s, HTTP status %d)\n\n%s\n", info->title, info->name,
               info->http_status, advice(code));
    answer_send(r->api, r->x, &a);
}
