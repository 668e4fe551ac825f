// SPDX-License-Identifier: MIT
// The response head parser (RFC 9112 §4 to §6, with bare LF tolerated as §2.2 allows). Pure.
#include "daemon/fetch/response_head.h"

#include <string.h>
#include <strings.h>

// A byte may need six in JSON ("\u0000"); the brackets, quotes and commas of a field come on top.
#define FIELDS_JSON_MAX(bytes) ((bytes)*6 + RESPONSE_MAX_FIELDS * 8 + 16)

// Larger buffers are not kept from one response to the next.
#define KEEP_MAX ((size_t)8192)

struct view {
    const char *p;
    size_t n;
};

static int refuse(struct response_head *h, enum task_error error, const char *why)
{
    h->error = error;
    h->why = why;
    return -1;
}

static int refuse_protocol(struct response_head *h, const char *why)
{
    return refuse(h, TASK_HTTP_PROTOCOL, why);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static struct view trim(struct view v)
{
    while (v.n > 0 && is_space(v.p[0])) {
        v.p++;
        v.n--;
    }
    while (v.n > 0 && is_space(v.p[v.n - 1])) {
        v.n--;
    }
    return v;
}

static struct view without_line_end(const char *p, size_t n)
{
    if (n > 0 && p[n - 1] == '\n') {
        n--;
        n -= n > 0 && p[n - 1] == '\r';
    }
    return (struct view){p, n};
}

static bool name_is(struct view name, const char *text)
{
    return name.n == strlen(text) && strncasecmp(name.p, text, name.n) == 0;
}

static int start_response(struct response_head *h, struct view line)
{
    static const char *const versions[] = {"1.0", "1.1", "2"};
    const char *version = NULL;
    size_t at = strlen("HTTP/");
    size_t n_versions = h->http2 ? 3 : 2;
    for (size_t i = 0; i < n_versions; i++) {
        size_t n = strlen(versions[i]);
        if (line.n > at + n && strncmp(line.p, "HTTP/", at) == 0 &&
            memcmp(line.p + at, versions[i], n) == 0 && line.p[at + n] == ' ') {
            version = versions[i];
        }
    }
    if (!version) {
        return refuse_protocol(
            h, "The answer does not begin with a status line of HTTP/1.0, 1.1 or 2");
    }
    const char *code = line.p + at + strlen(version) + 1;
    size_t left = line.n - at - strlen(version) - 1;
    if (left < 3 || !is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2]) ||
        (left > 3 && code[3] != ' ') || code[0] == '0') {
        return refuse_protocol(h, "The status code is not a number from 100 to 999");
    }
    if (version[0] == '2' && left > 4) { // libcurl writes this line itself, and gives no reason
        return refuse_protocol(h, "The answer says HTTP/2 in the words of HTTP/1.1");
    }
    h->status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    if (h->status == 101) {
        return refuse_protocol(h, "The server switched to a protocol that was not asked for");
    }
    memcpy(h->version, version, strlen(version) + 1);
    h->length = RESPONSE_LENGTH_NONE;
    h->chunked = false;
    h->two_locations = false;
    h->state = RESPONSE_FIELDS;
    buf_reset(&h->fields);
    buf_reset(&h->pending);
    buf_reset(&h->content_encoding);
    buf_reset(&h->content_type);
    buf_reset(&h->location);
    buf_reset(&h->retry_after);
    h->writer = (struct json_writer)JSON_WRITER(&h->fields);
    jw_array(&h->writer);
    return 0;
}

