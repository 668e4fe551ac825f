// SPDX-License-Identifier: MIT
// Log lines on standard error, for the journal or for a person. Owns the only mutable globals of
// the programs: the level and the form of a line, and how many are lost. Callable from any thread;
// never allocates, and never waits for whoever reads: a line that finds no room is lost and
// counted.
#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

#define TEXT_MAX       2048
#define LINE_MAX_BYTES PIPE_BUF // with its newline; a pipe takes as much in one piece, or not now

static _Atomic int current_level = LOG_LEVEL_INFO;
static _Atomic bool to_journal;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; // between the look for room and its use
static unsigned long long n_lost;                           // lines since the last one written

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

// Appends as much of `text` as fits, and the newline. What does not fit shows as "...".
static size_t append_escaped(char line[LINE_MAX_BYTES], size_t used, const char *text)
{
    static const char hex[] = "0123456789abcdef", cut[] = "...\n";
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (used + 4 + sizeof(cut) > LINE_MAX_BYTES) {
            memcpy(line + used, cut, sizeof(cut) - 1);
            return used + sizeof(cut) - 1;
        }
        if (c >= 0x20 && c < 0x7f) {
            line[used++] = *p;
            continue;
        }
        line[used++] = '\\';
        line[used++] = 'x';
        line[used++] = hex[c >> 4];
        line[used++] = hex[c & 15];
    }
    line[used++] = '\n';
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

// Whether the line is on its way. A socket is told not to wait; a pipe that can be written takes a
// line in one piece. A log that cannot be written has nowhere to be reported, and nothing is lost
// that a retry could save.
static bool write_now(const char *line, size_t n)
{
    ssize_t sent = send(STDERR_FILENO, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno == ENOTSOCK) {
        struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (poll(&p, 1, 0) == 0) {
            return false;
        }
        sent = write(STDERR_FILENO, line, n);
    }
    return sent >= 0 || errno != EAGAIN;
}

static bool tell_lost(void)
{
    char line[LINE_MAX_BYTES], text[96];
    snprintf(text, sizeof(text), "lines of the log are lost: nobody read them lines=%llu", n_lost);
    size_t used = append_escaped(line, write_prefix(line, 64, LOG_LEVEL_WARN), text);
    return write_now(line, used);
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
    pthread_mutex_lock(&writing);
    if (n_lost > 0 && tell_lost()) {
        n_lost = 0;
    }
    n_lost += n_lost > 0 || !write_now(line, used);
    pthread_mutex_unlock(&writing);
}
