// SPDX-License-Identifier: MIT
// A submission ends the same however its bytes are cut. The first byte chooses the format, the
// second the size of the pieces.
#include <string.h>

#include "daemon/task/submission.h"
#include "fuzz.h"

struct digest {
    uint64_t tasks, sum, errors;
    enum err_code code;
};

static void add_piece(void *ctx, struct task_piece *piece)
{
    struct digest *d = ctx;
    for (size_t i = 0; i < piece->n; i++) {
        const struct new_task *t = &piece->v[i];
        d->tasks++;
        for (const char *p = t->url; *p != '\0'; p++) {
            d->sum = d->sum * 31 + (unsigned char)*p;
        }
        d->sum = d->sum * 31 + t->index + strlen(t->host);
    }
    task_piece_done(piece);
}

static struct digest submit(enum submission_format format, const uint8_t *data, size_t n,
                            size_t cut)
{
    static struct address_policy policy; // without exceptions
    struct submission_rules rules = {.limits = {.timeout_ms = 1,
                                                .connect_timeout_ms = 1,
                                                .max_body_bytes = 1,
                                                .max_timeout_ms = 3600000,
                                                .max_max_body_bytes = 1 << 30},
                                     .policy = &policy,
                                     .max_tasks = 50,
                                     .max_line = 300,
                                     .max_document = 4000,
                                     .partial = true};
    struct digest d = {0};
    struct submission *s = NULL;
    struct batch_new *batch = calloc(1, sizeof(*batch));
    struct err e = {.code = ERR_OK};
    FUZZ_CHECK(batch != NULL);
    FUZZ_CHECK(submission_new(format, &rules, batch, add_piece, &d, &s) == 0);
    int status = 0;
    for (size_t at = 0; at < n && status == 0; at += cut) {
        status = submission_feed(s, data + at, n - at < cut ? n - at : cut, &e);
    }
    if (status == 0 && submission_end(s, &e) == 0) {
        struct task_piece last;
        submission_take_last(s, &last);
        add_piece(&d, &last);
    } else {
        FUZZ_CHECK(e.code != ERR_OK);
        d.tasks = d.sum = 0; // of a refused submission nothing is stored
    }
    size_t kept = 0;
    submission_errors(s, &kept, &d.errors);
    d.code = e.code;
    submission_free(&s);
    batch_new_free(&batch);
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2) {
        return 0;
    }
    enum submission_format format = (enum submission_format)(data[0] % 3);
    size_t cut = 1 + data[1];
    struct digest whole = submit(format, data + 2, n - 2, n);
    struct digest pieces = submit(format, data + 2, n - 2, cut);
    FUZZ_CHECK(whole.tasks == pieces.tasks && whole.sum == pieces.sum);
    FUZZ_CHECK(whole.code == pieces.code);
    FUZZ_CHECK(whole.code != ERR_OK || whole.errors == pieces.errors);
    return 0;
}
