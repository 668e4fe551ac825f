// SPDX-License-Identifier: MIT
// Log lines on standard error, for the journal or for a person. Owns the only mutable globals of
// the programs: the level and the form of a line. Callable from any thread; never allocates.
#include "common/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

#define TEXT_MAX       2048
#define LINE_MAX_BYTES (64 + TEXT_MAX * 4 + 1) // prefix, every byte escaped, newline

static _Atomic int current_level = LOG_LEVEL_INFO;
static _Atomic bool to_journal;

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"error", LOG_LEVEL_ERROR},
    {"warn", LOG_LEVEL_WARN},
    {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG},
};

static const char *level_name(enum log_level level)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (levels[i].level == level) {
            return levels[i].name;
        }
    }
    return "?";
}

// JOURNAL_STREAM names device and inode of the journal's socket; a child with redirected standard
// error inherits the variable too, so the numbers are compared.
static bool stderr_is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    if (!text) {
        return false;
    }
    char *end = NULL;
    unsigned long long device = strtoull(text, &end, 10);
    if (*end != ':') {
        return false;
    }
    unsigned long long inode = strtoull(end + 1, &end, 10);
    struct stat st;
    return *end == '\0' && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
           st.st_ino == inode;
}

void log_init(enum log_level level)
{
    atomic_store(&to_journal, stderr_is_journal());
    log_set_level(level);
}

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, (int)level);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

const char *log_quote(const char *text, char buffer[LOG_VALUE_SIZE])
{
    static const char cut[] = "...\"";
    size_t used = 0;
    buffer[used++] = '"';
    for (const char *p = text; *p; p++) {
        if (used + 2 + sizeof(cut) > LOG_VALUE_SIZE) {
            memcpy(buffer + used, cut, sizeof(cut));
            return buffer;
        }
        if (*p == '"' || *p == '\\') {
            buffer[used++] = '\\';
        }
        buffer[used++] = *p;
    }
    buffer[used++] = '"';
    buffer[used] = '\0';
    return buffer;
}

static size_t append_escaped(char *line, size_t used, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c < 0x7f) {
            line[used++] = *p;
            continue;
        }
        line[used++] = '\\';
        line[used++] = 'x';
        line[used++] = hex[c >> 4];
        line[used++] = hex[c & 15];
    }
    return used;
}

static size_t write_prefix(char *line, size_t size, enum log_level level)
{
    int n;
    if (atomic_load_explicit(&to_journal, memory_order_relaxed)) {
        n = snprintf(line, size, "<%d>", (int)level);
    } else {
        char at[CLOCK_TEXT_SIZE];
        clock_format(clock_wall_at(), at);
        n = snprintf(line, size, "%s %-5s ", at, level_name(level));
    }
    return n > 0 ? (size_t)n : 0;
}

void log_line(enum log_level level, const char *format, ...)
{
    if (!log_enabled(level)) {
        return;
    }
    char text[TEXT_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (n < 0) {
        return;
    }
    if ((size_t)n >= sizeof(text)) {
        memcpy(text + sizeof(text) - 4, "...", 4);
    }
    char line[LINE_MAX_BYTES];
    size_t used = append_escaped(line, write_prefix(line, 64, level), text);
    line[used++] = '\n';
    // A log that cannot be written has nowhere to be reported.
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written;
}
