// SPDX-License-Identifier: MIT
// A growing byte buffer that demands its maximum. A failed append (out of memory, or past the
// maximum) changes nothing and is remembered in `failed`, so that a writer can append many pieces
// and check once.
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; // always NUL-terminated once anything was appended; NULL before
    size_t len; // without the NUL
    size_t cap;
    size_t max;  // most bytes `len` may reach
    bool failed; // an append did not fit or found no memory
};

#define BUF_INIT(max_bytes) ((struct buf){.max = (max_bytes)})

// Over the array `space`: needs no memory, and no buf_done. The maximum is what fits.
#define BUF_OVER(space)                                                                            \
    ((struct buf){.data = (space), .cap = sizeof(space), .max = sizeof(space) - 1})

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);             // frees the bytes; `b` is empty again with the same max
void buf_reset(struct buf *b);            // length 0, keeps memory, clears `failed`
int buf_reserve(struct buf *b, size_t n); // room for n more bytes; -1 if that cannot be
int buf_append(struct buf *b, const void *p, size_t n);
int buf_append_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

// Inline, since JSON is made of it.
static inline int buf_append_char(struct buf *b, char c)
{
    if (b->len >= b->max || b->len + 1 >= b->cap) {
        return buf_append(b, &c, 1);
    }
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
    return 0;
}

char *buf_steal(struct buf *b,
                size_t *ret_len); // the caller frees; "" if nothing was appended; NULL on failure
