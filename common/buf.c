// SPDX-License-Identifier: MIT
// The growing byte buffer. Pure; one owner at a time. Capacity doubles, but never beyond what the
// maximum needs; the terminating NUL is not counted in the maximum.
#include "common/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 64

void buf_init(struct buf *b, size_t max)
{
    *b = BUF_INIT(max);
}

void buf_done(struct buf *b)
{
    free(b->data);
    *b = BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data) {
        b->data[0] = '\0';
    }
}

// Makes room for `need` bytes and the NUL.
static int grow(struct buf *b, size_t need)
{
    size_t cap = b->cap < FIRST_CAPACITY ? FIRST_CAPACITY : b->cap;
    while (cap <= need) {
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    }
    if (cap > b->max && b->max < SIZE_MAX) {
        cap = b->max + 1;
    }
    char *data = realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return -1;
    }
    if (!b->data) {
        data[0] = '\0';
    }
    b->data = data;
    b->cap = cap;
    return 0;
}

int buf_reserve(struct buf *b, size_t n)
{
    if (n > b->max - b->len || b->len + n == SIZE_MAX) {
        b->failed = true;
        return -1;
    }
    if (b->len + n < b->cap) {
        return 0;
    }
    return grow(b, b->len + n);
}

int buf_append(struct buf *b, const void *p, size_t n)
{
    if (buf_reserve(b, n) < 0) {
        return -1;
    }
    if (n > 0) {
        memcpy(b->data + b->len, p, n);
    }
    b->len += n;
    b->data[b->len] = '\0';
    return 0;
}

int buf_append_str(struct buf *b, const char *s)
{
    return buf_append(b, s, strlen(s));
}

int buf_vprintf(struct buf *b, const char *format, va_list args)
{
    char small[256];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof(small), format, args);
    int rc = -1;
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof(small)) {
        rc = buf_append(b, small, (size_t)n);
    } else if (buf_reserve(b, (size_t)n) == 0) {
        vsnprintf(b->data + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
        rc = 0;
    }
    va_end(again);
    return rc;
}

int buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = buf_vprintf(b, format, args);
    va_end(args);
    return rc;
}

char *buf_steal(struct buf *b, size_t *ret_len)
{
    if (b->failed || buf_reserve(b, 0) < 0) {
        return NULL;
    }
    char *data = b->data;
    if (ret_len) {
        *ret_len = b->len;
    }
    *b = BUF_INIT(b->max);
    return data;
}
