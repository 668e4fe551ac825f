// SPDX-License-Identifier: MIT
// The inside of a submission's parser, shared by its three formats. Private to
// daemon/task/submission*.c. Pure.
#pragma once

#include "common/buf.h"
#include "daemon/task/submission.h"

struct submission {
    enum submission_format format;
    struct submission_rules rules;
    struct batch_new *batch; // borrowed
    submission_piece_fn *on_piece;
    void *ctx;
    struct task_options base; // the batch's defaults applied
    struct task_piece piece;  // being filled
    struct buf input;         // a line cut by the end of the bytes, or the document so far
    bool skipping_line;       // the line is over max_line: dropped up to its end
    uint64_t line;            // number of the line being read
    uint64_t entries;         // seen, valid or not: the next one's index
    uint64_t accepted;
    struct submission_error errors[SUBMISSION_MAX_ERRORS];
    size_t n_errors;
    uint64_t errors_total;
    bool no_memory;        // an entry could not be judged
    bool not_implemented;  // an error was about something that is not there yet
    json_t *document;      // of a JSON submission, between its two passes
    bool checking;         // first pass over a document: nothing is added
    bool adding;           // second pass: errors are known already
    const char *last_host; // in the arena of `piece`: neighbours often share a host
};

// Counts and keeps an entry's error, or notes that it could not be judged; the pointer inside the
// entry gets `prefix` in front.
void submission_note_error(struct submission *s, const char *prefix, const struct input_error *e);

// One entry: a URL, or a JSON value that is a URL string or a task object. Adds a task or notes an
// error under `prefix`. -1 only when the submission as a whole cannot go on (memory, too many
// tasks).
int submission_entry_url(struct submission *s, const char *url, size_t n, const char *prefix,
                         struct err *e);
int submission_entry_json(struct submission *s, const json_t *v, const char *prefix, struct err *e);

// First pass over the whole document in s->input: checks everything and counts.
int submission_document_check(struct submission *s, struct err *e);
// Second pass, once the verdict is good: adds the tasks.
int submission_document_add(struct submission *s, struct err *e);
