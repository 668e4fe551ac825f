// SPDX-License-Identifier: MIT
// Opaque page cursors: base64url of a position and a truncated HMAC over it, its kind and the batch
// it belongs to. Pure. The key is fixed, because cursors outlive restarts and guard no secret: the
// tag tells a cursor that was tampered with, or that belongs to another list or batch, from one
// that was given out here.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/uuid.h"

enum cursor_kind {
    CURSOR_BATCHES = 'b',
    CURSOR_BY_SEQ = 's',
    CURSOR_BY_INDEX = 'i',
    CURSOR_HOSTS = 'h'
};

#define CURSOR_DATA_MAX  256
#define CURSOR_TEXT_SIZE 384

// What a cursor points into: the list, and for results their batch (else all zeros).
struct cursor_scope {
    enum cursor_kind kind;
    uint8_t batch[UUID_SIZE];
};

void cursor_encode(const struct cursor_scope *scope, const void *data, size_t n,
                   char ret[CURSOR_TEXT_SIZE]);
// -1 with ERR_BAD_REQUEST.
int cursor_decode(const struct cursor_scope *scope, const char *text,
                  uint8_t ret[CURSOR_DATA_MAX + 1], size_t *ret_n, struct err *e);

// The same for a position that is a number.
void cursor_encode_number(const struct cursor_scope *scope, uint64_t value,
                          char ret[CURSOR_TEXT_SIZE]);
int cursor_decode_number(const struct cursor_scope *scope, const char *text, uint64_t *ret,
                         struct err *e);
