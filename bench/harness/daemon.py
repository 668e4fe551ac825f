# SPDX-License-Identifier: MIT
"""gatherd with a private configuration and database, and the few API calls the cases need."""
import http.client
import json
import pathlib
import re
import sqlite3
import subprocess
import time

from . import machine
from .machine import BenchError, eventually

READY_S = 120


def literal(value):
    """A value as libconfuse reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "{" + ", ".join(literal(v) for v in value) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)


class Gatherd:
    """One daemon. `sections` change its configuration, such as {"fetch": {"concurrency": 64}}."""

    def __init__(self, binary, folder, sections=None):
        self.binary, self.folder = pathlib.Path(binary), pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.sections = {
            "listen": {"socket": "", "tcp": ["127.0.0.1:0"]},
            "auth": {"allow_anonymous": True},
            "store": {"path": str(self.folder / "gatherd.db")},
            "fetch": {"allow_addresses": ["127.0.0.0/8"], "concurrency": 64, "host_concurrency": 64},
            "log": {"level": "warn"},
        }
        for section, values in (sections or {}).items():
            self.sections.setdefault(section, {}).update(values)
        self.sections["log"]["level"] = "info"  # says where it listens
        self.process, self.port = None, None
        self.ready_s = None

    # -- life -----------------------------------------------------------------------------------
    def start(self):
        config = self.folder / "gatherd.conf"
        lines = []
        for section, values in self.sections.items():
            lines += [section + " {", *(f"    {k} = {literal(v)}" for k, v in values.items()), "}"]
        config.write_text("\n".join(lines) + "\n")
        self.log = self.folder / "gatherd.log"
        begin = time.perf_counter()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.binary, "--config", config], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.port = int(eventually(self._listening, READY_S, "the port of gatherd").group(1))
        eventually(self._is_ready, READY_S, "readiness of gatherd")
        self.ready_s = time.perf_counter() - begin
        return self

    def _listening(self):
        if self.process.poll() is not None:
            raise BenchError(f"gatherd ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}")
        return re.search(r"listening on 127\.0\.0\.1:(\d+)", self.log.read_text(errors="replace"))

    def _is_ready(self):
        try:
            return self.call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop(self):
        machine.stop(self.process)
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def database_bytes(self):
        """What the database holds now, pages that are still in the write-ahead log included."""
        db = sqlite3.connect(f"file:{self.sections['store']['path']}?mode=ro", uri=True)
        try:
            return db.execute("PRAGMA page_count").fetchone()[0] * db.execute("PRAGMA page_size").fetchone()[0]
        finally:
            db.close()

    # -- API ------------------------------------------------------------------------------------
    def connect(self, timeout=300):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, headers=None, connection=None):
        """(status, body as bytes) of one request, on a connection of its own if none is given."""
        own = connection or self.connect()
        try:
            own.request(method, path, body, headers or {})
            answer = own.getresponse()
            return answer.status, answer.read()
        finally:
            if connection is None:
                own.close()

    def json(self, method, path, body=None, headers=None, connection=None):
        status, data = self.call(method, path, body, headers, connection)
        if status not in (200, 202):
            raise BenchError(f"{method} {path}: {status} {data[:500].decode(errors='replace')}")
        return json.loads(data)

    def submit(self, urls, query="", connection=None):
        body = urls if isinstance(urls, bytes) else "\n".join(urls).encode()
        return self.json("POST", "/v1/batches" + query, body, {"Content-Type": "text/plain"}, connection)

    def wait(self, batch, timeout, connection=None):
        """The batch once it is finished."""
        deadline = time.monotonic() + timeout
        while True:
            batch = self.json("GET", f"/v1/batches/{batch['id']}?wait=30", connection=connection)
            if batch["state"] == "finished":
                return batch
            if time.monotonic() > deadline:
                raise BenchError(f"gatherd did not finish within {timeout} s: {batch['counts']}")

    def fetch(self, urls, timeout):
        """Seconds from the POST until everything is recorded. Anything but success is an error."""
        body = "\n".join(urls).encode()
        connection = self.connect()
        start = time.perf_counter()
        batch = self.wait(self.submit(body, connection=connection), timeout, connection)
        seconds = time.perf_counter() - start
        connection.close()
        if batch["counts"]["succeeded"] != len(urls):
            raise BenchError(f"gatherd did not fetch everything: {batch['counts']}")
        return seconds
