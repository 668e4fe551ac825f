#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""SIGHUP again and again under load, and SIGTERM under load: what is in flight ends, nothing that was accepted is lost,
nothing is fetched twice, the exit status is 0.
"""
import random
import signal
import threading
import time

import campaign
from api import TEXT, assert_complete
from database import check_database
from harness import Daemon, Origin
import process
from submitters import GONE

TASKS = 40


class Client(threading.Thread):
    """Submits until the daemon stops taking anything."""

    def __init__(self, daemon, origin, n):
        super().__init__(daemon=True)
        self.api, self.origin, self.n = daemon.api, origin, n
        self.accepted, self.failure = [], None

    def run(self):
        try:
            while True:
                urls = [self.origin.url(f"/delay/{i % 60 if i else 700}?{self.n}-{time.monotonic_ns()}", f"127.0.0.{2 + i % 8}")
                        for i in range(TASKS)]
                response = self.api.post("/v1/batches", urls)
                if response.status == 503:
                    return
                assert response.status == 202, response
                self.accepted.append(response.json()["id"])
                time.sleep(0.05)
        except GONE:
            pass
        except Exception as e:  # noqa: BLE001
            self.failure = e


def reloads(daemon, origin, chance):
    """The configuration changes 30 times in the middle of 2,000 tasks, and is read again and again after that."""
    text = "".join(origin.url(f"/delay/5?h{i}\n", f"127.0.0.{2 + i % 8}") for i in range(2000))
    batch = daemon.api.submit(text, media_type=TEXT)
    for _ in range(30):
        daemon.sections["fetch"].update(host_concurrency=chance.randint(4, 40), concurrency=chance.randint(20, 300),
                                        host_rate=chance.choice([0, 2000]))
        daemon.write_config()
        daemon.signal(signal.SIGHUP)
        time.sleep(chance.uniform(0.01, 0.1))
        assert daemon.api.get("/livez").status == 200
    for _ in range(500):  # a storm
        daemon.signal(signal.SIGHUP)
    assert daemon.api.wait(batch["id"], 60)["counts"]["succeeded"] == 2000
    assert_complete(daemon.api, batch["id"], 2000)


def drain(daemon, origin, chance):
    """SIGTERM in the middle; the accepted batches."""
    clients = [Client(daemon, origin, n) for n in range(3)]
    for client in clients:
        client.start()
    time.sleep(chance.uniform(0.2, 1.2))
    began = time.monotonic()
    daemon.stop()
    took = time.monotonic() - began
    accepted = []
    for client in clients:
        client.join(30)
        if client.failure:
            raise client.failure
        accepted += client.accepted
    check_database(daemon)
    daemon.start()
    for batch_id in accepted:
        assert daemon.api.wait(batch_id, 60)["counts"]["succeeded"] == TASKS
        assert_complete(daemon.api, batch_id, TASKS)
    return took, len(accepted)


def signalled(chosen, folder):
    origin, daemon = Origin(10), Daemon(folder / "daemon", {"fetch": {"host_concurrency": 20}})
    chance = random.Random(chosen.seed)
    slowest, batches = 0.0, 0
    try:
        daemon.start()
        reloads(daemon, origin, chance)
        for _ in range(chosen.cycles):
            took, accepted = drain(daemon, origin, chance)
            slowest, batches = max(slowest, took), batches + accepted
        asked = [r["target"] for r in origin.requests("/delay/")]
        assert len(asked) == len(set(asked)), f"{len(asked) - len(set(asked))} URLs were fetched twice"
        daemon.stop()
    finally:
        process.stop(daemon, origin)
    return (f"30 reloads and a storm of 500 in the middle of 2000 tasks; {chosen.cycles} times SIGTERM under load: {batches} batches accepted "
            f"and finished, slowest end {slowest:.2f} s, no URL fetched twice")


if __name__ == "__main__":
    campaign.run(signalled, campaign.options(__doc__.split("\n")[0], cycles=4))
