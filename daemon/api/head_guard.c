// SPDX-License-Identifier: MIT
// The bytes of a head: lines, the request line, the target. Pure. Never repairs: what two readers
// could understand differently (bare LF, folded lines, stray white space) is refused.
#include "daemon/api/head_guard.h"

#include <string.h>
#include <strings.h>

// Of the request line: method and version beside the target.
#define REQUEST_LINE_MAX (HEAD_TARGET_MAX + 64)

enum char_class {
    IN_REQUEST_LINE = 1, // visible ASCII, space
    IN_FIELD_LINE = 2,   // visible ASCII, space, tab, obs-text
    IN_TOKEN = 4,        // RFC 9110 §5.6.2
    IN_TARGET = 8,       // what RFC 3986 allows in a path or query, "%" and "?" included
    IN_HEX = 16,
};

// Marks by what they may stand in, to keep the table below readable.
#define VISIBLE (IN_REQUEST_LINE | IN_FIELD_LINE)
#define TOKEN   (VISIBLE | IN_TOKEN)
#define TARGET  (VISIBLE | IN_TARGET)
#define BOTH    (VISIBLE | IN_TOKEN | IN_TARGET)
#define HEX     (BOTH | IN_HEX)

static const uint8_t classes[256] = {
    ['\t'] = IN_FIELD_LINE, [' '] = VISIBLE,
    ['!'] = BOTH,           ['"'] = VISIBLE,
    ['#'] = TOKEN,          ['$' ... '\''] = BOTH,
    ['(' ... ')'] = TARGET, ['*' ... '+'] = BOTH,
    [','] = TARGET,         ['-' ... '.'] = BOTH,
    ['/'] = TARGET,         ['0' ... '9'] = HEX,
    [':' ... ';'] = TARGET, ['<'] = VISIBLE,
    ['='] = TARGET,         ['>'] = VISIBLE,
    ['?' ... '@'] = TARGET, ['A' ... 'F'] = HEX,
    ['G' ... 'Z'] = BOTH,   ['[' ... ']'] = VISIBLE,
    ['^'] = TOKEN,          ['_'] = BOTH,
    ['`'] = TOKEN,          ['a' ... 'f'] = HEX,
    ['g' ... 'z'] = BOTH,   ['{'] = VISIBLE,
    ['|'] = TOKEN,          ['}'] = VISIBLE,
    ['~'] = BOTH,           [0x80 ... 0xff] = IN_FIELD_LINE,
};

static bool is_in(char c, enum char_class class)
{
    return (classes[(unsigned char)c] & class) != 0;
}

bool head_is_token(char c)
{
    return is_in(c, IN_TOKEN);
}

enum head_verdict head_guard_bad(struct head *h, enum err_code error, const char *detail)
{
    h->error = error;
    h->detail = detail;
    return HEAD_BAD;
}

void head_reset(struct head *h)
{
    memset(h, 0, offsetof(struct head, fields));
}

static enum head_verdict bad_request(struct head *h, const char *detail)
{
    return head_guard_bad(h, ERR_BAD_REQUEST, detail);
}

static bool read_method(struct head *h, const char *p, size_t n)
{
    static const enum http_method all[] = {HTTP_GET,   HTTP_HEAD,   HTTP_POST,   HTTP_PUT,
                                           HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        const char *name = http_method_name(all[i]);
        if (strlen(name) == n && memcmp(name, p, n) == 0) {
            h->method = all[i];
            return true;
        }
    }
    return false;
}

// "HTTP/" DIGIT "." DIGIT; 1.2 and later count as 1.1 (RFC 9110 §2.5).
static enum head_verdict read_version(struct head *h, const char *p, size_t n)
{
    if (n != 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' ||
        p[7] < '0' || p[7] > '9') {
        return bad_request(h, "the request line does not end with HTTP/1.1");
    }
    if (p[5] != '1') {
        return head_guard_bad(h, ERR_VERSION_NOT_SUPPORTED, "this server speaks HTTP/1.1 and 1.0");
    }
    h->minor = p[7] == '0' ? 0 : 1;
    return HEAD_DONE;
}

