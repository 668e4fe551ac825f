# SPDX-License-Identifier: MIT
"""Fixtures for tests of the client alone: `api`, the stand-in for the daemon, and `client`, gather in front of it."""
import os
import pty
import re
import select
import subprocess
import time

import pytest

import fake_api

GATHER = os.environ.get("GATHER_BIN")
if not GATHER:
    pytest.skip("GATHER_BIN does not name the client's binary", allow_module_level=True)


class Client:
    def __init__(self, api, where, folder):
        self.api, self.where = api, where
        self.env = {**os.environ, "GATHER_SERVER": where, "XDG_STATE_HOME": str(folder / "state"),
                    "HOME": str(folder), "LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": ""}
        for name in ("GATHER_TOKEN", "GATHER_TOKEN_FILE", "http_proxy"):
            self.env.pop(name, None)

    def run(self, *args, env=None, stdin="", **more):
        return subprocess.run([GATHER, *map(str, args)], env={**self.env, **(env or {})}, input=stdin, text=True,
                              capture_output=True, timeout=60, **more)

    def start(self, *args, **more):
        return subprocess.Popen([GATHER, *map(str, args)], env=self.env, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **more)

    def terminal(self, *args, columns=80, env=None, until=None):
        """Runs on a terminal of its own; gives (status, all that was shown)."""
        pid, fd = pty.fork()
        if pid == 0:
            os.execve(GATHER, [GATHER, *map(str, args)], {**self.env, **(env or {})})
        import fcntl
        import struct
        import termios
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        shown, deadline, signalled = b"", time.monotonic() + 30, False
        while time.monotonic() < deadline:
            if select.select([fd], [], [], 0.1)[0]:
                try:
                    data = os.read(fd, 65536)
                except OSError:
                    break
                if not data:
                    break
                shown += data
            if until and not signalled and re.search(until, shown.decode(errors="replace")):
                os.write(fd, b"\x03")
                signalled = True
        _, status = os.waitpid(pid, 0)
        os.close(fd)
        return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")


@pytest.fixture
def api():
    return fake_api.FakeApi()


@pytest.fixture
def client(api, tmp_path):
    server, where = fake_api.serve(api)
    yield Client(api, where, tmp_path)
    server.shutdown()
    server.server_close()
