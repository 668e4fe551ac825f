// SPDX-License-Identifier: MIT
// Stacked content codings as a chain of stages; each pulls from the one before it. Pure.
//
// A stage holds back up to four bytes where the next step depends on them: the first two of
// "deflate" (zlib wrapper or not), and those behind the end of a stream (another member, or
// something to ignore). So outcomes do not depend on how the bytes are cut.
//
//   EMPTY --> [HELD] --> RUNNING --> ENDED --> RUNNING (another member)
//                                      |
//                                      +-----> IGNORING
#include "daemon/fetch/decoder.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/fetch/decoder_codec.h"

#define OUT_SIZE ((size_t)32 * 1024)
#define HOLD_MAX 4

enum stage_state { STAGE_EMPTY, STAGE_HELD, STAGE_RUNNING, STAGE_ENDED, STAGE_IGNORING };

struct stage {
    enum stage_state state;
    struct codec codec;
    const uint8_t *in; // borrowed from the caller or from the stage before
    size_t in_n;
    uint64_t taken; // from the stage before
    uint8_t held[HOLD_MAX];
    size_t held_n, held_used;
    bool more; // the codec may have output without new input
    uint8_t *out;
};

struct decoder {
    size_t n;
    uint64_t max;                     // bytes that a stage may take from the one before it
    struct stage stages[CODINGS_MAX]; // the first undoes the coding that was applied last
};

static const struct {
    const char *name;
    enum coding coding;
} names[] = {{"gzip", CODING_GZIP},
             {"x-gzip", CODING_GZIP},
             {"deflate", CODING_DEFLATE},
             {"br", CODING_BROTLI},
             {"zstd", CODING_ZSTD}};

static void add_coding(struct codings *c, const char *p, size_t n)
{
    if (n == 0 || (n == strlen("identity") && strncasecmp(p, "identity", n) == 0)) {
        return;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strlen(names[i].name) != n || strncasecmp(p, names[i].name, n) != 0) {
            continue;
        }
        if (c->n == CODINGS_MAX) {
            c->too_many = true;
        } else {
            c->v[c->n++] = names[i].coding;
        }
        return;
    }
    c->unknown = true;
}

void codings_parse(const char *value, struct codings *ret)
{
    *ret = (struct codings){0};
    while (*value) {
        value += strspn(value, ", \t");
        size_t n = strcspn(value, ",");
        size_t trimmed = n;
        while (trimmed > 0 && (value[trimmed - 1] == ' ' || value[trimmed - 1] == '\t')) {
            trimmed--;
        }
        add_coding(ret, value, trimmed);
        value += n;
    }
}

// What the held bytes begin: 1 a stream, 0 none, -1 too few to know.
static int held_begins_stream(const struct stage *s)
{
    const uint8_t *b = s->held;
    if (s->codec.coding == CODING_GZIP) {
        return b[0] != 0x1f ? 0 : s->held_n < 2 ? -1 : b[1] == 0x8b;
    }
    if (s->codec.coding != CODING_ZSTD) {
        return 0;
    }
    // 0xFD2FB528 or a skippable frame 0x184D2A50..5F, little-endian
    static const uint8_t frame[4] = {0x28, 0xb5, 0x2f, 0xfd},
                         skippable[4] = {0x50, 0x2a, 0x4d, 0x18};
    bool is_frame = true, is_skippable = true;
    for (size_t i = 0; i < s->held_n; i++) {
        is_frame = is_frame && b[i] == frame[i];
        is_skippable = is_skippable && (i == 0 ? (b[i] & 0xf0) : b[i]) == skippable[i];
    }
    if (!is_frame && !is_skippable) {
        return 0;
    }
    return s->held_n < 4 ? -1 : 1;
}

static void hold_byte(struct stage *s)
{
    s->held[s->held_n++] = *s->in++;
    s->in_n--;
}

static enum decoder_status start_stream(struct stage *s)
{
    if (codec_start(&s->codec) < 0) {
        return DECODER_NO_MEMORY;
    }
    s->held_used = 0;
    s->state = STAGE_RUNNING;
    return DECODER_MORE;
}

// The first bytes: only "deflate" needs a look at them.
static enum decoder_status begin(struct stage *s)
{
    if (s->codec.coding != CODING_DEFLATE) {
        return start_stream(s);
    }
    s->state = STAGE_HELD;
    hold_byte(s);
    if (s->held_n < 2) {
        return DECODER_MORE;
    }
    // RFC 1950 §2.2: method 8 and a header divisible by 31. Raw deflate passes by chance once in
    // about 500 times at most, and never with what compressors emit first.
    s->codec.raw_deflate = (s->held[0] & 0x0f) != 8 || (s->held[0] << 8 | s->held[1]) % 31 != 0;
    return start_stream(s);
}