static enum head_verdict check_target_bytes(struct head *h, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_in(p[i], IN_TARGET)) {
            return bad_request(h,
                               "the request target holds a character that must be percent-encoded");
        }
        if (p[i] != '%') {
            continue;
        }
        if (i + 2 >= n || !is_in(p[i + 1], IN_HEX) || !is_in(p[i + 2], IN_HEX)) {
            return bad_request(h, "the request target holds a % that two hex digits do not follow");
        }
        if (p[i + 1] == '0' && p[i + 2] == '0') {
            return bad_request(h, "the request target holds %00");
        }
    }
    return HEAD_DONE;
}

// Moves *at past "http://authority"; the authority is checked for form only, since Host says what
// is meant here.
static enum head_verdict skip_authority(struct head *h, const char *p, size_t end, size_t *at)
{
    size_t n = end - *at;
    if (n > 7 && strncasecmp(p + *at, "http://", 7) == 0) {
        *at += 7;
    } else if (n > 8 && strncasecmp(p + *at, "https://", 8) == 0) {
        *at += 8;
    } else {
        return bad_request(h, "the request target does not begin with /");
    }
    size_t start = *at;
    while (*at < end && p[*at] != '/' && p[*at] != '?') {
        char c = p[(*at)++];
        bool bracket = c == '[' || c == ']';
        if (c == '@' || c == '%' || (!bracket && !is_in(c, IN_TARGET))) {
            return bad_request(h, "the request target names no valid host");
        }
    }
    return *at > start ? HEAD_DONE : bad_request(h, "the request target names no host");
}

static enum head_verdict read_target(struct head *h, const char *p, size_t at, size_t end)
{
    if (end - at > HEAD_TARGET_MAX) {
        return head_guard_bad(h, ERR_URI_TOO_LONG, "the request target is longer than 8192 bytes");
    }
    if (end - at == 1 && p[at] == '*' && h->method == HTTP_OPTIONS) {
        h->path = (struct head_span){(uint32_t)at, 1};
        return HEAD_DONE;
    }
    if (p[at] != '/' && skip_authority(h, p, end, &at) == HEAD_BAD) {
        return HEAD_BAD;
    }
    if (check_target_bytes(h, p + at, end - at) == HEAD_BAD) {
        return HEAD_BAD;
    }
    const char *mark = memchr(p + at, '?', end - at);
    size_t path_end = mark ? (size_t)(mark - p) : end;
    h->path = (struct head_span){(uint32_t)at, (uint32_t)(path_end - at)};
    h->has_query = mark != NULL;
    if (mark) {
        h->query = (struct head_span){(uint32_t)(path_end + 1), (uint32_t)(end - path_end - 1)};
    }
    return HEAD_DONE;
}

// method SP target SP version, each separated by exactly one space.
static enum head_verdict read_request_line(struct head *h, const char *p, size_t at, size_t end)
{
    size_t method_end = at;
    while (method_end < end && head_is_token(p[method_end])) {
        method_end++;
    }
    if (method_end == at || method_end == end || p[method_end] != ' ') {
        return bad_request(h, "the first line is not a request line");
    }
    size_t target = method_end + 1;
    const char *space = memchr(p + target, ' ', end - target);
    size_t target_end = space ? (size_t)(space - p) : end;
    if (!space || target_end == target) {
        return bad_request(h, "the request line is not METHOD TARGET HTTP/1.1");
    }
    if (read_version(h, p + target_end + 1, end - target_end - 1) == HEAD_BAD) {
        return HEAD_BAD;
    }
    if (!read_method(h, p + at, method_end - at)) {
        return head_guard_bad(h, ERR_NOT_IMPLEMENTED, "this server does not know the method");
    }
    h->has_request = true;
    return read_target(h, p, target, target_end);
}

static enum head_verdict read_field_line(struct head *h, unsigned max, const char *p, size_t at,
                                         size_t end)
{
    size_t name_end = at;
    while (name_end < end && head_is_token(p[name_end])) {
        name_end++;
    }
    if (name_end == at) {
        bool folded = p[at] == ' ' || p[at] == '\t';
        return bad_request(h, folded ? "a header line is folded" : "a header line has no name");
    }
    if (name_end == end || p[name_end] != ':') {
        return bad_request(h, "a header line is not NAME: VALUE");
    }
    if (h->n_fields >= max) {
        return head_guard_bad(h, ERR_HEADERS_TOO_LARGE, "too many header lines");
    }
    size_t value = name_end + 1;
    while (value < end && (p[value] == ' ' || p[value] == '\t')) {
        value++;
    }
    while (end > value && (p[end - 1] == ' ' || p[end - 1] == '\t')) {
        end--;
    }
    struct head_field *field = &h->fields[h->n_fields++];
    field->name = (struct head_span){(uint32_t)at, (uint32_t)(name_end - at)};
    field->value = (struct head_span){(uint32_t)value, (uint32_t)(end - value)};
    return HEAD_DONE;
}

