// SPDX-License-Identifier: MIT
// The chunked transfer coding. Pure.
#include "daemon/fetch/chunked.h"

#include "common/hex.h"

// Leading zeros included; libcurl takes no more either.
#define MAX_DIGITS 16
// Extensions mean nothing to anybody; servers that sign their chunks send a little beside much.
#define MAX_EXCESS ((uint64_t)16 * 1024)

static const char *read_digit(struct chunked *c, int value)
{
    if (value < 0) {
        return "A chunk's size is not a hexadecimal number";
    }
    if (c->digits++ == MAX_DIGITS) {
        return "A chunk's size has more than 16 digits";
    }
    c->left = c->left << 4 | (uint64_t)value;
    c->state = CHUNKED_SIZE;
    return NULL;
}

static void end_line(struct chunked *c)
{
    c->state = c->left > 0 ? CHUNKED_DATA : CHUNKED_TRAILERS;
}

// Behind the digits of a size.
static const char *read_rest_of_line(struct chunked *c, char byte)
{
    if (byte == '\r') {
        c->state = CHUNKED_LF;
        return NULL;
    }
    if (byte == '\n') {
        c->bare_lf = true;
        end_line(c);
        return NULL;
    }
    if (++c->excess > MAX_EXCESS) {
        return "The chunks have far more extensions than body";
    }
    if (c->state == CHUNKED_EXTENSION || byte == ';') {
        c->state = CHUNKED_EXTENSION;
        return byte == '\0' ? "A chunk's extension contains a NUL" : NULL;
    }
    c->state = CHUNKED_SPACE;
    return byte == ' ' || byte == '\t' ? NULL : "A chunk's size is not a hexadecimal number";
}

static const char *read_end_of_data(struct chunked *c, char byte)
{
    if (byte == '\r' && c->state == CHUNKED_DATA_END) {
        c->state = CHUNKED_DATA_LF;
        return NULL;
    }
    c->bare_lf = c->bare_lf || c->state == CHUNKED_DATA_END;
    c->state = CHUNKED_START;
    return byte == '\n' ? NULL : "A chunk is longer than it says";
}

// NULL, or why this byte cannot stand here.
static const char *read_byte(struct chunked *c, char byte)
{
    switch (c->state) {
    case CHUNKED_START:
        c->left = 0;
        c->digits = 0;
        return read_digit(c, hex_value(byte));
    case CHUNKED_SIZE:
        return hex_value(byte) >= 0 ? read_digit(c, hex_value(byte)) : read_rest_of_line(c, byte);
    case CHUNKED_SPACE:
    case CHUNKED_EXTENSION: return read_rest_of_line(c, byte);
    case CHUNKED_LF:
        end_line(c);
        return byte == '\n' ? NULL : "A CR stands alone in a chunk's line";
    case CHUNKED_DATA_END:
    case CHUNKED_DATA_LF: return read_end_of_data(c, byte);
    case CHUNKED_DATA:
    case CHUNKED_TRAILERS:
    case CHUNKED_END: break;
    }
    return NULL;
}

void chunked_begin(struct chunked *c)
{
    *c = (struct chunked){.state = CHUNKED_START};
}

ptrdiff_t chunked_read(struct chunked *c, const char *p, size_t n, const char **ret_why)
{
    size_t i = 0;
    while (i < n && c->state != CHUNKED_DATA && c->state < CHUNKED_TRAILERS) {
        *ret_why = read_byte(c, p[i++]);
        if (*ret_why) {
            return -1;
        }
    }
    return (ptrdiff_t)i;
}

void chunked_take(struct chunked *c, size_t n)
{
    c->left -= n;
    c->excess -= n < c->excess ? n : c->excess;
    if (c->left == 0) {
        c->state = CHUNKED_DATA_END;
    }
}

void chunked_end(struct chunked *c)
{
    c->state = CHUNKED_END;
}
