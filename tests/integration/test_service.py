# SPDX-License-Identifier: MIT
"""The daemon under a service manager: passed sockets, notifications, the watchdog, and what the units say."""
import contextlib
import ctypes
import ipaddress
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time

import pytest

import harness
from api import Api
from harness import TESTS, eventually, program

UNITS = TESTS.parent / "systemd"


class Service(harness.Daemon):
    """gatherd as systemd starts it: `passed` are its sockets, from descriptor 3 on."""

    def __init__(self, folder, sections=None, passed=(), env=None, **more):
        super().__init__(folder, sections, **more)
        self.passed, self.env = list(passed), env or {}

    def spawn(self):
        self.write_config()
        # The numbers of the descriptors and LISTEN_PID must be those of gatherd itself: the shell becomes it.
        moves = "".join(f"exec {3 + i}<&{s.fileno()}; " for i, s in enumerate(self.passed))
        listen = f"LISTEN_PID=$$ LISTEN_FDS={len(self.passed)} " if self.passed else ""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", f'umask 0; {moves}{listen}exec "$@"', "bash", program("GATHERD_BIN"), "--config", self.config],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **self.env},
                pass_fds=[s.fileno() for s in self.passed])
        return self


@pytest.fixture
def service(tmp_path):
    started = []

    def make(sections=None, **more):
        service = Service(tmp_path, sections, **more)
        started.append(service)
        return service
    yield make
    for service in started:
        if service.process is not None and service.process.poll() is None:
            service.stop(at_once=True)


def unix_listener(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)
    return listener


def tcp_listener():
    return socket.create_server(("127.0.0.1", 0))


# -- socket activation -----------------------------------------------------------------------------

def test_a_client_may_come_before_the_daemon(service, tmp_path):
    path = tmp_path / "gatherd.sock"
    with unix_listener(path) as listener, socket.socket(socket.AF_UNIX) as early:
        early.connect(str(path))
        early.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        service(passed=[listener]).start()
        early.settimeout(10)
        assert early.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_passed_socket_is_taken_for_the_configured_one_and_stays_there(service, tmp_path):
    path = tmp_path / "gatherd.sock"
    with unix_listener(path) as listener:
        inode = path.stat().st_ino
        daemon = service(passed=[listener]).start()
        assert f"listening on unix:{path} (passed by the service manager)" in daemon.log()
        daemon.stop(at_once=True)
        assert path.stat().st_ino == inode, "the socket is the manager's"
        assert daemon.start().api.get("/readyz").status == 200


def test_a_passed_socket_is_known_by_another_name_of_its_folder(service, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "var-run").symlink_to("run")
    with unix_listener(tmp_path / "run" / "s") as listener:
        daemon = service({"listen": {"socket": str(tmp_path / "var-run" / "s")}}, passed=[listener])
        assert daemon.start().api.get("/readyz").status == 200


def test_configured_listeners_are_opened_beside_a_passed_one(service, tmp_path):
    with unix_listener(tmp_path / "gatherd.sock") as listener:
        daemon = service(passed=[listener]).start()
        assert daemon.tcp.get("/readyz").status == 200


def test_a_passed_tcp_socket_serves(service):
    with tcp_listener() as listener:
        port = listener.getsockname()[1]
        daemon = service({"listen": {"tcp": [f"127.0.0.1:{port}"]}}, passed=[listener]).start()
        assert Api(("tcp", "127.0.0.1", port)).get("/readyz").status == 200
        assert daemon.api.get("/readyz").status == 200, "and so does the configured unix socket"


def test_nobody_else_can_read_the_database_whatever_the_umask(service, tmp_path, origin, host):
    daemon = service().start()
    daemon.api.run([origin.url("/ok", host)])
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("gatherd.db*")}
    assert {"gatherd.db", "gatherd.db-wal", "gatherd.db-shm"} <= set(modes)
    assert not any(mode & 0o077 for mode in modes.values()), modes
    assert (tmp_path / "gatherd.sock").stat().st_mode & 0o777 == 0o660


