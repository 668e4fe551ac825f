// SPDX-License-Identifier: MIT
// The table of the API: what it answers, to whom, with which query parameters. Read-only data.
#include "daemon/api/context.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

const struct route api_routes[] = {
    {HTTP_GET, "/v1/batches", SCOPE_READ, false, KEYS("state", "name", "after", "limit"),
     handle_batch_list},
    {HTTP_POST, "/v1/batches", SCOPE_SUBMIT, false,
     KEYS("name", "priority", "concurrency", "not_before", "deadline_ms", "fail_fast", "partial",
          "wait"),
     handle_submit},
    {HTTP_GET, "/v1/batches/{id}", SCOPE_READ, false, KEYS("wait", "return_when", "after_seq"),
     handle_batch},
    {HTTP_DELETE, "/v1/batches/{id}", SCOPE_ADMIN, false, KEYS("force"), handle_batch_delete},
    {HTTP_POST, "/v1/batches/{id}/cancel", SCOPE_SUBMIT, false, NULL, handle_batch_cancel},
    {HTTP_POST, "/v1/batches/{id}/pause", SCOPE_SUBMIT, false, NULL, handle_batch_pause},
    {HTTP_POST, "/v1/batches/{id}/resume", SCOPE_SUBMIT, false, NULL, handle_batch_resume},
    {HTTP_POST, "/v1/batches/{id}/retry", SCOPE_SUBMIT, false, KEYS("state"), handle_batch_retry},
    {HTTP_GET, "/v1/batches/{id}/results", SCOPE_READ, false,
     KEYS("after", "limit", "wait", "state", "order", "include", "follow"), handle_results},
    {HTTP_GET, "/v1/batches/{id}/tasks/{index}", SCOPE_READ, false, NULL, handle_task},
    {HTTP_GET, "/v1/batches/{id}/tasks/{index}/body", SCOPE_READ, false, NULL, handle_task_body},
    {HTTP_GET, "/v1/hosts", SCOPE_READ, false, KEYS("after", "limit"), handle_host_list},
    {HTTP_GET, "/v1/hosts/{host}", SCOPE_READ, false, NULL, handle_host},
    {HTTP_PATCH, "/v1/hosts/{host}", SCOPE_ADMIN, false, NULL, handle_host_patch},
    {HTTP_GET, "/v1/stats", SCOPE_READ, false, NULL, handle_stats},
    {HTTP_GET, "/livez", SCOPE_READ, true, KEYS("verbose"), handle_livez},
    {HTTP_GET, "/readyz", SCOPE_READ, true, KEYS("verbose"), handle_readyz},
    {HTTP_GET, "/metrics", SCOPE_READ, true, NULL, handle_metrics},
    {HTTP_GET, "/openapi.json", SCOPE_READ, true, NULL, handle_openapi},
    {HTTP_GET, "/problems/{name}", SCOPE_READ, true, NULL, handle_problem_page},
    {.pattern = NULL},
};
