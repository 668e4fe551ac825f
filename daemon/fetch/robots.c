// SPDX-License-Identifier: MIT
// Parser and matcher of robots.txt. Pure: it reads untrusted bytes and keeps nothing but patterns.
//
// Patterns and paths are compared in one normal form: what is unreserved stands for itself, every
// other octet that no reserved character is stands as %XX. "*" and a last "$" of a pattern keep
// their meaning, and stand in a path only as %2A and %24. Rules are kept in the order in which they
// win, so the first that matches decides.
#include "daemon/fetch/robots.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/hex.h"
#include "common/url.h"

#define MAX_PATTERNS  (3 * ROBOTS_MAX_BYTES + ROBOTS_MAX_BYTES) // all %XX, and "/" before each
#define MAX_TARGET    (3 * URL_MAX)                             // each byte of it escaped
#define MAX_SEARCHED  ((size_t)1024 * 1024) // octets of a path by all wildcards: 10 ms at worst
#define INITIAL_RULES 16
#define UTF8_BOM      "\xef\xbb\xbf"
#define ROBOTS_PATH   "/robots.txt"

struct rule {
    uint32_t at, len; // of the pattern in `patterns`, without a last "$"
    uint32_t weight;  // octets of the pattern
    bool allow, anchored;
};

struct rules {
    struct rule *v;
    size_t n, cap;
    bool seen; // a group is for this crawler
};

struct robots {
    struct buf patterns;
    struct rules rules;
};

struct slice {
    const char *p;
    size_t n;
};

// ---- characters

static bool is_token_char(unsigned char c)
{
    return isalnum(c) || c == '-' || c == '_';
}

static bool is_unreserved(unsigned char c)
{
    return isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static bool is_reserved(unsigned char c)
{
    return c != '\0' && strchr(":/?#[]@!$&'()*+,;=", c) != NULL;
}

static void append_escaped(struct buf *out, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[3] = {'%', digits[c >> 4], digits[c & 15]};
    buf_append(out, text, sizeof(text));
}

// The normal form of s. `wild`: "*" is a wildcard; else it is a character like others.
static void append_normal(struct buf *out, struct slice s, bool wild)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool escaped = false;
        if (c == '%' && i + 2 < s.n && isxdigit((unsigned char)s.p[i + 1]) &&
            isxdigit((unsigned char)s.p[i + 2])) {
            c = (unsigned char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2]));
            escaped = true;
            i += 2;
        }
        bool special = c == '$' || (c == '*' && !(wild && !escaped));
        if (is_unreserved(c) || (is_reserved(c) && !escaped && !special)) {
            buf_append_char(out, (char)c);
        } else {
            append_escaped(out, c);
        }
    }
}

// ---- lines

static struct slice trim(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t')) {
        s.n--;
    }
    return s;
}

static bool is_end_of_line(char c)
{
    return c == '\r' || c == '\n';
}

// Cuts the next line off `rest`; CR LF leaves an empty one, which does no harm.
static struct slice next_line(struct slice *rest)
{
    struct slice line = {rest->p, 0};
    while (line.n < rest->n && !is_end_of_line(line.p[line.n])) {
        line.n++;
    }
    size_t used = line.n < rest->n ? line.n + 1 : line.n;
    rest->p += used;
    rest->n -= used;
    const char *comment = memchr(line.p, '#', line.n);
    if (comment) {
        line.n = (size_t)(comment - line.p);
    }
    return line;
}

static bool split(struct slice line, struct slice *ret_key, struct slice *ret_value)
{
    const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
    if (!colon) {
        return false;
    }
    size_t n = (size_t)(colon - line.p);
    *ret_key = trim((struct slice){line.p, n});
    *ret_value = trim((struct slice){colon + 1, line.n - n - 1});
    return true;
}

