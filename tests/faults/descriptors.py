#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""64 file descriptors are all there are: API and fetching degrade, never spin, recover, and blame no origin server.

More transfers are allowed than there are descriptors, and clients hold more connections than there are. While they do,
the daemon may hardly use the processor; whatever is fetched ends as if there had been plenty; when the clients have gone
everything is as before.
"""
import time

import campaign
from api import connect
from harness import Daemon, Origin, eventually
import process

LIMIT = 64
BUSY = 0.3  # of one core, at most, while there is nothing to be done but to wait


def assert_idle(daemon, seconds=2):
    before = process.cpu_s(daemon)
    time.sleep(seconds)
    used = (process.cpu_s(daemon) - before) / seconds
    assert used < BUSY, f"it uses {used:.0%} of a core while it waits for descriptors"
    return used


def fetch_more_than_possible(daemon, origin, hosts):
    """300 tasks for 100 hosts with 256 allowed at once: each answer is kept open for a while."""
    urls = [origin.url(f"/delay/100?{i}", hosts[i % len(hosts)]) for i in range(300)]
    batch = daemon.api.submit(urls)
    daemon.api.wait(batch["id"], 60)
    return daemon.api.results(batch["id"])


def assert_nobody_blamed(results):
    bad = [r for r in results if r["state"] != "succeeded" or r["attempts"] != 1]
    assert not bad, (len(bad), bad[0])


def hold_connections(daemon, n):
    """As many idle API connections as can be had, up to n."""
    held = []
    for _ in range(n):
        try:
            held.append(connect(("unix", daemon.socket_path), 2))
        except OSError:
            break  # the backlog is full
    return held


def answers(daemon):
    try:
        return daemon.api.request("GET", "/livez", timeout=2).status == 200
    except OSError:
        return False


def starve(chosen, folder):
    process.start_through(folder, f"ulimit -n {LIMIT}")
    origin = Origin(100)
    hosts = [f"127.0.0.{i}" for i in range(2, 100)]
    daemon = Daemon(folder / "daemon", {"fetch": {"host_concurrency": 20, "concurrency": 256}})
    told = []
    try:
        daemon.start()
        idle = process.descriptors(daemon)
        results = fetch_more_than_possible(daemon, origin, hosts)
        assert_nobody_blamed(results)
        told.append(f"{len(results)} fetched of {len(hosts)} hosts with {LIMIT - idle} descriptors left")

        held = hold_connections(daemon, 2 * LIMIT)
        told.append(f"{assert_idle(daemon):.0%} of a core with {len(held)} clients waiting")
        assert process.descriptors(daemon) <= LIMIT
        for sock in held:
            sock.close()
        eventually(lambda: answers(daemon), 10, 0.1, "an answer after the clients have gone")

        batch = daemon.api.submit([origin.url(f"/delay/50?b{i}", hosts[i % len(hosts)]) for i in range(300)])
        held = hold_connections(daemon, 2 * LIMIT)
        time.sleep(2)
        told.append(f"{assert_idle(daemon):.0%} while fetches wait, too")
        for sock in held:
            sock.close()
        eventually(lambda: answers(daemon), 10, 0.1, "an answer after the clients have gone")
        daemon.api.wait(batch["id"], 60)
        assert_nobody_blamed(daemon.api.results(batch["id"]))
        assert_nobody_blamed(fetch_more_than_possible(daemon, origin, hosts))
        assert_idle(daemon, 1)
        daemon.stop()
    finally:
        process.stop(daemon, origin)
    return "; ".join(told)


if __name__ == "__main__":
    campaign.run(starve, campaign.options(__doc__.split("\n")[0]))
