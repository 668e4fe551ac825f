// SPDX-License-Identifier: MIT
// Owns standard output and standard error of the client. The only file that writes escape
// sequences; must never pass on one that came from a server.
#include "client/output.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client/format.h"

#define FIELD_WIDTH  16
#define LINE_MAX_LEN ((size_t)64 << 20)

static const char *const tints[] = {
    [TINT_NONE] = "",         [TINT_GOOD] = "\x1b[32m", [TINT_BAD] = "\x1b[31m",
    [TINT_BUSY] = "\x1b[36m", [TINT_FAINT] = "\x1b[2m", [TINT_STRONG] = "\x1b[1m",
};

void output_init(struct output *o, bool json, bool quiet, bool no_color)
{
    setlocale(LC_CTYPE, "");
    const char *off = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    *o = (struct output){.json = json, .quiet = quiet, .width = 80};
    o->terminal = isatty(STDOUT_FILENO) == 1;
    o->message_terminal = isatty(STDERR_FILENO) == 1 && !dumb;
    o->redraws = o->terminal && !dumb;
    o->color = o->terminal && !no_color && !(off && *off) && !dumb;
    o->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    output_measure(o);
}

void output_measure(struct output *o)
{
    struct winsize size = {0};
    bool known = (o->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) ||
                 (o->message_terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0);
    if (known && size.ws_col >= 20) {
        o->width = size.ws_col;
    }
}

void output_progress(struct output *o, const char *line)
{
    if (!o->message_terminal || o->quiet || (!line && !o->progress_shown)) {
        return;
    }
    fprintf(stderr, "\r\x1b[K%s", line ? line : "");
    fflush(stderr);
    o->progress_shown = line != NULL;
}

// Writes `text` to `to`, safe for a terminal.
static void put_safe(const struct output *o, FILE *to, const char *text)
{
    struct buf safe = BUF_INIT(LINE_MAX_LEN);
    text_safe(&safe, text, o->utf8);
    if (safe.len > 0) {
        fwrite(safe.data, 1, safe.len, to);
    }
    buf_done(&safe);
}

// Writes `text`, safe, broken at spaces to the terminal's width; `column` columns of the first line
// are used already.
static void put_wrapped(const struct output *o, FILE *to, const char *text, int column, int indent)
{
    bool first = true;
    while (*text) {
        size_t n = strcspn(text, " ");
        char *word = strndup(text, n);
        struct buf safe = BUF_INIT(LINE_MAX_LEN);
        text_safe(&safe, word ? word : "", o->utf8);
        int width = safe.data ? (int)text_width(safe.data) : 0;
        if (!first && column + 1 + width >= o->width) {
            fprintf(to, "\n%*s", indent, "");
            column = indent + width;
        } else {
            fputs(first ? "" : " ", to);
            column += width + (first ? 0 : 1);
        }
        fputs(safe.data ? safe.data : "", to);
        first = false;
        buf_done(&safe);
        free(word);
        text += n + strspn(text + n, " ");
    }
}

void output_paragraph_behind(const struct output *o, int column, int indent, const char *text)
{
    put_wrapped(o, stdout, text, column, indent);
    putchar('\n');
}

void output_paragraph(const struct output *o, int indent, const char *text)
{
    printf("%*s", indent, "");
    output_paragraph_behind(o, indent, indent, text);
}

