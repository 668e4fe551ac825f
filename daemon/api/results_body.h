// SPDX-License-Identifier: MIT
// A body inside a line of a result stream, sent in pieces as the client takes them, so that a
// reader holds one piece and not a whole body. Main thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "daemon/api/api.h"

struct results_body {
    bool open; // the line is not complete
    bool base64;
    uint64_t batch;
    uint32_t index;
    uint64_t offset, size; // sent, of all
};

// Appends the member's name and opens its string: "body", or "body_base64" if the body is no text,
// for which it is read once. -1 with `e` if it cannot be read or is gone.
int results_body_begin(const struct api_ports *ports, struct results_body *b, struct buf *out,
                       struct err *e);

// Appends the next piece, with the last one what ends string, object and line; as above.
int results_body_next(const struct api_ports *ports, struct results_body *b, struct buf *out,
                      struct err *e);
