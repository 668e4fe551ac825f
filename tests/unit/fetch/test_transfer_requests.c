// SPDX-License-Identifier: MIT
// What a transfer sends and what it makes of sound answers; redirects, the byte budget and
// aborting.
#include "tests/unit/fetch/transfer_fixture.h"

#define BYTES(literal) (literal), sizeof(literal) - 1
#define HI             "Content-Length: 3\r\n\r\nhi\n"

enum {
    ROW_OK,
    ROW_REDIRECT,
    ROW_REDIRECT_LARGE,
    ROW_REDIRECT_ENDLESS,
    ROW_REDIRECT_CUT,
    ROW_EMPTY_LOCATION,
    ROW_HEAD,
    ROW_HEADERS,
    ROW_LARGE,
    ROW_HOLD,
    ROW_RETRY_DATE,
    ROW_TWO_PLACES,
    ROW_TWO_CODINGS,
    ROW_GROWING,
    ROW_SLOW,
    ROW_SILENT
};

static char large[60000 + 100];
static char growing[600];

#define SLOW_MS 700 // before an answer; more than some limits here

static struct script scripts[] = {
    [ROW_OK] = {BYTES("HTTP/1.1 200 OK\r\n" HI), KEEP, NULL, 0},
    [ROW_REDIRECT] = {BYTES("HTTP/1.1 302 Found\r\nLocation: /next\r\n" HI), KEEP, NULL, 0},
    [ROW_REDIRECT_LARGE] =
        {BYTES("HTTP/1.1 301 Moved\r\nLocation: /next\r\nContent-Length: 99999999\r\n\r\n"), HOLD,
         NULL, 0},
    [ROW_REDIRECT_ENDLESS] = {BYTES("HTTP/1.1 308 Moved\r\nLocation: /next\r\n\r\n"), ENDLESS,
                              "eeeeeeeeee", 0},
    [ROW_REDIRECT_CUT] =
        {BYTES("HTTP/1.1 307 Moved\r\nLocation: /next\r\nContent-Length: 9\r\n\r\nabc"), CLOSE,
         NULL, 0},
    [ROW_EMPTY_LOCATION] = {BYTES("HTTP/1.1 302 Found\r\nLocation:  \r\n" HI), KEEP, NULL, 0},
    [ROW_HEAD] = {BYTES("HTTP/1.1 200 OK\r\nContent-Length: "
                        "99999999999999999999999\r\nContent-Encoding: gzip\r\n\r\n"),
                  KEEP, NULL, 0},
    [ROW_HEADERS] = {BYTES("HTTP/1.1 503 Later\r\nContent-Type: text/caf\xe9\r\nRetry-After: "
                           "7\r\n: nameless\r\nX-Folded: a\r\n  b\r\n"
                           "X-Space : b\r\nX-Latin: \xe9\xff\r\nX-Empty:\r\nX-Quote: "
                           "\"\\\r\nX-Bare: a\rb\r\n" HI),
                     KEEP, NULL, 0},
    [ROW_LARGE] = {large, 0, KEEP, NULL, 0},
    [ROW_HOLD] = {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), HOLD, NULL, 0},
    [ROW_RETRY_DATE] =
        {BYTES("HTTP/1.1 429 Slow\r\nRetry-After: Thu, 31 Dec 2099 23:59:59 GMT\r\n" HI), KEEP,
         NULL, 0},
    [ROW_GROWING] = {growing, 0, CLOSE, NULL, 0},
    [ROW_SLOW] = {BYTES("HTTP/1.1 200 OK\r\n" HI), CLOSE, NULL, SLOW_MS},
    [ROW_SILENT] = {"", 0, HOLD, NULL, 0},
    [ROW_TWO_CODINGS] = {BYTES("HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\n"
                               "Content-Length: 20\r\n\r\n"
                               "\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"),
                         KEEP, NULL, 0},
    [ROW_TWO_PLACES] = {BYTES("HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\n\r\n"), KEEP,
                        NULL, 0},
};

