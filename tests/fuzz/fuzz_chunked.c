// SPDX-License-Identifier: MIT
// Chunked bodies: the same verdict and the same body however the input is cut. The first byte says
// how.
#include <string.h>

#include "daemon/fetch/chunked.h"
#include "fuzz.h"

struct digest {
    enum chunked_state state;
    bool malformed, bare_lf;
    size_t n, behind;
    uint64_t sum;
};

static size_t take(struct chunked *c, const uint8_t *p, size_t n, struct digest *ret)
{
    size_t k = c->left < n ? (size_t)c->left : n;
    for (size_t i = 0; i < k; i++) {
        ret->sum = ret->sum * 31 + p[i];
    }
    ret->n += k;
    chunked_take(c, k);
    return k;
}

static struct digest read_all(const uint8_t *data, size_t n, size_t cut)
{
    struct digest ret = {0};
    struct chunked c;
    chunked_begin(&c);
    for (size_t at = 0; at < n && c.state != CHUNKED_TRAILERS;) {
        size_t piece = cut - at % cut < n - at ? cut - at % cut : n - at;
        const char *why = NULL;
        ptrdiff_t skipped = chunked_read(&c, (const char *)data + at, piece, &why);
        FUZZ_CHECK((skipped < 0) == (why != NULL));
        if (skipped < 0) {
            ret.malformed = true;
            return ret;
        }
        FUZZ_CHECK((size_t)skipped <= piece);
        at += (size_t)skipped;
        if (c.state == CHUNKED_DATA) {
            at += take(&c, data + at, piece - (size_t)skipped, &ret);
        } else if (c.state == CHUNKED_TRAILERS) {
            ret.behind = n - at;
        } else {
            FUZZ_CHECK((size_t)skipped == piece);
        }
    }
    ret.state = c.state;
    ret.bare_lf = c.bare_lf;
    return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1) {
        return 0;
    }
    struct digest whole = read_all(data + 1, n - 1, n);
    struct digest pieces = read_all(data + 1, n - 1, 1 + data[0] % 32u);
    FUZZ_CHECK(whole.state == pieces.state && whole.malformed == pieces.malformed &&
               whole.bare_lf == pieces.bare_lf);
    FUZZ_CHECK(whole.n == pieces.n && whole.sum == pieces.sum && whole.behind == pieces.behind);
    return 0;
}
