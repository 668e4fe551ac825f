# SPDX-License-Identifier: MIT
"""The programs under test and the origin server as objects that tests start, stop and kill."""
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
from urllib.request import urlopen

from api import Api

TESTS = pathlib.Path(__file__).resolve().parent.parent
ORIGIN = TESTS / "origin" / "origin.py"
sys.path.insert(0, str(ORIGIN.parent))

READY_S = 20
STOP_S = 40
MEMORY_TIMES = int(os.environ.get("GATHERD_MEMORY_TIMES", "1"))  # what a sanitizer needs more


def eventually(condition, timeout=10, every=0.02, what="the condition"):
    """Polls until `condition()` is true and returns what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {timeout} s"
        time.sleep(every)


def wall_clock(ahead_s):
    """The time in so many seconds, as the API writes it."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ahead_s)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def status_of(process, field):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return re.search(rf"^{field}:\s+(.+)", status, re.M).group(1)


def catches(process, number):
    """Whether the signal would be handled by now: a program that has just been started is ended by it."""
    return int(status_of(process, "SigCgt"), 16) >> (number - 1) & 1


def program(variable):
    """The program that environment `variable` names."""
    return pathlib.Path(os.environ[variable]).resolve()


# -- configuration ------------------------------------------------------------------------------
def literal(value):
    """A value as libconfuse reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return "{" + ", ".join(literal(v) for v in value) + "}"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


def config_text(sections):
    """{"fetch": {"workers": 2}, 'host "h"': {...}} as the text of a gatherd.conf."""
    lines = []
    for section, values in sections.items():
        lines.append(section + " {")
        lines += [f"    {key} = {literal(value)}" for key, value in values.items()]
        lines.append("}")
    return "\n".join(lines) + "\n"


def default_sections(folder):
    """A private daemon: everything under `folder`, loopback may be fetched and anyone local may ask."""
    return {
        "listen": {"socket": str(folder / "gatherd.sock"), "tcp": ["127.0.0.1:0"]},
        "auth": {"allow_anonymous": True},
        "store": {"path": str(folder / "gatherd.db")},
        "fetch": {"allow_addresses": ["127.0.0.0/8", "::1"], "workers": 2},
        "log": {"level": "info"},
    }


class Daemon:
    """gatherd with its own folder. Changes to `sections` take effect at the next start."""

    def __init__(self, folder, sections=None, args=(), token=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sections = default_sections(self.folder)
        for section, values in (sections or {}).items():
            self.sections.setdefault(section, {}).update(values)
        self.args, self.token = list(args), token
        self.process = None
        self.config = self.folder / "gatherd.conf"
        self.log_path = self.folder / "gatherd.log"
        self._log_offset = 0

    # -- life -----------------------------------------------------------------------------------
    def write_config(self):
        self.config.write_text(config_text(self.sections))

    def spawn(self):
        """Starts without waiting for anything."""
        self.write_config()
        self._log_offset = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([program("GATHERD_BIN"), "--config", self.config, *self.args],
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        return self

    def start(self):
        self.spawn()
        eventually(self._is_ready, READY_S, 0.01, "readiness of gatherd")
        return self

    def _is_ready(self):
        assert self.process.poll() is None, f"gatherd ended with {self.process.poll()}:\n{self.log()}"
        try:
            return self.api.get("/readyz").status == 200
        except OSError:
            return False

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self, at_once=False):
        """SIGTERM (twice, if in-flight fetches need not end first); the exit status must be 0."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        try:
            if at_once:
                self.process.wait(0.3)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"gatherd did not stop in {STOP_S} s:\n{self.log()[-3000:]}") from None
        self.process = None
        assert code == 0, f"gatherd exited with {code}:\n{self.log()[-6000:]}"

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def restart(self):
        self.stop(at_once=True)
        return self.start()

    # -- looking at it --------------------------------------------------------------------------
    @property
    def socket_path(self):
        return self.sections["listen"]["socket"]

    @property
    def db_path(self):
        return self.sections["store"]["path"]

    @property
    def api(self):
        return Api(("unix", self.socket_path), self.token)

    @property
    def tcp_port(self):
        """The port of the TCP listener, as the daemon's log of this run tells."""
        return int(eventually(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)", self.log()), 5,
                              what="'listening on' in the log").group(1))

    @property
    def tcp(self):
        return Api(("tcp", "127.0.0.1", self.tcp_port), self.token)

    def log(self):
        """What this run has logged."""
        with open(self.log_path, "rb") as log:
            log.seek(self._log_offset)
            return log.read().decode(errors="replace")

    def rss_kib(self, field="VmRSS"):
        """Memory now (VmRSS) or the most so far (VmHWM)."""
        return int(status_of(self.process, field).split()[0]) // MEMORY_TIMES

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if self.process is None:
            return
        if kind is None:
            self.stop(at_once=True)
        else:
            self.kill()


def run_gatherd(*args, env=None):
    """gatherd in the foreground, for options that end by themselves."""
    return subprocess.run([program("GATHERD_BIN"), *map(str, args)], capture_output=True, text=True,
                          timeout=30, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)


def run_gather(server, *args, stdin=None, timeout=60, env=None):
    """The client against `server` ("unix:PATH" or a URL)."""
    environment = {**os.environ, "GATHER_SERVER": server, **(env or {})}
    return subprocess.run([program("GATHER_BIN"), *map(str, args)], input=stdin, text=True,
                          capture_output=True, timeout=timeout, env=environment,
                          **({"stdin": subprocess.DEVNULL} if stdin is None else {}))


class Origin:
    """The scripted origin server as a process; it ends with this one."""

    def __init__(self, addresses=16, tls=False):
        args = [sys.executable, str(ORIGIN), "--stdin", "--addresses", str(addresses)]
        self.process = subprocess.Popen(args + ["--tls"] * tls, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        about = json.loads(self.process.stdout.readline())
        self.ports, self.ca_file = about["ports"], about.get("ca_file")

    def __getstate__(self):
        """What another process needs to use it; only the one that started it can stop it."""
        return {"ports": self.ports, "ca_file": self.ca_file}

    def url(self, path, host="127.0.0.1", port="http"):
        scheme = "https" if port.startswith("tls") else "http"
        return f"{scheme}://{host}:{self.ports[port]}{path}"

    def record(self, prefix="/", reset=False):
        """The server's log: requests whose target starts with `prefix`, peaks of concurrency."""
        with urlopen(self.url(f"/record?prefix={prefix}&reset={int(reset)}"), timeout=30) as answer:
            return json.load(answer)

    def requests(self, prefix="/"):
        return self.record(prefix)["requests"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
