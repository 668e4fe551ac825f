// SPDX-License-Identifier: MIT
// The body sink: memory, spilling, hash and budget.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/fetch/sink.h"

struct fixture {
    EVP_MD *md;
    struct sink sink;
    struct body_budget_ops budget;
    size_t limit, taken;
};

static bool take(void *ctx, size_t n)
{
    struct fixture *f = ctx;
    if (f->taken + n > f->limit) {
        return false;
    }
    f->taken += n;
    return true;
}

static void give(void *ctx, size_t n)
{
    struct fixture *f = ctx;
    assert_true(n <= f->taken);
    f->taken -= n;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    f->limit = SIZE_MAX / 2;
    f->budget = (struct body_budget_ops){take, give, f};
    assert_non_null(f->md);
    assert_int_equal(sink_init(&f->sink, f->md), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sink_done(&f->sink);
    EVP_MD_free(f->md);
    size_t taken = f->taken;
    free(f);
    return taken == 0 ? 0 : -1;
}

static void fill(char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        p[i] = (char)(i * 31 + (i >> 8));
    }
}

// Writes n bytes in pieces and checks what comes out.
static void round_trip(struct fixture *f, size_t n, size_t piece, bool in_memory)
{
    char *bytes = malloc(n + 1), *back = malloc(n + 1);
    unsigned char expected[32];
    uint8_t hash[32];
    struct body body;
    assert_non_null(bytes);
    assert_non_null(back);
    fill(bytes, n);
    sink_begin(&f->sink, &f->budget, "/tmp", 1000);
    for (size_t at = 0; at < n; at += piece) {
        assert_int_equal(sink_write(&f->sink, bytes + at, n - at < piece ? n - at : piece),
                         SINK_OK);
    }
    assert_int_equal(f->taken, n);
    assert_int_equal(sink_finish(&f->sink, &body, hash), 0);
    assert_int_equal(body.size, n);
    assert_int_equal(f->taken, 0);
    SHA256((unsigned char *)bytes, n, expected);
    assert_memory_equal(hash, expected, 32);
    assert_int_equal(body.fd < 0, in_memory);
    assert_true((body.data != NULL) == (in_memory && n > 0));
    if (in_memory && n > 0) {
        assert_memory_equal(body.data, bytes, n);
    } else if (n > 0) {
        assert_int_equal(pread(body.fd, back, n + 1, 0), (ssize_t)n);
        assert_memory_equal(back, bytes, n);
        close(body.fd);
    }
    free(body.data);
    free(bytes);
    free(back);
}

static void bodies_stay_in_memory_up_to_the_bound_and_spill_beyond(void **state)
{
    round_trip(*state, 0, 1, true);
    round_trip(*state, 1, 1, true);
    round_trip(*state, 1000, 7, true);
    round_trip(*state, 1000, 1000, true);
    round_trip(*state, 1001, 7, false);
    round_trip(*state, 1001, 1001, false);
    round_trip(*state, 300000, 16384, false);
    round_trip(*state, 100000, 1, false);
    round_trip(*state, 100000, 16383, false);
    round_trip(*state, 100000, 30000, false);
    round_trip(*state, 5, 5, true); // again, after a spilled one
}

// A server may send a body byte by byte; that must not be a system call for each.
static void small_pieces_are_gathered_before_they_are_written(void **state)
{
    struct fixture *f = *state;
    struct stat file;
    struct body body;
    uint8_t hash[32];
    sink_begin(&f->sink, &f->budget, "/tmp", 1000);
    for (int i = 0; i < 11000; i++) {
        assert_int_equal(sink_write(&f->sink, "x", 1), SINK_OK);
    }
    assert_int_equal(0, fstat(f->sink.fd, &file));
    assert_int_equal(1000, file.st_size); // what was in memory when it grew too large
    assert_int_equal(sink_finish(&f->sink, &body, hash), 0);
    assert_int_equal(0, fstat(body.fd, &file));
    assert_int_equal(11000, file.st_size);
    close(body.fd);
}

static void a_full_budget_makes_wait_and_takes_nothing_in(void **state)
{
    struct fixture *f = *state;
    uint8_t hash[32];
    unsigned char expected[32];
    struct body body;
    f->limit = 10;
    sink_begin(&f->sink, &f->budget, "/tmp", 1000);
    assert_int_equal(sink_write(&f->sink, "12345678", 8), SINK_OK);
    assert_int_equal(sink_write(&f->sink, "abc", 3), SINK_WAIT);
    assert_int_equal(f->sink.size, 8);
    f->limit = 11;
    assert_int_equal(sink_write(&f->sink, "abc", 3), SINK_OK);
    assert_int_equal(sink_finish(&f->sink, &body, hash), 0);
    SHA256((const unsigned char *)"12345678abc", 11, expected);
    assert_memory_equal(hash, expected, 32);
    free(body.data);
    assert_int_equal(f->taken, 0);
}

static void a_discarded_body_is_given_back(void **state)
{
    struct fixture *f = *state;
    char bytes[3000] = {0};
    sink_begin(&f->sink, &f->budget, "/tmp", 1000);
    assert_int_equal(sink_write(&f->sink, bytes, 900), SINK_OK);
    sink_discard(&f->sink);
    assert_int_equal(f->taken, 0);
    sink_begin(&f->sink, &f->budget, "/tmp", 1000);
    assert_int_equal(sink_write(&f->sink, bytes, 3000), SINK_OK);
    assert_int_equal(f->taken, 3000);
    sink_discard(&f->sink);
    assert_int_equal(f->taken, 0);
    assert_int_equal(f->sink.fd, -1);
}

static void no_place_to_spill_fails_without_losing_budget(void **state)
{
    struct fixture *f = *state;
    char bytes[2000] = {0};
    sink_begin(&f->sink, &f->budget, "/nonexistent/spill", 1000);
    assert_int_equal(sink_write(&f->sink, bytes, 900), SINK_OK);
    assert_int_equal(sink_write(&f->sink, bytes, 900), SINK_FAILED);
    assert_int_equal(f->taken, 900);
    sink_discard(&f->sink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bodies_stay_in_memory_up_to_the_bound_and_spill_beyond,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(small_pieces_are_gathered_before_they_are_written, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_full_budget_makes_wait_and_takes_nothing_in, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_discarded_body_is_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_place_to_spill_fails_without_losing_budget, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
