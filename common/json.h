// SPDX-License-Identifier: MIT
// JSON in: jansson with strict rules. JSON out: a writer that appends to a buf, since building a
// jansson tree for every result would cost more than fetching it. Pure; callable from any thread.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define JSON_MAX_DEPTH 16

// Parses one document: UTF-8 only, no duplicate keys, no NUL in strings, nothing after the value,
// at most JSON_MAX_DEPTH deep (checked before jansson sees the bytes). Any value may be at the top.
// The new reference is the caller's. NULL on failure, with ERR_BAD_REQUEST and a text that gives
// line and column, or with ERR_OVERLOADED without memory.
json_t *json_parse(const char *text, size_t n, struct err *e);

// The value as compact JSON text, which the caller frees; NULL without memory.
char *json_text(const json_t *v);

// The writer. Commas and quoting are its business; nesting is the caller's. Failure is sticky in
// out->failed.
struct json_writer {
    struct buf *out;
    bool comma; // a value stands before in this container
};

#define JSON_WRITER(buffer) ((struct json_writer){.out = (buffer)})

void jw_object(struct json_writer *w);               // {
void jw_object_end(struct json_writer *w);           // }
void jw_array(struct json_writer *w);                // [
void jw_array_end(struct json_writer *w);            // ]
void jw_key(struct json_writer *w, const char *key); // key: plain ASCII, needs no escaping
void jw_null(struct json_writer *w);
void jw_bool(struct json_writer *w, bool value);
void jw_int(struct json_writer *w, int64_t value);
void jw_real(struct json_writer *w, double value); // non-finite: null
void jw_str(struct json_writer *w, const char *s); // NULL: null; see jw_strn
void jw_strn(struct json_writer *w, const char *s,
             size_t n); // bytes that are no UTF-8 are written as U+00XX (latin-1)
void jw_raw(struct json_writer *w, const char *json, size_t n); // one value that is JSON already
void jw_time(struct json_writer *w, int64_t at);                // RFC 3339 text; 0: null
void jw_base64(struct json_writer *w, const void *p,
               size_t n); // standard alphabet, padded (RFC 4648 §4)

// A string that comes in parts: what stands between its quotes, as jw_strn and jw_base64 write it.
// A part must not end inside a sequence of UTF-8, nor inside a group of three bytes of base64.
void json_escape(struct buf *out, const char *s, size_t n);
void json_base64(struct buf *out, const void *p, size_t n);

// jw_key and the value in one call.
void jw_key_null(struct json_writer *w, const char *key);
void jw_key_bool(struct json_writer *w, const char *key, bool value);
void jw_key_int(struct json_writer *w, const char *key, int64_t value);
void jw_key_str(struct json_writer *w, const char *key, const char *s);
void jw_key_raw(struct json_writer *w, const char *key, const char *json); // NULL: null
void jw_key_time(struct json_writer *w, const char *key, int64_t at);

// True if p[0..n) is well-formed UTF-8 without NUL (RFC 3629: no overlong forms, no surrogates).
bool utf8_valid(const void *p, size_t n);

// Decodes RFC 4648 §4 base64 (padding required, no white space) into `out`; -1 if it is none.
int base64_decode(const char *text, size_t n, struct buf *out);