static enum decoder_status after_end(struct stage *s)
{
    hold_byte(s);
    int verdict = held_begins_stream(s);
    if (verdict > 0) {
        return start_stream(s);
    }
    if (verdict == 0) {
        s->state = STAGE_IGNORING;
    }
    return DECODER_MORE;
}

static enum decoder_status run(struct stage *s, size_t *ret_n)
{
    bool from_held = s->held_used < s->held_n;
    struct codec_io io = {.in = from_held ? s->held + s->held_used : s->in,
                          .in_n = from_held ? s->held_n - s->held_used : s->in_n,
                          .out = s->out,
                          .out_n = OUT_SIZE};
    enum codec_status status = codec_run(&s->codec, &io);
    if (from_held) {
        s->held_used = s->held_n - io.in_n;
    } else {
        s->in = io.in;
        s->in_n = io.in_n;
    }
    *ret_n = OUT_SIZE - io.out_n;
    s->more = io.out_n == 0 && status == CODEC_GOING;
    if (status == CODEC_CORRUPT || status == CODEC_NO_MEMORY) {
        return status == CODEC_CORRUPT ? DECODER_CORRUPT : DECODER_NO_MEMORY;
    }
    if (status == CODEC_END) {
        // A stream that ends within the held bytes leaves the rest of them behind it.
        s->held_n -= s->held_used;
        memmove(s->held, s->held + s->held_used, s->held_n);
        s->held_used = 0;
        s->state = s->held_n > 0 ? STAGE_IGNORING : STAGE_ENDED;
    } else if (s->held_used == s->held_n) {
        s->held_n = s->held_used = 0;
    }
    return DECODER_MORE;
}

// One step with the input at hand; *ret_n bytes of output.
static enum decoder_status step(struct stage *s, size_t *ret_n)
{
    *ret_n = 0;
    switch (s->state) {
    case STAGE_EMPTY:
    case STAGE_HELD: return begin(s);
    case STAGE_RUNNING: return run(s, ret_n);
    case STAGE_ENDED: return after_end(s);
    case STAGE_IGNORING: s->in_n = 0; return DECODER_MORE;
    }
    return DECODER_CORRUPT;
}

static bool can_step(const struct stage *s)
{
    return s->in_n > 0 || (s->state == STAGE_RUNNING && (s->more || s->held_used < s->held_n));
}

static enum decoder_status pull(struct decoder *d, size_t at, const void **ret_p, size_t *ret_n)
{
    struct stage *s = &d->stages[at];
    for (;;) {
        if (!can_step(s)) {
            const void *in = NULL;
            enum decoder_status status = at > 0 ? pull(d, at - 1, &in, &s->in_n) : DECODER_MORE;
            if (status != DECODER_OUTPUT) {
                return status;
            }
            s->in = in;
            s->taken += s->in_n;
            if (s->taken > d->max) {
                return DECODER_TOO_LARGE;
            }
        }
        enum decoder_status status = step(s, ret_n);
        if (status != DECODER_MORE) {
            return status;
        }
        if (*ret_n > 0) {
            *ret_p = s->out;
            return DECODER_OUTPUT;
        }
    }
}

int decoder_new(const struct codings *codings, uint64_t max, struct decoder **ret)
{
    struct decoder *d = calloc(1, sizeof(*d));
    if (!d) {
        return -1;
    }
    d->n = codings->n;
    d->max = max;
    for (size_t i = 0; i < d->n; i++) {
        d->stages[i].codec.coding = codings->v[d->n - 1 - i];
        d->stages[i].out = malloc(OUT_SIZE);
        if (!d->stages[i].out) {
            decoder_free(&d);
            return -1;
        }
    }
    *ret = d;
    return 0;
}

void decoder_free(struct decoder **d_ptr)
{
    struct decoder *d = *d_ptr;
    if (!d) {
        return;
    }
    for (size_t i = 0; i < d->n; i++) {
        codec_done(&d->stages[i].codec);
        free(d->stages[i].out);
    }
    free(d);
    *d_ptr = NULL;
}

void decoder_feed(struct decoder *d, const void *p, size_t n)
{
    d->stages[0].in = p;
    d->stages[0].in_n = n;
}

enum decoder_status decoder_pull(struct decoder *d, const void **ret_p, size_t *ret_n)
{
    return pull(d, d->n - 1, ret_p, ret_n);
}

size_t decoder_take_back(struct decoder *d)
{
    size_t n = d->stages[0].in_n;
    d->stages[0].in_n = 0;
    return n;
}

bool decoder_is_whole(const struct decoder *d)
{
    for (size_t i = 0; i < d->n; i++) {
        enum stage_state state = d->stages[i].state;
        if (state == STAGE_HELD || state == STAGE_RUNNING) {
            return false;
        }
    }
    return true;
}