static void message(struct output *o, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void message(struct output *o, const char *format, va_list args)
{
    struct buf text = BUF_INIT(LINE_MAX_LEN);
    bool shown = o->progress_shown;
    if (shown) {
        output_progress(o, NULL);
    }
    buf_vprintf(&text, format, args);
    o->messages++;
    fputs("gather: ", stderr);
    if (o->message_terminal) {
        put_wrapped(o, stderr, text.data ? text.data : "", 8, 2);
    } else {
        put_safe(o, stderr, text.data ? text.data : "");
    }
    fputc('\n', stderr);
    buf_done(&text);
}

void output_note(struct output *o, const char *format, ...)
{
    if (o->quiet) {
        return;
    }
    va_list args;
    va_start(args, format);
    message(o, format, args);
    va_end(args);
}

void output_error(struct output *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    message(o, format, args);
    va_end(args);
}

void output_message_part(struct output *o, const char *text)
{
    fputs("  ", stderr);
    put_safe(o, stderr, text);
    fputc('\n', stderr);
}

void output_text(const struct output *o, enum tint tint, const char *text)
{
    bool color = o->color && tint != TINT_NONE;
    if (color) {
        fputs(tints[tint], stdout);
    }
    put_safe(o, stdout, text);
    if (color) {
        fputs("\x1b[0m", stdout);
    }
}

void output_raw(const void *p, size_t n)
{
    fwrite(p, 1, n, stdout);
}

void output_line(const struct output *o, const char *text)
{
    if (o->terminal) {
        put_safe(o, stdout, text);
    } else {
        fputs(text, stdout);
    }
    putchar('\n');
}

// Reals with as many digits as any decimal has that a double keeps: 0.1 is not 0.10000000000000001.
#define JSON_FLAGS (JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

void output_json(const struct output *o, const json_t *value)
{
    // On a terminal non-ASCII and control characters stay escaped as \u, so that nothing steers it.
    size_t flags = JSON_FLAGS | (o->terminal ? JSON_INDENT(2) | JSON_ENSURE_ASCII : JSON_COMPACT);
    json_dumpf(value, stdout, flags);
    putchar('\n');
}

void output_ndjson(const json_t *value)
{
    bool terminal = isatty(STDOUT_FILENO) == 1;
    size_t flags = JSON_FLAGS | JSON_COMPACT | (size_t)(terminal ? JSON_ENSURE_ASCII : 0);
    json_dumpf(value, stdout, flags);
    putchar('\n');
}

static void output_cut(const struct output *o, enum tint tint, const char *text, int width)
{
    struct buf safe = BUF_INIT(LINE_MAX_LEN), cut = BUF_INIT(LINE_MAX_LEN);
    text_safe(&safe, text, o->utf8);
    text_cut(&cut, safe.data ? safe.data : "", (size_t)width, o->utf8);
    output_text(o, tint, cut.data ? cut.data : "");
    buf_done(&cut);
    buf_done(&safe);
}

void output_field_tinted(const struct output *o, const char *name, enum tint tint,
                         const char *value)
{
    if (o->terminal) {
        int pad = FIELD_WIDTH - (int)text_width(name);
        output_text(o, TINT_FAINT, name);
        printf("%*s", pad > 1 ? pad : 1, "");
        if (o->one_line) {
            output_cut(o, tint, value, o->width > FIELD_WIDTH ? o->width - FIELD_WIDTH : 1);
        } else {
            output_text(o, tint, value);
        }
        putchar('\n');
        return;
    }
    struct buf line = BUF_INIT(LINE_MAX_LEN);
    text_tsv(&line, value);
    printf("%s\t%s\n", name, line.data ? line.data : "");
    buf_done(&line);
}

void output_field(const struct output *o, const char *name, const char *value)
{
    output_field_tinted(o, name, TINT_NONE, value);
}

enum tint tint_of_state(const char *state)
{
    static const struct {
        const char *state;
        enum tint tint;
    } table[] = {
        {"succeeded", TINT_GOOD}, {"finished", TINT_GOOD}, {"failed", TINT_BAD},
        {"expired", TINT_BAD},    {"running", TINT_BUSY},  {"cancelled", TINT_FAINT},
        {"paused", TINT_FAINT},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(state, table[i].state) == 0) {
            return table[i].tint;
        }
    }
    return TINT_NONE;
}

int output_flush(struct err *e)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return 0;
    }
    if (errno == 0) {
        // stdio failed earlier and has forgotten why.
        return err_set(e, ERR_SYSTEM, "cannot write all of standard output; is the disk full?");
    }
    return err_set_errno(e, errno, "cannot write to standard output");
}

int output_check(bool *ret_closed, struct err *e)
{
    int rc = output_flush(e);
    struct pollfd reader = {.fd = STDOUT_FILENO};
    *ret_closed = rc != 0 && poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR);
    return rc;
}
