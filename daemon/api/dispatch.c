// SPDX-License-Identifier: MIT
// Decides who gets to which handler, in this order: is the request meant for this server (Host),
// may its sender ask at all (401), is there such a resource (404, 405), may the sender do this
// (403), is the query sound (400). Nothing is learnt about resources without access.
#include "daemon/api/dispatch.h"

#include "daemon/api/context.h"
#include "daemon/api/fields.h"

static int check_host_field(const struct api *api, const struct http_exchange *x, struct err *e)
{
    if (http_peer_is_unix(x)) {
        return 0; // no name was resolved to get here, so none can have been rebound
    }
    const char *host = http_header(x, "Host");
    if (!host && !http_header_count(x, "Host")) {
        return 0; // HTTP/1.0, in which no browser speaks
    }
    if (host_field_allowed(host, api->settings->allowed_hosts, api->settings->n_allowed_hosts)) {
        return 0;
    }
    return err_set(e, ERR_MISDIRECTED,
                   "the Host field names '%.100s', which is not in listen.allowed_hosts", host);
}

static int check_path(const char *path, struct err *e)
{
    for (const char *p = path; *p; p++) {
        if (*p != '%') {
            continue;
        }
        char decoded[4];
        size_t n = p[1] && p[2] ? 3 : 1;
        if (url_percent_decode(p, n, decoded) != 1) {
            return err_set(e, ERR_BAD_REQUEST, "the path has a bad percent escape");
        }
    }
    return 0;
}

// A page of any site can have its visitor's browser send a POST here without asking first. It knows
// no token, and whoever shows one is trusted; others are only when they come from no such page.
static int check_site(const struct http_exchange *x, struct err *e)
{
    enum http_method method = http_method(x);
    bool looks = method == HTTP_GET || method == HTTP_HEAD || method == HTTP_OPTIONS;
    if (looks || !is_cross_site(http_header(x, "Sec-Fetch-Site"), http_header(x, "Origin"),
                                http_header(x, "Host"))) {
        return 0;
    }
    return err_set(e, ERR_FORBIDDEN, "a page of another site may not do this without a token");
}

// The scope of the sender, also for an open route to a local peer without any token.
static int check_access(struct api *api, const struct http_exchange *x, const struct route *route,
                        enum scope *ret, struct err *e)
{
    struct access_request r = {
        .authorization = http_header(x, "Authorization"),
        .n_authorization = http_header_count(x, "Authorization"),
        .unix_peer = http_peer_is_unix(x),
        .loopback_peer = http_peer_is_local(x),
        .allow_anonymous = api->settings->allow_anonymous,
    };
    if (route && route->open && r.loopback_peer && r.n_authorization == 0) {
        *ret = SCOPE_READ;
        return 0;
    }
    bool by_token = r.authorization && token_set_size(api->settings->tokens) > 0;
    if (access_check(api->settings->tokens, &r, ret, e) < 0) {
        return -1;
    }
    return by_token ? 0 : check_site(x, e);
}

static void answer_wrong_method(struct api *api, struct http_exchange *x)
{
    struct err e;
    char allow[ROUTE_ALLOW_SIZE];
    struct answer fields = {.n_fields = 0};
    route_allow(api_routes, http_path(x), allow);
    answer_field(&fields, "Allow", allow);
    err_set(&e, ERR_METHOD_NOT_ALLOWED, "%s is not possible here; allowed: %s",
            http_method_name(http_method(x)), allow);
    answer_error_more(api, x, &e, &fields, NULL);
}

static void answer_options(struct api *api, struct http_exchange *x)
{
    char allow[ROUTE_ALLOW_SIZE];
    struct answer a = {.status = 204, .body = BUF_INIT(0)};
    route_allow(api_routes, http_path(x), allow);
    answer_field(&a, "Allow", allow);
    answer_send(api, x, &a);
}

// Finds the route and checks all but the method. -1 with `e`.
static int admit(struct request *r, enum route_verdict *ret_verdict, struct err *e)
{
    enum scope scope;
    if (check_host_field(r->api, r->x, e) < 0 || check_path(http_path(r->x), e) < 0) {
        return -1;
    }
    *ret_verdict =
        route_find(api_routes, http_method(r->x), http_path(r->x), &r->params, &r->route);
    if (check_access(r->api, r->x, r->route, &scope, e) < 0) {
        return -1;
    }
    if (*ret_verdict == ROUTE_UNKNOWN) {
        return err_set(e, ERR_NOT_FOUND, "there is nothing at this path");
    }
    if (r->route && scope < r->route->scope) {
        return err_set(e, ERR_FORBIDDEN, "this needs a token of scope %s; yours is %s",
                       scope_name(r->route->scope), scope_name(scope));
    }
    return 0;
}

void dispatch_on_request(void *ctx, struct http_exchange *x)
{
    struct request r = {.api = ctx, .x = x};
    struct err e;
    enum route_verdict verdict;
    metrics_add(r.api->ports.metrics, METRIC_HTTP_REQUESTS, 1);
    if (admit(&r, &verdict, &e) < 0) {
        answer_error(r.api, x, &e);
    } else if (verdict == ROUTE_OTHER_METHOD && http_method(x) == HTTP_OPTIONS) {
        answer_options(r.api, x);
    } else if (verdict == ROUTE_OTHER_METHOD) {
        answer_wrong_method(r.api, x);
    } else if (query_parse(http_query(x), r.route->keys, &r.query, &e) < 0) {
        answer_error(r.api, x, &e);
    } else {
        r.route->handle(&r);
        query_done(&r.query);
    }
}
