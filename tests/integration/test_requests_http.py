# SPDX-License-Identifier: MIT
"""HTTP framing of the control API: every odd or hostile head gets its answer, however TCP cuts it."""
import os
import socket
import struct
import time

import pytest

import wire
from api import assert_problem, connect
from harness import eventually

LIVE = "/livez"
OK = {200}


def request(*fields, method="GET", target=LIVE, body=b"", **more):
    return wire.head(method, target, *fields, **more) + body


def post(*fields, body=b"", host="localhost"):
    return request("Content-Type: application/json", *fields, method="POST", target="/v1/batches", body=body,
                   host=host)


BATCH = b'["http://127.0.0.1:9999/"]'
HOST = "Host: localhost"

# bytes -> statuses allowed. Nothing here may be accepted as a batch.
BAD = {
    "TLS ClientHello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(1, 200)) + b"\r\n\r\n", {400}),
    "garbage": (b"\x80\x81\x82\x83\r\n\r\n", {400}),
    "version letter": (b"GET / HTTP/x.1\r\n\r\n", {400}),
    "version 2.0": (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", {505}),
    "version 0.9": (b"GET /\r\n\r\n", {400}),
    "unknown method": (request(method="BREW"), {501}),
    "lower-case method": (request(method="get"), {501, 400}),
    "wrong method": (request(method="PUT", target="/v1/batches", body=b""), {405, 411}),
    "TRACE": (request(method="TRACE"), {501, 405}),
    "CONNECT": (request(method="CONNECT", target="h.example:80"), {501, 405, 400}),
    "URI of 9,000 bytes": (request(target="/" + "u" * 9000), {414}),
    "header line of 9,000 bytes": (request("X-Long: " + "l" * 9000), {431}),
    "101 fields": (request(*[f"X-{i}: v" for i in range(101)]), {431}),
    "no Host": (request(host=None), {400}),
    "two Hosts": (request(HOST), {400}),
    "bare LF": (request().replace(b"\r\n", b"\n"), {400}),
    "five empty lines first": (b"\r\n" * 5 + request(), {400}),
    "folded header": (request("X-A: one\r\n two"), {400}),
    "header without colon": (request("X-A"), {400}),
    "empty header name": (request(": value"), {400}),
    "space before colon": (request("X-A : value"), {400}),
    "NUL in target": (request(target="/live\x00z"), {400}),
    "NUL in a value": (request("X-A: a\x00b"), {400}),
    "control character in a value": (request("X-A: a\x01b"), {400}),
    "bare CR in a value": (request("X-A: a\rb"), {400}),
    "space in target": (request(target="/live z"), {400}),
    "bad escape": (request(target="/v1/batches/%zz"), {400, 404}),
    "NUL escape": (request(target="/v1/batches/%00"), {400, 404}),
    "no length": (post(), {411}),
    "length -1": (post("Content-Length: -1", body=BATCH), {400}),
    "length +5": (post("Content-Length: +5", body=BATCH), {400}),
    "length 0x5": (post("Content-Length: 0x5", body=BATCH), {400}),
    "length 5,5": (post("Content-Length: 5,5", body=BATCH), {400}),
    "empty length": (post("Content-Length:", body=BATCH), {400}),
    "two lengths": (post("Content-Length: 26", "Content-Length: 27", body=BATCH), {400}),
    "length beyond 64 bits": (post("Content-Length: 99999999999999999999999", body=BATCH), {400, 413}),
    "length over the limit": (post("Content-Length: 999999999", body=BATCH), {413}),
    "length and chunked": (post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), {400}),
    "TE gzip, chunked": (post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), {501, 400}),
    "TE xchunked": (post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), {501, 400}),
    "TE identity": (post("Transfer-Encoding: identity", body=BATCH), {501, 400}),
    "TE twice": (post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), {501, 400}),
    "chunk size zz": (post("Transfer-Encoding: chunked", body=b"zz\r\n\r\n"), {400}),
    "chunk size with the high bit": (post("Transfer-Encoding: chunked", body=b"\x80\r\n\r\n"), {400}),
    "chunk size overflow": (post("Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\n"), {400, 413}),
    "chunk without CRLF": (post("Transfer-Encoding: chunked", body=b"2\r\n[]XX0\r\n\r\n"), {400}),
    "unknown expectation": (post("Content-Length: 26", "Expect: magic", body=BATCH), {417}),
}