// A line p[h->line .. end) is complete (its CRLF follows). HEAD_MORE: the head goes on.
static enum head_verdict read_line(struct head *h, const struct head_limits *limits, const char *p,
                                   size_t end)
{
    size_t start = h->line;
    h->line = end + 2;
    if (!h->has_request) {
        if (start == end) {
            return ++h->blanks <= HEAD_BLANK_LINES
                       ? HEAD_MORE
                       : bad_request(h, "too many empty lines before the request");
        }
        return read_request_line(h, p, start, end) == HEAD_BAD ? HEAD_BAD : HEAD_MORE;
    }
    if (start == end) {
        h->length = end + 2;
        return head_guard_check_fields(h, limits, p);
    }
    return read_field_line(h, limits->max_fields, p, start, end) == HEAD_BAD ? HEAD_BAD : HEAD_MORE;
}

// Byte `i` of a line that goes on: sizes and forbidden bytes.
static enum head_verdict check_byte(struct head *h, const struct head_limits *limits, const char *p,
                                    size_t i)
{
    size_t in_line = i - h->line;
    if (!h->has_request && in_line >= REQUEST_LINE_MAX) {
        return head_guard_bad(h, ERR_URI_TOO_LONG, "the request line is too long");
    }
    if (i >= limits->max_head) {
        return head_guard_bad(h, ERR_HEADERS_TOO_LARGE, "the request head is too large");
    }
    if (h->has_request && in_line >= HEAD_LINE_MAX) {
        return head_guard_bad(h, ERR_HEADERS_TOO_LARGE, "a header line is longer than 8192 bytes");
    }
    bool after_cr = in_line > 0 && p[i - 1] == '\r';
    if (p[i] == '\n') {
        return after_cr ? HEAD_DONE : bad_request(h, "a line ends with LF alone instead of CRLF");
    }
    if (after_cr) {
        return bad_request(h, "CR stands without LF");
    }
    enum char_class allowed = h->has_request ? IN_FIELD_LINE : IN_REQUEST_LINE;
    if (p[i] != '\r' && !is_in(p[i], allowed)) {
        return bad_request(h, "the request head holds a byte that is not allowed there");
    }
    return HEAD_MORE;
}

enum head_verdict head_guard_parse(struct head *h, const struct head_limits *limits, const char *p,
                                   size_t n)
{
    while (h->scanned < n) {
        size_t i = h->scanned++;
        enum head_verdict verdict = check_byte(h, limits, p, i);
        if (verdict == HEAD_DONE) {
            verdict = read_line(h, limits, p, i - 1);
        }
        if (verdict != HEAD_MORE) {
            return verdict;
        }
    }
    return HEAD_MORE;
}

void head_terminate(const struct head *h, char *text)
{
    if (h->path.len > 0) {
        text[h->path.at + h->path.len] = '\0';
    }
    if (h->has_query) {
        text[h->query.at + h->query.len] = '\0';
    }
    for (unsigned i = 0; i < h->n_fields; i++) {
        text[h->fields[i].name.at + h->fields[i].name.len] = '\0';
        text[h->fields[i].value.at + h->fields[i].value.len] = '\0';
    }
}

static bool has_name(const struct head_field *f, const char *text, const char *name, size_t n)
{
    return f->name.len == n && strncasecmp(text + f->name.at, name, n) == 0;
}

const char *head_field(const struct head *h, const char *text, const char *name,
                       unsigned *ret_count)
{
    const char *first = NULL;
    size_t n = strlen(name);
    unsigned count = 0;
    for (unsigned i = 0; i < h->n_fields; i++) {
        if (has_name(&h->fields[i], text, name, n)) {
            first = first ? first : text + h->fields[i].value.at;
            count++;
        }
    }
    *ret_count = count;
    return first;
}

void head_field_list(const struct head *h, const char *text, const char *name, struct buf *out)
{
    size_t n = strlen(name);
    for (unsigned i = 0; i < h->n_fields; i++) {
        if (has_name(&h->fields[i], text, name, n)) {
            buf_append_str(out, out->len > 0 ? ", " : "");
            buf_append_str(out, text + h->fields[i].value.at);
        }
    }
}
