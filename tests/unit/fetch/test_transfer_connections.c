// SPDX-License-Identifier: MIT
// Which connections a transfer uses, and whom it may connect to.
#include "tests/unit/fetch/transfer_fixture.h"

#include <event2/event.h>
#include <fcntl.h>
#include <sys/resource.h>

#define BYTES(literal) (literal), sizeof(literal) - 1
#define HI             "Content-Length: 3\r\n\r\nhi\n"

enum {
    ROW_OK,
    ROW_SURPLUS,
    ROW_LENGTH_AND_CHUNKED,
    ROW_CLOSES_LATER,
    ROW_NO_CONTENT_SURPLUS,
    ROW_BEGINS_FOLDED,
    ROW_SURPLUS_LATER,
    ROW_SURPLUS_BEHIND_BODY,
    ROW_HOLD
};

static struct script scripts[] = {
    [ROW_OK] = {BYTES("HTTP/1.1 200 OK\r\n" HI), KEEP, NULL, 0},
    [ROW_SURPLUS] = {BYTES("HTTP/1.1 200 OK\r\n" HI
                           "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
                     KEEP, NULL, 0},
    [ROW_LENGTH_AND_CHUNKED] =
        {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nhi\n\r\n0\r\n\r\n"),
         KEEP, NULL, 0},
    [ROW_CLOSES_LATER] = {BYTES("HTTP/1.1 200 OK\r\n" HI), CLOSE, NULL, 0},
    [ROW_NO_CONTENT_SURPLUS] =
        {BYTES("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
         KEEP, NULL, 0},
    [ROW_BEGINS_FOLDED] = {BYTES("HTTP/1.1 200 OK\r\n folded onto what?\r\n" HI), KEEP, NULL, 0},
    [ROW_SURPLUS_LATER] = {BYTES("HTTP/1.1 200 OK\r\n" HI), SAY,
                           "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 0},
    [ROW_SURPLUS_BEHIND_BODY] = {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"), SAY,
                                 "hi\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 0},
    [ROW_HOLD] = {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), HOLD, NULL, 0},
};

static struct fixture f; // one test at a time
static struct probe p;

static int set_up(void **state)
{
    (void)state;
    fixture_new(&f, NULL);
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

// ---- connections

static void a_kept_connection_is_used_again(void **state)
{
    (void)state;
    fetch_expect(ROW_OK, TASK_OK, 200);
    assert_true(p.result.connect_ms >= 0 && p.result.tls_ms == -1 && p.result.first_byte_ms >= 0);
    probe_done(&p);
    for (int i = 0; i < 3; i++) {
        fetch_expect(ROW_OK, TASK_OK, 200);
        assert_string_equal(p.body, "hi\n");
        assert_int_equal(p.result.connect_ms, -1);
        assert_string_equal(p.result.remote_ip, "127.0.0.1");
        probe_done(&p);
    }
    assert_int_equal(atomic_load(&f.server.connections), 1);
}

// As many are kept as may be, however many are in use beside them.
static void connections_in_use_take_no_kept_ones_place(void **state)
{
    (void)state;
    enum { HELD = 5 };
    struct probe held[HELD];
    struct transfer_settings s = {.user_agent = "test/2",
                                  .stall_timeout_ms = STALL_MS * 10,
                                  .max_header_bytes = 65536,
                                  .max_idle_connections = 1,
                                  .memory_body = 20000,
                                  .spill_dir = "/tmp"};
    transfer_engine_configure(f.engine, &s);
    for (size_t i = 0; i < HELD; i++) {
        probe_init(&held[i], &f, false, "held.test", ROW_HOLD);
        probe_start(&held[i]);
    }
    for (int i = 0; i < 3; i++) {
        probe_init(&p, &f, false, "www.test", ROW_OK);
        probe_start(&p);
        f.waiting = 1; // those that hold are not waited for
        fixture_run(&f);
        probe_expect(&p, p.text, TASK_OK, 200);
        probe_done(&p);
    }
    for (size_t i = 0; i < HELD; i++) {
        assert_false(held[i].done);
        transfer_abort(&held[i].transfer);
        probe_done(&held[i]);
    }
    f.waiting = 0;
    assert_int_equal(atomic_load(&f.server.connections), HELD + 1);
}

static void another_name_at_the_same_address_gets_its_own_connection(void **state)
{
    (void)state;
    fetch_expect(ROW_OK, TASK_OK, 200);
    probe_done(&p);
    probe_init(&p, &f, false, "other.test", ROW_OK);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "other name", TASK_OK, 200);
    probe_done(&p);
    assert_int_equal(atomic_load(&f.server.connections), 2);
}

static void doubtful_connections_are_not_used_again(void **state)
{
    (void)state;
    static const size_t doubtful[] = {ROW_SURPLUS, ROW_LENGTH_AND_CHUNKED, ROW_CLOSES_LATER};
    for (size_t i = 0; i < sizeof(doubtful) / sizeof(doubtful[0]); i++) {
        int before = atomic_load(&f.server.connections);
        fetch_expect(doubtful[i], TASK_OK, 200);
        assert_string_equal(p.body, "hi\n");
        probe_done(&p);
        fetch_expect(ROW_OK, TASK_OK, 200);
        assert_string_equal(p.body, "hi\n");
        probe_done(&p);
        assert_true(atomic_load(&f.server.connections) - before >= 1);
        assert_true(i == 0 || atomic_load(&f.server.connections) - before == 1);
    }
    assert_int_equal(atomic_load(&f.server.connections), 4);
}

static void surplus_behind_an_answer_without_body_is_nobodys_answer(void **state)
{
    (void)state;
    fetch_expect(ROW_NO_CONTENT_SURPLUS, TASK_OK, 204);
    probe_done(&p);
    fetch_expect(ROW_OK, TASK_OK, 200);
    assert_string_equal(p.body, "hi\n");
    probe_done(&p);
}

// It stands in the socket, or in OpenSSL, where libcurl before 8.0 does not look.
static void surplus_that_comes_apart_is_nobodys_answer(void **state)
{
    (void)state;
    static const size_t rows[] = {ROW_SURPLUS_LATER, ROW_SURPLUS_BEHIND_BODY};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int said = atomic_load(&f.server.said);
        fetch_expect(rows[i], TASK_OK, 200);
        assert_string_equal(p.body, "hi\n");
        probe_done(&p);
        while (atomic_load(&f.server.said) == said) {
            usleep(1000);
        }
        fetch_expect(ROW_OK, TASK_OK, 200);
        assert_string_equal(p.body, "hi\n");
        assert_true(p.result.connect_ms >= 0);
        probe_done(&p);
        assert_int_equal(atomic_load(&f.server.connections), 2 + (int)i);
    }
}

// The sanitizers see what libcurl would do with a handle that had another answer before.
static void a_fold_at_the_beginning_does_not_reach_the_answer_before(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        fetch_expect(ROW_OK, TASK_OK, 200);
        probe_done(&p);
        fetch_expect(ROW_BEGINS_FOLDED, TASK_HTTP_PROTOCOL, 0);
        probe_done(&p);
    }
}

static void a_post_never_goes_over_a_kept_connection(void **state)
{
    (void)state;
    fetch_expect(ROW_OK, TASK_OK, 200);
    probe_done(&p);
    probe_init(&p, &f, false, "www.test", ROW_OK);
    p.request.method = METHOD_POST;
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "post", TASK_OK, 200);
    probe_done(&p);
    assert_int_equal(atomic_load(&f.server.connections), 2);
}

