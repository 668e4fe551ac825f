#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Random sequences of everything a client and an administrator can do, with kills, against a simple model.

Hypothesis makes the sequences and shortens one that fails. A client that does one thing at a time knows a lot of what
must hold: the model keeps for each batch what was asked and answered, says what may come of each task, and what the
batch must come to when nothing more happens. Needs the Debian package python3-hypothesis.
"""
from dataclasses import dataclass, field
import datetime
import json
import os
import signal
import tempfile

import campaign
from api import assert_complete, assert_counts
from database import check_database
from harness import Daemon, Origin, eventually

try:
    from hypothesis import HealthCheck, Verbosity, seed, settings, strategies as st
    from hypothesis.stateful import (Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple,
                                     precondition, rule, run_state_machine_as_test)
except ImportError:
    print("model: SKIPPED: hypothesis is not installed (Debian package python3-hypothesis)")
    os._exit(campaign.SKIPPED)

HOSTS = ["127.0.0.2", "127.0.0.3"]
PATHS = {"good": "/ok", "bad": "/status/404", "held": "/never", "slow": "/delay/30", "flaky": "/flaky/1/{key}"}
MAY_BE = {"good": {"succeeded"}, "slow": {"succeeded"}, "flaky": {"succeeded"}, "bad": {"failed"}, "held": set()}
RETRY = {"max_attempts": 2, "min_backoff_ms": 20, "max_backoff_ms": 40, "on": ["5xx"]}
SETTLED_S = 20


@dataclass
class Batch:
    """What a client knows of a batch."""
    id: str
    kinds: list
    priority: int = 5
    concurrency: int | None = None
    fail_fast: bool = False
    has_deadline: bool = False
    waits: bool = False  # for a not_before that will not come
    paused: bool = False
    cancelled: bool = False
    seen: dict = field(default_factory=dict)  # seq -> result

    def may_end_by_itself(self):
        """Also while it waits or is paused: those only come before its tasks, not before its deadline."""
        return self.has_deadline or "held" not in self.kinds or (self.fail_fast and "bad" in self.kinds)

    def may_be_over(self):
        return self.cancelled or self.may_end_by_itself()

    def must_end(self):
        """When nothing more is done to it."""
        if self.cancelled or self.has_deadline:
            return True
        return not self.paused and not self.waits and "held" not in self.kinds

    def allowed(self, kind):
        """The states in which a task of this kind may end."""
        states = set(MAY_BE[kind])
        if self.cancelled or (self.fail_fast and "bad" in self.kinds):
            states.add("cancelled")
        if self.has_deadline:
            states.add("expired")
        return states

    def check(self, api):
        """What holds at every moment."""
        batch = api.batch(self.id)
        assert batch["counts"]["total"] == len(self.kinds), batch
        assert (batch["priority"], batch["fail_fast"]) == (self.priority, self.fail_fast), batch
        assert batch["state"] in (("finished",) if self.cancelled and batch["state"] == "finished" else
                                  ("paused" if self.paused else "running", "finished")), (self, batch)
        assert self.may_be_over() or batch["state"] != "finished", (self, batch)
        for result in api.results(self.id):
            assert self.seen.setdefault(result["seq"], result) == result, "a result has changed"
            assert result["state"] in self.allowed(self.kinds[result["index"]]), (self, result)
        assert sorted(self.seen) == list(range(1, len(self.seen) + 1))
        assert len({r["index"] for r in self.seen.values()}) == len(self.seen), self.seen
        return batch

    def has_settled(self, batch):
        """Whether it has come to what it must come to."""
        counts = batch["counts"]
        if self.must_end():
            return batch["state"] == "finished"
        if self.paused or self.waits:
            return True
        if self.fail_fast and "bad" in self.kinds and batch["state"] == "finished":
            return True
        held = self.kinds.count("held")
        if self.concurrency and held >= self.concurrency:
            return counts["running"] == self.concurrency  # the others wait for a place for ever
        if self.fail_fast and "bad" in self.kinds:
            return batch["state"] == "finished"
        return counts["running"] == held and counts["queued"] == 0


class Machine(RuleBasedStateMachine):
    batches = Bundle("batches")
    folder = origin = None  # set by the campaign
    told = {"sequences": 0, "steps": 0, "kills": 0, "batches": 0}

    @initialize()
    def begin(self):
        self.told["sequences"] += 1
        self.daemon = Daemon(tempfile.mkdtemp(dir=self.folder), {"fetch": {"host_concurrency": 500}})
        self.daemon.start()
        self.known, self.keys = {}, {}

    @property
    def api(self):
        return self.daemon.api

    def learn(self, batch, kinds, **more):
        self.told["batches"] += 1
        one = Batch(batch["id"], kinds, batch["priority"], batch["concurrency"] or None, batch["fail_fast"],
                    batch["deadline_at"] is not None, **more)
        self.known[one.id] = one
        return one

    # -- submitting -----------------------------------------------------------------------------
    @rule(target=batches, kinds=st.lists(st.sampled_from(sorted(PATHS)), min_size=1, max_size=6),
          priority=st.integers(0, 9), concurrency=st.none() | st.integers(1, 3), fail_fast=st.booleans(),
          deadline=st.sampled_from([None, None, None, 1, 300]), waits=st.sampled_from([False, False, False, True]),
          key=st.none() | st.sampled_from("abc"))
    def submit(self, kinds, priority, concurrency, fail_fast, deadline, waits, key):
        document = {"tasks": [{"url": self.url(kind, i)} for i, kind in enumerate(kinds)], "priority": priority,
                    "fail_fast": fail_fast, "defaults": {"retry": RETRY, "timeout_ms": 600000}}
        if concurrency:
            document["concurrency"] = concurrency
        if deadline:
            document["deadline_ms"] = deadline
        if waits:
            at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
            document["not_before"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        body = json.dumps(document)
        response = self.api.post("/v1/batches", body, {"Idempotency-Key": key} if key else {})
        if key in self.keys:
            assert response.status == 422 and response.json()["code"] == "idempotency_key_reused", response
            return multiple()
        assert response.status == 202, response
        one = self.learn(assert_counts(response.json()), kinds, waits=waits)
        if key:
            self.keys[key] = body, one.id
        return one

    def url(self, kind, index):
        key = f"{len(self.known)}-{index}-{os.path.basename(self.daemon.folder)}"
        return self.origin.url(PATHS[kind].format(key=key) + f"?{key}", HOSTS[index % len(HOSTS)])

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def submit_again(self, data):
        key = data.draw(st.sampled_from(sorted(self.keys)))
        body, batch_id = self.keys[key]
        response = self.api.post("/v1/batches", body, {"Idempotency-Key": key})
        assert response.status == 202 and response.json()["id"] == batch_id, response
        assert response.header("idempotency-replayed") == "true", response.headers

    # -- steering -------------------------------------------------------------------------------
    def steer(self, one, verb):
        """True if it was answered that it is done."""
        response = self.api.post(f"/v1/batches/{one.id}/{verb}")
        if response.status == 409:
            assert one.may_be_over() and verb != "cancel", (one, verb, response)
            return False
        assert response.status in (200, 202), (one, verb, response)
        return True

    @rule(one=batches)
    def pause(self, one):
        one.paused = self.steer(one, "pause") or one.paused

    @rule(one=batches)
    def resume(self, one):
        one.paused = one.paused and not self.steer(one, "resume")

    @rule(one=batches)
    def cancel(self, one):
        one.cancelled = self.steer(one, "cancel") or one.cancelled

    @rule(target=batches, one=batches, state=st.sampled_from(["failed", "cancelled", "expired"]))
    def retry(self, one, state):
        response = self.api.post(f"/v1/batches/{one.id}/retry?state={state}")
        if response.status == 409:
            return multiple()
        assert response.status == 202, response
        before = one.check(self.api)
        assert before["state"] == "finished", before
        indexes = sorted(r["index"] for r in one.seen.values() if r["state"] == state)
        batch = response.json()
        assert indexes and batch["counts"]["total"] == len(indexes) and batch["retry_of"] == one.id, (batch, indexes)
        return self.learn(batch, [one.kinds[i] for i in indexes])

    @rule(one=consumes(batches))
    def delete(self, one):
        response = self.api.request("DELETE", f"/v1/batches/{one.id}")
        if response.status == 409:
            response = self.api.request("DELETE", f"/v1/batches/{one.id}?force=1")
        else:
            assert one.may_be_over(), one
        assert response.status == 204, response
        assert self.api.get(f"/v1/batches/{one.id}").status == 404
        del self.known[one.id]
        self.keys = {key: kept for key, kept in self.keys.items() if kept[1] != one.id}

    @rule(one=batches)
    def wait(self, one):
        if one.must_end():
            self.api.wait(one.id, SETTLED_S)
            assert_complete(self.api, one.id, len(one.kinds))

    # -- the daemon -----------------------------------------------------------------------------
    @precondition(lambda self: self.known)
    @rule()
    def kill(self):
        self.told["kills"] += 1
        self.daemon.kill()
        check_database(self.daemon)
        self.daemon.start()

    @precondition(lambda self: self.known)
    @rule()
    def restart(self):
        self.daemon.restart()

    @precondition(lambda self: self.known)
    @rule(host_concurrency=st.integers(100, 500), workers=st.integers(1, 3))
    def reload(self, host_concurrency, workers):
        self.daemon.sections["fetch"].update(host_concurrency=host_concurrency, workers=workers)
        self.daemon.write_config()
        self.daemon.signal(signal.SIGHUP)

    @precondition(lambda self: self.known)
    @rule()
    def settle(self):
        for one in self.known.values():
            eventually(lambda one=one: one.has_settled(one.check(self.api)), SETTLED_S, 0.02, f"what {one} comes to")

    @invariant()
    def everything_holds(self):
        self.told["steps"] += 1
        for one in self.known.values():
            one.check(self.api)
        listed = {b["id"] for b in self.api.get_json("/v1/batches?limit=1000")["batches"]}
        assert listed == set(self.known), (listed, self.known)

    def teardown(self):
        if self.daemon.process is None or self.daemon.process.poll() is not None:
            return
        try:
            self.settle()
            for one in self.known.values():
                self.cancel(one)
                self.wait(one)
            self.daemon.stop(at_once=True)
            check_database(self.daemon)
        finally:
            if self.daemon.process is not None:
                self.daemon.kill()


def against_a_model(chosen, folder):
    Machine.folder, Machine.origin = folder, Origin(4)
    try:
        run_state_machine_as_test(seed(chosen.seed)(Machine), settings=settings(
            max_examples=chosen.cycles, stateful_step_count=chosen.steps, deadline=None, database=None,
            verbosity=Verbosity.normal, suppress_health_check=list(HealthCheck)))
    finally:
        Machine.origin.stop()
    told = Machine.told
    return (f"{told['sequences']} sequences of {told['steps']} steps with {told['kills']} kills, "
            f"{told['batches']} batches, each as the model says")


if __name__ == "__main__":
    campaign.run(against_a_model, campaign.options(__doc__.split("\n")[0], cycles=20, steps=25))