static struct fixture f; // one test at a time
static struct probe p;

// A zstd frame of 80 blocks that are one byte 131,072 times each (RFC 8878 §3.1.1).
static size_t make_growing(char *to)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n\r\n"
                               "\x28\xb5\x2f\xfd\0\x68";
    char *end = mempcpy(to, head, sizeof(head) - 1);
    for (int i = 0; i < 80; i++) {
        end = mempcpy(end, "\x02\0\x10x", 4);
    }
    end = mempcpy(end, "\x01\0\0", 3);
    return (size_t)(end - to);
}

static int set_up(void **state)
{
    (void)state;
    fixture_new(&f, NULL);
    int n = snprintf(large, sizeof(large),
                     "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n%060000d", 7);
    scripts[ROW_LARGE].n = (size_t)n;
    scripts[ROW_GROWING].n = make_growing(growing);
    return scripted_server_start(&f.server, scripts, sizeof(scripts) / sizeof(scripts[0]));
}

static int tear_down(void **state)
{
    (void)state;
    fixture_free(&f);
    scripted_server_stop(&f.server);
    return 0;
}

static void fetch(size_t row)
{
    probe_init(&p, &f, false, "www.test", row);
    probe_start(&p);
    fixture_run(&f);
}

static void fetch_expect(size_t row, enum task_error error, int status)
{
    fetch(row);
    probe_expect(&p, p.text, error, status);
}

// ---- what is sent

static void expect_sent(const char *text, bool wanted)
{
    if ((strstr(f.server.request, text) != NULL) != wanted) {
        fail_msg("%s \"%s\" in:\n%s", wanted ? "no" : "a", text, f.server.request);
    }
}

static void send_method(enum fetch_method method, bool body)
{
    probe_init(&p, &f, false, "www.test", method == METHOD_HEAD ? ROW_HEAD : ROW_OK);
    p.request.method = method;
    p.request.send_body = body;
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, fetch_method_name(method), TASK_OK, 200);
    probe_done(&p);
}

static void every_method_is_sent_as_it_should_be(void **state)
{
    (void)state;
    static char body[] = "a=b\0c";
    f.options.body = body;
    f.options.body_len = 5;
    send_method(METHOD_GET, false);
    expect_sent("GET /0 HTTP/1.1\r\nHost: www.test:", true);
    expect_sent("User-Agent: test/1\r\n", true);
    expect_sent("Accept: */*\r\n", true);
    expect_sent("Accept-Encoding: gzip, deflate, br, zstd\r\n", true);
    expect_sent("Content-Length", false);
    send_method(METHOD_HEAD, false);
    expect_sent("HEAD /", true);
    static const enum fetch_method with_body[] = {METHOD_POST, METHOD_PUT, METHOD_PATCH,
                                                  METHOD_DELETE, METHOD_OPTIONS};
    for (size_t i = 0; i < sizeof(with_body) / sizeof(with_body[0]); i++) {
        send_method(with_body[i], true);
        expect_sent(fetch_method_name(with_body[i]), true);
        expect_sent("Content-Length: 5\r\n", true);
        expect_sent("Content-Type", false);
        expect_sent("Expect", false);
        expect_sent("Transfer-Encoding", false);
        expect_sent("\r\n\r\na=b", true);
        assert_memory_equal(f.server.request + f.server.request_n - 5, body, 5);
        send_method(with_body[i], false);
        expect_sent(fetch_method_name(with_body[i]), true);
        expect_sent("Content-Length: 0\r\n", i < 3);
        expect_sent("Content-Type", false);
    }
}

