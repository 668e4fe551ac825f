// SPDX-License-Identifier: MIT
// Values as text for a person, and text made safe for where it goes. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define FORMAT_SIZE 32

void format_count(int64_t n, char ret[FORMAT_SIZE]); // 4812 -> "4,812"
void format_duration(int64_t ms,
                     char ret[FORMAT_SIZE]); // "0ms" "850ms" "1.2s" "17s" "2m 05s" "1h 03m" "3d 4h"
void format_size(uint64_t bytes, char ret[FORMAT_SIZE]); // "512 B" "1.2 KiB" "10 MiB"
void format_rate(double per_s, char ret[FORMAT_SIZE]);   // "311/s" "0.4/s"

// Appends `s` so that a terminal shows it and does nothing else: control characters (C0, DEL, C1),
// text direction overrides and bytes that are no UTF-8 become \xNN or \u{NNNN}. With utf8 false
// every byte above 0x7e is escaped, for terminals that do not show UTF-8.
int text_safe(struct buf *out, const char *s, bool utf8);

// Appends `s` as one TSV field: tab, newline, carriage return and backslash become \t \n \r \\.
int text_tsv(struct buf *out, const char *s);

// Columns that `s` (made safe before) takes on a terminal.
size_t text_width(const char *s);

// Appends as much of `s` (made safe before) as fits `width` columns, with an ellipsis where it is
// cut.
int text_cut(struct buf *out, const char *s, size_t width, bool utf8);

#define FILE_NAME_SIZE 128

// A file name for the body of task `index`: "0017-picture.png". Only [A-Za-z0-9._-] of the last
// path segment of `url` stays, so that no URL can name another folder, a hidden file or an option.
void file_name_for(size_t index, int digits, const char *url, char ret[FILE_NAME_SIZE]);
