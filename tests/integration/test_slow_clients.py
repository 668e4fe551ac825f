# SPDX-License-Identifier: MIT
"""Clients that take their time, or more than their share: they cost a bounded amount, and disturb nobody."""
import pathlib
import resource
import time

import wire
from api import NDJSON, assert_problem, connect
from harness import eventually


def test_readers_that_stop_cost_neither_memory_nor_log(own_daemon, origin, hosts):
    """Twenty clients ask for 60 MB each and read nothing of it; the daemon goes on, and its log stays small."""
    daemon = own_daemon()
    api = daemon.api
    names = hosts.take(4)
    batch = api.submit([origin.url("/size/1000000", names[0]) for _ in range(60)])
    api.wait(batch["id"])
    before = daemon.rss_kib()
    stream = wire.head("GET", f"/v1/batches/{batch['id']}/results?include=body", f"Accept: {NDJSON}")
    body = wire.head("GET", f"/v1/batches/{batch['id']}/tasks/0/body")
    stopped = []
    for request in [stream, body] * 10:
        sock = connect(("unix", daemon.socket_path))
        sock.sendall(request)
        stopped.append(sock)
    for _ in range(5):
        more = api.submit([origin.url("/size/100000", name) for name in names] * 10)
        began = time.monotonic()
        api.wait(more["id"])
        assert time.monotonic() - began < 10
    assert daemon.rss_kib() - before < 64 * 1024, "twenty readers that stopped"
    assert pathlib.Path(daemon.db_path + "-wal").stat().st_size < 64 * 1024 * 1024
    for sock in stopped:
        sock.close()


def test_pages_that_nobody_reads_are_bounded(own_daemon, origin, host):
    """Sixty clients ask for a page of 5 MB each and read nothing of it: most hear 503, and once those
    before them are gone, pages are there again."""
    daemon = own_daemon()
    api = daemon.api
    batch = api.submit([origin.url("/size/1000000", host) for _ in range(6)])
    api.wait(batch["id"])
    target = f"/v1/batches/{batch['id']}/results?include=body"
    page = api.get(target)
    assert page.status == 200 and len(page.body) > 4_000_000
    before = daemon.rss_kib()
    stopped = []
    for _ in range(60):
        sock = connect(("unix", daemon.socket_path))
        sock.sendall(wire.head("GET", target))
        stopped.append(sock)
    eventually(lambda: api.get(target).status == 503, what="a refusal")
    assert_problem(api.get(target), 503, "overloaded")
    assert api.get(f"/v1/batches/{batch['id']}").status == 200
    assert daemon.rss_kib("VmHWM") - before < 160 * 1024
    for sock in stopped:
        sock.close()
    eventually(lambda: api.get(target).status == 200, what="pages again")


def test_a_thousand_idle_connections_are_no_burden(own_daemon):
    daemon = own_daemon()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    before, port, idle = daemon.rss_kib(), daemon.tcp_port, []
    try:
        for _ in range(1000):
            sock = connect(("tcp", "127.0.0.1", port))
            sock.sendall(wire.head("GET", "/livez", close=False))
            idle.append(sock)
        for sock in idle:
            assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert daemon.api.get_json("/v1/stats")["http"]["connections"] >= 1000
        assert daemon.rss_kib() - before < 64 * 1024
        began = time.monotonic()
        for _ in range(50):
            assert daemon.api.get("/livez").status == 200
        assert time.monotonic() - began < 5
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    eventually(lambda: daemon.api.get_json("/v1/stats")["http"]["connections"] < 10, what="the end of them all")


def test_refusals_reach_clients_that_are_still_sending(own_daemon):
    """415, 413 and, while others upload, 503: the answer comes though the client goes on sending its body."""
    daemon = own_daemon({"limits": {"upload_budget": "4M", "request_body": "4M", "json_document": "1M"}})
    address = ("unix", daemon.socket_path)

    def send(media_type, n):
        sock = connect(address)
        sock.sendall(wire.head("POST", "/v1/batches", f"Content-Type: {media_type}", f"Content-Length: {n}"))
        wire.send_pieces(sock, [b"#" * 65535 + b"\n"] * 60)
        return sock

    def refused(media_type, n, status):
        sock = send(media_type, n)
        answer = wire.parse_responses(wire.receive(sock))[0]
        sock.close()
        assert_problem(answer, status)
        assert answer.header("connection") == "close"
        return answer

    refused("text/html", 4 << 20, 415)
    refused("application/json", 4 << 20, 413)
    refused("text/plain", 5 << 20, 413)
    first = send("text/plain", 4 << 20)
    eventually(lambda: daemon.api.get_json("/v1/stats")["http"]["upload_bytes"] > 0, what="an upload under way")
    assert refused("text/plain", 4 << 20, 503).header("retry-after")
    first.close()
    eventually(lambda: daemon.api.get_json("/v1/stats")["http"]["upload_bytes"] == 0, what="the end of the upload")


def test_the_answer_to_one_connection_too_many_reaches_a_client_that_sends(own_daemon):
    daemon = own_daemon({"listen": {"max_connections": 2}})
    address = ("unix", daemon.socket_path)
    kept = [connect(address) for _ in range(2)]
    for sock in kept:
        sock.sendall(wire.head("GET", "/livez", close=False))
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
    extra = connect(address)
    extra.sendall(wire.head("POST", "/v1/batches", "Content-Type: text/plain", f"Content-Length: {10 << 20}"))
    wire.send_pieces(extra, [b"x" * 65536] * 50)
    answer = wire.parse_responses(wire.receive(extra))[0]
    problem = assert_problem(answer, 503, "overloaded")
    assert answer.header("retry-after") and "connections" in problem["detail"]
    for sock in [*kept, extra]:
        sock.close()
