// SPDX-License-Identifier: MIT
// Decoders on hostile streams: no crash, bounded pieces, the same outcome however the input is cut.
// The first byte chooses the codings.
#include <string.h>

#include "daemon/fetch/decoder.h"
#include "fuzz.h"

#define MAX_OUTPUT (1 << 20)

struct digest {
    enum decoder_status status;
    bool whole;
    size_t n;
    uint64_t sum;
};

static enum decoder_status pull_all(struct decoder *d, struct digest *ret)
{
    for (;;) {
        const void *p = NULL;
        size_t n = 0;
        enum decoder_status status = decoder_pull(d, &p, &n);
        if (status != DECODER_OUTPUT) {
            return status;
        }
        FUZZ_CHECK(n <= 32 * 1024);
        for (size_t i = 0; i < n; i++) {
            ret->sum = ret->sum * 31 + ((const uint8_t *)p)[i];
        }
        ret->n += n;
        if (ret->n > MAX_OUTPUT) {
            return DECODER_CORRUPT; // the caller's cap
        }
    }
}

static struct digest decode(const struct codings *codings, const uint8_t *data, size_t n,
                            size_t cut)
{
    struct digest ret = {.status = DECODER_MORE};
    struct decoder *d = NULL;
    FUZZ_CHECK(decoder_new(codings, MAX_OUTPUT, &d) == 0);
    for (size_t at = 0; at < n && ret.status == DECODER_MORE; at += cut) {
        decoder_feed(d, data + at, n - at < cut ? n - at : cut);
        ret.status = pull_all(d, &ret);
    }
    ret.whole = ret.status == DECODER_MORE && decoder_is_whole(d);
    decoder_free(&d);
    return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const lists[] = {"gzip", "deflate",  "br",
                                        "zstd", "gzip, br", "zstd, deflate"};
    if (n < 2) {
        return 0;
    }
    struct codings codings;
    codings_parse(lists[data[0] % 6], &codings);
    struct digest whole = decode(&codings, data + 2, n - 2, n);
    struct digest pieces = decode(&codings, data + 2, n - 2, 1 + data[1] % 64u);
    FUZZ_CHECK(whole.whole == pieces.whole);
    if (whole.whole) {
        FUZZ_CHECK(whole.n == pieces.n && whole.sum == pieces.sum);
    }
    return 0;
}
