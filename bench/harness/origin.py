# SPDX-License-Identifier: MIT
"""The origin server on loopback, nginx from a private prefix, and the name server of its hosts."""
import os
import pathlib
import re
import socket
import subprocess
import threading
import urllib.request

from .machine import ECHO_MODULE, BenchError, eventually, program, stop

SLOW = "127.0.0.201"  # a host that takes its time
HOSTS = 1000  # 127.1.0.1 … 127.1.9.100, a host each, and as many names, each of one of these addresses
FILES = {"small": 120, "16k": 16 << 10, "1m": 1 << 20}

CONFIG = """
load_module {echo_module};
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 32768;
events {{ worker_connections 16384; }}
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
        listen {slow}:{port} backlog=16384;
        location = /after-1 {{ echo_sleep 1; echo slow; }}
        location = /after-5 {{ echo_sleep 5; echo slow; }}
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


def address(i):
    """Of the i-th host."""
    return f"127.1.{i // 100}.{i % 100 + 1}"


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
        self.process, self._asked, self._lock = None, 0, threading.Lock()

    def start(self):
        for _ in range(5):
            self.port, self.tls_port = free_port(), free_port()
            listens = "\n        ".join(f"listen {ip}:{self.port} backlog=4096;"
                                        for ip in ("127.0.0.1", *map(address, range(HOSTS))))
            (self.folder / "nginx.conf").write_text(
                CONFIG.format(user="user root;" if os.geteuid() == 0 else "", folder=self.folder, listens=listens,
                              port=self.port, tls_port=self.tls_port, slow=SLOW, echo_module=ECHO_MODULE))
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

    def _status(self):
        """(requests so far, those under way), what this asks itself left out."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/requests", timeout=10) as answer:
            text = answer.read().decode()
        total = int(re.search(r"^ *\d+ +\d+ +(\d+)", text, re.M).group(1))
        writing = int(re.search(r"Writing: (\d+)", text).group(1))
        with self._lock:
            self._asked += 1
            return total - self._asked, writing - 1

    def requests(self):
        return self._status()[0]

    def under_way(self):
        return self._status()[1]

    def urls(self, name, n):
        """`n` different URLs of one file."""
        return [f"http://127.0.0.1:{self.port}/{name}?{i}" for i in range(n)]

    def hosts_urls(self, name, n, by_name):
        """The same over all hosts, which are written as names or as addresses."""
        hosts = [NameServer.name(i) if by_name else address(i) for i in range(HOSTS)]
        return [f"http://{hosts[i % HOSTS]}:{self.port}/{name}?{i}" for i in range(n)]

    def slow_urls(self, seconds, n):
        """Of a host that answers after 1 or 5 seconds."""
        return [f"http://{SLOW}:{self.port}/after-{seconds}?{i}" for i in range(n)]

    def tls_urls(self, name, n):
        return [f"https://127.0.0.1:{self.tls_port}/{name}?{i}" for i in range(n)]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        stop(self.process)


class NameServer:
    """Resolves the hosts' names, over UDP. A thread of this process: a name is asked for once a run."""

    @staticmethod
    def name(i):
        return f"host-{i}.bench.test"

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while True:
            question, client = self.socket.recvfrom(512)
            if not question:
                return
            self.socket.sendto(self._answer(question), client)

    @staticmethod
    def _answer(question):
        """RFC 1035 §4.1: one address for A, none for anything else."""
        end = question.index(b"\0", 12) + 1
        label = question[13:13 + question[12]].decode()
        records = b""
        if question[end:end + 2] == b"\0\1" and label.startswith("host-"):
            records = b"\xc0\x0c\0\1\0\1\0\0\x0e\x10\0\4" + socket.inet_aton(address(int(label[5:])))
        count = b"\1" if records else b"\0"
        return question[:2] + b"\x85\x80\0\1\0" + count + bytes(4) + question[12:end + 4] + records

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.socket.sendto(b"", self.socket.getsockname())
        self._thread.join(10)
        self.socket.close()
