#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9 at a random moment, restart, and hold the daemon to everything it had said before.

Several clients submit (JSON, NDJSON, text; with and without idempotency keys; small, and large enough to be uploaded in
pieces), pause, resume, cancel, retry and delete. After 5 ms to 2 s the daemon is killed; sometimes while it drains, and
sometimes again while it starts. Then: the database is sound and free of contradictions; it is ready within
5 s; what was answered holds; what was not is whole or not there, and one batch however often it is repeated;
all of it is run to its end; each task has one result, numbered 1..n, which is what the origin server sent; and no
result that was ever seen has changed.
"""
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
import random
import shutil
import signal
import time

import campaign
from api import assert_complete
from database import check_database
import expected
from harness import Daemon, Origin, eventually
from submitters import Observer, Submitter, replay

READY_S = 5
DRAIN_S = 90
CLIENTS = 4
KILLS_AT_THE_START = 3  # a task is given up as crash_loop when it was in flight at five kills in a row
CYCLES_OF_A_LIFE = 10
NOTHING_TOLD = {"cycles": 0, "batches": 0, "tasks": 0, "unanswered": 0, "slowest start": 0.0}


class Life:
    """One database through its daemon's many lives."""

    def __init__(self, folder, origin, seed):
        self.origin = origin
        self.chance = random.Random(seed)
        self.hosts = [f"127.0.0.{i}" for i in range(2, 10)]
        self.daemon = Daemon(folder, {"fetch": {"host_concurrency": 20, "concurrency": 100}})
        self.finished = {}  # batch id -> its results, which must stay
        self.told = dict(NOTHING_TOLD)

    # -- one cycle ------------------------------------------------------------------------------
    def cycle(self):
        self.start()
        clients = [Submitter(self.daemon.api, self.origin, self.hosts, self.chance.random()) for _ in range(CLIENTS)]
        observer = Observer(self.daemon.api, clients, self.chance.random())
        for thread in [*clients, observer]:
            thread.start()
        time.sleep(0.005 * 400 ** self.chance.random())
        if self.chance.random() < 0.15:
            self.daemon.signal(signal.SIGTERM)
            time.sleep(self.chance.uniform(0, 0.05))
        self.daemon.kill()
        observer.is_over.set()
        for thread in [*clients, observer]:
            thread.join(30)
            assert not thread.is_alive(), "a client waits for a daemon that is gone"
            if thread.failure:
                raise thread.failure
        check_database(self.daemon)
        for _ in range(KILLS_AT_THE_START):
            if self.chance.random() > 0.25:
                break
            self.daemon.spawn()
            time.sleep(self.chance.uniform(0, 0.08))
            self.daemon.kill()
            check_database(self.daemon)
        self.start()
        submissions = [s for c in clients for s in c.submissions]
        for one in submissions:
            self.check_after_restart(one)
        self.drain()
        for one in submissions:
            self.check_results(one, observer.seen.get(one.id, {}))
        self.check_everything_else()
        self.daemon.kill()
        check_database(self.daemon)
        self.told["cycles"] += 1

    def start(self):
        if self.daemon.process is not None:
            return
        began = time.monotonic()
        self.daemon.start()
        took = time.monotonic() - began
        self.told["slowest start"] = max(self.told["slowest start"], took)
        assert took < READY_S, f"it was ready only after {took:.1f} s"

    # -- what must hold -------------------------------------------------------------------------
    def check_after_restart(self, one):
        api = self.daemon.api
        self.told["unanswered"] += one.id is None and not one.refused
        if one.id is None and one.key is None:
            found = api.get_json(one.target)["batches"]
            assert len(found) <= (0 if one.refused else 1), found
            one.id = found[0]["id"] if found else None
        elif one.key and "delete" not in one.asked:
            replay(api, one)
            replay(api, one)
            assert len(api.get_json(one.target)["batches"]) == 1 + self.retries_of(one)
        if one.id is None:
            return
        response = api.get(f"/v1/batches/{one.id}")
        if "delete" in one.answered:
            assert response.status == 404, response
            return
        if response.status == 404 and "delete" in one.asked:
            return
        assert response.status == 200, (one.id, one.answered, response)
        batch = response.json()
        assert batch["counts"]["total"] == len(one.tasks), batch
        self.check_verbs(one, batch)

    def retries_of(self, one):
        """Batches made of this one carry its name."""
        batches = self.daemon.api.get_json(one.target)["batches"]
        return sum(b.get("retry_of") is not None for b in batches)

    @staticmethod
    def check_verbs(one, batch):
        if "cancel" in one.answered:
            assert batch["cancel_requested_at"] or batch["state"] == "finished", batch
        steps = [verb for verb in one.answered if verb in ("pause", "resume")]
        if one.verb_pending() or not steps or batch["state"] == "finished" or "cancel" in one.asked:
            return
        assert batch["state"] == {"pause": "paused", "resume": "running"}[steps[-1]], (one.answered, batch)

    def drain(self):
        """Everything runs to its end."""
        api = self.daemon.api
        for batch in self.batches("state=paused"):
            assert api.post(f"/v1/batches/{batch['id']}/resume").status in (200, 202)
        eventually(lambda: not self.batches("state=running"), DRAIN_S, 0.05, "the end of all batches")

    def batches(self, query):
        found, after = [], ""
        while True:
            page = self.daemon.api.get_json(f"/v1/batches?{query}&limit=1000{after}")
            found += page["batches"]
            if not page["more"]:
                return found
            after = "&after=" + page["next"]

    def check_results(self, one, seen):
        api = self.daemon.api
        if one.id is None or api.get(f"/v1/batches/{one.id}").status == 404:
            return  # what may and what may not be gone is checked before
        results = assert_complete(api, one.id, len(one.tasks))
        for result in results:
            method, url = one.tasks[result["index"]]
            assert result["url"] == url, (result, url)
            if result["state"] == "cancelled":
                assert "cancel" in one.asked or "delete" in one.asked, result
            else:
                expected.check(result, method, url)
        for seq, result in seen.items():
            assert results[seq - 1] == result, (result, results[seq - 1])
        self.check_a_body(one, results)
        self.finished[one.id] = results
        self.told["batches"] += 1
        self.told["tasks"] += len(results)

    def check_a_body(self, one, results):
        whole = [r for r in results if r["complete"] and r["size"]]
        if whole:
            result = self.chance.choice(whole)
            body = self.daemon.api.body(one.id, result["index"])
            assert body.status == 200 and body.header("etag") == f'"{result["sha256"]}"', body
            assert len(body.body) == result["size"]

    def check_everything_else(self):
        """Batches of earlier cycles are as they were; retried batches are complete, too."""
        api = self.daemon.api
        listed = self.batches("")
        for batch in listed:
            if batch["id"] not in self.finished:
                assert batch.get("retry_of"), f"nobody has submitted {batch}"
                self.finished[batch["id"]] = assert_complete(api, batch["id"], batch["counts"]["total"])
        here = {batch["id"] for batch in listed}
        assert here >= set(self.finished), "a finished batch is gone"
        for batch_id in self.chance.sample(sorted(here), min(5, len(here))):
            assert api.results(batch_id) == self.finished[batch_id]


