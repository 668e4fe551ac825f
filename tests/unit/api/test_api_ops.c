// SPDX-License-Identifier: MIT
// Health, metrics, documents, and who may ask for what over TCP.
#include "api_fixture.h"

static void the_daemon_tells_of_itself(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    expect(f, "GET /livez HTTP/1.1", NULL, 200, "\"status\":\"ok\"");
    expect(f, "GET /readyz?verbose HTTP/1.1", NULL, 200,
           "\"checks\":[{\"name\":\"started\",\"ok\":true");
    expect(f, "GET /metrics HTTP/1.1", NULL, 200, "# TYPE gatherd_tasks_accepted_total counter\n");
    expect(f, "GET /metrics HTTP/1.1", NULL, 200, "gatherd_event_loop_lag_seconds 0.0015\n");
    assert_int_equal(f->refreshed, 2);
    expect(f, "GET /metrics HTTP/1.1", NULL, 200, "gatherd_build_info{version=\"");
    expect(f, "GET /v1/stats HTTP/1.1", NULL, 200, "\"last_10s\":{\"results_per_s\":");
    expect(f, "GET /openapi.json HTTP/1.1", NULL, 200, "\"openapi\": \"3.1.0\"");
    expect(f, "GET /problems/invalid_batch HTTP/1.1", NULL, 200, "HTTP status 422");
    expect(f, "GET /problems/forbidden HTTP/1.1\r\nAccept: text/html,*/*;q=0.8", NULL, 200,
           "<h1>Forbidden</h1>");
    expect(f, "GET /problems/unauthorized HTTP/1.1\r\nAccept: application/json", NULL, 200,
           "{\"code\":\"unauthorized\",\"title\":\"Unauthorized\",\"status\":401,\"advice\":\"");
    expect(f, "GET /problems/forbidden HTTP/1.1\r\nAccept: image/png", NULL, 200,
           "Forbidden (forbidden, HTTP status 403)\n");
    expect(f, "GET /problems/nonsense HTTP/1.1", NULL, 404, NULL);
    expect(f, "GET /problems/config HTTP/1.1", NULL, 404, NULL);
    fake_stop(f);
}

static void every_problem_has_a_page(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    for (int code = ERR_OK + 1; code < ERR__COUNT; code++) {
        const struct err_info *info = err_info((enum err_code)code);
        char head[100];
        snprintf(head, sizeof(head), "GET /problems/%s HTTP/1.1", info->name);
        if (info->http_status) {
            struct buf out = ask(f, head, NULL);
            assert_int_equal(status_of(&out), 200);
            const char *text = strstr(out.data, "\n\n");
            assert_true(text && strlen(text) > 60); // a title alone is no advice
            buf_done(&out);
        }
    }
    fake_stop(f);
}

static void readiness_follows_what_happens(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    api_set_ready(f->api, false, "the store is being opened");
    expect(f, "GET /readyz HTTP/1.1", NULL, 503, "the store is being opened");
    expect(f, "GET /livez HTTP/1.1", NULL, 200, NULL);
    api_set_ready(f->api, true, NULL);
    f->full = true;
    expect(f, "GET /readyz?verbose HTTP/1.1", NULL, 200, "the disk is nearly full");
    f->beat_ms = 60000;
    expect(f, "GET /readyz HTTP/1.1", NULL, 503, "thread");
    expect(f, "GET /livez HTTP/1.1", NULL, 503, "Retry-After");
    fake_stop(f);
}

static void wrong_methods_and_paths(void **state)
{
    struct fake *f = fake_start();
    (void)state;
    expect(f, "DELETE /v1/batches HTTP/1.1", NULL, 405, "Allow: GET, HEAD, POST, OPTIONS");
    expect(f, "OPTIONS /v1/batches HTTP/1.1", NULL, 204, "Allow: GET, HEAD, POST, OPTIONS");
    expect(f, "OPTIONS /nothing HTTP/1.1", NULL, 404, NULL);
    expect(f, "GET /v1/batches/ HTTP/1.1", NULL, 404, NULL);
    expect(f, "GET /v1/%zz HTTP/1.1", NULL, 400, NULL);
    expect(f, "GET /v1/stats?x=1 HTTP/1.1", NULL, 400, "unknown query parameter");
    fake_stop(f);
}

// ---- over TCP
// ------------------------------------------------------------------------------------------------------

