// SPDX-License-Identifier: MIT
// Log lines for the journal: "<6>message key=value ..." on standard error. The only mutable global
// state of the programs is here: the level, the destination's form, and the count of lost lines.
// Callable from any thread; one write(2) per line, so lines never mix. Nothing waits for a reader
// that stands still: lines that find no room are lost, and how many is logged when there is room.
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

// Lines above `level` are dropped. Lines begin with the journal's "<N>" prefix if standard error is
// connected to the journal (JOURNAL_STREAM), else with an RFC 3339 time and the level's name.
void log_init(enum log_level level);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);

// Text is printf-formatted; put values as key=value after the sentence, and text that is not ours
// through log_value. Control characters and non-printable bytes in the result are escaped as \xNN,
// so a line stays one line.
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Text in quotes, with quotes and backslashes in it escaped: `"x\"y"`. So no value passes for
// another key=value. What is longer than fits is cut, and ends in "...". Only for the arguments of
// a log line.
#define log_value(text) log_quote((text), (char[LOG_VALUE_SIZE]){0})
#define LOG_VALUE_SIZE  1100
const char *log_quote(const char *text, char buffer[LOG_VALUE_SIZE]);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_enabled(LOG_LEVEL_DEBUG)) {                                                        \
            log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                                \
        }                                                                                          \
    } while (0)