NORMAL = {
    "plain": (request(), OK),
    "HTTP/1.0": (b"GET /livez HTTP/1.0\r\n\r\n", OK),
    "four empty lines first": (b"\r\n" * 4 + request(), OK),
    "absolute form": (request(target="http://localhost/livez"), OK),
    "Connection: CLOSE": (request("Connection: CLOSE", close=False), OK),
    "Connection: close, TE": (request("Connection: close, TE", "TE: trailers", close=False), OK),
    "Upgrade: websocket": (request("Upgrade: websocket", "Sec-WebSocket-Key: x"), OK),
    "Upgrade: h2c": (request("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), OK),
    "Host with port": (request(host="localhost:7070"), OK),
    "Host literal": (request(host="127.0.0.1:1"), OK),
    "Host IPv6": (request(host="[::1]:7070"), OK),
    "tab and spaces around a value": (request("X-A: \t v \t "), OK),
    "100 fields": (request(*[f"X-{i}: v" for i in range(98)]), OK),
    "HEAD": (request(method="HEAD"), OK),
}

EVERY_BYTE = ["plain", "absolute form", "no Host", "two Hosts", "bare LF", "folded header", "unknown method",
              "no length",
              "length and chunked", "chunk size zz", "version 2.0"]
ALL = {**BAD, **NORMAL}


@pytest.fixture
def address(daemon, api):
    return ("unix", daemon.socket_path)


def ask(address, pieces, name="", **more):
    answers = wire.exchange(address, pieces, methods=["HEAD"] if name == "HEAD" else None, **more)
    assert len(answers) == 1, answers
    return answers[0]


def assert_as_expected(answer, statuses, name):
    assert answer.status in statuses, answer
    if answer.status >= 400:
        assert_problem(answer, answer.status)
        assert name in ("wrong method", "bad escape", "NUL escape") \
            or (answer.header("connection") or "").lower() == "close", answer.headers


@pytest.mark.parametrize("name", ALL)
def test_answers(address, name):
    data, statuses = ALL[name]
    assert_as_expected(ask(address, data, name), statuses, name)


@pytest.mark.parametrize("name", EVERY_BYTE)
def test_cut_in_two_at_every_byte(address, name):
    data, statuses = ALL[name]
    for at in range(1, len(data)):
        answer = ask(address, [data[:at], data[at:]], name)
        assert answer.status in statuses, (at, answer)


@pytest.mark.parametrize("name", [n for n in ALL if len(ALL[n][0]) < 3000])
def test_byte_by_byte(address, name):
    data, statuses = ALL[name]
    assert_as_expected(ask(address, [data[i:i + 1] for i in range(len(data))], name), statuses, name)


@pytest.mark.parametrize("at", range(4, 60, 5))
def test_a_long_target_split_across_two_reads(address, at):
    """libevhtp corrupts such a target; the guard in front of it must not let that be seen."""
    data = request(target="/v1/batches?limit=10&state=finished&name=abcdefgh")
    sock = connect(address)
    sock.sendall(data[:at])
    time.sleep(0.02)  # lets the daemon read the first part by itself
    sock.sendall(data[at:])
    answers = wire.parse_responses(wire.receive(sock))
    sock.close()
    assert [a.status for a in answers] == [200]


# -- methods and routes -------------------------------------------------------------------------
def test_a_wrong_method_names_the_right_ones(api):
    response = api.request("PUT", "/v1/batches", b"")
    assert_problem(response, 405, "method_not_allowed")
    allowed = {m.strip() for m in response.header("allow").split(",")}
    assert {"GET", "POST", "HEAD"} <= allowed


@pytest.mark.parametrize("target", ["/", "/v1", "/v1/", "/v1/batches/", "/v2/batches", "/v1/nothing", "//v1/batches",
                                    "/v1/../v1/batches", "/v1/%2e%2e/batches", "/v1/../../etc/passwd", "/LIVEZ"])
def test_unknown_routes_are_404(address, target):
    assert_problem(ask(address, request(target=target)), 404, "not_found")


def test_options_asterisk(address):
    assert ask(address, request(method="OPTIONS", target="*")).status in (204, 404, 400)


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/metrics", "/openapi.json", "/v1/stats", "/v1/batches",
                                    "/v1/hosts"])
def test_head_is_get_without_the_body(api, target):
    head, get = api.request("HEAD", target), api.get(target)
    assert head.status == get.status == 200
    assert head.body == b""
    assert head.header("content-type") == get.header("content-type")


@pytest.mark.parametrize("target", ["/v1/batches?colour=1", "/v1/stats?x=1", "/v1/hosts?limit=0", "/v1/batches?limit=0",
                                    "/v1/batches?limit=-1", "/v1/batches?limit=abc", "/v1/batches?limit=1000000000",
                                    "/v1/batches?limit=1&limit=2", "/v1/batches?after=nonsense",
                                    "/v1/batches?state=nonsense", "/v1/batches?name=%zz"])
def test_bad_query_parameters_are_400(api, target):
    assert_problem(api.get(target), 400, "bad_request")


