// SPDX-License-Identifier: MIT
// Owns the one libcurl handle of the client and what it sends and receives. The only client file
// that knows libcurl. Must never print and never retry: whether to try again is the caller's
// decision.
#include "client/conn.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/address.h"
#include "client/interrupt.h"
#include "client/problem.h"
#include "common/clock.h"
#include "common/json.h"

#define REPLY_MAX   ((size_t)1 << 30) // a page of bodies at the daemon's largest limits
#define PROBLEM_MAX ((size_t)1 << 20)
#define SILENCE_S   120L // longer than the longest long poll

struct conn {
    CURL *curl;
    struct address address;
    char *authorization; // "Authorization: Bearer …" or NULL
    bool reached, sent;
    json_t *problem;
};

// What the callbacks of one exchange share.
struct exchange {
    struct conn *conn;
    const struct request *request;
    struct reply *reply;
    struct buf problem;
    int64_t given;     // bytes of the source
    bool source_ended; // all of it was given
    bool head_ended;   // the answer's, by an empty line
    bool source_failed, sink_failed;
    int io_error; // errno of the failed source or sink
};

int conn_open(const struct conn_options *options, struct conn **ret, struct err *e)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    char *token = NULL;
    if (address_find(options->server, &c->address, e) != 0 ||
        token_find(options->token_file, &token, e) != 0) {
        conn_free(&c);
        return -1;
    }
    if (token && asprintf(&c->authorization, "Authorization: Bearer %s", token) < 0) {
        c->authorization = NULL;
        free(token);
        conn_free(&c);
        return err_set(e, ERR_SYSTEM, "out of memory");
    }
    free(token);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    c->curl = curl_easy_init();
    if (!c->curl) {
        conn_free(&c);
        return err_set(e, ERR_SYSTEM, "cannot start libcurl");
    }
    *ret = c;
    return 0;
}

void conn_free(struct conn **c)
{
    if (!*c) {
        return;
    }
    if ((*c)->curl) {
        curl_easy_cleanup((*c)->curl);
        curl_global_cleanup();
    }
    json_decref((*c)->problem);
    free((*c)->authorization);
    free(*c);
    *c = NULL;
}

const char *conn_server(const struct conn *c)
{
    return c->address.shown;
}

const struct address *conn_address(const struct conn *c)
{
    return &c->address;
}

bool conn_reached(const struct conn *c)
{
    return c->reached;
}

bool conn_sent(const struct conn *c)
{
    return c->sent;
}

const json_t *conn_problem(const struct conn *c)
{
    return json_object_get(c->problem, "errors");
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    size_t n = size * count;
    long status = 0;
    curl_easy_getinfo(x->conn->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300 && !x->request->raw) {
        // What does not fit is no problem document, and may have no end.
        return buf_append(&x->problem, data, n) == 0 ? n : 0;
    }
    if (x->request->sink) {
        x->sink_failed = x->request->sink->write(x->request->sink, data, n) != 0;
        x->io_error = errno;
        return x->sink_failed ? 0 : n;
    }
    return buf_append(&x->reply->body, data, n) == 0 ? n : 0;
}

// libcurl takes a head that is cut after its first line for a whole answer.
static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    x->head_ended = line[0] == '\r' || line[0] == '\n';
    return size * count;
}

static size_t on_upload(char *to, size_t size, size_t count, void *arg)
{
    struct exchange *x = arg;
    ssize_t n = x->request->source->read(x->request->source, to, size * count);
    x->source_failed = n < 0;
    x->io_error = errno;
    x->given += n > 0 ? n : 0;
    x->source_ended = x->source_ended || n == 0 || x->given == x->request->source->size;
    return n < 0 ? CURL_READFUNC_ABORT : (size_t)n;
}

