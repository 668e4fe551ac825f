#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The scripted origin server: plays any behaviour of a web server, good or bad, by path.

    origin.py [--tls] [--addresses N]

It listens on loopback only, on ports the kernel chooses, prints {"ports": …, "ca_file": …} as one JSON line
on stdout, and serves until SIGTERM, SIGINT or the end of its stdin pipe (with --stdin). Ports:

    http       plain HTTP on 127.0.0.1 … 127.0.0.N and ::1: one port, N + 1 host names
    ssh, smtp  say their banner as soon as anyone connects
    closed     is bound but refuses connections; blackhole never completes one
    dns        a name server on UDP and TCP, see names.py
    tls, tls_expired, tls_wrong_host, tls_self_signed, tls_1_1, tls_named (for clients that name localhost),
    tls_client_cert (asks for one), tls_dribbled, tls_plain, tls_stall, tls_close, tls_alert, tls_half, tls_garbage,
    tls_h2 (HTTP/2, see http2.py): with --tls

Plays are in plays.py and faults*.py, what they must end as in behaviours.py. Any path takes `?pace=cut` (answer in
random small pieces) or `dribbled` (byte by byte), `?abrupt=1` (TLS that ends without close_notify) and `?tag=NAME`
(count the most requests at once under that name too). `/record` is the log.
"""
import argparse
import asyncio
import errno
import json
import pathlib
import signal
import socket
import ssl
import sys
import tempfile
import warnings
import zlib

import certificates
import faults  # noqa: F401 (registers its plays)
import faults_framing  # noqa: F401
import faults_redirects  # noqa: F401
from exchange import HEAD_LIMIT, Exchange, Log, read_request
from http2 import Http2
from names import Datagrams, NameServer
from plays import PLAYS
from tls import GONE, TlsStream, learn_names

BOMB_MIB = 200


class Origin:
    def __init__(self, addresses):
        self.log = Log()
        self.ports = {}
        self._addresses = [f"127.0.0.{i}" for i in range(1, addresses + 1)]
        self._counts = {}
        self._bomb = None
        self._kept = []  # servers and sockets that must live as long as this object

    # -- used by plays --------------------------------------------------------------------------
    def count(self, key):
        """How often `key` has been counted, this time included."""
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key]

    async def bomb(self):
        if self._bomb is None:
            self._bomb = await asyncio.to_thread(make_bomb)
        return self._bomb

    # -- listening ------------------------------------------------------------------------------
    async def listen_plain(self):
        """The same port on every address: the kernel chooses it for the first, the others must be free."""
        for _ in range(20):
            sockets = self._bind_all()
            if sockets:
                break
        else:
            raise OSError("no port is free on all loopback addresses")
        for sock in sockets:
            self._kept.append(await asyncio.start_server(self._serve, sock=sock, limit=HEAD_LIMIT,
                                                         backlog=4096))
        self.ports["http"] = sockets[0].getsockname()[1]

    def _bind_all(self):
        sockets, port = [], 0
        for address in [*self._addresses, "::1"]:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
                sockets.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address, port))
            except OSError as e:
                if e.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and family == socket.AF_INET6:
                    sockets.pop()  # a machine without IPv6
                    continue
                for other in sockets:
                    other.close()
                return None
            port = sock.getsockname()[1]
        return sockets

    async def _listen_on(self, name, handler):
        server = await asyncio.start_server(handler, "127.0.0.1", 0, limit=HEAD_LIMIT, backlog=4096)
        self._kept.append(server)
        self.ports[name] = server.sockets[0].getsockname()[1]

    async def listen_banners(self):
        await self._listen_on("ssh", banner(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"))
        await self._listen_on("smtp", banner(b"220 mail.example.com ESMTP Postfix\r\n"))

    async def listen_names(self):
        server = NameServer()
        for _ in range(20):
            await self._listen_on("dns", server.serve_stream)
            try:
                self._kept.append(await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: Datagrams(server), local_addr=("127.0.0.1", self.ports["dns"])))
                return
            except OSError:
                continue  # the number is free for TCP alone
        raise OSError("no port is free for both UDP and TCP")

    def listen_not(self):
        """A port that refuses (bound, not listening) and one that is full (a backlog of one, taken)."""
        closed = socket.socket()
        closed.bind(("127.0.0.1", 0))
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        self._kept += [closed, full]
        self.ports["closed"] = closed.getsockname()[1]
        self.ports["blackhole"] = full.getsockname()[1]
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
            self._kept.append(filler)

    async def listen_tls(self, folder):
        await asyncio.to_thread(certificates.make_authority, folder)
        for kind in certificates.KINDS:
            await asyncio.to_thread(certificates.make_certificate, folder, kind)
            await self._listen_on(kind, self._over_tls(certificates.server_context(folder, kind)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old = certificates.server_context(folder, "tls", only_tls_1_1=True)
        await self._listen_on("tls_1_1", self._over_tls(old))
        good = certificates.server_context(folder, "tls")
        await self._listen_on("tls_dribbled", self._over_tls(good, bytes_at_once=5))
        named = certificates.server_context(folder, "tls")
        learn_names(named, known=("localhost",))
        await self._listen_on("tls_named", self._over_tls(named))
        asks = certificates.server_context(folder, "tls")
        asks.verify_mode = ssl.CERT_REQUIRED
        asks.load_verify_locations(folder / certificates.AUTHORITY)
        await self._listen_on("tls_client_cert", self._over_tls(asks))
        await self._listen_h2(folder)
        for name, answer in HELLO_ANSWERS.items():
            await self._listen_on(name, to_hello(answer))
        await self._listen_on("tls_stall", silent)

    async def _listen_h2(self, folder):
        context = certificates.server_context(folder, "tls")
        context.set_alpn_protocols(["h2"])
        learn_names(context)
        await self._listen_on("tls_h2", self._over_tls(context, serve=self._serve_h2))

    def _over_tls(self, context, bytes_at_once=None, serve=None):
        async def handle(reader, writer):
            try:
                stream = TlsStream(context, reader, writer)
                await stream.handshake(bytes_at_once)
                await (serve or self._serve)(stream.reader, stream)
            except GONE:
                writer.close()
            except asyncio.CancelledError:
                pass  # the server ends
        return handle

    # -- serving --------------------------------------------------------------------------------
    async def _serve(self, reader, writer):
        self.log.connections += 1
        connection = self.log.connections
        try:
            while await self._serve_one(reader, writer, connection):
                pass
        except GONE:
            pass
        finally:
            writer.close()

    async def _serve_h2(self, reader, stream):
        self.log.connections += 1
        connection = Http2(self, reader, stream, self.log.connections)
        try:
            await connection.serve()
        except GONE:
            pass
        finally:
            connection.end()

    async def _serve_one(self, reader, writer, connection):
        """One request; true if the connection may carry another."""
        request = await read_request(reader)
        if request is None:
            return False
        x = Exchange(self, request, reader, writer)
        if request.name != "record":
            x.begin(connection)
        try:
            player = PLAYS.get(request.name)
            if player:
                await player(x)
            else:
                await x.reply(404, f"no play is named {request.name}\n")
            if not x.keep_alive and x.abrupt:
                writer.close(politely=False)
        finally:
            x.answered()
        return x.keep_alive


def make_bomb():
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    return b"".join([packer.compress(zeros) for _ in range(BOMB_MIB)] + [packer.flush()])


def banner(text):
    async def serve(reader, writer):
        try:
            writer.write(text)
            await writer.drain()
            await asyncio.wait_for(reader.read(1), 10)
        except (*GONE, asyncio.TimeoutError):
            pass
        finally:
            writer.close()
    return serve


async def silent(reader, writer):
    try:
        while await reader.read(65536):
            pass
    except GONE:
        pass
    finally:
        writer.close()


# What comes instead of a ServerHello.
HELLO_ANSWERS = {"tls_plain": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                 "tls_close": b"",
                 "tls_alert": b"\x15\x03\x03\x00\x02\x02\x28",  # fatal, handshake_failure
                 "tls_half": b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03half",
                 "tls_garbage": bytes(range(256))}


def to_hello(answer):
    async def handle(reader, writer):
        try:
            await reader.read(16384)
            writer.write(answer)
            await writer.drain()
        except GONE:
            pass
        finally:
            writer.close()
    return handle


async def serve(options):
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.stdin:  # the parent holds the other end: its death is the end of this process
        loop.add_reader(sys.stdin.fileno(), stop.set)
    origin = Origin(options.addresses)
    with tempfile.TemporaryDirectory(prefix="origin-") as folder:
        await origin.listen_plain()
        await origin.listen_banners()
        await origin.listen_names()
        origin.listen_not()
        about = {"ports": origin.ports}
        if options.tls:
            await origin.listen_tls(pathlib.Path(folder))
            about["ca_file"] = str(pathlib.Path(folder) / certificates.AUTHORITY)
        print(json.dumps(about), flush=True)
        await stop.wait()


def main():
    parser = argparse.ArgumentParser(description="The scripted origin server")
    parser.add_argument("--tls", action="store_true", help="listen for TLS too")
    parser.add_argument("--addresses", type=int, default=16, help="how many of 127.0.0.x to serve")
    parser.add_argument("--stdin", action="store_true", help="end when stdin is closed")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
