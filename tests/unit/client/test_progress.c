// SPDX-License-Identifier: MIT
// The progress line at all widths, and the rate behind it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "client/format.h"
#include "client/progress.h"

static const struct counts half = {
    .total = 10000, .succeeded = 4790, .failed = 22, .running = 8, .queued = 5180};

static char *render(const struct progress *p, const struct counts *c, int width, bool utf8)
{
    struct buf out = BUF_INIT(4096);
    progress_render(&out, p, c, width, utf8);
    return buf_steal(&out, NULL);
}

static void the_line_shows_everything_when_there_is_room(void **state)
{
    (void)state;
    struct progress p = {.last_ms = 0, .rate = 305.0};
    char *line = render(&p, &half, 100, true);
    assert_non_null(strstr(
        line, "4,812/10,000 48% ▕██████████████▍               ▏ 305/s ok 4,790 fail 22 eta 17s"));
    free(line);
    line = render(&p, &half, 100, false);
    assert_non_null(strstr(line, "48% [##############................] 305/s"));
    free(line);
}

static void the_line_never_exceeds_its_width(void **state)
{
    (void)state;
    struct counts large = {.total = 10000000,
                           .succeeded = 4000000,
                           .failed = 999999,
                           .cancelled = 77777,
                           .expired = 66666};
    struct progress p = {.last_ms = 0, .rate = 57012.0};
    for (int width = 1; width <= 200; width++) {
        for (int utf8 = 0; utf8 <= 1; utf8++) {
            char *line = render(&p, &large, width, utf8);
            assert_true(text_width(line) <= (size_t)width);
            free(line);
        }
    }
    char *line = render(&p, &large, 80, true);
    assert_null(strstr(line, "▕"));
    assert_non_null(strstr(line, "fail 999,999"));
    free(line);
}

static void nothing_is_claimed_before_a_rate_is_known(void **state)
{
    (void)state;
    struct progress p = PROGRESS_INIT;
    char *line = render(&p, &half, 80, true);
    assert_null(strstr(line, "eta"));
    assert_null(strstr(line, "/s"));
    free(line);
    struct counts empty = {0};
    line = render(&p, &empty, 80, true);
    assert_non_null(strstr(line, "0/0 0%"));
    free(line);
}

static void a_finished_line_has_no_rate_left(void **state)
{
    (void)state;
    struct progress p = {.last_ms = 0, .rate = 100};
    struct counts all = {.total = 10, .succeeded = 10};
    char *line = render(&p, &all, 80, true);
    assert_non_null(strstr(line, "10/10 100%"));
    assert_null(strstr(line, "/s"));
    assert_null(strstr(line, "fail"));
    free(line);
}

static void the_rate_is_smoothed(void **state)
{
    (void)state;
    struct progress p = PROGRESS_INIT;
    progress_update(&p, 1000, 0);
    assert_true(p.rate < 0);
    progress_update(&p, 2000, 100);
    assert_true(p.rate > 99 && p.rate < 101);
    progress_update(&p, 2000, 200); // no time has passed: no infinite rate
    assert_true(p.rate < 101);
    progress_update(&p, 3000, 100);
    assert_true(p.rate > 70 && p.rate < 100);
    for (int64_t t = 4000; t < 40000; t += 1000) {
        progress_update(&p, t, 100);
    }
    assert_true(p.rate < 0.1);
}

static void counts_come_from_a_batch(void **state)
{
    (void)state;
    json_t *batch =
        json_pack("{s:{s:i,s:i,s:i}}", "counts", "total", 5, "succeeded", 3, "failed", 2);
    struct counts c = counts_of(batch);
    assert_int_equal(counts_done(&c), 5);
    assert_false(counts_clean(&c));
    json_decref(batch);
    c = counts_of(NULL);
    assert_int_equal(c.total, 0);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_shows_everything_when_there_is_room),
        cmocka_unit_test(the_line_never_exceeds_its_width),
        cmocka_unit_test(nothing_is_claimed_before_a_rate_is_known),
        cmocka_unit_test(a_finished_line_has_no_rate_left),
        cmocka_unit_test(the_rate_is_smoothed),
        cmocka_unit_test(counts_come_from_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
