// SPDX-License-Identifier: MIT
// Takes the comments out of a configuration file and refuses what is left open at its end.
// libconfuse 3.3 counts the line of a comment twice, and takes the end of a file inside a string, a
// comment or a section for a good end, so that a stray quote would hide the rest of the file in
// silence. Pure.
#include "config/text.h"

#include <stdbool.h>
#include <string.h>

#include "common/utf8.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

// A place in the text, and the line it is on.
struct cursor {
    char *p, *end;
    int line;
};

static bool at(const struct cursor *c, const char *token)
{
    size_t n = strlen(token);
    return (size_t)(c->end - c->p) >= n && memcmp(c->p, token, n) == 0;
}

static void step(struct cursor *c)
{
    c->line += *c->p == '\n' ? 1 : 0;
    c->p++;
}

static void blank(struct cursor *c)
{
    if (*c->p != '\n') {
        *c->p = ' ';
    }
    step(c);
}

static void blank_line_comment(struct cursor *c)
{
    while (c->p < c->end && *c->p != '\n') {
        blank(c);
    }
}

static int blank_block_comment(struct cursor *c)
{
    blank(c);
    blank(c);
    while (c->p < c->end && !at(c, "*/")) {
        blank(c);
    }
    if (c->p == c->end) {
        return -1;
    }
    blank(c);
    blank(c);
    return 0;
}

// "${NAME}", which libconfuse replaces in double-quoted strings and outside of strings.
static int skip_variable(struct cursor *c)
{
    while (c->p < c->end && *c->p != '}' && *c->p != '\n') {
        step(c);
    }
    if (c->p == c->end || *c->p == '\n') {
        return -1;
    }
    step(c);
    return 0;
}

static int skip_string(struct cursor *c)
{
    char quote = *c->p;
    step(c);
    while (c->p < c->end && *c->p != quote) {
        if (quote == '"' && at(c, "${")) {
            if (skip_variable(c) < 0) {
                return -1;
            }
            continue;
        }
        if (*c->p == '\\' && c->end - c->p > 1) {
            step(c);
        }
        step(c);
    }
    if (c->p == c->end) {
        return -1;
    }
    step(c);
    return 0;
}

// True if a token may begin behind `c`; a slash inside a word ("10.0.0.0/8") begins no comment.
static bool ends_word(char c)
{
    return strchr(" \t\r\n={}()+,\"'", c) != NULL;
}

// Passes over what stands at the cursor. What is open is named if it has no end.
static const char *skip_token(struct cursor *c, bool word_starts)
{
    if (*c->p == '#' || (word_starts && at(c, "//"))) {
        blank_line_comment(c);
    } else if (word_starts && at(c, "/*")) {
        return blank_block_comment(c) < 0 ? "the comment" : NULL;
    } else if (*c->p == '"' || *c->p == '\'') {
        return skip_string(c) < 0 ? "the string" : NULL;
    } else if (at(c, "${")) {
        return skip_variable(c) < 0 ? "the ${" : NULL;
    } else {
        step(c);
    }
    return NULL;
}

static int unclosed(const char *what, int line, struct err *e, int *ret_line)
{
    *ret_line = line;
    return err_set(e, ERR_CONFIG, "%s that begins here is not closed", what);
}

// Comments may be in any encoding: they are blank by now.
static int check_encoding(const struct buf *text, struct err *e, int *ret_line)
{
    const unsigned char *p = (const unsigned char *)text->data, *end = p + text->len;
    for (int line = 1; p < end; line += *p++ == '\n' ? 1 : 0) {
        size_t n = *p < 0x80 ? 1 : utf8_sequence(p, (size_t)(end - p));
        if (n == 0) {
            *ret_line = line;
            return err_set(e, ERR_CONFIG, "this is not UTF-8");
        }
        p += n - 1;
    }
    return 0;
}

int config_text_prepare(struct buf *text, struct err *e, int *ret_line)
{
    struct cursor c = {.p = text->data, .end = text->data + text->len, .line = 1};
    if (at(&c, BYTE_ORDER_MARK)) { // as some editors of other systems begin a file
        memset(c.p, ' ', strlen(BYTE_ORDER_MARK));
    }
    int depth = 0;
    int outermost = 0; // line of the brace that makes depth 1
    bool word_starts = true;
    while (c.p < c.end) {
        int line = c.line;
        char first = *c.p;
        const char *open = skip_token(&c, word_starts);
        if (open) {
            return unclosed(open, line, e, ret_line);
        }
        word_starts = ends_word(first);
        if (first == '{' && depth++ == 0) {
            outermost = line;
        } else if (first == '}' && depth > 0) {
            depth--;
        }
    }
    return depth > 0 ? unclosed("the section or list", outermost, e, ret_line)
                     : check_encoding(text, e, ret_line);
}