static bool is_word(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

// ---- groups and rules

struct parser {
    const char *token;
    struct buf *patterns;
    struct rules own, any; // of groups that name the crawler, and of those for "*"
    bool in_own, in_any;   // the present group is such a one
    bool names;            // the last record that counts was a User-agent: another one joins it
};

static void on_user_agent(struct parser *p, struct slice value)
{
    if (!p->names) {
        p->in_own = p->in_any = false;
        p->names = true;
    }
    size_t n = 0;
    while (n < value.n && is_token_char((unsigned char)value.p[n])) {
        n++;
    }
    if (n > 0 && is_word((struct slice){value.p, n}, p->token)) {
        p->in_own = p->own.seen = true;
    } else if (value.n > 0 && value.p[0] == '*') {
        p->in_any = p->any.seen = true;
    }
}

static int add_rule(struct rules *to, const struct rule *r)
{
    if (to->n == to->cap) {
        size_t cap = to->cap > 0 ? 2 * to->cap : INITIAL_RULES;
        struct rule *v = reallocarray(to->v, cap, sizeof(*v));
        if (!v) {
            return -1;
        }
        to->v = v;
        to->cap = cap;
    }
    to->v[to->n++] = *r;
    return 0;
}

static int on_rule(struct parser *p, struct slice value, bool allow)
{
    p->names = false;
    if (value.n == 0 || !(p->in_own || p->in_any)) {
        return 0; // "Disallow:" alone forbids nothing
    }
    struct rule r = {.at = (uint32_t)p->patterns->len, .allow = allow};
    if (value.p[value.n - 1] == '$') {
        r.anchored = true;
        value.n--;
    }
    if (value.n == 0 || value.p[0] != '/') {
        buf_append_char(p->patterns, '/');
    }
    append_normal(p->patterns, value, true);
    if (p->patterns->failed) {
        return -1;
    }
    r.len = (uint32_t)p->patterns->len - r.at;
    r.weight = r.len + r.anchored;
    if (p->in_own && add_rule(&p->own, &r) < 0) {
        return -1;
    }
    return p->in_any ? add_rule(&p->any, &r) : 0;
}

static int on_line(struct parser *p, struct slice line)
{
    struct slice key, value;
    if (!split(line, &key, &value)) {
        return 0;
    }
    if (is_word(key, "user-agent")) {
        on_user_agent(p, value);
        return 0;
    }
    if (is_word(key, "allow") || is_word(key, "disallow")) {
        return on_rule(p, value, is_word(key, "allow"));
    }
    return 0;
}

static int by_precedence(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;
    if (x->weight != y->weight) {
        return x->weight < y->weight ? 1 : -1;
    }
    return (int)y->allow - (int)x->allow;
}

// A file that is too long is cut behind its last whole line: half a rule would forbid too much.
static struct slice content(const char *text, size_t n)
{
    struct slice s = {text, n};
    if (n > ROBOTS_MAX_BYTES) {
        s.n = ROBOTS_MAX_BYTES;
        while (s.n > 0 && !is_end_of_line(s.p[s.n - 1])) {
            s.n--;
        }
    }
    if (s.n >= 3 && memcmp(s.p, UTF8_BOM, 3) == 0) {
        s.p += 3;
        s.n -= 3;
    }
    return s;
}

int robots_parse(const char *text, size_t n, const char *token, struct robots **ret)
{
    struct robots *r = calloc(1, sizeof(*r));
    if (!r) {
        return -1;
    }
    buf_init(&r->patterns, MAX_PATTERNS);
    struct parser p = {.token = token, .patterns = &r->patterns};
    struct slice rest = content(text, n);
    int rc = 0;
    while (rest.n > 0 && rc == 0) {
        rc = on_line(&p, next_line(&rest));
    }
    r->rules = p.own.seen ? p.own : p.any;
    free(p.own.seen ? p.any.v : p.own.v);
    if (rc < 0) {
        robots_free(&r);
        return -1;
    }
    if (r->rules.n > 1) {
        qsort(r->rules.v, r->rules.n, sizeof(*r->rules.v), by_precedence);
    }
    *ret = r;
    return 0;
}

void robots_free(struct robots **r)
{
    if (*r) {
        buf_done(&(*r)->patterns);
        free((*r)->rules.v);
        free(*r);
        *r = NULL;
    }
}

size_t robots_size(const struct robots *r)
{
    return sizeof(*r) + r->patterns.cap + r->rules.cap * sizeof(*r->rules.v);
}

void robots_product_token(const char *user_agent, char ret[ROBOTS_TOKEN_MAX + 1])
{
    size_t n = 0;
    while (n < ROBOTS_TOKEN_MAX && is_token_char((unsigned char)user_agent[n])) {
        ret[n] = user_agent[n];
        n++;
    }
    ret[n] = '\0';
}

// ---- matching

static bool starts_with(struct slice s, struct slice prefix)
{
    return prefix.n <= s.n && memcmp(s.p, prefix.p, prefix.n) == 0;
}

static bool ends_with(struct slice s, struct slice suffix)
{
    return suffix.n <= s.n && memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

// Cuts the pattern's next literal off, up to a "*" or its end; *ret_last: no "*" follows.
static struct slice next_literal(struct slice *pattern, bool *ret_last)
{
    struct slice literal = *pattern;
    const char *star = pattern->n > 0 ? memchr(pattern->p, '*', pattern->n) : NULL;
    *ret_last = !star;
    if (star) {
        literal.n = (size_t)(star - pattern->p);
        pattern->p += literal.n + 1;
        pattern->n -= literal.n + 1;
    }
    return literal;
}

// Between wildcards the first place a literal is found at is as good as any, so this takes time in
// proportion to path and pattern, whatever they are. What is searched of the path is counted.
static bool matches(struct slice pattern, bool anchored, struct slice path, size_t *searched)
{
    bool last;
    struct slice literal = next_literal(&pattern, &last);
    if (!starts_with(path, literal)) {
        return false;
    }
    path.p += literal.n;
    path.n -= literal.n;
    if (last) {
        return !anchored || path.n == 0;
    }
    for (;;) {
        literal = next_literal(&pattern, &last);
        if (last && anchored) {
            return ends_with(path, literal);
        }
        if (literal.n > 0) {
            const char *found = memmem(path.p, path.n, literal.p, literal.n);
            size_t used = found ? (size_t)(found - path.p) + literal.n : path.n;
            *searched += used;
            if (!found) {
                return false;
            }
            path.n -= used;
            path.p += used;
        }
        if (last) {
            return true;
        }
    }
}

bool robots_allows(const struct robots *r, const char *target)
{
    if (r->rules.n == 0 || strcmp(target, ROBOTS_PATH) == 0) {
        return true;
    }
    char space[MAX_TARGET + 1]; // a verdict must not depend on memory
    struct buf path = BUF_OVER(space);
    append_normal(&path, (struct slice){target, strlen(target)}, false);
    bool decided = path.failed, allowed = false;
    size_t searched = 0;
    for (size_t i = 0; i < r->rules.n && !decided && searched <= MAX_SEARCHED; i++) {
        const struct rule *rule = &r->rules.v[i];
        struct slice pattern = {r->patterns.data + rule->at, rule->len};
        struct slice whole = {path.data, path.len};
        decided = matches(pattern, rule->anchored, whole, &searched);
        allowed = decided && rule->allow;
    }
    return decided ? allowed : searched <= MAX_SEARCHED;
}
