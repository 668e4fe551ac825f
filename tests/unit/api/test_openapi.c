// SPDX-License-Identifier: MIT
// The document that describes the API and the table that makes it are of one mind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <jansson.h>

#include "daemon/api/context.h"

extern const char openapi_json_start[], openapi_json_end[];

static json_t *document;

static int load(void **state)
{
    json_error_t e;
    (void)state;
    document =
        json_loadb(openapi_json_start, (size_t)(openapi_json_end - openapi_json_start), 0, &e);
    return document ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

// What "#/components/…" names; `v` itself if it is no reference.
static const json_t *resolve(const json_t *v)
{
    const char *ref = json_string_value(json_object_get(v, "$ref"));
    if (!ref) {
        return v;
    }
    const json_t *at = document;
    assert_int_equal(strncmp(ref, "#/", 2), 0);
    for (const char *p = ref + 2; p;) {
        char name[64];
        size_t n = strcspn(p, "/");
        assert_true(n < sizeof(name));
        memcpy(name, p, n);
        name[n] = '\0';
        at = json_object_get(at, name);
        if (!at) {
            fail_msg("%s leads nowhere", ref);
        }
        p = p[n] ? p + n + 1 : NULL;
    }
    return at;
}

static void check_references(json_t *v)
{
    const char *key;
    json_t *member;
    size_t i;
    (void)resolve(v);
    json_object_foreach(v, key, member)
    {
        check_references(member);
    }
    json_array_foreach(v, i, member)
    {
        check_references(member);
    }
}

static const json_t *operation_of(const struct route *r)
{
    char method[16];
    size_t n = 0;
    for (const char *p = http_method_name(r->method); *p; p++) {
        method[n++] = (char)(*p | 0x20);
    }
    method[n] = '\0';
    const json_t *paths = json_object_get(document, "paths");
    return json_object_get(json_object_get(paths, r->pattern), method);
}

static bool is_key(const struct route *r, const char *name)
{
    for (const char *const *key = r->keys; key && *key; key++) {
        if (strcmp(*key, name) == 0) {
            return true;
        }
    }
    return false;
}

static size_t count_keys(const struct route *r)
{
    size_t n = 0;
    while (r->keys && r->keys[n]) {
        n++;
    }
    return n;
}

static void every_route_is_described(void **state)
{
    (void)state;
    for (const struct route *r = api_routes; r->pattern; r++) {
        const json_t *op = operation_of(r), *parameter;
        size_t i, described = 0;
        if (!op) {
            fail_msg("%s %s is not described", http_method_name(r->method), r->pattern);
        }
        assert_string_equal(json_string_value(json_object_get(op, "x-scope")),
                            scope_name(r->scope));
        assert_int_equal(json_object_get(op, "security") != NULL, r->open);
        json_array_foreach(json_object_get(op, "parameters"), i, parameter)
        {
            const json_t *p = resolve(parameter);
            const char *name = json_string_value(json_object_get(p, "name"));
            if (strcmp(json_string_value(json_object_get(p, "in")), "query") == 0) {
                if (!is_key(r, name)) {
                    fail_msg("%s: query parameter %s is not read", r->pattern, name);
                }
                described++;
            }
        }
        if (described != count_keys(r)) {
            fail_msg("%s: a query parameter is not described", r->pattern);
        }
    }
}

static void nothing_else_is_described(void **state)
{
    json_t *paths = json_object_get(document, "paths"), *path, *op;
    const char *pattern, *method;
    size_t routes = 0, described = 0;
    (void)state;
    for (const struct route *r = api_routes; r->pattern; r++) {
        routes++;
    }
    json_object_foreach(paths, pattern, path)
    {
        json_object_foreach(path, method, op)
        {
            described += json_is_object(op);
        }
    }
    assert_int_equal(described, routes);
}

static void every_problem_code_is_described(void **state)
{
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    const json_t *problem = json_object_get(json_object_get(schemas, "Problem"), "properties");
    const json_t *codes = json_object_get(json_object_get(problem, "code"), "enum");
    const json_t *code;
    size_t i, known = 0;
    (void)state;
    for (int c = ERR_OK + 1; c < ERR__COUNT; c++) {
        known += err_info((enum err_code)c)->http_status != 0;
    }
    json_array_foreach(codes, i, code)
    {
        if (err_code_by_name(json_string_value(code)) == ERR_OK) {
            fail_msg("no such problem: %s", json_string_value(code));
        }
    }
    assert_int_equal(json_array_size(codes), known);
}

static void every_task_error_is_described(void **state)
{
    const json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    const json_t *codes = json_object_get(json_object_get(schemas, "TaskErrorCode"), "enum");
    const json_t *code;
    size_t i;
    (void)state;
    json_array_foreach(codes, i, code)
    {
        assert_int_not_equal(task_error_by_name(json_string_value(code)), TASK_OK);
    }
    assert_int_equal(json_array_size(codes), TASK_ERROR__COUNT - 1);
}

static void every_reference_leads_somewhere(void **state)
{
    (void)state;
    check_references(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),
        cmocka_unit_test(nothing_else_is_described),
        cmocka_unit_test(every_problem_code_is_described),
        cmocka_unit_test(every_task_error_is_described),
        cmocka_unit_test(every_reference_leads_somewhere),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