// Opens a connection to the address the daemon listens on, whose port is found by trying its
// sockets.
static unsigned tcp_port(void)
{
    for (int fd = 3; fd < 64; fd++) {
        struct sockaddr_in a = {.sin_family = AF_UNSPEC};
        socklen_t n = sizeof(a);
        int listening = 0;
        socklen_t m = sizeof(listening);
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &m) == 0 && listening &&
            getsockname(fd, (struct sockaddr *)&a, &n) == 0 && a.sin_family == AF_INET) {
            return ntohs(a.sin_port);
        }
    }
    return 0;
}

static void expect_tcp(struct fake *f, const char *head, int status)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)tcp_port())};
    struct buf out = BUF_INIT(1u << 20), text = BUF_INIT(1000);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    buf_printf(&text, "%s\r\nConnection: close\r\n\r\n", head);
    client_send(f, fd, text.data, text.len);
    assert_true(client_read(f, fd, NULL, &out));
    if (status_of(&out) != status) {
        fail_msg("%s: expected %d, got %s", head, status, out.data);
    }
    assert_true(status != 401 || has(&out, "WWW-Authenticate: Bearer"));
    buf_done(&out);
    buf_done(&text);
    close(fd);
}

static void tokens_and_hosts_are_checked_over_tcp(void **state)
{
    // SHA-256 of "abc" and "hello".
    static const char tokens[] =
        "reader read sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
        "boss admin sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\n";
    char path[] = "/tmp/gatherd-tokens-XXXXXX", set[100];
    int file = mkstemp(path);
    (void)state;
    assert_int_equal(write(file, tokens, sizeof(tokens) - 1), sizeof(tokens) - 1);
    close(file);
    snprintf(set, sizeof(set), "auth.tokens_file=%s", path);
    struct fake *f = fake_start_with((const char *const[]){"listen.tcp=127.0.0.1:0", set, NULL});
    expect_tcp(f, "GET /v1/stats HTTP/1.1\r\nHost: localhost", 401);
    expect_tcp(f, "GET /nothing HTTP/1.1\r\nHost: localhost", 401);
    expect_tcp(f, "GET /livez HTTP/1.1\r\nHost: localhost", 200);
    expect_tcp(f, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:1", 200);
    expect_tcp(f, "GET /v1/stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer abc", 200);
    expect_tcp(f, "GET /v1/stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer abd", 401);
    expect_tcp(f, "GET /livez HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer abd", 401);
    expect_tcp(f,
               "GET /v1/stats HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer abc\r\n"
               "Authorization: Bearer abc",
               400);
    expect_tcp(f,
               "PATCH /v1/hosts/a.example HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
               "Authorization: Bearer abc",
               403);
    expect_tcp(f,
               "PATCH /v1/hosts/a.example HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
               "Authorization: Bearer hello",
               415);
    expect_tcp(f, "GET /livez HTTP/1.1\r\nHost: evil.example", 421);
    expect_tcp(f, "GET /v1/stats HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer abc", 421);
    expect(f, "GET /v1/stats HTTP/1.1", NULL, 200, NULL); // the unix socket needs no token
    unlink(path);
    fake_stop(f);
}

static void tcp_without_tokens_is_refused(void **state)
{
    static const struct {
        const char *listen, *anonymous;
        const char *text; // NULL: allowed
    } samples[] = {
        {"listen.tcp=127.0.0.1:0", "auth.allow_anonymous=false", "allow_anonymous"},
        {"listen.tcp=0.0.0.0:0", "auth.allow_anonymous=true", "tokens_file"},
        {"listen.tcp=127.0.0.1:0", "auth.allow_anonymous=true", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        struct fake fake = {.full = false}, *f = &fake;
        struct err e = {.code = ERR_OK};
        const char *set[] = {"listen.socket=", samples[i].listen, samples[i].anonymous};
        struct config_sources sources = {.file = "/dev/null", .set = set, .n_set = 3};
        assert_int_equal(config_load(&sources, &e, &f->config), 0);
        assert_int_equal(loop_new("test", &e, &f->loop), 0);
        struct api_ports ports = fake_ports(f);
        int status = api_new(f->loop, f->config, &ports, NULL, 0, &e, &f->api);
        assert_int_equal(status, samples[i].text ? -1 : 0);
        assert_true(!samples[i].text || (e.code == ERR_CONFIG && strstr(e.text, samples[i].text)));
        api_free(&f->api);
        event_base_loop(loop_base(f->loop), EVLOOP_NONBLOCK);
        loop_free(&f->loop);
        config_free(&f->config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_daemon_tells_of_itself),
        cmocka_unit_test(every_problem_has_a_page),
        cmocka_unit_test(readiness_follows_what_happens),
        cmocka_unit_test(wrong_methods_and_paths),
        cmocka_unit_test(tokens_and_hosts_are_checked_over_tcp),
        cmocka_unit_test(tcp_without_tokens_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