// One transfer after the other takes the same handle, and sends nothing of the request before.
static void a_request_leaves_nothing_to_the_next(void **state)
{
    (void)state;
    static char body[] = "a=b";
    struct header_field field = {(char[]){"Cookie"}, (char[]){"c=1"}};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2; i++) { // the second is set up as the first has left the handle
            send_method(METHOD_GET, false);
            expect_sent("GET /0 HTTP/1.1\r\n", true);
            expect_sent("User-Agent: test/1\r\n", true);
            expect_sent("Accept-Encoding: gzip, deflate, br, zstd\r\n", true);
            expect_sent("Cookie", false);
            expect_sent("Content-", false);
        }
        f.options.body = body;
        f.options.body_len = 3;
        f.options.headers = &field;
        f.options.n_headers = 1;
        send_method(METHOD_PUT, true);
        expect_sent("PUT /0 HTTP/1.1\r\n", true);
        expect_sent("Cookie: c=1\r\n", true);
        expect_sent("\r\n\r\na=b", true);
        f.options.body = NULL;
        f.options.body_len = 0;
        f.options.headers = NULL;
        f.options.n_headers = 0;
        fetch_expect(round == 0 ? ROW_HEAD : ROW_LARGE, round == 0 ? TASK_BODY_TOO_LARGE : TASK_OK,
                     200);
        probe_done(&p);
    }
}

// The sanitizers see whether the handle still has the pins of a name that was asked before.
static void a_literal_address_after_a_name_has_no_pins(void **state)
{
    (void)state;
    struct header_field field = {(char[]){"X-One"}, (char[]){"1"}};
    for (int i = 0; i < 3; i++) {
        fetch_expect(ROW_OK, TASK_OK, 200);
        probe_done(&p);
        f.options.headers = &field;
        f.options.n_headers = 1;
        probe_init(&p, &f, false, "127.0.0.1", ROW_OK);
        probe_start(&p);
        fixture_run(&f);
        probe_expect(&p, "literal", TASK_OK, 200);
        expect_sent("X-One: 1\r\n", true);
        probe_done(&p);
        f.options.headers = NULL;
        f.options.n_headers = 0;
    }
}

// The task's own fields: names and values of `text`.
static void use_fields(char text[][2][24], struct header_field *fields, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fields[i] = (struct header_field){text[i][0], text[i][1]};
    }
    f.options.headers = fields;
    f.options.n_headers = n;
}

static void own_fields_replace_the_usual_ones(void **state)
{
    (void)state;
    char text[][2][24] = {{"X-One", "1"},
                          {"X-Empty", ""},
                          {"accept-encoding", "identity"},
                          {"USER-AGENT", "mine"},
                          {"Accept", "text/x"},
                          {"Cookie", "c=1"},
                          {"Authorization", "Bearer t"},
                          {"Content-Type", "x/y"}};
    struct header_field fields[sizeof(text) / sizeof(text[0])];
    use_fields(text, fields, sizeof(text) / sizeof(text[0]));
    send_method(METHOD_POST, false);
    expect_sent("X-One: 1\r\nX-Empty:\r\n", true);
    expect_sent("gzip", false);
    expect_sent("test/1", false);
    expect_sent("*/*", false);
    expect_sent("USER-AGENT: mine\r\n", true);
    expect_sent("Content-Type: x/y\r\n", true);
    expect_sent("Cookie: c=1\r\n", true);
    expect_sent("Authorization: Bearer t\r\n", true);
    probe_init(&p, &f, false, "www.test", ROW_OK);
    p.request.drop_credentials = true;
    probe_start(&p);
    fixture_run(&f);
    probe_done(&p);
    expect_sent("X-One: 1\r\n", true);
    expect_sent("Cookie", false);
    expect_sent("Authorization", false);
}

