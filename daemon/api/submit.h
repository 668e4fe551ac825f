// SPDX-License-Identifier: MIT
// A submission on its way: POST /v1/batches from its head to its answer. Main thread. submit_head.c
// reads the head and decides whether the body is wanted, submit.c takes the body and the store's
// verdict, submit_answer.c answers.
//
//   head --> body --> store --> (wait until finished) --> answered
// It ends at any point with a problem, or because its client left; nothing is stored then unless
// the store had the last piece.
#pragma once

#include <openssl/evp.h>

#include "daemon/api/context.h"
#include "daemon/api/fields.h"
#include "daemon/api/uplink.h"
#include "daemon/task/submission.h"

#define HASH_SIZE       32
#define SUBMIT_MAX_LINE ((size_t)2 * 1024 * 1024) // bytes of one NDJSON or text line

struct submit {
    struct api *api;
    struct http_exchange *x;
    struct api_settings *settings; // a reference: the rules it began with
    enum submission_format format;
    bool partial;
    uint64_t wait_s;
    char key[IDEMPOTENCY_KEY_MAX + 1]; // "": none
    // The key was used before: the body is only hashed, and compared.
    bool known;
    uint8_t known_id[UUID_SIZE], known_hash[HASH_SIZE];

    uint64_t reserved;         // of the upload budget
    EVP_MD_CTX *digest;        // of format, query and body
    struct submission *parser; // NULL if known
    struct uplink *uplink;     // NULL if known
    bool paused;               // the body waits for the store
    bool no_memory;            // a piece was lost
    struct buf rejected;       // JSON members for the answer to a partial submission

    struct waiter waiter;
    uint8_t id[UUID_SIZE]; // of the batch, once stored
    bool replayed;
};

// Reads the head. NULL if it was answered with a problem.
struct submit *submit_new(struct request *r);
// Makes the parser and the sender, which takes `batch`; -1 without memory.
int submit_open(struct submit *s, struct batch_new **batch);
void submit_free(struct submit *s);

// Answers and frees.
void submit_fail(struct submit *s, const struct err *e);
void submit_answer(struct submit *s);

// The entry errors of the parser as JSON members: "NAME": [...], "NAME_total": N.
void submit_render_errors(const struct submission *parser, const char *name, struct buf *out);
