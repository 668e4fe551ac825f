#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The wall clock jumps by a day, forth and back, and past 2038; the daemon is stopped for seconds and goes on.

Only the wall clock is moved (by libfaketime), as an administrator or NTP moves it. Work must go on at once: what is
queued, what waits for a retry, a host with a rate. Needs the Debian package faketime.
"""
import glob
import signal
import time

import campaign
from api import TEXT, assert_complete
from database import check_database
from harness import Daemon, Origin
import process

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
DAY = 86400


class Clock:
    """The daemon's wall clock as an offset in seconds from the true one."""

    def __init__(self, folder):
        found = glob.glob(LIBRARY)
        if not found:
            raise campaign.Skip("libfaketime is not installed (Debian package faketime)")
        self.file = folder / "offset"
        self.set(0)
        # With the C library's own malloc: jemalloc looks at the clock before libfaketime is ready for it.
        process.start_through(folder, f"export LD_PRELOAD={found[0]}:libc.so.6 FAKETIME_TIMESTAMP_FILE={self.file} "
                                      "FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1")

    def set(self, seconds):
        self.file.write_text(f"{seconds:+d}s\n")


def works(daemon, origin, tag):
    """A batch of everything that knows time ends as fast as ever."""
    began = time.monotonic()
    tasks = [{"url": origin.url(f"/ok?{tag}{i}", f"127.0.0.{2 + i % 6}")} for i in range(50)]
    tasks.append({"url": origin.url(f"/flaky/1/{tag}", "127.0.0.8"), "retry": {"min_backoff_ms": 200}})
    results = daemon.api.run({"tasks": tasks}, timeout=15)
    assert all(r["state"] == "succeeded" for r in results), results
    assert all(0 <= r["timing_ms"]["total"] < 5000 for r in results), results
    return time.monotonic() - began


def jump(daemon, origin, clock, seconds, tag):
    """In the middle of a batch that waits for a retry and of one at a rate."""
    daemon.api.set_host("127.0.0.9", rate_per_s=20)
    at_rate = daemon.api.submit([origin.url(f"/ok?{tag}r{i}", "127.0.0.9") for i in range(60)])
    waiting = daemon.api.submit({"urls": [origin.url(f"/flaky/1/{tag}w", "127.0.0.10")],
                                 "defaults": {"retry": {"min_backoff_ms": 2000, "max_backoff_ms": 2000}}})
    time.sleep(0.4)
    clock.set(seconds)
    assert daemon.api.wait(at_rate["id"], 20)["counts"]["succeeded"] == 60
    assert daemon.api.wait(waiting["id"], 20)["counts"]["succeeded"] == 1
    return works(daemon, origin, tag)


def stopped_for_a_while(daemon, origin, seconds):
    """SIGSTOP under load, as a debugger or a suspended machine does it."""
    lines = "".join(origin.url(f"/delay/20?s{i}\n", f"127.0.0.{2 + i % 6}") for i in range(1500))
    batch = daemon.api.submit(lines, media_type=TEXT)
    time.sleep(0.3)
    daemon.signal(signal.SIGSTOP)
    time.sleep(seconds)
    daemon.signal(signal.SIGCONT)
    assert daemon.api.wait(batch["id"], 60)["counts"]["succeeded"] == 1500
    assert_complete(daemon.api, batch["id"], 1500)


def jumps(chosen, folder):
    clock = Clock(folder)
    origin, daemon = Origin(12), Daemon(folder / "daemon")
    slowest = 0.0
    try:
        daemon.start()
        works(daemon, origin, "first")
        to_2040 = int(2208988800 - time.time())
        for n, seconds in enumerate([DAY, 0, -DAY, 0, to_2040, to_2040 + DAY, 0]):
            slowest = max(slowest, jump(daemon, origin, clock, seconds, f"j{n}"))
        clock.set(to_2040)
        late = daemon.api.submit([origin.url("/ok?late", "127.0.0.2")])
        assert late["created_at"].startswith("2040-01-0"), late
        assert daemon.api.get_json("/v1/batches?limit=1")["batches"][0]["id"] == late["id"]
        daemon.kill()
        clock.set(0)  # the machine comes up with its clock set back
        daemon.start()
        works(daemon, origin, "after")
        assert daemon.api.wait(late["id"], 10)["counts"]["succeeded"] == 1
        stopped_for_a_while(daemon, origin, chosen.stopped)
        daemon.stop()
        check_database(daemon)
    finally:
        process.stop(daemon, origin)
    return (f"7 jumps by a day and past 2038, a restart with the clock set back, {chosen.stopped} s stopped; "
            f"slowest batch {slowest:.1f} s")


if __name__ == "__main__":
    campaign.run(jumps, campaign.options(__doc__.split("\n")[0], stopped=5))