// RFC 9110 §15.4: what described the body of a POST describes nothing in the GET that it became.
static void a_request_that_lost_its_body_says_nothing_of_one(void **state)
{
    (void)state;
    char text[][2][24] = {{"X-One", "1"},
                          {"Content-Type", "x/y"},
                          {"content-language", "de"},
                          {"Digest", "sha-256=x"},
                          {"Last-Modified", "today"}};
    struct header_field fields[sizeof(text) / sizeof(text[0])];
    use_fields(text, fields, sizeof(text) / sizeof(text[0]));
    send_method(METHOD_GET, false); // as the task has it
    expect_sent("X-One: 1\r\nContent-Type: x/y\r\n", true);
    f.options.method = METHOD_POST;
    send_method(METHOD_GET, false);
    expect_sent("X-One: 1\r\n", true);
    expect_sent("Content-Type", false);
    expect_sent("content-language", false);
    expect_sent("Digest", false);
    expect_sent("Last-Modified", false);
}

// ---- what comes back

static void heads_are_reported_as_json(void **state)
{
    (void)state;
    fetch_expect(ROW_HEADERS, TASK_OK, 503);
    assert_string_equal(
        p.result.headers,
        "[[\"Content-Type\",\"text/caf\\u00e9\"],[\"Retry-After\",\"7\"],[\"X-Folded\",\"a "
        "b\"],[\"X-Space\",\"b\"],"
        "[\"X-Latin\",\"\\u00e9\\u00ff\"],[\"X-Empty\",\"\"],[\"X-Quote\",\"\\\"\\\\\"],[\"X-"
        "Bare\","
        "\"a b\"],"
        "[\"Content-Length\",\"3\"]]");
    assert_string_equal(p.result.content_type, "text/caf\u00e9");
    assert_string_equal(p.result.http_version, "1.1");
    assert_null(p.result.location);
    assert_in_range(p.result.retry_after_at, clock_wall_at() + 2000, clock_wall_at() + 7000);
    probe_done(&p);
    fetch_expect(ROW_RETRY_DATE, TASK_OK, 429);
    assert_int_equal(p.result.retry_after_at, INT64_C(4102444799000));
    probe_done(&p);
}

static void large_bodies_are_spilled_and_hashed(void **state)
{
    (void)state;
    static const uint8_t hash_of_nothing[] = {0xe3, 0xb0, 0xc4, 0x42};
    fetch_expect(ROW_LARGE, TASK_OK, 200);
    assert_true(p.result.body.fd >= 0);
    assert_int_equal(p.result.size, 60000);
    assert_int_equal(p.result.bytes_received, 60000);
    assert_int_equal(p.body[59999], '7');
    assert_memory_not_equal(p.result.sha256, hash_of_nothing, 4);
    probe_done(&p);
}

static void a_redirect_that_may_be_followed_gives_its_location_only(void **state)
{
    (void)state;
    static const struct {
        size_t row;
        int status;
        bool complete;
    } rows[] = {{ROW_REDIRECT, 302, true},
                {ROW_REDIRECT_LARGE, 301, false},
                {ROW_REDIRECT_ENDLESS, 308, false},
                {ROW_REDIRECT_CUT, 307, false}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        probe_init(&p, &f, false, "www.test", rows[i].row);
        p.request.may_redirect = true;
        probe_start(&p);
        fixture_run(&f);
        probe_expect(&p, p.text, TASK_OK, rows[i].status);
        assert_string_equal(p.result.location, "/next");
        assert_false(p.result.has_body);
        assert_int_equal(p.result.complete, rows[i].complete);
        probe_done(&p);
    }
    fetch_expect(ROW_REDIRECT, TASK_OK, 302); // not to be followed: an answer like others
    assert_string_equal(p.body, "hi\n");
    assert_string_equal(p.result.location, "/next");
    probe_done(&p);
    probe_init(&p, &f, false, "www.test", ROW_EMPTY_LOCATION);
    p.request.may_redirect = true;
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "empty location", TASK_OK, 302);
    assert_null(p.result.location);
    assert_string_equal(p.body, "hi\n");
    probe_done(&p);
}