// Puts the addresses before the one that answers.
static void pin_before(const uint32_t *hosts, size_t n)
{
    p.request.addresses[n] = p.request.addresses[0];
    for (size_t i = 0; i < n; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(hosts[i])};
        memcpy(&p.request.addresses[i], &a, sizeof(a));
    }
    p.request.n_addresses = n + 1;
}

// At once, and not when half of the time to connect is over.
static void the_next_address_is_tried_when_one_refuses(void **state)
{
    (void)state;
    static const uint32_t refusing[] = {0x7f000003, 0x7f000004, 0x7f000005};
    f.options.connect_timeout_ms = 20000;
    probe_init(&p, &f, false, "www.test", ROW_OK);
    pin_before(refusing, 3);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "fourth address", TASK_OK, 200);
    assert_string_equal(p.result.remote_ip, "127.0.0.1");
    assert_in_range(p.result.connect_ms, 0, 5000);
    probe_done(&p);
}

static void addresses_of_both_families_are_pinned(void **state)
{
    (void)state;
    struct sockaddr_in6 refusing = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct address_policy both;
    struct err e;
    const char *allow[] = {"::1", "127.0.0.1"};
    struct address_policy_text text = {.allow = allow, .n_allow = 2};
    assert_int_equal(address_policy_init(&both, &text, &e), 0);
    probe_init(&p, &f, false, "www.test", ROW_OK);
    p.request.policy = &both;
    p.request.addresses[1] = p.request.addresses[0];
    memcpy(&p.request.addresses[0], &refusing, sizeof(refusing));
    p.request.n_addresses = 2;
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "both families", TASK_OK, 200);
    assert_string_equal(p.result.remote_ip, "127.0.0.1");
    probe_done(&p);
    address_policy_done(&both);
}

static void a_closed_port_refuses(void **state)
{
    (void)state;
    struct scripted_server *s = &f.server;
    uint16_t open_port = s->port;
    int fd = socket(AF_INET, SOCK_STREAM, 0); // bound, not listening: nobody else can take the port
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    s->port = ntohs(a.sin_port);
    fetch_expect(ROW_OK, TASK_CONNECT_REFUSED, 0);
    assert_false(p.result.sent);
    assert_non_null(p.result.message);
    probe_done(&p);
    s->port = open_port;
    close(fd);
}

