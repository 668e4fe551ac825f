#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Many clients that wait for one batch, on raw sockets.

    waiters.py [--clients N] PORT BATCH

Each connection sends GET /v1/batches/BATCH?wait=60. Once all wait, the batch is cancelled; printed is the time from
sending that to having each client's answer, as JSON in seconds. This program's own work is part of it.
"""
import argparse
import json
import select
import socket
import sys
import time

PATIENCE_S = 50


def connect_all(port, path, n):
    request = f"GET {path}?wait=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    clients = {}
    for _ in range(n):
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        client.sendall(request)
        client.setblocking(False)
        clients[client.fileno()] = client
    return clients


def has_whole_answer(data):
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit(f"waiters: answered {data[:200]!r}")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return False


def collect(clients, start):
    """Seconds since `start` of each whole answer. Does as little as it can between two of them."""
    poll = select.epoll()
    for fd in clients:
        poll.register(fd, select.EPOLLIN | select.EPOLLET)
    spans, parts = {}, dict.fromkeys(clients, b"")
    deadline = time.perf_counter() + PATIENCE_S
    while len(spans) < len(clients) and time.perf_counter() < deadline:
        for fd, _ in poll.poll(1):
            data = clients[fd].recv(65536)
            parts[fd] += data
            if not data:
                sys.exit(f"waiters: a connection was closed after {parts[fd]!r}")
            if has_whole_answer(parts[fd]):
                spans[fd] = time.perf_counter() - start
    if len(spans) < len(clients):
        sys.exit(f"waiters: {len(clients) - len(spans)} clients have had no answer")
    return sorted(spans.values())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("batch")
    parser.add_argument("--clients", type=int, default=5000)
    options = parser.parse_args()
    path = f"/v1/batches/{options.batch}"
    clients = connect_all(options.port, path, options.clients)
    time.sleep(1)
    early, _, _ = select.select(list(clients.values())[:500], [], [], 0)
    if early:
        sys.exit(f"waiters: answered before the batch was finished: {early[0].recv(300)!r}")
    cancel = socket.create_connection(("127.0.0.1", options.port), timeout=10)
    start = time.perf_counter()
    cancel.sendall(f"POST {path}/cancel HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
    spans = collect(clients, start)
    cancel.close()
    print(json.dumps({"p50": spans[len(spans) // 2], "p99": spans[len(spans) * 99 // 100], "max": spans[-1]}))


if __name__ == "__main__":
    main()