def fails_to_start(daemon):
    code = daemon.spawn().process.wait(20)
    daemon.process = None
    return code, daemon.log()


def test_a_passed_tcp_socket_needs_tokens_like_a_configured_one(service):
    with tcp_listener() as listener:
        code, log = fails_to_start(service({"listen": {"tcp": []}, "auth": {"allow_anonymous": False}},
                                           passed=[listener]))
    assert code == 78 and "token" in log


def test_a_passed_descriptor_that_does_not_listen_is_refused(service):
    with socket.socket(socket.AF_UNIX) as idle:
        code, log = fails_to_start(service(passed=[idle]))
    assert code == 78 and "no listening stream socket" in log
    with open("/dev/null", "rb") as file:
        code, log = fails_to_start(service(passed=[file]))
    assert code != 0 and "is no socket" in log


def test_sockets_for_another_process_are_left_alone(service):
    daemon = service(env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}).start()
    assert "passed by the service manager" not in daemon.log()


# -- notifications -----------------------------------------------------------------------------------

class Manager:
    """The receiving end of sd_notify."""

    def __init__(self, folder):
        self.path = str(folder / "notify.sock")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.env = {"NOTIFY_SOCKET": self.path}

    def next(self, timeout=20):
        """The next notification as {"READY": "1", …}."""
        self.socket.settimeout(timeout)
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def until(self, key, timeout=20):
        """Notifications up to the one that has `key`, as a list."""
        seen, deadline = [], time.monotonic() + timeout
        while not seen or key not in seen[-1]:
            seen.append(self.next(max(0.01, deadline - time.monotonic())))
        return seen


@pytest.fixture
def manager(tmp_path):
    manager = Manager(tmp_path)
    yield manager
    manager.socket.close()


def test_ready_is_told_when_requests_are_answered(service, manager):
    daemon = service(env=manager.env).spawn()
    assert manager.next()["READY"] == "1"
    assert daemon.api.get("/readyz").status == 200


