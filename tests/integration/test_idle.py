# SPDX-License-Identifier: MIT
"""A daemon without work costs nothing: no thread wakes by itself, and little memory is held."""
import os
import pathlib
import re
import time

from harness import eventually

WATCH_S = 3


def switches(daemon):
    """{thread: how often it has gone to sleep}"""
    tasks = pathlib.Path(f"/proc/{daemon.process.pid}/task").glob("*")
    status = {t.name: (t / "status").read_text() for t in tasks}
    return {re.search(r"^Name:\s+(\S+)", s, re.M)[1] + f" ({tid})":
            int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", s, re.M)[1]) for tid, s in status.items()}


def test_an_idle_daemon_sleeps(own_daemon, origin, hosts):
    daemon = own_daemon()
    daemon.api.run([origin.url("/ok", hosts.take())])  # a batch that its retention will end, a known host
    daemon.restart()
    assert len(switches(daemon)) == 4, "main, store and two workers"
    woken, deadline = None, time.monotonic() + 20  # answering the readiness checks has to end first
    while woken != {} and time.monotonic() < deadline:
        before = switches(daemon)
        time.sleep(WATCH_S)
        woken = {name: n - before[name] for name, n in switches(daemon).items() if n != before[name]}
    assert woken == {}
    assert daemon.rss_kib() < 24 * 1024


def test_an_idle_daemon_sees_its_disk_when_asked(own_daemon):
    """Nobody looks while nothing happens, so a reading of the metrics makes the store look for the next."""
    daemon = own_daemon()

    def free():
        return int(re.search(rb"^gatherd_store_free_bytes (\d+)$", daemon.api.get("/metrics").body, re.M)[1])
    def there_is():
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize
    folder = pathlib.Path(daemon.db_path).parent
    free()
    (folder / "ballast").write_bytes(b"x" * (64 << 20))
    # Other programs use the disk as well: what is told follows what is there, whatever that is.
    eventually(lambda: abs(free() - there_is()) < 16 << 20, 30, 0.05, "the free space that is there")


def test_an_idle_daemon_gives_its_log_back(own_daemon, origin, hosts):
    daemon = own_daemon()
    log = pathlib.Path(daemon.db_path + "-wal")
    daemon.api.run([origin.url("/size/100000", hosts.take())] * 40)
    assert log.stat().st_size > 2 << 20
    eventually(lambda: log.stat().st_size == 0, 15, what="an empty log")
