# SPDX-License-Identifier: MIT
"""Fixtures: one origin server and, unless a test needs its own, one daemon for each module."""
import os
import signal

import pytest

import harness

ADDRESSES = 120


def pytest_configure():
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:  # in the background, by nohup: what is started must not ignore it
            signal.signal(number, signal.SIG_DFL)
    for variable in ("GATHERD_BIN", "GATHER_BIN"):
        path = os.environ.get(variable, "")
        if not os.access(path, os.X_OK):
            pytest.exit(f"{variable} must name the program under test (it is '{path}')", returncode=2)


@pytest.fixture(scope="session")
def origin():
    server = harness.Origin(ADDRESSES)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sections():
    """Configuration of the module's daemon beyond the default; modules override this fixture."""
    return {}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory, sections):
    daemon = harness.Daemon(tmp_path_factory.mktemp("gatherd"), sections)
    daemon.start()
    yield daemon
    if daemon.process is not None:
        daemon.stop(at_once=True)


@pytest.fixture
def api(daemon):
    """The API; after each test the daemon must still be there."""
    yield daemon.api
    if daemon.process is not None:
        assert daemon.process.poll() is None, f"gatherd died:\n{daemon.log()[-6000:]}"


@pytest.fixture
def own_daemon(tmp_path):
    """Starts daemons that belong to one test: own_daemon({...sections...})."""
    started = []

    def start(sections=None, name="gatherd", **more):
        daemon = harness.Daemon(tmp_path / name, sections, **more)
        started.append(daemon)
        return daemon.start()

    yield start
    for daemon in started:
        if daemon.process is not None:
            daemon.stop(at_once=True)


class Hosts:
    """Host names (addresses) of the origin server that no other test of the session has used: limits and
    back-off are kept per host, and tests must not feel one another's."""

    def __init__(self):
        self._next = 2

    def take(self, n=None):
        first = self._next
        self._next += n or 1
        assert self._next <= ADDRESSES + 1, "the origin server has too few addresses"
        return [f"127.0.0.{first + i}" for i in range(n)] if n else f"127.0.0.{first}"


@pytest.fixture(scope="session")
def hosts():
    return Hosts()


@pytest.fixture
def host(hosts):
    """A fresh host name."""
    return hosts.take()