def test_a_reload_is_told_from_its_begin_to_its_end(service, manager):
    daemon = service({"log": {"level": "info"}}, env=manager.env).start()
    manager.until("READY")
    before = time.monotonic_ns() // 1000
    daemon.signal(signal.SIGHUP)
    begin, end = manager.next(), manager.next()
    assert begin["RELOADING"] == "1" and before <= int(begin["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    assert end["READY"] == "1" and end["STATUS"] == "running"


def test_a_failed_reload_is_told_and_ends_nothing(service, manager):
    daemon = service(env=manager.env).start()
    manager.until("READY")
    daemon.config.write_text("nonsense {\n")
    daemon.signal(signal.SIGHUP)
    assert manager.next()["RELOADING"] == "1"
    end = manager.next()
    assert end["READY"] == "1" and "failed" in end["STATUS"]
    assert daemon.api.get("/readyz").status == 200


def test_stopping_is_told_with_the_time_that_draining_may_take(service, manager, origin, host):
    daemon = service(env=manager.env).start()
    manager.until("READY")
    daemon.api.submit([origin.url("/delay/1500", host)])
    eventually(lambda: daemon.api.get("/v1/stats").json()["tasks"]["in_flight"] == 1, what="a transfer in flight")
    daemon.signal(signal.SIGTERM)
    told = manager.next()
    assert told["STOPPING"] == "1" and int(told["EXTEND_TIMEOUT_USEC"]) >= 30_000_000
    assert daemon.process.wait(20) == 0
    daemon.process = None


def test_a_failed_start_says_why(service, manager):
    daemon = service({"store": {"path": "/nonexistent/gatherd.db"}}, env=manager.env)
    code, _ = fails_to_start(daemon)
    assert code == 1 and "/nonexistent" in manager.next()["STATUS"]


def test_the_watchdog_is_fed_well_within_its_time(service, manager):
    service(env={**manager.env, "WATCHDOG_USEC": "3000000"}).start()
    manager.until("READY")
    manager.until("WATCHDOG")
    for _ in range(2):
        begin = time.monotonic()
        manager.until("WATCHDOG")
        assert time.monotonic() - begin < 2


@contextlib.contextmanager
def held_thread(tid):
    """One thread of a child stands still, as under a debugger; ptrace(2)."""
    seize, interrupt, detach, wall = 0x4206, 0x4207, 17, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    for request in (seize, interrupt):
        assert libc.ptrace(request, tid, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(tid, wall)
    try:
        yield
    finally:
        assert libc.ptrace(detach, tid, None, None) == 0, os.strerror(ctypes.get_errno())


@pytest.mark.parametrize("name", ["store", "fetch0", "fetch1"])
def test_the_watchdog_is_not_fed_while_a_thread_stands_still(service, manager, name):
    daemon = service(env={**manager.env, "WATCHDOG_USEC": "1200000"}).start()
    manager.until("WATCHDOG")
    tasks = pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()
    tid = next(int(t.name) for t in tasks if (t / "comm").read_text().strip() == name)
    with held_thread(tid):
        fed, deadline = 0, time.monotonic() + 2
        with pytest.raises(TimeoutError):
            while True:
                fed += "WATCHDOG" in manager.next(max(0.01, deadline - time.monotonic()))
        assert fed <= 2, "fed by what the thread did before, and once for having been asked"
        assert "a thread does not turn" in daemon.log()
    manager.until("WATCHDOG")  # and again when it goes on


def test_no_watchdog_is_fed_that_is_not_for_this_process(service, manager):
    service(env={**manager.env, "WATCHDOG_USEC": "300000", "WATCHDOG_PID": "1"}).start()
    manager.until("READY")
    with pytest.raises(TimeoutError):
        manager.until("WATCHDOG", 1)


# -- the journal -----------------------------------------------------------------------------------------

def test_lines_in_the_journal_have_priorities(service, tmp_path):
    """Standard error is what JOURNAL_STREAM names by device and inode, here a file."""
    daemon = service()
    daemon.log_path.touch()
    about = daemon.log_path.stat()
    daemon.env["JOURNAL_STREAM"] = f"{about.st_dev}:{about.st_ino}"
    daemon.start()
    assert all(re.match("<[3467]>", line) for line in daemon.log().splitlines())
    assert "<6>gatherd is ready" in daemon.log()
    daemon.config.write_text("nonsense {\n")
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "<3>reload failed" in daemon.log(), what="an error")


def test_a_wrong_configuration_is_an_error_in_the_journal(service):
    daemon = service({"fetch": {"concurrency": 0}})
    daemon.log_path.touch()
    about = daemon.log_path.stat()
    daemon.env["JOURNAL_STREAM"] = f"{about.st_dev}:{about.st_ino}"
    code, log = fails_to_start(daemon)
    assert code == 78 and log.startswith(f"<3>{daemon.config}:")


# -- what else it may be started with ----------------------------------------------------------------------

def start_with(daemon, redirections="", **more):
    """Starts it by hand, since harness.Daemon gives it a log that is always written."""
    daemon.write_config()
    daemon.process = subprocess.Popen(["bash", "-c", f'exec "$@" {redirections}', "bash", program("GATHERD_BIN"),
                                       "--config", daemon.config], **more)
    eventually(daemon._is_ready, harness.READY_S, what="readiness of gatherd")
    return daemon


def test_closed_standard_descriptors_are_not_given_to_other_files(service):
    daemon = start_with(service({"log": {"level": "debug"}}), "<&- >&- 2>&-")
    assert [os.readlink(f"/proc/{daemon.process.pid}/fd/{n}") for n in range(3)] == ["/dev/null"] * 3


def test_a_log_that_nobody_reads_holds_up_nothing(service, origin, host):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    daemon = start_with(service({"log": {"level": "debug"}}), stderr=writer)
    os.close(writer)
    daemon.api.run([origin.url("/ok", host)])
    os.close(reader)  # and one that nobody can read any more
    daemon.api.run([origin.url("/ok", host)])


def test_a_service_manager_that_does_not_read_holds_up_nothing(service, manager):
    with contextlib.suppress(BlockingIOError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        while True:
            other.sendto(b"X=1", manager.path)
    daemon = service(env={**manager.env, "WATCHDOG_USEC": "30000"}).start()
    for _ in range(20):
        begin = time.monotonic()
        assert daemon.api.get("/readyz").status == 200
        assert time.monotonic() - begin < 1


# -- units ---------------------------------------------------------------------------------------------

def builtin_ranges():
    """{"REFUSED": networks, "GLOBAL": networks} of the daemon's own table."""
    table = (TESTS.parent / "daemon" / "task" / "address_table.c").read_text()
    table = table[table.index("const struct address_row address_table[]"):]
    ranges = {"REFUSED": set(), "GLOBAL": set()}
    for m in re.finditer(r"V4\((\d+), (\d+), (\d+), (\d+), (\d+), (REFUSED|GLOBAL),", table):
        ranges[m[6]].add("{}.{}.{}.{}/{}".format(*m.groups()[:5]))
    for m in re.finditer(r'V6\("([^"]+)",[^"]*?, (\d+), (REFUSED|GLOBAL),', table):
        ranges[m[3]].add(f"{m[1]}/{m[2]}")
    for m in re.finditer(r'V6_HOST\("([^"]+)",[^"]*?, (REFUSED|GLOBAL),', table):
        ranges[m[2]].add(f"{m[1]}/128")
    for m in re.finditer(r'\{\{"([^"]+)", (REFUSED|GLOBAL),', table):
        ranges[m[2]].add(m[1])
    assert len(re.findall("REFUSED|GLOBAL", table)) == sum(map(len, ranges.values())), "a row was not understood"
    return {kind: {ipaddress.ip_network(text) for text in texts} for kind, texts in ranges.items()}


def unit_values(name, key):
    return re.findall(rf"^{key}=(.*)$", (UNITS / name).read_text(), re.M)


def test_the_kernels_deny_list_is_the_built_in_one():
    ranges = builtin_ranges()
    assert {ipaddress.ip_network(v) for v in unit_values("address-deny.conf", "IPAddressDeny")} == ranges["REFUSED"]
    allowed = unit_values("address-deny.conf", "IPAddressAllow")
    assert allowed[0] == "localhost" and {ipaddress.ip_network(v) for v in allowed[1:]} == ranges["GLOBAL"]


def test_service_and_socket_are_tried_for_ever():
    assert unit_values("gatherd.service", "StartLimitIntervalSec") == ["0"]
    assert unit_values("gatherd.service", "Restart") == ["always"]
    assert unit_values("gatherd.socket", "TriggerLimitIntervalSec") == ["0"]


def test_the_units_reload_command_reloads(service):
    daemon = service().start()
    command = unit_values("gatherd.service", "ExecReload")[0].replace("$MAINPID", str(daemon.process.pid))
    subprocess.run(shlex.split(command), check=True)
    eventually(lambda: "configuration reloaded" in daemon.log(), what="the reload")


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")


@needs_systemd
def test_the_service_is_hardened():
    told = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNITS / "gatherd.service"],
                          capture_output=True, text=True, check=False).stdout
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", told)[1]) <= 1.2, told


@needs_systemd
def test_units_are_understood_by_systemd(tmp_path):
    (tmp_path / "gatherd.service.d").mkdir()
    shutil.copy(UNITS / "address-deny.conf", tmp_path / "gatherd.service.d")
    for unit in ("gatherd.service", "gatherd.socket"):
        text = (UNITS / unit).read_text().replace("/usr/sbin/gatherd", str(program("GATHERD_BIN")))
        (tmp_path / unit).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "gatherd.service",
                           tmp_path / "gatherd.socket"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