static void a_redirect_to_two_places_is_not_followed_by_any_method(void **state)
{
    (void)state;
    static const enum fetch_method methods[] = {METHOD_GET, METHOD_HEAD};
    for (size_t i = 0; i < 2; i++) {
        probe_init(&p, &f, false, "www.test", ROW_TWO_PLACES);
        p.request.method = methods[i];
        p.request.may_redirect = true;
        probe_start(&p);
        fixture_run(&f);
        probe_expect(&p, fetch_method_name(methods[i]), TASK_REDIRECT_INVALID, 302);
        probe_done(&p);
    }
}

// ---- bodies of which libcurl sends a part only later

static void send_large_body(size_t row)
{
    static char body[900000];
    memset(body, 'b', sizeof(body));
    f.options.body = body;
    f.options.body_len = sizeof(body);
    probe_init(&p, &f, false, "www.test", row);
    p.request.method = METHOD_POST;
    p.request.send_body = true;
    probe_start(&p);
    fixture_run(&f);
}

static void limit(int64_t first_byte_ms, int64_t stall_ms)
{
    struct transfer_settings s = {.first_byte_timeout_ms = first_byte_ms,
                                  .stall_timeout_ms = stall_ms,
                                  .max_header_bytes = 10000,
                                  .max_idle_connections = 10,
                                  .memory_body = 20000,
                                  .spill_dir = "/tmp"};
    transfer_engine_configure(f.engine, &s);
}

static void a_large_body_does_not_count_as_the_beginning_of_its_answer(void **state)
{
    (void)state;
    limit(0, SLOW_MS / 3);
    send_large_body(ROW_SLOW);
    probe_expect(&p, "slow", TASK_OK, 200);
    assert_in_range(p.result.first_byte_ms, SLOW_MS - 50, 100000);
    probe_done(&p);
    limit(SLOW_MS, SLOW_MS / 3);
    send_large_body(ROW_SILENT);
    probe_expect(&p, "silent", TASK_TIMEOUT_FIRST_BYTE, 0);
    assert_int_equal(p.result.first_byte_ms, -1);
    probe_done(&p);
}

// ---- settings, budget and aborting

static void new_settings_hold_for_the_next_transfer(void **state)
{
    (void)state;
    struct transfer_settings s = {.user_agent = "test/2",
                                  .stall_timeout_ms = STALL_MS,
                                  .max_header_bytes = 50,
                                  .max_idle_connections = 10,
                                  .memory_body = 20000,
                                  .spill_dir = "/nonexistent"};
    probe_init(&p, &f, false, "www.test", ROW_LARGE);
    probe_start(&p);
    transfer_engine_configure(f.engine, &s);
    fixture_run(&f);
    assert_true(p.result.local_shortage); // nowhere to spill to
    expect_sent("User-Agent: test/1\r\n", true);
    probe_done(&p);
    fetch_expect(ROW_HEADERS, TASK_HEADER_TOO_LARGE, 0);
    expect_sent("User-Agent: test/2\r\n", true);
    probe_done(&p);
}

static void raise_budget(void *ctx)
{
    ((struct fixture *)ctx)->budget_limit = SIZE_MAX / 2;
}

static void a_transfer_waits_for_the_byte_budget_without_stalling(void **state)
{
    (void)state;
    struct timer later;
    struct err e;
    assert_int_equal(timer_init(&later, f.loop, raise_budget, &f, &e), 0);
    f.budget_limit = 20000;
    f.options.timeout_ms = 1000;
    timer_set_ms(&later, STALL_MS * 2); // longer than any limit of the transfer
    fetch_expect(ROW_LARGE, TASK_OK, 200);
    assert_int_equal(p.result.size, 60000);
    assert_int_equal(p.body[59999], '7');
    assert_true(p.result.total_ms >= STALL_MS * 2 - 100);
    probe_done(&p);
    timer_done(&later);
}

