// SPDX-License-Identifier: MIT
// Owns the way from an HTTP error answer to a `struct err`. Pure; must never print. See problem.h.
#include "client/problem.h"

#include "client/field.h"
#include "common/json.h"

static enum err_code code_of_status(long status)
{
    for (int code = ERR_OK + 1; code < ERR__COUNT; code++) {
        if (err_info((enum err_code)code)->http_status == status) {
            return (enum err_code)code;
        }
    }
    return ERR_SYSTEM;
}

json_t *problem_read(const char *body, size_t n, long status, struct err *e)
{
    struct err ignored;
    json_t *document = n > 0 ? json_parse(body, n, &ignored) : NULL;
    const char *text = field_str(document, "detail"), *name = field_str(document, "code");
    enum err_code code = err_code_by_name(name);
    if (code == ERR_OK) {
        code = code_of_status(status);
    }
    if (!*name) {
        err_set(e, code,
                "the server answered %ld%s%s, which is no answer of gatherd; is --server right?",
                status, code == ERR_SYSTEM ? "" : " ",
                code == ERR_SYSTEM ? "" : err_info(code)->title);
        json_decref(document);
        return NULL;
    }
    err_set(e, code, "%s", *text ? text : err_info(code)->title);
    return document;
}