# -- keep-alive and pipelining ------------------------------------------------------------------
def test_two_pipelined_requests_in_one_segment(address):
    answers = wire.exchange(address, request(close=False) + request(target="/v1/stats"))
    assert [a.status for a in answers] == [200, 200]
    assert b"version" in answers[1].body


def test_a_hundred_pipelined_requests(address):
    data = b"".join(request(target=f"/v1/batches?limit={i}", close=False) for i in range(1, 100)) + request()
    answers = wire.exchange(address, data)
    assert answers and all(a.status == 200 for a in answers)
    assert len(answers) == 100 or answers[-1].header("connection") == "close"


def test_a_pipelined_request_after_a_post(address):
    body = b"[]"
    first = wire.head("POST", "/v1/batches", "Content-Type: application/json", f"Content-Length: {len(body)}",
                      close=False) + body
    answers = wire.exchange(address, first + request())
    assert [a.status for a in answers] == [422, 200]


def test_pipelined_requests_cut_anywhere(address):
    data = request(close=False) + request(target="/v1/stats", close=False) + request()
    for at in range(1, len(data), 3):
        answers = wire.exchange(address, [data[:at], data[at:]])
        assert [a.status for a in answers] == [200, 200, 200], at


def test_chunk_trailers_smuggle_nothing(address):
    body = b"2\r\n[]\r\n0\r\nX-Trailer: GET /v1/stats HTTP/1.1\r\n\r\n"
    answers = wire.exchange(address, post("Transfer-Encoding: chunked", body=body))
    assert [a.status for a in answers] == [422]


def test_a_half_closed_connection_is_answered(address):
    answers = wire.exchange(address, request(close=False), half_close=True)
    assert [a.status for a in answers] == [200]


# -- bodies -------------------------------------------------------------------------------------
def test_a_large_refused_body_gets_its_answer(address):
    """The client is still sending when it is refused; the answer must reach it all the same."""
    sock = connect(address)
    sock.sendall(wire.head("POST", "/v1/batches", "Content-Type: application/json", "Content-Length: 500000000"))
    wire.send_pieces(sock, [b"x" * 65536] * 20)
    answers = wire.parse_responses(wire.receive(sock))
    sock.close()
    assert_problem(answers[0], 413, "payload_too_large")


def test_expect_100_continue_is_honoured(address):
    data = post(f"Content-Length: {len(BATCH)}", "Expect: 100-continue")
    sock = connect(address)
    sock.sendall(data)
    assert sock.recv(4096).startswith(b"HTTP/1.1 100 ")
    sock.sendall(b"[]" + b" " * (len(BATCH) - 2))
    answers = wire.parse_responses(wire.receive(sock))
    sock.close()
    assert answers[0].status == 422


def test_expect_100_continue_is_not_given_for_too_large_a_body(address):
    sock = connect(address)
    sock.sendall(post("Content-Length: 999999999", "Expect: 100-continue"))
    data = wire.receive(sock)
    sock.close()
    assert data.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("sent", [0, 10])
def test_a_body_that_ends_early_stores_nothing(address, api, sent):
    sock = connect(address)
    sock.sendall(post(f"Content-Length: {len(BATCH)}", body=BATCH[:sent]))
    sock.shutdown(socket.SHUT_WR)
    data = wire.receive(sock)
    sock.close()
    assert data == b"" or data.startswith(b"HTTP/1.1 400 ")
    assert api.get_json("/v1/batches")["batches"] == []


@pytest.mark.parametrize("pieces", [1, 7])
def test_chunked_bodies_of_any_cut(address, pieces):
    body = b" " * 100 + b"[]"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + pieces]), body[i:i + pieces])
                      for i in range(0, len(body), pieces)) + b"0\r\n\r\n"
    data = post("Transfer-Encoding: chunked", body=chunks)
    answers = wire.exchange(address, [data[i:i + 5] for i in range(0, len(data), 5)])
    assert [a.status for a in answers] == [422]


# -- slow and silent clients --------------------------------------------------------------------
def test_slow_and_silent_clients_are_let_go(address, api):
    """All at once, since each takes its ten seconds: silence, a dripping head, a dripping body."""
    silent, dripping, body = (connect(address) for _ in range(3))
    body.sendall(post("Content-Length: 1000000"))
    began = time.monotonic()
    ended = {}
    pending = {"silent": silent, "head": dripping, "body": body}
    drip = iter(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"s" * 1000)
    data = dict.fromkeys(pending, b"")
    while pending and time.monotonic() < began + 40:
        for name, sock in list(pending.items()):
            sock.settimeout(0.05)
            try:
                if name == "head":
                    sock.sendall(bytes([next(drip)]))
                elif name == "body":
                    sock.sendall(b" ")
                piece = sock.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                piece = b""
            data[name] += piece
            if not piece:
                ended[name] = time.monotonic() - began
                pending.pop(name).close()
        time.sleep(0.5)
    assert not pending, f"still open: {list(pending)}"
    assert data["silent"] == b"" and 8 < ended["silent"] < 14, (ended, data)
    assert data["head"].startswith(b"HTTP/1.1 408 ") and 8 < ended["head"] < 14, (ended, data)
    assert data["body"].startswith(b"HTTP/1.1 408 ") and ended["body"] < 30, (ended, data)
    for name in ("head", "body"):
        assert_problem(wire.parse_responses(data[name])[0], 408, "request_timeout")


