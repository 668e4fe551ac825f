#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A steady rate for as long as asked: descriptors, threads, resident memory and commit times must stay flat.

Batches are submitted at a rate, read, some streamed, cancelled or deleted; retention removes the rest. A sample is
taken every second; the last third is compared with the one before.
"""
import csv
import pathlib
import re
import statistics
import threading
import time

import campaign
from harness import Daemon, Origin
import process

BATCH = 20
FILLING_S = 1800  # after that resident memory must be flat
FIELDS = ("t_s", "descriptors", "threads", "rss_kib", "store_bytes", "tasks_done", "commits", "commit_ms", "cpu_s")


def metric(text, name):
    return float(re.search(rf"^{name} ([0-9.e+-]+)$", text, re.M).group(1))


class Sampler:
    def __init__(self, daemon):
        self.daemon, self.rows, self.before = daemon, [], (0, 0)
        self.began = time.monotonic()

    def take(self):
        text = self.daemon.api.get("/metrics").body.decode()
        commits = metric(text, "gatherd_store_commits_total")
        spent = metric(text, "gatherd_store_commit_seconds_total")
        new = commits - self.before[0]
        commit_ms = (spent - self.before[1]) * 1000 / new if new else 0.0
        self.before = commits, spent
        self.rows.append((round(time.monotonic() - self.began, 1), process.descriptors(self.daemon),
                          process.threads(self.daemon), self.daemon.rss_kib(),
                          int(metric(text, "gatherd_store_bytes")), int(metric(text, "gatherd_tasks_succeeded_total")),
                          int(new), round(commit_ms, 3), round(process.cpu_s(self.daemon), 2)))

    def third(self, n, field):
        """The median of a field in the n-th third."""
        size = len(self.rows) // 3
        at = FIELDS.index(field)
        return statistics.median(row[at] for row in self.rows[n * size:(n + 1) * size])

    def assert_flat(self):
        told = []
        caches_kib = 8192 if len(self.rows) < FILLING_S else 512  # still filling; full
        for field, factor, slack in (("descriptors", 1.1, 10), ("threads", 1.0, 0), ("rss_kib", 1.01, caches_kib),
                                     ("commit_ms", 2.0, 5)):
            middle, last = self.third(1, field), self.third(2, field)
            assert last <= middle * factor + slack, f"{field} grows: {middle} in the middle third, {last} in the last"
            told.append(f"{field} {middle:g} -> {last:g}")
        return ", ".join(told)


def use(daemon, origin, n):
    """One batch and what a client may do with it."""
    api = daemon.api
    paths = ("/ok", "/size/3000", "/gzip", "/delay/50", "/status/404", "/redirect/1")
    batch = api.submit([origin.url(f"{paths[i % len(paths)]}?{n}-{i}", f"127.0.0.{2 + (n + i) % 14}")
                        for i in range(BATCH)])
    one = f"/v1/batches/{batch['id']}"
    if n % 7 == 0:
        api.post(one + "/cancel")
    if n % 5 == 0:
        api.get(one + "/results?follow=1&include=body", Accept="application/x-ndjson")
    elif n % 3 == 0:
        api.get(one + "?wait=2")
    if n % 11 == 0:
        api.request("DELETE", one + "?force=1")


def load(daemon, origin, rate, end, failures):
    """Keeps to the rate by starting each batch at its time, whatever the others do."""
    n, began = 0, time.monotonic()

    def guarded(number):
        try:
            use(daemon, origin, number)
        except Exception as e:  # noqa: BLE001 (handed to the campaign)
            failures.append(e)

    while time.monotonic() < end and not failures:
        threading.Thread(target=guarded, args=(n,), daemon=True).start()
        n += 1
        time.sleep(max(0, began + n * BATCH / rate - time.monotonic()))


def soak(chosen, folder):
    origin = Origin(16)
    daemon = Daemon(folder / "daemon", {"store": {"retention": "30s"}, "log": {"level": "warn"}})
    failures = []
    try:
        daemon.start()
        sampler = Sampler(daemon)
        end = time.monotonic() + chosen.seconds
        threading.Thread(target=load, args=(daemon, origin, chosen.rate, end, failures), daemon=True).start()
        while time.monotonic() < end:
            time.sleep(1)
            sampler.take()
            if len(sampler.rows) % 300 == 0:
                campaign.progress(dict(zip(FIELDS, sampler.rows[-1])))
                origin.record("/nothing", reset=True)  # its log would grow for ever
        if failures:
            raise failures[0]
        path = pathlib.Path(chosen.csv) if chosen.csv else None
        if path:
            with path.open("w", newline="") as file:
                csv.writer(file).writerows([FIELDS, *sampler.rows])
        flat = sampler.assert_flat()
        daemon.stop(at_once=True)
    finally:
        process.stop(daemon, origin)
    done = sampler.rows[-1][FIELDS.index("tasks_done")]
    return f"{done} tasks at {chosen.rate} a second; {flat}"


if __name__ == "__main__":
    campaign.run(soak, campaign.options(__doc__.split("\n")[0], seconds=60, rate=300, csv=""))
