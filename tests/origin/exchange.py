# SPDX-License-Identifier: MIT
"""One request and the means to answer it with any bytes whatever.

No HTTP library touches the wire here: the point of the origin server is to send what such a library
refuses to send. An Exchange also tells the log when the request began and when its answer was complete,
so that politeness is measured where it matters, at the server.
"""
import asyncio
import json
import random
import socket
import struct
import time
from urllib.parse import parse_qsl, unquote

HEAD_LIMIT = 64 * 1024
IDLE_LIMIT_S = 600


class Log:
    """What was asked of this server: every request, and how many ran at once for each Host."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.requests = []
        self.active = {}
        self.peak = {}
        self.peak_by_tag = {}
        self.connections = 0

    def begin(self, entry):
        self.requests.append(entry)
        self._step(self.active, self.peak, entry["host"], 1)
        if entry["tag"]:
            self._step(self.active, self.peak_by_tag, "tag:" + entry["tag"], 1)

    def end(self, entry):
        entry["end"] = time.monotonic()
        self._step(self.active, self.peak, entry["host"], -1)
        if entry["tag"]:
            self._step(self.active, self.peak_by_tag, "tag:" + entry["tag"], -1)

    @staticmethod
    def _step(active, peak, key, by):
        active[key] = active.get(key, 0) + by
        name = key.removeprefix("tag:")
        peak[name] = max(peak.get(name, 0), active[key])

    def as_json(self, prefix=""):
        """The log as a document; only requests whose target starts with `prefix`."""
        chosen = [r for r in self.requests if r["target"].startswith(prefix)]
        return {"requests": chosen, "peak": self.peak, "peak_by_tag": self.peak_by_tag,
                "connections": self.connections}


class Request:
    """A request head as received, and its body."""

    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        if target.startswith("http://"):  # asked as a proxy: the play is the same, the target shows it
            target = "/" + target.split("/", 3)[3]
        path, _, query = target.partition("?")
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        parts = [unquote(p) for p in path.split("/")]
        self.name = parts[1] if len(parts) > 1 else ""
        self.args = parts[2:]

    def header(self, name, default=""):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default

    @property
    def host(self):
        """The Host header without its port: the name under which gatherd keeps a host."""
        host = self.header("host")
        if host.startswith("["):
            return host[1:].partition("]")[0]
        return host.partition(":")[0]


async def read_request(reader):
    """The next request of a connection, or None at its end."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_LIMIT_S)
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ", 2)
    headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]
    request = Request(method, target, headers, b"")
    length = request.header("content-length")
    if length:
        request.body = await reader.readexactly(int(length))
    elif request.header("transfer-encoding").lower() == "chunked":
        request.body = await read_chunked(reader)
    return request


async def read_chunked(reader):
    body = b""
    while True:
        size = int((await reader.readline()).split(b";")[0], 16)
        data = await reader.readexactly(size + 2)
        if size == 0:
            return body
        body += data[:-2]


async def put(writer, data):
    """Writes, and notices that the client has gone: a drain alone may not."""
    if writer.transport.is_closing():
        raise ConnectionResetError
    writer.write(data)
    await writer.drain()


def pieces(data, pace, rng, most=1):
    """Cuts `data` at random places, or every `most` bytes."""
    while data:
        n = rng.randint(1, 24) if pace == "cut" else most
        yield data[:n]
        data = data[n:]


# pace: how many bytes of an answer are cut finely
FINE = {"whole": 0, "cut": 600, "dribbled": 100}


async def send_paced(writer, data, pace, rng):
    """Over TLS each piece is a record, which is cut on the wire in the same way."""
    seal = getattr(writer, "seal", None)
    wire = writer.wire if seal else writer
    for piece in pieces(data[:FINE[pace]], pace, rng, 16 if seal else 1):
        for part in pieces(seal(piece), pace, rng) if seal else [piece]:
            await put(wire, part)
            await asyncio.sleep(0.0005)
    if data[FINE[pace]:]:
        await put(writer, data[FINE[pace]:])


class Exchange:
    """A request under way on one connection. A play writes its answer through it."""

    def __init__(self, server, request, reader, writer):
        self.server, self.request = server, request
        self.reader, self.writer = reader, writer
        self.keep_alive = request.header("connection").lower() != "close"
        self.pace = request.query.get("pace", "whole")
        self.abrupt = request.query.get("abrupt") == "1"  # over TLS: ends without close_notify
        self._entry = None
        self._random = random.Random(request.query.get("seed", request.target))

    # -- log ------------------------------------------------------------------------------------
    def begin(self, connection):
        self._entry = {"t": time.monotonic(), "host": self.request.host, "connection": connection,
                       "method": self.request.method, "target": self.request.target,
                       "tag": self.request.query.get("tag", ""), "headers": self.request.headers}
        self.server.log.begin(self._entry)

    def answered(self):
        """Counts the request as over. Called before the last bytes leave: once they are out, the client
        may rightly start its next request before this coroutine runs again."""
        if self._entry:
            self.server.log.end(self._entry)
            self._entry = None

    # -- bytes ----------------------------------------------------------------------------------
    async def raw(self, data):
        """Sends exactly `data`; the beginning of it in pieces, each a segment of its own, as the request's ?pace says."""
        if isinstance(data, str):
            data = data.encode("latin-1")
        await send_paced(self.writer, data, self.pace, self._random)

    async def reply(self, status, body=b"", headers=(), reason="Scripted"):
        """A well-formed answer with Content-Length."""
        if isinstance(body, str):
            body = body.encode()
        names = {name.lower() for name, _ in headers}
        head = [f"HTTP/1.1 {status} {reason}"]
        head += [f"{name}: {value}" for name, value in headers]
        if "content-type" not in names:
            head.append("Content-Type: text/plain; charset=utf-8")
        bodiless = status == 204 or status == 304 or 100 <= status < 200
        if "content-length" not in names and not bodiless:
            head.append(f"Content-Length: {len(body)}")
        if not self.keep_alive:
            head.append("Connection: close")
        data = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        if self.request.method != "HEAD" and not bodiless:
            data += body
        self.answered()
        await self.raw(data)

    async def reply_json(self, document, status=200, headers=()):
        body = json.dumps(document, indent=1).encode()
        await self.reply(status, body, [("Content-Type", "application/json"), *headers])

    # -- ends -----------------------------------------------------------------------------------
    async def last(self, data):
        """Sends `data` and closes in an orderly way (FIN)."""
        self.keep_alive = False
        self.answered()
        await self.raw(data)

    def reset(self):
        """Closes with RST."""
        self.keep_alive = False
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def until_client_leaves(self):
        """Says nothing more, but keeps the connection."""
        self.keep_alive = False
        try:
            while await asyncio.wait_for(self.reader.read(65536), IDLE_LIMIT_S):
                pass
        except (asyncio.TimeoutError, OSError):
            pass

    async def endless(self, piece):
        """Sends `piece` until the client has had enough."""
        self.keep_alive = False
        while True:
            await put(self.writer, piece)
            await asyncio.sleep(0)  # others have their turn, too