// A listening socket that takes no connection: those who ask get no answer.
struct full_backlog {
    int listening, waiting[8];
    uint16_t port;
};

// `port` 0: any. `host` in host byte order.
static void full_backlog_open(struct full_backlog *b, uint32_t host, uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(host), .sin_port = htons(port)};
    socklen_t n = sizeof(a);
    b->listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(b->listening, (struct sockaddr *)&a, n), 0);
    assert_int_equal(listen(b->listening, 0), 0);
    assert_int_equal(getsockname(b->listening, (struct sockaddr *)&a, &n), 0);
    for (size_t i = 0; i < 8; i++) {
        b->waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(b->waiting[i], (struct sockaddr *)&a, n);
    }
    b->port = ntohs(a.sin_port);
}

static void full_backlog_close(struct full_backlog *b)
{
    for (size_t i = 0; i < 8; i++) {
        close(b->waiting[i]);
    }
    close(b->listening);
}

static void a_full_backlog_times_out(void **state)
{
    (void)state;
    uint16_t open_port = f.server.port;
    struct full_backlog b;
    full_backlog_open(&b, INADDR_LOOPBACK, 0);
    f.server.port = b.port;
    f.options.connect_timeout_ms = 400;
    fetch_expect(ROW_OK, TASK_CONNECT_TIMEOUT, 0);
    assert_in_range(p.result.total_ms, 390, 3000);
    probe_done(&p);
    f.options.connect_timeout_ms = 5000;
    f.options.timeout_ms =
        300; // the total time ends first: it is still the connection that was slow
    fetch_expect(ROW_OK, TASK_CONNECT_TIMEOUT, 0);
    assert_false(p.result.sent);
    probe_done(&p);
    f.server.port = open_port;
    full_backlog_close(&b);
}

struct census {
    int sockets, closed; // that events wait for
};

static int count_sockets(const struct event_base *base, const struct event *event, void *arg)
{
    struct census *n = arg;
    (void)base;
    if (event_get_events(event) & (EV_READ | EV_WRITE)) {
        n->sockets++;
        n->closed += fcntl(event_get_fd(event), F_GETFD) < 0;
    }
    return 0;
}

static struct census census(void)
{
    struct census n = {0};
    assert_int_equal(event_base_foreach_event(loop_base(f.loop), count_sockets, &n), 0);
    return n;
}

// libcurl closes a socket that was never connected without a word. Its number is soon another's.
static void the_loop_forgets_a_connection_that_was_given_up(void **state)
{
    (void)state;
    uint16_t open_port = f.server.port;
    struct full_backlog b;
    full_backlog_open(&b, INADDR_LOOPBACK, 0);
    f.server.port = b.port;
    struct census before = census();
    assert_int_equal(before.closed, 0);
    probe_init(&p, &f, false, "www.test", ROW_OK);
    probe_start(&p);
    while (census().sockets == before.sockets) {
        event_base_loop(loop_base(f.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    transfer_abort(&p.transfer);
    f.waiting = 0;
    probe_done(&p);
    assert_int_equal(census().closed, 0);
    assert_int_equal(census().sockets, before.sockets);
    f.server.port = open_port;
    full_backlog_close(&b);
}

// Both addresses' sockets may have one number, of which libcurl does not notice.
static void the_next_address_is_tried_when_one_does_not_answer(void **state)
{
    (void)state;
    static const uint32_t silent[] = {0x7f000003};
    struct full_backlog b;
    full_backlog_open(&b, silent[0], f.server.port);
    f.options.connect_timeout_ms = 2000;
    probe_init(&p, &f, false, "www.test", ROW_OK);
    pin_before(silent, 1);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "second address", TASK_OK, 200);
    assert_string_equal(p.result.remote_ip, "127.0.0.1");
    probe_done(&p);
    full_backlog_close(&b);
}

// ---- whom it may connect to

static const struct address_policy strict; // the built-in table alone

static void addresses_the_policy_refuses_are_not_connected(void **state)
{
    (void)state;
    probe_init(&p, &f, false, "www.test", ROW_OK);
    p.request.policy = &strict;
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "strict policy", TASK_BLOCKED_ADDRESS, 0);
    assert_false(p.result.sent);
    probe_done(&p);
    assert_int_equal(atomic_load(&f.server.connections), 0);
}

static void a_kept_connection_that_is_no_longer_allowed_is_not_used(void **state)
{
    (void)state;
    fetch_expect(ROW_OK, TASK_OK, 200);
    probe_done(&p);
    probe_init(&p, &f, false, "www.test", ROW_OK);
    p.request.policy = &strict;
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "kept", TASK_BLOCKED_ADDRESS, 0);
    assert_false(p.result.sent);
    probe_done(&p);
}

