// SPDX-License-Identifier: MIT
// Status line and fields of an answer. Pure. Never writes a byte into a field that could end it: a
// value that came from elsewhere cannot split an answer.
#include "daemon/api/http_reply.h"

#include <string.h>
#include <time.h>

const char *http_reply_reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Status";
    }
}

bool http_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

const char *http_date_text(struct http_date *d, int64_t second)
{
    if (d->second != second || d->text[0] == '\0') {
        time_t t = (time_t)second;
        struct tm tm;
        gmtime_r(&t, &tm);
        // LC_TIME is never set, so the names are English.
        strftime(d->text, sizeof(d->text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        d->second = second;
    }
    return d->text;
}

static void add_number(struct buf *out, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_append(out, digits + at, sizeof(digits) - at);
}

static void add_value(struct buf *out, const char *value)
{
    size_t n = strlen(value), start = out->len;
    if (buf_append(out, value, n) != 0) {
        return;
    }
    for (size_t i = start; i < out->len; i++) {
        unsigned char c = (unsigned char)out->data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            out->data[i] = ' ';
        }
    }
}

static void add_field(struct buf *out, const char *name, const char *value)
{
    buf_append_str(out, name);
    buf_append(out, ": ", 2);
    add_value(out, value);
    buf_append(out, "\r\n", 2);
}

void http_reply_head(const struct http_reply *r, const char *date, struct buf *out)
{
    buf_append(out, "HTTP/1.1 ", 9);
    add_number(out, (uint64_t)r->status);
    buf_append_char(out, ' ');
    buf_append_str(out, http_reply_reason(r->status));
    buf_append(out, "\r\n", 2);
    add_field(out, "Date", date);
    if (r->content_type) {
        add_field(out, "Content-Type", r->content_type);
    }
    for (size_t i = 0; i < r->n_fields; i++) {
        add_field(out, r->fields[i].name, r->fields[i].value);
    }
    if (r->content_length >= 0) {
        buf_append(out, "Content-Length: ", 16);
        add_number(out, (uint64_t)r->content_length);
        buf_append(out, "\r\n", 2);
    }
    if (r->chunked) {
        buf_append(out, "Transfer-Encoding: chunked\r\n", 28);
    }
    if (r->connection) {
        add_field(out, "Connection", r->connection);
    }
    buf_append(out, "\r\n", 2);
}
