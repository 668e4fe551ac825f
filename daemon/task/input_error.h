// SPDX-License-Identifier: MIT
// Helpers that fill a struct input_error. Pure.
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "daemon/task/options.h"

// Fills *e and returns -1. `pointer` is copied ("" or "/member").
int input_error_set(struct input_error *e, const char *pointer, const char *code,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

// Fills *e and returns -1: the value could not be judged for want of memory. Never an input's
// fault.
int input_error_memory(struct input_error *e, const char *pointer);
bool input_error_is_memory(const struct input_error *e);

// "/" and the member's name, escaped as RFC 6901 says, cut to fit.
void input_pointer(char ret[128], const char *parent, const char *member);

// The integer in `v` if it is one within [min, max].
int input_integer(const json_t *v, const char *pointer, int64_t min, int64_t max, int64_t *ret,
                  struct input_error *e);
int input_bool(const json_t *v, const char *pointer, bool *ret, struct input_error *e);

// The text of a string member of at most `max` bytes without control characters, borrowed from `v`;
// NULL if it is none.
const char *input_text(const json_t *v, const char *pointer, size_t max, struct input_error *e);