def live(folder, origin, seed, cycles):
    """A database's life of so many cycles; what there is to tell of it."""
    life = Life(folder, origin, seed)
    try:
        for _ in range(cycles):
            life.cycle()
    finally:
        if life.daemon.process:
            life.daemon.kill()
    shutil.rmtree(folder)
    return life.told


def add(sums, told):
    for name, value in told.items():
        sums[name] = max(sums[name], value) if name == "slowest start" else sums[name] + value


class Lives:
    """Runs lives side by side, since a cycle mostly waits: for the kill, for origin servers, for processes."""

    def __init__(self, chosen, folder, origin):
        self.chosen, self.folder, self.origin = chosen, folder, origin
        self.end = time.monotonic() + chosen.seconds
        self.begun = 0  # cycles
        self.sums = dict(NOTHING_TOLD)

    def are_more_wanted(self):
        return time.monotonic() < self.end if self.chosen.seconds else self.begun < self.chosen.cycles

    def begin(self, pool):
        cycles = CYCLES_OF_A_LIFE if self.chosen.seconds else min(CYCLES_OF_A_LIFE, self.chosen.cycles - self.begun)
        name = f"{self.chosen.seed}-{self.begun // CYCLES_OF_A_LIFE}"
        self.begun += cycles
        return pool.submit(live, self.folder / name, self.origin, name, cycles)

    def run(self):
        told_at = time.monotonic()
        with ProcessPoolExecutor(self.chosen.jobs) as pool:
            under_way = set()
            while under_way or self.are_more_wanted():
                while len(under_way) < self.chosen.jobs and self.are_more_wanted():
                    under_way.add(self.begin(pool))
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for life in done:
                    add(self.sums, life.result())
                if time.monotonic() - told_at > 60:
                    told_at = time.monotonic()
                    campaign.progress(str(self.sums))
                    self.origin.record("/nothing", reset=True)  # its log would grow for ever


def campaign_kill(chosen, folder):
    origin = Origin(10)
    try:
        lives = Lives(chosen, folder, origin)
        lives.run()
    finally:
        origin.stop()
    sums = lives.sums
    return (f"{sums['cycles']} cycles, {sums['batches']} batches with {sums['tasks']} results checked, "
            f"{sums['unanswered']} submissions cut off by the kill, slowest start {sums['slowest start']:.2f} s")


if __name__ == "__main__":
    campaign.run(campaign_kill, campaign.options(__doc__.split("\n")[0], cycles=40, seconds=0, jobs=4))