static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct exchange *x = arg;
    bool start = offset == 0 && origin == SEEK_SET;
    x->given = 0;
    return start && x->request->source->rewind(x->request->source) == 0 ? CURL_SEEKFUNC_OK
                                                                        : CURL_SEEKFUNC_FAIL;
}

static int on_progress(void *arg, curl_off_t dt, curl_off_t dn, curl_off_t ut, curl_off_t un)
{
    (void)arg, (void)dt, (void)dn, (void)ut, (void)un;
    return interrupt_seen();
}

static void set_body(CURL *curl, const struct request *r, struct exchange *x)
{
    // On a kept connection that turns out dead libcurl would silently send again, which only a GET
    // allows.
    bool harmless = strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, harmless ? 0L : 1L);
    if (r->source) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(curl, CURLOPT_READDATA, x);
        curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_rewind);
        curl_easy_setopt(curl, CURLOPT_SEEKDATA, x);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->source->size);
    } else if (r->body || strcmp(r->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body ? r->body : "");
    } else if (strcmp(r->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
}

static void set_transfer(CURL *curl, const struct address *address, struct exchange *x)
{
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "gather/" GATHERD_VERSION);
    if (address->socket[0]) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, address->socket);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
}

// Adds the line NAME: VALUE, unless value is NULL. `list` is freed and NULL without memory.
static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    if (!value) {
        return 0;
    }
    char *line = NULL;
    if (asprintf(&line, "%s%s", name, value) < 0) {
        return -1;
    }
    struct curl_slist *more = curl_slist_append(*list, line);
    free(line);
    *list = more ? more : *list;
    return more ? 0 : -1;
}

static int build_headers(const struct conn *c, const struct request *r, struct curl_slist **ret)
{
    const char *type =
        r->content_type ? r->content_type : ""; // empty: libcurl sends none of its own
    int rc = add_header(ret, "Accept: ", r->accept ? r->accept : "application/json") |
             add_header(ret, r->content_type ? "Content-Type: " : "Content-Type:", type) |
             add_header(ret, "Idempotency-Key: ", r->idempotency_key) |
             add_header(ret, "", c->authorization);
    if (r->source && r->source->size < 0) {
        rc |= add_header(ret, "Transfer-Encoding: ", "chunked");
    }
    for (size_t i = 0; r->headers && r->headers[i]; i++) {
        rc |= add_header(ret, "", r->headers[i]);
    }
    return rc;
}

static int unreachable(const struct conn *c, CURLcode rc, const char *curl_text, struct err *e)
{
    long os_error = 0;
    curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os_error);
    const char *where = c->address.shown;
    const char *why = *curl_text ? curl_text : curl_easy_strerror(rc);
    if (rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR || rc == CURLE_GOT_NOTHING ||
        rc == CURLE_PARTIAL_FILE) {
        return err_set(e, ERR_UNREACHABLE, "lost the connection to gatherd at %s: %s", where, why);
    }
    if (rc != CURLE_COULDNT_CONNECT) {
        return err_set(e, ERR_UNREACHABLE, "cannot reach gatherd at %s: %s", where, why);
    }
    why = os_error ? strerror((int)os_error) : curl_easy_strerror(rc);
    if (os_error == EACCES || os_error == EPERM) {
        return err_set(
            e, ERR_UNREACHABLE,
            "cannot reach gatherd at %s: %s; you may have to be in the group that owns the "
            "socket (ls -l shows it)",
            where, why);
    }
    return err_set(
        e, ERR_UNREACHABLE,
        "cannot reach gatherd at %s: %s; is it running there? (systemctl status gatherd, or "
        "name another place with --server or GATHER_SERVER)",
        where, why);
}

static int transfer_failed(const struct exchange *x, CURLcode rc, const char *text, struct err *e)
{
    if (interrupt_seen()) {
        return err_set(e, ERR_SYSTEM, "interrupted");
    }
    if (x->sink_failed) {
        return err_set_errno(e, x->io_error, "cannot write the output");
    }
    if (x->source_failed) {
        return err_set_errno(e, x->io_error, "cannot read the input");
    }
    if (x->reply->body.failed) {
        return err_set(e, ERR_SYSTEM, "the answer is too large to hold in memory");
    }
    return unreachable(x->conn, rc, text, e);
}

