// SPDX-License-Identifier: MIT
// Runs a fuzz target without libFuzzer: every seed, every seed cut short, and a fixed number of
// mutations from a fixed random sequence, so that a failure is the same on every machine.
#include <dirent.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

#define MAX_SEEDS     500
#define INPUT_MAX     65536
#define MAX_MUTATIONS 300000
#define MAX_SECONDS   3

struct seed {
    uint8_t *data;
    size_t n;
};

static uint64_t sequence = 88172645463325252u;

static size_t below(size_t limit) // xorshift64
{
    sequence ^= sequence << 13;
    sequence ^= sequence >> 7;
    sequence ^= sequence << 17;
    return limit == 0 ? 0 : (size_t)(sequence % limit);
}

static bool read_seed(const char *folder, const char *name, struct seed *ret)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return false;
    }
    ret->data = malloc(INPUT_MAX);
    ret->n = ret->data == NULL ? 0 : fread(ret->data, 1, INPUT_MAX, f);
    fclose(f);
    return ret->data != NULL;
}

static size_t read_seeds(const char *folder, struct seed *seeds)
{
    DIR *d = opendir(folder);
    size_t n = 0;
    if (d == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(d); entry != NULL && n < MAX_SEEDS; entry = readdir(d)) {
        if (entry->d_name[0] != '.' && read_seed(folder, entry->d_name, &seeds[n])) {
            n++;
        }
    }
    closedir(d);
    return n;
}

// The target sees its own heap block, so that a sanitizer notices reading past the end.
static void run(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n == 0 ? 1 : n);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static size_t mutate(const struct seed *seeds, size_t n_seeds, uint8_t *out)
{
    const struct seed *s = &seeds[below(n_seeds)];
    size_t n = s->n;
    memcpy(out, s->data, n);
    for (size_t round = 1 + below(4); round > 0; round--) {
        size_t at = below(n + 1);
        switch (below(5)) {
        case 0: // another byte
            if (at < n) {
                out[at] = (uint8_t)below(256);
            }
            break;
        case 1: // one bit
            if (at < n) {
                out[at] ^= (uint8_t)(1u << below(8));
            }
            break;
        case 2: // cut out
            if (at < n) {
                size_t gone = 1 + below(n - at < 16 ? n - at : 16);
                memmove(out + at, out + at + gone, n - at - gone);
                n -= gone;
            }
            break;
        case 3: { // a piece of another seed
            const struct seed *other = &seeds[below(n_seeds)];
            size_t from = below(other->n);
            size_t some = below(other->n - from + 1);
            if (n + some <= INPUT_MAX) {
                memmove(out + at + some, out + at, n - at);
                memcpy(out + at, other->data + from, some);
                n += some;
            }
            break;
        }
        default: // a byte that parsers care for
            if (n < INPUT_MAX) {
                memmove(out + at + 1, out + at, n - at);
                out[at] = (uint8_t) "\r\n \t:/%?#@[]{}\",\\0-"[below(18)];
                n++;
            }
            break;
        }
    }
    return n;
}

int main(int argc, char **argv)
{
    static struct seed seeds[MAX_SEEDS];
    static uint8_t mutated[INPUT_MAX];
    size_t n = argc == 2 ? read_seeds(argv[1], seeds) : 0;
    if (n == 0) {
        fprintf(stderr, "usage: %s CORPUS, a folder with at least one seed\n", argv[0]);
        return 2;
    }
    for (size_t i = 0; i < n; i++) {
        size_t step = seeds[i].n < 500 ? 1 : seeds[i].n / 500;
        for (size_t cut = 0; cut < seeds[i].n; cut += step) {
            run(seeds[i].data, cut);
        }
        run(seeds[i].data, seeds[i].n);
    }
    time_t began = time(NULL);
    size_t mutations = 0;
    while (mutations < MAX_MUTATIONS && time(NULL) - began < MAX_SECONDS) {
        run(mutated, mutate(seeds, n, mutated));
        mutations++;
    }
    printf("%zu seeds, %zu mutations\n", n, mutations);
    for (size_t i = 0; i < n; i++) {
        free(seeds[i].data);
    }
    return 0;
}