// One decimal number. Leading zeros do not count towards its size.
static int parse_length(struct view v, enum response_length *ret, uint64_t *ret_value)
{
    uint64_t value = 0;
    *ret = RESPONSE_LENGTH_KNOWN;
    if (v.n == 0) {
        return -1;
    }
    for (size_t i = 0; i < v.n; i++) {
        if (!is_digit(v.p[i])) {
            return -1;
        }
        uint64_t digit = (uint64_t)(v.p[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            *ret = RESPONSE_LENGTH_HUGE;
        }
        value = value * 10 + digit;
    }
    *ret_value = *ret == RESPONSE_LENGTH_HUGE ? UINT64_MAX : value;
    return 0;
}

// RFC 9110 §8.6: the same number repeated, in one field or in several, is one number; anything else
// is an attack or a mistake.
static int take_content_length(struct response_head *h, struct view value)
{
    for (;;) {
        const char *comma = value.n > 0 ? memchr(value.p, ',', value.n) : NULL;
        struct view one = {value.p, comma ? (size_t)(comma - value.p) : value.n};
        enum response_length length;
        uint64_t number = 0;
        if (parse_length(trim(one), &length, &number) < 0) {
            return refuse_protocol(h, "Content-Length is not a number");
        }
        if (h->length != RESPONSE_LENGTH_NONE &&
            (h->length != length || h->content_length != number)) {
            return refuse_protocol(h, "Two Content-Length fields differ");
        }
        h->length = length;
        h->content_length = number;
        if (!comma) {
            return 0;
        }
        value = (struct view){comma + 1, value.n - one.n - 1};
    }
}

static int take_transfer_encoding(struct response_head *h, struct view value)
{
    // No other transfer coding was offered (no TE field is sent), so none may be used (RFC 9112
    // §6.1).
    if (!name_is(value, "chunked") || h->chunked) {
        return refuse_protocol(h, "Transfer-Encoding is not \"chunked\"");
    }
    h->chunked = true;
    return 0;
}

static void take_first(struct buf *out, struct view value)
{
    if (out->len == 0) {
        buf_append(out, value.p, value.n);
    }
}

// Fields that matter to the exchange itself.
static int interpret(struct response_head *h, struct view name, struct view value)
{
    if (name_is(name, "content-length")) {
        return take_content_length(h, value);
    }
    if (name_is(name, "transfer-encoding")) {
        return take_transfer_encoding(h, value);
    }
    if (name_is(name, "content-encoding")) {
        buf_append(&h->content_encoding, value.p, value.n);
        buf_append_char(&h->content_encoding, ',');
    } else if (name_is(name, "content-type")) {
        take_first(&h->content_type, value);
    } else if (name_is(name, "location")) {
        take_first(&h->location, value);
        bool same = h->location.len == value.n && memcmp(h->location.data, value.p, value.n) == 0;
        h->two_locations = h->two_locations || (h->location.len > 0 && !same);
    } else if (name_is(name, "retry-after")) {
        take_first(&h->retry_after, value);
    }
    return 0;
}

// The pending line is complete now that the next has begun.
static int end_field(struct response_head *h)
{
    struct view line = {h->pending.data, h->pending.len};
    if (line.n == 0) {
        return 0;
    }
    const char *colon = memchr(line.p, ':', line.n);
    if (!colon) {
        return refuse_protocol(h, "A header line has no colon");
    }
    struct view raw_name = {line.p, (size_t)(colon - line.p)};
    struct view name = trim(raw_name);
    struct view value = trim((struct view){colon + 1, line.n - raw_name.n - 1});
    if ((name.n != raw_name.n || h->folded) &&
        (name_is(name, "content-length") || name_is(name, "transfer-encoding"))) {
        return refuse_protocol(h, "A framing header is folded or has white space before its colon");
    }
    int r = 0;
    if (name.n > 0 && h->state == RESPONSE_FIELDS) { // a nameless field says nothing; it is dropped
        r = interpret(h, name, value);
        jw_array(&h->writer);
        jw_strn(&h->writer, name.p, name.n);
        jw_strn(&h->writer, value.p, value.n);
        jw_array_end(&h->writer);
    }
    buf_reset(&h->pending);
    return r;
}

static int add_line(struct response_head *h, struct view line)
{
    bool folded = is_space(line.p[0]);
    if (folded && h->pending.len == 0) {
        return refuse_protocol(h, "The first header line begins with white space");
    }
    // Folded lines count, too: libcurl copies all there is of a field for each of them.
    if (++h->n_fields > RESPONSE_MAX_FIELDS) {
        return refuse(h, TASK_HEADER_TOO_LARGE, "The answer has more than 1000 header fields");
    }
    if (folded) { // RFC 9112 §5.2: the fold becomes one space
        line = trim(line);
        buf_append_char(&h->pending, ' ');
    } else if (end_field(h) < 0) {
        return -1;
    }
    h->folded = folded;
    buf_append(&h->pending, line.p, line.n);
    for (size_t i = h->pending.len - line.n; !h->pending.failed && i < h->pending.len; i++) {
        if (h->pending.data[i] == '\r') {
            h->pending.data[i] = ' '; // RFC 9112 §2.2: a bare CR may become a space
        }
    }
    return 0;
}

static int end_head(struct response_head *h)
{
    if (end_field(h) < 0) {
        return -1;
    }
    if (h->state == RESPONSE_COMPLETE) {
        return 0; // the end of trailers
    }
    if (h->status < 200) {
        h->n_interim++;
        h->state = RESPONSE_STATUS;
        return 0;
    }
    jw_array_end(&h->writer);
    h->state = RESPONSE_COMPLETE;
    return 0;
}

void response_head_init(struct response_head *h)
{
    *h = (struct response_head){.fields = BUF_INIT(0),
                                .pending = BUF_INIT(0),
                                .content_encoding = BUF_INIT(0),
                                .content_type = BUF_INIT(0),
                                .location = BUF_INIT(0),
                                .retry_after = BUF_INIT(0)};
}

void response_head_done(struct response_head *h)
{
    buf_done(&h->fields);
    buf_done(&h->pending);
    buf_done(&h->content_encoding);
    buf_done(&h->content_type);
    buf_done(&h->location);
    buf_done(&h->retry_after);
}

void response_head_begin(struct response_head *h, size_t max_bytes, bool http2)
{
    h->http2 = http2;
    h->state = RESPONSE_STATUS;
    h->error = TASK_OK;
    h->why = NULL;
    h->max_bytes = max_bytes;
    h->bytes = 0;
    h->n_fields = 0;
    h->n_interim = 0;
    h->status = 0;
    h->version[0] = '\0';
    h->length = RESPONSE_LENGTH_NONE;
    h->chunked = false;
    h->two_locations = false;
    h->fields.max = FIELDS_JSON_MAX(max_bytes);
    struct buf *all[] = {&h->fields,       &h->pending,  &h->content_encoding,
                         &h->content_type, &h->location, &h->retry_after};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i]->cap > KEEP_MAX) {
            buf_done(all[i]);
        }
        buf_reset(all[i]);
        all[i]->max =
            i == 0 ? all[i]->max : max_bytes * 2; // a comma a field on top of what was received
    }
}

int response_head_line(struct response_head *h, const char *p, size_t n)
{
    h->bytes += n;
    if (h->bytes > h->max_bytes) {
        return refuse(h, TASK_HEADER_TOO_LARGE, "The answer's headers exceed the limit");
    }
    struct view line = without_line_end(p, n);
    if (memchr(line.p, '\0', line.n)) {
        return refuse_protocol(h, "A header line contains a NUL");
    }
    int r;
    if (h->state == RESPONSE_STATUS) {
        r = start_response(h, line);
    } else if (line.n == 0) {
        r = end_head(h);
    } else {
        r = add_line(h, line);
    }
    if (r == 0 && (h->fields.failed || h->pending.failed || h->content_encoding.failed ||
                   h->content_type.failed || h->location.failed || h->retry_after.failed)) {
        return refuse(h, TASK_INTERNAL, "No memory for the answer's headers");
    }
    return r;
}

bool response_head_redirects(const struct response_head *h)
{
    int s = h->status;
    bool moved = s == 301 || s == 302 || s == 303 || s == 307 || s == 308;
    return moved && h->location.len > 0;
}
