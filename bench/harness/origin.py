# SPDX-License-Identifier: MIT
"""Origin servers on loopback: nginx from a private prefix, and one that takes its time."""
import asyncio
import os
import pathlib
import re
import socket
import subprocess
import threading
import urllib.request

from .machine import BenchError, eventually, program, stop

HOSTS = 100  # 127.0.0.1 … 127.0.0.100, a host each
FILES = {"small": 120, "16k": 16 << 10, "1m": 1 << 20}

CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    types {{ }}
    default_type text/plain;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 1000000000;
    keepalive_timeout 75s;
    open_file_cache max=100 inactive=1h;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    root {folder}/files;
    server {{
        {listens}
        location = /requests {{ stub_status; }}
    }}
    server {{
        listen 127.0.0.1:{tls_port} ssl http2 backlog=4096;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        ssl_session_cache shared:tls:1m;
        http2_max_requests 1000000000;
    }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder):
    """One certificate that is its own authority."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem",
                    "-out", folder / "certificate.pem"], check=True, capture_output=True, timeout=30)


class Nginx:
    """The origin server of the fetch cases. Counts its requests, so that nobody is measured for less work."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "files").mkdir(parents=True)
        for name, size in FILES.items():
            line = f"{name} file of the benchmark, the same line again and again\n".encode()
            (self.folder / "files" / name).write_bytes((line * (size // len(line) + 1))[:size])
        make_certificate(self.folder)
        self.ca_file = self.folder / "certificate.pem"
        self.process, self._asked = None, 0

    def start(self):
        for _ in range(5):
            self.port, self.tls_port = free_port(), free_port()
            listens = "\n        ".join(f"listen 127.0.0.{n}:{self.port} backlog=4096;"
                                        for n in range(1, HOSTS + 1))
            (self.folder / "nginx.conf").write_text(
                CONFIG.format(user="user root;" if os.geteuid() == 0 else "", folder=self.folder, listens=listens,
                              tls_port=self.tls_port))
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen([program("nginx"), "-p", str(self.folder), "-e", "error.log",
                                                 "-c", "nginx.conf"], stdout=log, stderr=log)
            if eventually(self._is_up_or_dead, 10, "nginx") == "up":
                self._check_files()
                return self
        raise BenchError(f"nginx does not start: {(self.folder / 'error.log').read_text()}")

    def _check_files(self):
        for name, size in FILES.items():
            with urllib.request.urlopen(self.urls(name, 1)[0], timeout=10) as answer:
                if len(answer.read()) != size:
                    raise BenchError(f"nginx serves {name} wrongly")

    def _is_up_or_dead(self):
        if self.process.poll() is not None:
            return "dead"
        try:
            self.requests()
            return "up"
        except OSError:
            return None

    def requests(self):
        """Requests so far, those of this counter left out."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/requests", timeout=10) as answer:
            total = int(re.search(r"^ *\d+ +\d+ +(\d+)", answer.read().decode(), re.M).group(1))
        self._asked += 1
        return total - self._asked

    def urls(self, name, n, hosts=1):
        """`n` different URLs of one file."""
        return [f"http://127.0.0.{i % hosts + 1}:{self.port}/{name}?{i}" for i in range(n)]

    def tls_urls(self, name, n):
        return [f"https://127.0.0.1:{self.tls_port}/{name}?{i}" for i in range(n)]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        stop(self.process)


class SlowServer:
    """Answers each request after `delay` seconds, on 127.0.0.201. A thread of this process."""

    HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nslow\n"

    def __init__(self, delay):
        self.delay = delay
        self.loop = asyncio.new_event_loop()
        self.port = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        self.loop.run_until_complete(self._serve())

    async def _serve(self):
        self._stop, self._clients = asyncio.Event(), set()
        server = await asyncio.start_server(self._client, "127.0.0.201", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for client in list(self._clients):
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _client(self, reader, writer):
        self._clients.add(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(self.delay)
                writer.write(self.HEAD)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._clients.discard(asyncio.current_task())

    def urls(self, n):
        return [f"http://127.0.0.201:{self.port}/slow?{i}" for i in range(n)]

    def __enter__(self):
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