// What it keeps of a coding before the last shows in no body.
static void a_decoder_of_two_codings_counts_against_the_byte_budget(void **state)
{
    (void)state;
    struct timer later;
    struct err e;
    assert_int_equal(timer_init(&later, f.loop, raise_budget, &f, &e), 0);
    f.budget_limit = 20000;
    timer_set_ms(&later, STALL_MS);
    fetch_expect(ROW_TWO_CODINGS, TASK_OK, 200);
    assert_int_equal(p.result.size, 0);
    assert_true(p.result.total_ms >= STALL_MS - 100);
    probe_done(&p);
    timer_done(&later);
}

static struct {
    struct timer each_ms;
    size_t bytes, most; // taken in since the loop turned
} turn;

static void on_turn(void *ctx)
{
    (void)ctx;
    turn.bytes = 0;
    timer_set_ms(&turn.each_ms, 1);
}

static bool take_in_turn(void *ctx, size_t n)
{
    turn.bytes += n;
    turn.most = turn.bytes > turn.most ? turn.bytes : turn.most;
    return fixture_take(ctx, n);
}

static void others_have_their_turn_while_little_becomes_much(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(timer_init(&turn.each_ms, f.loop, on_turn, NULL, &e), 0);
    timer_set_ms(&turn.each_ms, 1);
    f.budget.take = take_in_turn;
    f.options.max_body_bytes = 20 << 20;
    fetch_expect(ROW_GROWING, TASK_OK, 200);
    assert_int_equal(p.result.size, 80 * 131072);
    assert_int_equal(p.body[p.result.size - 1], 'x');
    assert_in_range(turn.most, 1, (size_t)5 << 20);
    probe_done(&p);
    timer_done(&turn.each_ms);
}

static void on_sent(void *ctx, int64_t sent_ms)
{
    struct probe *of = ctx;
    of->result.sent_ms = sent_ms;
    loop_stop(of->f->loop);
}

static void who_asks_is_told_that_the_request_left(void **state)
{
    (void)state;
    probe_init(&p, &f, false, "www.test", ROW_HOLD);
    p.request.on_sent = on_sent;
    int64_t before = clock_monotonic_ms();
    probe_start(&p);
    fixture_run(&f);
    assert_in_range(p.result.sent_ms, before, clock_monotonic_ms());
    assert_false(p.done);
    transfer_abort(&p.transfer);
    f.waiting = 0;
}

static void an_aborted_transfer_is_silent_and_gives_back_all(void **state)
{
    (void)state;
    struct probe ok;
    probe_init(&p, &f, false, "www.test", ROW_HOLD);
    probe_start(&p);
    transfer_abort(&p.transfer); // before anything happened
    assert_null(p.transfer);
    f.waiting--;
    probe_start(&p);
    probe_init(&ok, &f, false, "www.test", ROW_OK);
    probe_start(&ok);
    f.waiting = 1; // the one that holds is not waited for
    fixture_run(&f);
    transfer_abort(&p.transfer);
    f.waiting = 0;
    assert_false(p.done);
    probe_expect(&ok, "beside", TASK_OK, 200);
    probe_done(&ok);
    transfer_abort(&p.transfer); // NULL is fine
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_method_is_sent_as_it_should_be),
        T(a_request_leaves_nothing_to_the_next),
        T(a_literal_address_after_a_name_has_no_pins),
        T(own_fields_replace_the_usual_ones),
        T(a_request_that_lost_its_body_says_nothing_of_one),
        T(heads_are_reported_as_json),
        T(large_bodies_are_spilled_and_hashed),
        T(a_redirect_that_may_be_followed_gives_its_location_only),
        T(a_redirect_to_two_places_is_not_followed_by_any_method),
        T(a_large_body_does_not_count_as_the_beginning_of_its_answer),
        T(new_settings_hold_for_the_next_transfer),
        T(a_transfer_waits_for_the_byte_budget_without_stalling),
        T(a_decoder_of_two_codings_counts_against_the_byte_budget),
        T(others_have_their_turn_while_little_becomes_much),
        T(who_asks_is_told_that_the_request_left),
        T(an_aborted_transfer_is_silent_and_gives_back_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
