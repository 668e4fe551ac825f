# SPDX-License-Identifier: MIT
"""Raw bytes to the daemon and raw answers back, for what no HTTP library would send."""
import socket
import time

import contract
from api import Response, connect


def send_pieces(sock, pieces, pause=0.0):
    """Sends each piece as a write of its own; a peer that has hung up already is no error here."""
    try:
        for piece in pieces:
            sock.sendall(piece)
            if pause:
                time.sleep(pause)
    except (BrokenPipeError, ConnectionResetError):
        pass


def receive(sock, timeout=15):
    """All bytes until the peer closes, or until `timeout` passes without an end."""
    sock.settimeout(timeout)
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return data


def parse_responses(data, methods=None):
    """The answers in `data`, strictly framed by Content-Length or chunks; 1xx are skipped."""
    methods = list(methods or [])
    responses = []
    while data:
        head, separator, data = data.partition(b"\r\n\r\n")
        assert separator, f"no complete head: {head[:200]!r}"
        lines = head.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        assert version == "HTTP/1.1", lines[0]
        headers = [tuple(p.strip() for p in line.split(":", 1)) for line in lines[1:]]
        names = {k.lower(): v for k, v in headers}
        if status.startswith("1"):
            continue
        method = methods.pop(0) if methods else "GET"
        if method == "HEAD" or status in ("204", "304"):
            body = b""
        elif names.get("transfer-encoding") == "chunked":
            body, data = unchunk(data)
        else:
            length = int(names["content-length"])
            assert len(data) >= length, f"body of {len(data)} bytes, promised {length}"
            body, data = data[:length], data[length:]
        responses.append(Response(int(status), headers, body))
        if int(status) >= 400 and method != "HEAD":
            contract.check_problem(responses[-1], lines[0])
    return responses


def unchunk(data):
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        n = int(size, 16)
        body += data[:n]
        assert data[n:n + 2] == b"\r\n", "chunk without its CRLF"
        data = data[n + 2:]
        if n == 0:
            return body, data


def exchange(address, pieces, half_close=False, methods=None, pause=0.0, timeout=15):
    """Sends `pieces` on one connection and returns the parsed answers, once the server has closed.

    The last request should say `Connection: close`, else this waits for the idle time-out."""
    if isinstance(pieces, bytes):
        pieces = [pieces]
    sock = connect(address)
    try:
        send_pieces(sock, pieces, pause)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        return parse_responses(receive(sock, timeout), methods)
    finally:
        sock.close()


def head(method, target, *fields, host="localhost", close=True):
    """The bytes of a request head."""
    lines = [f"{method} {target} HTTP/1.1"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += fields
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
