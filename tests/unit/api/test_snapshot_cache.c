// SPDX-License-Identifier: MIT
// The cache shows the newest state it was told, and stays small.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/api/snapshot_cache.h"

static struct batch_snapshot snapshot(uint8_t id, uint64_t version, int64_t running)
{
    return (struct batch_snapshot){
        .batch = id, .id = {id}, .version = version, .counts = {.total = 9, .running = running}};
}

static struct batch_info *info(uint8_t id, uint64_t version)
{
    struct batch_info *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    b->now = snapshot(id, version, 0);
    return b;
}

static void a_change_alone_is_no_description(void **state)
{
    struct snapshot_cache *c = snapshot_cache_new(10);
    struct batch_snapshot now = snapshot(1, 5, 3);
    (void)state;
    snapshot_cache_change(c, &now);
    assert_null(snapshot_cache_get(c, now.id));
    // What was read from the store is older than what was told.
    const struct batch_info *b = snapshot_cache_put(c, info(1, 4));
    assert_int_equal(b->now.version, 5);
    assert_int_equal(b->now.counts.running, 3);
    snapshot_cache_free(&c);
}

static void the_newest_state_is_shown(void **state)
{
    struct snapshot_cache *c = snapshot_cache_new(10);
    struct batch_snapshot older = snapshot(1, 3, 1), same = snapshot(1, 4, 7),
                          newer = snapshot(1, 9, 2);
    (void)state;
    snapshot_cache_put(c, info(1, 4));
    snapshot_cache_change(c, &older);
    assert_int_equal(snapshot_cache_get(c, older.id)->now.version, 4);
    snapshot_cache_change(c, &same); // the running count alone
    assert_int_equal(snapshot_cache_get(c, older.id)->now.counts.running, 7);
    snapshot_cache_change(c, &newer);
    assert_int_equal(snapshot_cache_get(c, older.id)->now.version, 9);
    snapshot_cache_put(c, info(1, 10));
    assert_int_equal(snapshot_cache_get(c, older.id)->now.version, 10);
    snapshot_cache_free(&c);
}

static void a_deleted_batch_is_forgotten(void **state)
{
    struct snapshot_cache *c = snapshot_cache_new(10);
    struct batch_snapshot gone = {.id = {1}, .deleted = true},
                          unknown = {.id = {2}, .deleted = true};
    (void)state;
    snapshot_cache_put(c, info(1, 4));
    snapshot_cache_change(c, &gone);
    snapshot_cache_change(c, &unknown);
    assert_null(snapshot_cache_get(c, gone.id));
    snapshot_cache_free(&c);
}

static void the_least_recently_touched_goes_first(void **state)
{
    struct snapshot_cache *c = snapshot_cache_new(3);
    uint8_t ids[5][UUID_SIZE] = {{0}, {1}, {2}, {3}, {4}};
    (void)state;
    snapshot_cache_put(c, info(1, 1));
    snapshot_cache_put(c, info(2, 1));
    snapshot_cache_put(c, info(3, 1));
    assert_non_null(snapshot_cache_get(c, ids[1]));
    snapshot_cache_put(c, info(4, 1));
    assert_null(snapshot_cache_get(c, ids[2]));
    assert_non_null(snapshot_cache_get(c, ids[1]));
    assert_non_null(snapshot_cache_get(c, ids[3]));
    assert_non_null(snapshot_cache_get(c, ids[4]));
    snapshot_cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_alone_is_no_description),
        cmocka_unit_test(the_newest_state_is_shown),
        cmocka_unit_test(a_deleted_batch_is_forgotten),
        cmocka_unit_test(the_least_recently_touched_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
