// SPDX-License-Identifier: MIT
// GET /problems/NAME: what the `type` of a problem document leads to, as text, HTML or JSON. All of
// it is constant. Main thread.
#include "common/json.h"
#include "daemon/api/context.h"
#include "daemon/api/fields.h"

// What happened and what a person can do about it; the rest is said by the problem's own detail.
static const char *const texts[ERR__COUNT] = {
    [ERR_BAD_REQUEST] =
        "The request cannot be understood as it is. The detail names the query parameter, "
        "field or place in the body that is wrong: correct that. Sending it again unchanged "
        "cannot help.",
    [ERR_UNAUTHORIZED] =
        "No token came with the request, or one that the daemon does not know. Send "
        "Authorization: Bearer TOKEN. An administrator makes a token with `gather token "
        "create NAME --scope read|submit|admin` and adds its line to auth.tokens_file. The "
        "unix socket needs none.",
    [ERR_FORBIDDEN] =
        "The token is known, but its scope is too small for this call: read looks, submit "
        "also submits, cancels and retries, admin also changes hosts and deletes. Use another"
        " token, or ask an administrator for one. Or no token came, and a browser sent the request"
        " for a page of another site (Origin, Sec-Fetch-Site), which may look but change nothing.",
    [ERR_NOT_FOUND] =
        "There is nothing at this path, or no longer: finished batches are forgotten after "
        "store.retention. Check the id (a lower-case UUID; `gather ls` lists them) and the "
        "path, which has no trailing slash and is not normalised.",
    [ERR_METHOD_NOT_ALLOWED] =
        "The path exists, but not for this method. The Allow field lists those it has; "
        "/openapi.json describes each.",
    [ERR_REQUEST_TIMEOUT] =
        "The head or the body of the request did not arrive in time, so the connection was "
        "closed. Send it again; a large upload must make progress all the time.",
    [ERR_CONFLICT] =
        "The batch is not in a state in which this can be done. Wait until it is finished "
        "(GET /v1/batches/{id}?wait=60), or cancel it first; a deletion can do that itself "
        "with ?force=1.",
    [ERR_LENGTH_REQUIRED] =
        "The request has a body of unknown length. Send Content-Length, or Transfer-Encoding:"
        " chunked.",
    [ERR_PAYLOAD_TOO_LARGE] =
        "The body is larger than is accepted at once. Send large batches as "
        "application/x-ndjson or text/plain, whose limit is limits.request_body (a JSON "
        "document's is limits.json_document), or split the batch in several.",
    [ERR_URI_TOO_LONG] =
        "The request target is too long. Put the options of a batch into a JSON document, and"
        " long lists into the body.",
    [ERR_UNSUPPORTED_MEDIA_TYPE] =
        "Bodies are application/json, application/x-ndjson or text/plain, in UTF-8 and not "
        "compressed. With curl: --data-binary @file -H 'Content-Type: text/plain' (-d @file "
        "would strip the line ends).",
    [ERR_RANGE_NOT_SATISFIABLE] =
        "The range begins beyond the end of the body. Content-Range tells its size; ask for "
        "less, or for the whole.",
    [ERR_EXPECTATION_FAILED] =
        "The Expect field asks for something that is not understood; only 100-continue is. "
        "Leave the field out.",
    [ERR_MISDIRECTED] =
        "The Host field names a host that this daemon does not go by, which protects it from "
        "DNS rebinding. Use an IP address or localhost, or add the name to "
        "listen.allowed_hosts.",
    [ERR_INVALID_BATCH] =
        "Nothing was stored, because some entries are wrong. `errors` lists the first 20 by "
        "JSON pointer or line, each with its own code and detail; errors_total counts all. "
        "Correct them, or send ?partial=1 to have the valid rest accepted.",
    [ERR_INVALID_REQUEST] =
        "The document is JSON, but a member of it is not known or has a value that it cannot "
        "have, and nothing was changed. The detail says which; /openapi.json has all members.",
    [ERR_IDEMPOTENCY_KEY_REUSED] =
        "The Idempotency-Key came with another request within the last 24 hours, so this one "
        "is something else. Use a new key for each new request, and the same key only to "
        "repeat one unchanged.",
    [ERR_QUOTA_EXCEEDED] =
        "Too many tasks are unfinished (fetch.max_queued). Try again when some are done, "
        "after the time that Retry-After gives.",
    [ERR_HEADERS_TOO_LARGE] =
        "The request head is larger than 16 KiB or has more than 100 fields. Send fewer or "
        "shorter fields.",
    [ERR_INTERNAL] = "A fault of the daemon, not of the request. Its log says more (journalctl -u "
                     "gatherd). If it comes again, please report it with that line of the log.",
    [ERR_NOT_IMPLEMENTED] =
        "This version of the daemon cannot do that. The detail says what; /openapi.json "
        "describes what it can.",
    [ERR_OVERLOADED] =
        "The daemon is busy, or a part of it does not answer at the moment. Nothing was "
        "stored. Try again after the time that Retry-After gives, with the same "
        "Idempotency-Key if it was a submission.",
    [ERR_DRAINING] =
        "The daemon is shutting down or restarting. What it accepted is kept. Try again after"
        " the time that Retry-After gives.",
    [ERR_VERSION_NOT_SUPPORTED] = "The request is in another version of HTTP. Speak HTTP/1.1.",
    [ERR_STORAGE_FULL] =
        "The disk is nearly full (store.min_free), so nothing new is accepted; what was "
        "accepted goes on and its results are kept. Make room on the disk, delete batches, or"
        " shorten store.retention.",
};

static void append_html(struct buf *out, const char *text)
{
    for (; *text; text++) {
        const char *escape = *text == '<'   ? "&lt;"
                             : *text == '>' ? "&gt;"
                             : *text == '&' ? "&amp;"
                                            : NULL;
        if (escape) {
            buf_append_str(out, escape);
        } else {
            buf_append_char(out, *text);
        }
    }
}

static void render_text(const struct err_info *info, const char *text, struct answer *a)
{
    a->content_type = "text/plain; charset=utf-8";
    buf_printf(&a->body, "%s (%s, HTTP status %d)\n\n%s\n", info->title, info->name,
               info->http_status, text);
}

static void render_html(const struct err_info *info, const char *text, struct answer *a)
{
    a->content_type = "text/html; charset=utf-8";
    buf_printf(&a->body,
               "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width\">\n"
               "<title>%s - gatherd</title>\n<h1>%s</h1>\n"
               "<p><code>%s</code>, HTTP status %d</p>\n<p>",
               info->title, info->title, info->name, info->http_status);
    append_html(&a->body, text);
    buf_append_str(&a->body, "</p>\n</html>\n");
}

static void render_json(const struct err_info *info, const char *text, struct answer *a)
{
    struct json_writer w = JSON_WRITER(&a->body);
    jw_object(&w);
    jw_key_str(&w, "code", info->name);
    jw_key_str(&w, "title", info->title);
    jw_key_int(&w, "status", info->http_status);
    jw_key_str(&w, "advice", text);
    jw_object_end(&w);
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
    char space[HTTP_LIST_SIZE];
    const char *advice = texts[code] ? texts[code] : "";
    switch (accept_page(http_header_list(r->x, "Accept", space))) {
    case PAGE_HTML: render_html(info, advice, &a); break;
    case PAGE_JSON: render_json(info, advice, &a); break;
    case PAGE_TEXT: render_text(info, advice, &a); break;
    }
    answer_field(&a, "Vary", "Accept");
    answer_send(r->api, r->x, &a);
}