static int64_t server_time(CURL *curl)
{
    struct curl_header *date;
    int64_t at;
    bool told = curl_easy_header(curl, "Date", 0, CURLH_HEADER, -1, &date) == CURLHE_OK;
    return told && clock_parse_http_date(date->value, &at) == 0 ? at : -1;
}

static int perform(struct exchange *x, struct err *e)
{
    struct conn *c = x->conn;
    char text[CURL_ERROR_SIZE] = "";
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, text);
    int64_t start = clock_monotonic_us();
    CURLcode rc = curl_easy_perform(c->curl);
    if (rc == CURLE_OK && !x->head_ended) {
        rc = CURLE_PARTIAL_FILE;
        snprintf(text, sizeof text, "its answer is cut");
    }
    x->reply->elapsed_us = clock_monotonic_us() - start;
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &x->reply->status);
    x->reply->server_at = server_time(c->curl);
    long request_size = 0;
    curl_easy_getinfo(c->curl, CURLINFO_REQUEST_SIZE, &request_size);
    // Half an upload is no submission.
    c->sent = request_size > 0 && (!x->request->source || x->source_ended);
    c->reached = c->reached || x->reply->status > 0;
    bool refused = x->reply->status >= 300 && !x->request->raw;
    if (refused && !interrupt_seen() && (rc == CURLE_OK || x->problem.len > 0)) {
        // An early refusal may cut the upload; the answer says why, the failed send does not.
        c->problem = problem_read(x->problem.data, x->problem.len, x->reply->status, e);
        return -1;
    }
    return rc == CURLE_OK ? 0 : transfer_failed(x, rc, text, e);
}

int conn_send(struct conn *c, const struct request *r, struct reply *reply, struct err *e)
{
    *reply = (struct reply){.body = BUF_INIT(REPLY_MAX), .server_at = -1};
    json_decref(c->problem);
    c->problem = NULL;
    char *url = NULL;
    struct curl_slist *headers = NULL;
    struct exchange x = {.conn = c, .request = r, .reply = reply, .problem = BUF_INIT(PROBLEM_MAX)};
    int rc = -1;
    if (asprintf(&url, "%s%s", c->address.base, r->path) < 0 ||
        build_headers(c, r, &headers) != 0) {
        err_set(e, ERR_SYSTEM, "out of memory");
    } else {
        curl_easy_reset(c->curl);
        set_transfer(c->curl, &c->address, &x);
        set_body(c->curl, r, &x);
        curl_easy_setopt(c->curl, CURLOPT_URL, url);
        curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
        rc = perform(&x, e);
    }
    curl_slist_free_all(headers);
    free(url);
    buf_done(&x.problem);
    return rc;
}

void reply_done(struct reply *reply)
{
    buf_done(&reply->body);
}

json_t *reply_json(const struct reply *reply, struct err *e)
{
    if (reply->body.len == 0) {
        err_set(e, ERR_SYSTEM, "the server answered %ld without a document", reply->status);
        return NULL;
    }
    json_t *document = json_parse(reply->body.data, reply->body.len, e);
    if (!document) {
        err_prefix(e, "the server's answer is no JSON");
        e->code = ERR_SYSTEM;
    }
    return document;
}

int conn_json(struct conn *c, const char *method, const char *path, json_t **ret, struct err *e)
{
    struct request r = {.method = method, .path = path};
    struct reply reply;
    int rc = conn_send(c, &r, &reply, e);
    if (rc == 0) {
        *ret = reply_json(&reply, e);
        rc = *ret ? 0 : -1;
    }
    reply_done(&reply);
    return rc;
}
