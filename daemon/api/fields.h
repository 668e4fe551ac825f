// SPDX-License-Identifier: MIT
// What the API reads from request fields: media types, preferences, conditions, ranges, keys. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "daemon/task/submission.h"

// Content-Type of a submission (NULL: absent). -1: ERR_UNSUPPORTED_MEDIA_TYPE with how to send it.
int content_type_submission(const char *value, enum submission_format *ret, struct err *e);

// Whether the field is application/json or application/merge-patch+json, in UTF-8.
bool content_type_is_json(const char *value);

// What an Accept field asks of a result feed. Anything unknown is answered with JSON.
enum accept_format { ACCEPT_JSON, ACCEPT_NDJSON, ACCEPT_EVENT_STREAM };
enum accept_format accept_parse(const char *value); // NULL: absent

// What an Accept field asks of a page for people. Anything unknown is answered with text.
enum page_format { PAGE_TEXT, PAGE_HTML, PAGE_JSON };
enum page_format accept_page(const char *value); // NULL: absent

// "wait=N" of a Prefer field (RFC 7240), clamped to `max`; false if there is none.
bool prefer_wait(const char *value, uint64_t max, uint64_t *ret);

// Whether an If-None-Match field names `etag` (with its quotes); weak comparison (RFC 9110
// §13.1.2).
bool if_none_match(const char *value, const char *etag);

// One Range of bytes (RFC 9110 §14.2) of a representation of `size` bytes.
enum range_verdict { RANGE_IGNORED, RANGE_OK, RANGE_UNSATISFIABLE };
enum range_verdict range_parse(const char *value, uint64_t size, uint64_t *ret_first,
                               uint64_t *ret_last);

// An Idempotency-Key, quoted or not, 1 to 255 visible ASCII characters, into `ret`.
#define IDEMPOTENCY_KEY_MAX 255
int idempotency_key_parse(const char *value, char ret[IDEMPOTENCY_KEY_MAX + 1], struct err *e);

// Whether a browser sends the request for a page of another site, by its Sec-Fetch-Site, Origin and
// Host fields (NULL: absent). Programs send neither of the first two.
bool is_cross_site(const char *site, const char *origin, const char *host);

// The host of a Host field (without its port) is an IP literal, localhost, or one of `allowed`.
bool host_field_allowed(const char *value, char *const *allowed, size_t n_allowed);
