# SPDX-License-Identifier: MIT
"""Clients of a daemon that may die at any moment. Each notes what it asked, what was answered, and so what must hold
after the restart."""
from dataclasses import dataclass, field
import http.client
import json
import random
import threading
import time
import uuid

import campaign  # noqa: F401 (finds api)
from api import JSON, NDJSON, TEXT
import expected

GONE = (OSError, http.client.HTTPException)
LARGE = 1100  # tasks: two pieces, inserted as `loading`


@dataclass
class Submission:
    """One POST of a batch and what was done with it since."""
    name: str
    media_type: str
    body: bytes
    tasks: list  # (method, url) by index
    key: str | None = None
    id: str | None = None  # of the answer; None: unanswered
    refused: bool = False
    asked: list = field(default_factory=list)  # verbs in order; the last may be unanswered
    answered: list = field(default_factory=list)

    @property
    def target(self):
        return "/v1/batches?name=" + self.name

    @property
    def headers(self):
        key = {"Idempotency-Key": self.key} if self.key else {}
        return {"Content-Type": self.media_type, **key}

    def verb_pending(self):
        return len(self.asked) > len(self.answered)


def make(chance, origin, hosts):
    """A random submission."""
    name = uuid.uuid4().hex
    large = chance.random() < 0.01
    kind = NDJSON if large else chance.choice([JSON, NDJSON, TEXT])
    n = LARGE if large else chance.randint(1, 8)
    paths = ["/ok"] if large else expected.STEADY if kind == TEXT else expected.PATHS  # text sets no quick retry
    tasks = []
    for i in range(n):
        path = chance.choice(paths).format(key=f"{name}-{i}")
        if not large and chance.random() < 0.004:
            path = expected.LARGE_BODY
        method = "POST" if not large and path == "/ok" and chance.random() < 0.2 else "GET"
        tasks.append((method, origin.url(f"{path}?{i}", chance.choice(hosts))))
    if kind == TEXT:
        tasks = [("GET", url) for _, url in tasks]
    one = Submission(name, kind, _body(kind, tasks, chance), tasks)
    one.key = name if chance.random() < 0.6 else None
    return one


def _body(kind, tasks, chance):
    if kind == TEXT:
        return "".join(url + "\n" for _, url in tasks).encode()
    rows = [{"url": url, "method": method, "retry": expected.QUICK_RETRY} for method, url in tasks]
    if kind == NDJSON:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    return json.dumps({"tasks": rows, "priority": chance.randint(0, 9)}).encode()


class Submitter(threading.Thread):
    """Submits, steers and repeats until the daemon is gone."""

    def __init__(self, api, origin, hosts, seed):
        super().__init__(daemon=True)
        self.api, self.origin, self.hosts = api, origin, hosts
        self.chance = random.Random(seed)
        self.submissions = []
        self.failure = None

    def run(self):
        try:
            while True:
                self.step()
                time.sleep(self.chance.uniform(0, 0.04))
        except GONE:
            pass  # killed: what was asked and not answered is known from the notes
        except Exception as e:  # noqa: BLE001 (handed to the campaign)
            self.failure = e

    def step(self):
        known = [s for s in self.submissions[-8:] if s.id and "delete" not in s.asked]
        if known and self.chance.random() < 0.45:
            self.steer(self.chance.choice(known))
        else:
            one = make(self.chance, self.origin, self.hosts)
            self.submissions.append(one)
            self.submit(one)

    def submit(self, one):
        response = self.api.post(one.target, one.body, one.headers, timeout=30)
        if response.status == 503:
            one.refused = True
            return
        assert response.status == 202, response
        assert response.json()["counts"]["total"] == len(one.tasks), response
        one.id = response.json()["id"]

    def steer(self, one):
        verb = self.chance.choice(["pause", "pause", "resume", "cancel", "retry", "delete", "again"])
        target = f"/v1/batches/{one.id}"
        if verb == "again":
            if one.key:
                replay(self.api, one)
            return
        one.asked.append(verb)
        if verb == "delete":
            response = self.api.request("DELETE", target + "?force=1")
            assert response.status == 204, response
        else:
            response = self.api.post(f"{target}/{verb}")
            if response.status == 409 and verb != "cancel":  # it has finished, or has not
                one.asked.pop()
                return
            assert response.status in (200, 202), (verb, response)
        one.answered.append(verb)


def replay(api, one):
    """The same request with the same key: the same batch, or the first one of it."""
    response = api.post(one.target, one.body, one.headers, timeout=30)
    assert response.status == 202, response
    batch = response.json()
    if one.id is not None:
        assert batch["id"] == one.id, (batch, one.id)
        assert response.header("idempotency-replayed") == "true", response.headers
    assert batch["counts"]["total"] == len(one.tasks), batch
    one.id = batch["id"]


class Observer(threading.Thread):
    """Reads results while all this happens: what was seen once must never change."""

    def __init__(self, api, submitters, seed):
        super().__init__(daemon=True)
        self.api, self.submitters = api, submitters
        self.chance = random.Random(seed)
        self.seen = {}  # batch id -> {seq: result}
        self.failure = None
        self.is_over = threading.Event()  # it may know of no batch to ask for, and so not see that the daemon is gone

    def run(self):
        try:
            while not self.is_over.wait(0.01):
                known = [s.id for t in self.submitters for s in t.submissions[-6:] if s.id]
                if known:
                    self.look(self.chance.choice(known))
        except GONE:
            pass
        except Exception as e:  # noqa: BLE001
            self.failure = e

    def look(self, batch_id):
        response = self.api.get(f"/v1/batches/{batch_id}/results?limit=1000")
        if response.status == 404:
            return  # deleted
        assert response.status == 200, response
        seen = self.seen.setdefault(batch_id, {})
        for result in response.json()["results"]:
            assert seen.setdefault(result["seq"], result) == result, "a result has changed"
