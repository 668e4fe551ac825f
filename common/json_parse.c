// SPDX-License-Identifier: MIT
// JSON in: a quick look at the bytes for what jansson would let pass or pay too much for (depth,
// UTF-8, NUL), then jansson. Callable from any thread.
//
// jansson 2.14 goes on when a piece finds no memory: a text then lacks bytes, and where it reads a
// string that lacks its closing quote, it reads and writes beyond it. So its memory comes through
// here. What is read must not fail: where there is hardly enough it is not begun, and should it
// lack all the same, the process ends. Else a failure is remembered for the thread that met it.
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/memory.h"
#include "common/utf8.h"

// Sets `e` to `what` and the place of byte `at`. A column counts characters, not bytes.
static void fail_at(struct err *e, const char *text, size_t at, const char *what)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < at; i++) {
        if (text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    err_set(e, ERR_BAD_REQUEST, "the JSON is invalid at line %zu column %zu: %s", line, column,
            what);
}

// One pass: the nesting outside strings, and the encoding everywhere.
static int check_bytes(const char *text, size_t n, struct err *e)
{
    const unsigned char *p = (const unsigned char *)text;
    bool in_string = false;
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = p[i];
        if (c >= 0x80) {
            size_t len = utf8_sequence(p + i, n - i);
            if (len == 0) {
                fail_at(e, text, i, "the bytes there are not UTF-8");
                return -1;
            }
            i += len - 1;
        } else if (c == 0) {
            fail_at(e, text, i, "a NUL byte; the encoding must be UTF-8");
            return -1;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (in_string) {
            i += c == '\\' && i + 1 < n && p[i + 1] < 0x80 && p[i + 1] != 0 ? 1 : 0;
        } else if (c == '[' || c == '{') {
            if (++depth > JSON_MAX_DEPTH) {
                fail_at(e, text, i, "nested too deep");
                return -1;
            }
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return 0;
}

// What reading takes of memory, about: [[],[],... takes the most.
#define ROOM_PER_BYTE 40
#define ROOM          8192

static _Thread_local bool out_of_memory, reading;

static bool is_there_room(size_t n)
{
    void *volatile room = malloc(n * ROOM_PER_BYTE + ROOM);
    free(room);
    return room != NULL;
}

static void *remembering_malloc(size_t n)
{
    void *p = reading ? memory_demand(n) : malloc(n);
    out_of_memory = out_of_memory || p == NULL;
    return p;
}

// Before main, so before any thread and any value.
__attribute__((constructor)) static void hook_jansson(void)
{
    json_set_alloc_funcs(remembering_malloc, free);
}

json_t *json_parse(const char *text, size_t n, struct err *e)
{
    if (check_bytes(text, n, e) < 0) {
        return NULL;
    }
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        fail_at(e, text, 0, "a byte order mark; the document must begin with a value");
        return NULL;
    }
    if (!is_there_room(n)) {
        err_set(e, ERR_OVERLOADED, "no memory for the JSON document");
        return NULL;
    }
    json_error_t problem;
    reading = true;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    reading = false;
    if (!root) {
        // jansson's own text may quote a large piece of the input.
        err_set(e, ERR_BAD_REQUEST, "the JSON is invalid at line %d column %d: %.200s",
                problem.line, problem.column, problem.text);
    }
    return root;
}

char *json_text(const json_t *v)
{
    out_of_memory = false;
    char *text = json_dumps(v, JSON_COMPACT);
    if (out_of_memory) {
        free(text);
        return NULL;
    }
    return text;
}