def test_huge_heads_are_refused_without_reading_them(address, daemon):
    before = daemon.rss_kib()
    for head in (b"X-Big: " + b"b" * 1_000_000, b"a: b\r\n" * 200_000):
        sock = connect(address)
        wire.send_pieces(sock, [b"GET /livez HTTP/1.1\r\n", *[head] * 4])
        assert wire.receive(sock).startswith(b"HTTP/1.1 431 ")
        sock.close()
    assert daemon.rss_kib() - before < 20 * 1024


def test_a_client_that_resets_while_waiting_is_forgotten(daemon, origin, host, api):
    def waiters():
        return api.get_json("/v1/stats")["http"]["waiters"]

    batch = api.submit([origin.url("/delay/5000", host)])
    socks = []
    for _ in range(20):
        sock = connect(("tcp", "127.0.0.1", daemon.tcp_port))
        sock.sendall(request(target=f"/v1/batches/{batch['id']}?wait=60"))
        socks.append(sock)
    eventually(lambda: waiters() == 20, 3, what="twenty waiting requests")
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    eventually(lambda: waiters() == 0, 1, what="the end of the requests of clients that left")
    assert api.request("DELETE", f"/v1/batches/{batch['id']}?force=1").status == 204


# -- what batches are needed for ----------------------------------------------------------------
def test_a_verb_without_a_body_needs_no_length(address, api, origin, host):
    """As `curl -X POST` sends it."""
    batch = api.submit([origin.url("/delay/5000", host)])
    answer = ask(address, request(method="POST", target=f"/v1/batches/{batch['id']}/cancel"))
    assert answer.status == 200, answer


def test_a_list_in_several_fields_counts_as_one(address, api, origin, host):
    batch = api.submit([origin.url("/bytes/1", host)])
    results = f"/v1/batches/{batch['id']}/results"
    answer = ask(address, request("Accept: text/html", "Accept: application/x-ndjson", target=results))
    assert answer.media_type == "application/x-ndjson"
    answer = ask(address, request("Prefer: respond-async", "Prefer: wait=5", "Content-Type: text/plain",
                                  f"Content-Length: {len(origin.url('/bytes/1', host))}", method="POST",
                                  target="/v1/batches", body=origin.url("/bytes/1", host).encode()))
    assert answer.header("Preference-Applied") == "wait=5"
    status = f"/v1/batches/{answer.json()['id']}"
    tag = api.get(status).header("ETag")
    assert ask(address, request('If-None-Match: "a"', f"If-None-Match: {tag}", target=status)).status == 304


# -- connections --------------------------------------------------------------------------------
def test_one_connection_too_many_is_told_to_come_back(own_daemon):
    daemon = own_daemon({"listen": {"max_connections": 10}})
    address = ("unix", daemon.socket_path)
    kept = []
    for _ in range(10):
        sock = connect(address)
        sock.sendall(request(close=False))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        kept.append(sock)
    extra = connect(address)
    extra.sendall(request())
    data = wire.receive(extra, 5)
    assert data == b"" or (data.startswith(b"HTTP/1.1 503 ") and b"retry-after" in data.lower()), data
    kept.pop().close()
    eventually(lambda: daemon.api.get("/livez").status == 200, what="a free connection")
    for sock in [*kept, extra]:
        sock.close()


def test_running_out_of_descriptors_does_not_spin(own_daemon):
    """With the descriptor table full, connections that exist are served and the CPU stays idle."""
    import resource
    daemon = own_daemon()
    address = ("tcp", "127.0.0.1", daemon.tcp_port)
    kept = connect(address)
    kept.sendall(request(close=False))
    assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
    used = max(map(int, os.listdir(f"/proc/{daemon.process.pid}/fd"))) + 1
    resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 5, used + 5))
    waiting = [connect(address) for _ in range(20)]
    before = cpu_seconds(daemon.process.pid)
    began = time.monotonic()
    while time.monotonic() < began + 2:
        kept.sendall(request(close=False))
        assert kept.recv(65536).startswith(b"HTTP/1.1 200 ")
        time.sleep(0.1)
    assert cpu_seconds(daemon.process.pid) - before < 0.3
    for sock in [*waiting, kept]:
        sock.close()
    eventually(lambda: daemon.api.get("/livez").status == 200, what="service after the shortage")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