static void names_are_never_looked_up_by_the_engine(void **state)
{
    (void)state;
    probe_init(&p, &f, false, "localhost", ROW_OK); // libcurl would know this one by itself
    p.request.n_addresses = 0;
    probe_start(&p);
    fixture_run(&f);
    assert_int_not_equal(p.result.error, TASK_OK);
    probe_done(&p);
    assert_int_equal(atomic_load(&f.server.connections), 0);
}

static void literal_addresses_need_no_pin(void **state)
{
    (void)state;
    probe_init(&p, &f, false, "127.0.0.1", ROW_OK);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "literal", TASK_OK, 200);
    probe_done(&p);
}

static void the_environment_names_no_proxy(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("all_proxy", "http://127.0.0.1:1/", 1);
    fetch_expect(ROW_OK, TASK_OK, 200);
    probe_done(&p);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

static void a_proxy_is_asked_and_its_failure_is_its_own(void **state)
{
    (void)state;
    char proxy[64];
    snprintf(proxy, sizeof(proxy), "http://proxy.test:%u", f.server.port);
    f.options.proxy = proxy;
    probe_init(&p, &f, false, "origin.test", ROW_OK);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "proxy", TASK_OK, 200);
    assert_non_null(strstr(f.server.request, "GET http://origin.test:"));
    probe_done(&p);
    snprintf(proxy, sizeof(proxy), "http://proxy.test:1");
    probe_init(&p, &f, false, "origin.test", ROW_OK);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, "dead proxy", TASK_PROXY, 0);
    assert_false(p.result.sent);
    probe_done(&p);
    f.options.proxy = NULL;
}

static void ask_for_a_tunnel(const char *answer, const char *more)
{
    struct script rows[2] = {{NULL, 0, CLOSE, NULL, 0}, {answer, strlen(answer), ENDLESS, more, 0}};
    char proxy[64];
    fixture_new(&f, NULL);
    // The server takes what follows the first "/" for the row: "CONNECT www.test:443 HTTP/1.1".
    assert_int_equal(0, scripted_server_start(&f.server, rows, 2));
    snprintf(proxy, sizeof(proxy), "http://proxy.test:%u", f.server.port);
    f.options.proxy = proxy;
    probe_init(&p, &f, true, "www.test", 0);
    probe_start(&p);
    fixture_run(&f);
    probe_expect(&p, more, TASK_PROXY, 0);
    assert_false(p.result.sent);
    probe_done(&p);
    fixture_free(&f);
    scripted_server_stop(&f.server);
}

static void a_proxy_whose_answer_never_ends_does_not_hold_the_loop(void **state)
{
    (void)state;
    ask_for_a_tunnel("HTTP/1.1 200 OK\r\n", "X-Endless: eeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\r\n");
    ask_for_a_tunnel("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n"
                     "Content-Length: 99999999999\r\n\r\n",
                     "eeeeeeeeeeeeeeeeeeeeeeeee");
    ask_for_a_tunnel("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n",
                     "10\r\neeeeeeeeeeeeeeee\r\n");
}

static void lack_of_descriptors_is_a_local_shortage(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    probe_init(&p, &f, false, "www.test", ROW_OK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    probe_start(&p);
    fixture_run(&f);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(p.result.local_shortage);
    assert_int_equal(p.result.error, TASK_INTERNAL);
    assert_false(p.result.sent);
    probe_done(&p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_kept_connection_is_used_again),
        T(connections_in_use_take_no_kept_ones_place),
        T(another_name_at_the_same_address_gets_its_own_connection),
        T(doubtful_connections_are_not_used_again),
        T(surplus_behind_an_answer_without_body_is_nobodys_answer),
        T(surplus_that_comes_apart_is_nobodys_answer),
        T(a_fold_at_the_beginning_does_not_reach_the_answer_before),
        T(a_post_never_goes_over_a_kept_connection),
        T(the_next_address_is_tried_when_one_refuses),
        T(addresses_of_both_families_are_pinned),
        T(a_closed_port_refuses),
        T(a_full_backlog_times_out),
        T(the_loop_forgets_a_connection_that_was_given_up),
        T(the_next_address_is_tried_when_one_does_not_answer),
        T(addresses_the_policy_refuses_are_not_connected),
        T(a_kept_connection_that_is_no_longer_allowed_is_not_used),
        T(names_are_never_looked_up_by_the_engine),
        T(literal_addresses_need_no_pin),
        T(the_environment_names_no_proxy),
        T(a_proxy_is_asked_and_its_failure_is_its_own),
        cmocka_unit_test(a_proxy_whose_answer_never_ends_does_not_hold_the_loop),
        T(lack_of_descriptors_is_a_local_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
