// SPDX-License-Identifier: MIT
// Paths lead to their handler and to nothing else: nothing is normalised, ids are strict.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/context.h"

#define ID "0190a6ac-0000-7000-8000-0123456789ab"

struct sample {
    enum http_method method;
    const char *path;
    enum route_verdict verdict;
    const char *pattern; // of ROUTE_FOUND
};

static const struct sample samples[] = {
    {HTTP_GET, "/v1/batches", ROUTE_FOUND, "/v1/batches"},
    {HTTP_HEAD, "/v1/batches", ROUTE_FOUND, "/v1/batches"},
    {HTTP_POST, "/v1/batches", ROUTE_FOUND, "/v1/batches"},
    {HTTP_PUT, "/v1/batches", ROUTE_OTHER_METHOD, NULL},
    {HTTP_HEAD, "/v1/batches/" ID "/cancel", ROUTE_OTHER_METHOD, NULL},
    {HTTP_GET, "/v1/batches/" ID, ROUTE_FOUND, "/v1/batches/{id}"},
    {HTTP_POST, "/v1/batches/" ID "/cancel", ROUTE_FOUND, "/v1/batches/{id}/cancel"},
    {HTTP_GET, "/v1/batches/" ID "/tasks/0/body", ROUTE_FOUND,
     "/v1/batches/{id}/tasks/{index}/body"},
    {HTTP_GET, "/v1/batches/" ID "/tasks/16777215", ROUTE_FOUND, "/v1/batches/{id}/tasks/{index}"},
    {HTTP_GET, "/v1/batches/" ID "/tasks/16777216", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/" ID "/tasks/00", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/" ID "/tasks/-1", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/" ID "/tasks/1e1", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/" ID "/tasks/18446744073709551616", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/" ID "/tasks/", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/" ID "/", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/0190A6AC-0000-7000-8000-0123456789ab", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/" ID "0", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/..", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/batches/../batches", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "//v1/batches", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1//batches", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/%62atches", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/V1/batches", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/hosts/api.example.com", ROUTE_FOUND, "/v1/hosts/{host}"},
    {HTTP_GET, "/v1/hosts/%5B::1%5D", ROUTE_FOUND, "/v1/hosts/{host}"},
    {HTTP_GET, "/v1/hosts/a..b", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/hosts/a%2fb", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/v1/hosts/%00", ROUTE_UNKNOWN, NULL},
    {HTTP_DELETE, "/v1/hosts/a.example", ROUTE_OTHER_METHOD, NULL},
    {HTTP_GET, "/problems/not_found", ROUTE_FOUND, "/problems/{name}"},
    {HTTP_GET, "/problems/Not", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/livez", ROUTE_FOUND, "/livez"},
    {HTTP_GET, "/livez/", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "/", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "", ROUTE_UNKNOWN, NULL},
    {HTTP_GET, "v1/batches", ROUTE_UNKNOWN, NULL},
};

static void paths_lead_to_their_handler_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *s = &samples[i];
        struct route_params params;
        const struct route *route = NULL;
        enum route_verdict verdict = route_find(api_routes, s->method, s->path, &params, &route);
        if (verdict != s->verdict) {
            fail_msg("'%s': verdict %d", s->path, (int)verdict);
        }
        if (s->pattern) {
            assert_string_equal(route->pattern, s->pattern);
        } else {
            assert_null(route);
        }
    }
}

static void parameters_are_decoded(void **state)
{
    struct route_params params;
    const struct route *route;
    char id[UUID_TEXT_SIZE];
    (void)state;
    assert_int_equal(
        route_find(api_routes, HTTP_GET, "/v1/batches/" ID "/tasks/17", &params, &route),
        ROUTE_FOUND);
    uuid_format(params.id, id);
    assert_string_equal(id, ID);
    assert_int_equal(params.index, 17);
    assert_int_equal(
        route_find(api_routes, HTTP_PATCH, "/v1/hosts/API.Example%2eCOM.", &params, &route),
        ROUTE_FOUND);
    assert_string_equal(params.host, "api.example.com");
}

static void allow_lists_the_methods_of_a_path(void **state)
{
    char allow[ROUTE_ALLOW_SIZE];
    (void)state;
    route_allow(api_routes, "/v1/batches", allow);
    assert_string_equal(allow, "GET, HEAD, POST, OPTIONS");
    route_allow(api_routes, "/v1/batches/" ID, allow);
    assert_string_equal(allow, "GET, HEAD, DELETE, OPTIONS");
    route_allow(api_routes, "/v1/batches/" ID "/pause", allow);
    assert_string_equal(allow, "POST, OPTIONS");
}

static void every_route_has_a_handler_and_needs_a_scope(void **state)
{
    (void)state;
    for (const struct route *r = api_routes; r->pattern; r++) {
        assert_non_null(r->handle);
        assert_true(r->scope >= SCOPE_READ);
        assert_true(r->method == HTTP_GET || !r->open);
        assert_true(r->method == HTTP_GET || r->scope >= SCOPE_SUBMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_their_handler_only),
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(allow_lists_the_methods_of_a_path),
        cmocka_unit_test(every_route_has_a_handler_and_needs_a_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
