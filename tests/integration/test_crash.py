# SPDX-License-Identifier: MIT
"""kill -9 at any moment: what was accepted is not lost, and every task ends with exactly one result
(promises 1 and 2)."""
from contextlib import closing
import json
import os
import random
import shutil
import sqlite3
import threading
import time
import uuid

import pytest

from api import TEXT, assert_complete, assert_counts
from harness import eventually


TASKS_OF_BATCH = 1 << 24  # a task's row number is its batch's times this, plus its index

# Each finds rows that must not be there.
CONTRADICTIONS = {
    "a task both ready and done":
        f"SELECT 1 FROM ready JOIN result ON result.task = ready.batch * {TASKS_OF_BATCH} + ready.idx",
    "a task neither ready nor done":
        f"SELECT 1 FROM task WHERE id NOT IN (SELECT task FROM result) AND id NOT IN "
        f"(SELECT batch * {TASKS_OF_BATCH} + idx FROM ready)",
    "a task with two results": "SELECT task FROM result GROUP BY task HAVING count(*) > 1",
    "a batch whose total is not its tasks":
        f"SELECT 1 FROM batch WHERE state IN (1, 2, 3) AND total <> (SELECT count(*) FROM task "
        f"WHERE id BETWEEN batch.id * {TASKS_OF_BATCH} AND batch.id * {TASKS_OF_BATCH} + {TASKS_OF_BATCH - 1})",
    "a batch whose counters are not its results":
        f"SELECT 1 FROM batch WHERE state IN (1, 2, 3) AND (succeeded, failed, cancelled, expired) <> (SELECT "
        f"coalesce(sum(state = 2), 0), coalesce(sum(state = 3), 0), coalesce(sum(state = 4), 0), "
        f"coalesce(sum(state = 5), 0) FROM result "
        f"WHERE id BETWEEN batch.id * {TASKS_OF_BATCH} AND batch.id * {TASKS_OF_BATCH} + {TASKS_OF_BATCH - 1})",
    "a host whose queue is not its ready rows":
        "SELECT 1 FROM host WHERE queued <> (SELECT count(*) FROM ready WHERE ready.host = host.id)",
    "a host whose kept tasks are not those with a result":
        "SELECT 1 FROM host LEFT JOIN (SELECT task.host AS id, count(*) AS n FROM task "
        "JOIN result ON result.task = task.id GROUP BY task.host) AS k ON k.id = host.id WHERE kept <> coalesce(n, 0)",
    "a task without its host":
        f"SELECT 1 FROM task WHERE id / {TASKS_OF_BATCH} IN (SELECT id FROM batch WHERE state IN (1, 2, 3)) "
        f"AND host NOT IN (SELECT id FROM host)",
}


def check_database(daemon):
    """The database of a daemon that is down: sound, and free of contradictions. A copy is looked at, since whoever
    opens the original recovers its write-ahead log, which is the daemon's to do at its next start."""
    folder = daemon.folder / "copy"
    folder.mkdir(exist_ok=True)
    for end in ("", "-wal"):
        (folder / f"copy.db{end}").unlink(missing_ok=True)
        if os.path.exists(daemon.db_path + end):
            shutil.copy(daemon.db_path + end, folder / f"copy.db{end}")
    with closing(sqlite3.connect(folder / "copy.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for what, query in CONTRADICTIONS.items():
            assert db.execute(query).fetchone() is None, what


def assert_recounted(api, batch_id, total):
    """Finished, complete, seq without gaps, and the counters are what the results say."""
    batch = api.batch(batch_id)
    assert batch["counts"]["total"] == total
    return assert_complete(api, batch_id, total)


def test_kill_in_the_middle_of_five_thousand(own_daemon, origin, hosts):
    names = hosts.take(8)
    daemon = own_daemon({"fetch": {"host_concurrency": 20}})
    n = 5000
    text = "".join(origin.url(f"/size/{i % 300}?crash{i}\n", names[i % 8]) for i in range(n))
    batch_id = daemon.api.submit(text, media_type=TEXT)["id"]
    eventually(lambda: daemon.api.batch(batch_id)["counts"]["succeeded"] > n // 5, 30)
    seen = {r["index"]: r for r in daemon.api.results(batch_id)}
    daemon.kill()
    check_database(daemon)
    daemon.start()
    daemon.api.wait(batch_id, 60)
    results = assert_recounted(daemon.api, batch_id, n)
    assert all(r["state"] == "succeeded" and r["size"] == r["index"] % 300 for r in results)
    after = {r["index"]: r for r in results}
    assert all(after[i] == r for i, r in seen.items()), "a result that was seen before the crash has changed"
    daemon.stop()
    check_database(daemon)


class Submitter(threading.Thread):
    """Submits batches one after the other, repeating each with its key until it is answered."""

    def __init__(self, daemon, urls, stop):
        super().__init__()
        self.daemon_under_test, self.urls, self.stop = daemon, urls, stop
        self.accepted = {}  # key -> batch id
        self.failure = None

    def run(self):
        try:
            while not self.stop.is_set():
                self.submit_one(str(uuid.uuid4()))
        except Exception as e:  # noqa: BLE001 (handed to the test)
            self.failure = e

    def submit_one(self, key):
        urls = [f"{url}?{key}-{i}" for i, url in enumerate(random.choices(self.urls, k=random.randint(1, 60)))]
        body = json.dumps(urls)
        while True:
            try:
                response = self.daemon_under_test.api.post("/v1/batches", body, {"Idempotency-Key": key}, timeout=20)
            except OSError:
                time.sleep(0.02)  # the daemon is down: try again, as a client would
                if self.stop.is_set():
                    return
                continue
            except Exception as e:  # a connection cut in the middle of an answer
                if type(e).__module__ != "http.client":
                    raise
                continue
            if response.status == 503:
                time.sleep(0.02)
                continue
            assert response.status == 202, response
            self.accepted[key] = (response.json()["id"], len(urls))
            return


@pytest.mark.parametrize("cycles", [5])
def test_kill_again_and_again_under_several_submitters(own_daemon, origin, hosts, cycles):
    daemon = own_daemon({"fetch": {"host_concurrency": 20}})
    urls = [origin.url("/ok", name) for name in hosts.take(6)]
    stop = threading.Event()
    submitters = [Submitter(daemon, urls, stop) for _ in range(4)]
    for submitter in submitters:
        submitter.start()
    chance = random.Random(7)
    for _ in range(cycles):
        time.sleep(chance.uniform(0.2, 1.0))
        daemon.kill()
        check_database(daemon)
        daemon.start()
    time.sleep(0.3)
    stop.set()
    for submitter in submitters:
        submitter.join(60)
        assert submitter.failure is None, submitter.failure
    accepted = {}
    for submitter in submitters:
        accepted.update(submitter.accepted)
    assert len(accepted) > cycles
    assert len({batch_id for batch_id, _ in accepted.values()}) == len(accepted)
    for batch_id, total in accepted.values():
        daemon.api.wait(batch_id, 60)
        results = assert_recounted(daemon.api, batch_id, total)
        assert all(r["state"] == "succeeded" for r in results)
    daemon.stop()
    check_database(daemon)


def test_kill_while_hosts_are_forgotten_and_met_again(own_daemon, origin, hosts):
    daemon = own_daemon({"store": {"retention": "1ms"}})
    urls = [origin.url("/ok?forgotten", name) for name in hosts.take(6)]
    for _ in range(2):
        for url in urls * 4:
            daemon.api.submit([url, *urls[:2]])
        daemon.kill()
        check_database(daemon)
        daemon.start()
    with closing(sqlite3.connect(f"file:{daemon.db_path}?mode=ro", uri=True)) as db:
        eventually(lambda: db.execute("SELECT count(*) FROM host").fetchone() == (0,), what="the end of all hosts")


def test_an_upload_cut_by_a_crash_leaves_nothing(own_daemon, origin, hosts):
    """Pieces of a large batch are on disk before it is accepted; they must be gone after a restart."""
    from api import connect
    import wire
    daemon = own_daemon()
    sock = connect(("unix", daemon.socket_path))
    lines = "".join(origin.url(f"/ok?{i}\n", "127.0.0.2") for i in range(50_000)).encode()
    sock.sendall(wire.head("POST", "/v1/batches", "Content-Type: text/plain", f"Content-Length: {len(lines) * 2}"))
    sock.sendall(lines)
    time.sleep(0.3)  # lets some pieces reach the disk; whether any did does not matter
    daemon.kill()
    sock.close()
    daemon.start()
    assert daemon.api.get_json("/v1/batches")["batches"] == []
    with closing(sqlite3.connect(f"file:{daemon.db_path}?mode=ro", uri=True)) as db:
        for table in ("task", "ready", "batch"):  # removed in pieces, between other work
            eventually(lambda: db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), 20,
                       what=f"the end of what was uploaded into {table}")
    daemon.stop()
    check_database(daemon)


def test_a_post_in_flight_at_a_crash_is_not_sent_again(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon()
    key = uuid.uuid4().hex
    tasks = [{"url": origin.url(f"/never?once-{key}", host), "method": "POST", "body": "pay"},
             {"url": origin.url(f"/delay/1500?again-{key}", host), "method": "POST", "body": "log",
              "retry": {"unsafe": True}},
             {"url": origin.url(f"/delay/1500?get-{key}", host)}]
    batch_id = daemon.api.submit({"tasks": tasks})["id"]
    eventually(lambda: len(origin.requests(f"/never?once-{key}")) == 1)
    eventually(lambda: len(origin.requests("/delay/1500?")) >= 2)
    daemon.kill()
    daemon.start()
    daemon.api.wait(batch_id, 30)
    results = daemon.api.results(batch_id, order="input")
    assert (results[0]["state"], results[0]["error"]["code"]) == ("failed", "interrupted")
    assert [r["state"] for r in results[1:]] == ["succeeded"] * 2
    assert len(origin.requests(f"/never?once-{key}")) == 1
    assert len(origin.requests(f"/delay/1500?again-{key}")) == 2


def test_a_task_at_which_the_daemon_crashes_is_given_up_and_no_other(own_daemon, origin, hosts):
    daemon = own_daemon()
    key = uuid.uuid4().hex
    urls = [origin.url(f"/never?{key}", hosts.take()), origin.url(f"/delay/1300?{key}", hosts.take()),
            origin.url("/ok", hosts.take())]
    batch_id = daemon.api.submit(urls)["id"]
    task = f"/v1/batches/{batch_id}/tasks/0"
    for _ in range(5):
        eventually(lambda: daemon.api.get_json(task)["state"] == "running", 10, what="the start of the task")
        daemon.kill()
        daemon.start()
    assert daemon.api.wait(batch_id, 10)["state"] == "finished"
    given_up, *others = daemon.api.results(batch_id, order="input")
    assert (given_up["state"], given_up["error"]["code"]) == ("failed", "crash_loop")
    assert [r["state"] for r in others] == ["succeeded"] * 2, others
    assert "a task is given up" in daemon.log()


def test_a_waiting_retry_survives(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon()
    key = uuid.uuid4().hex
    document = {"urls": [origin.url(f"/flaky/1/{key}", host)],
                "defaults": {"retry": {"max_attempts": 2, "min_backoff_ms": 1500, "max_backoff_ms": 1500}}}
    batch_id = daemon.api.submit(document)["id"]
    eventually(lambda: len(origin.requests(f"/flaky/1/{key}")) == 1)
    time.sleep(0.3)  # the attempt's record is committed with the next group
    daemon.kill()
    daemon.start()
    assert daemon.api.wait(batch_id, 20)["counts"]["succeeded"] == 1
    result = daemon.api.results(batch_id)[0]
    assert result["attempts"] == 2


def test_paused_cancelled_and_deleted_stay_so(own_daemon, origin, hosts):
    daemon = own_daemon()
    api = daemon.api
    paused, cancelled, deleted = (api.submit([origin.url(f"/never?{w}", hosts.take())] * 3)["id"]
                                  for w in ("paused", "cancelled", "deleted"))
    api.post(f"/v1/batches/{paused}/pause")
    api.post(f"/v1/batches/{cancelled}/cancel")
    assert api.request("DELETE", f"/v1/batches/{deleted}?force=1").status == 204
    daemon.kill()
    daemon.start()
    assert api.batch(paused)["state"] == "paused"
    assert api.wait(cancelled, 5)["counts"]["cancelled"] == 3
    assert api.get(f"/v1/batches/{deleted}").status == 404


class Meddler(threading.Thread):
    """Does random things to random batches until told to stop; every answer must be one of the contract."""

    VERBS = ("pause", "resume", "cancel", "retry", "delete", "force", "read", "submit", "submit")

    def __init__(self, daemon, url, seed, stop):
        super().__init__()
        self.daemon_under_test, self.url, self.stop = daemon, url, stop
        self.chance = random.Random(seed)
        self.failure = None

    def run(self):
        while not self.stop.is_set() and self.failure is None:
            try:
                self.step(self.daemon_under_test.api)
            except OSError:
                time.sleep(0.01)  # the daemon is down
            except Exception as e:  # noqa: BLE001 (handed to the test, but for connections cut by a kill)
                if type(e).__module__ != "http.client":
                    self.failure = e

    def step(self, api):
        verb = self.chance.choice(self.VERBS)
        if verb == "submit":
            path = self.chance.choice(["/ok", "/delay/30", "/status/404", "/never", "/flaky/1/" + uuid.uuid4().hex])
            document = {"urls": [f"{self.url}{path}?{i}" for i in range(self.chance.randint(1, 30))],
                        "priority": self.chance.randint(0, 9), "fail_fast": self.chance.random() < 0.2,
                        "defaults": {"timeout_ms": 500, "retry": {"max_attempts": 2, "min_backoff_ms": 50}}}
            assert api.post("/v1/batches", document).status in (202, 503)
            return
        listed = api.get("/v1/batches?limit=50")
        batches = listed.json()["batches"] if listed.status == 200 else []
        if not batches:
            return
        target = f"/v1/batches/{self.chance.choice(batches)['id']}"
        if verb == "read":
            assert api.get(target + "/results?include=attempts").status in (200, 404)
        elif verb in ("delete", "force"):
            query = "?force=1" if verb == "force" else ""
            assert api.request("DELETE", target + query).status in (204, 404, 409)
        else:
            assert api.post(f"{target}/{verb}").status in (200, 202, 404, 409, 503)
        after = api.get(target)
        assert after.status in (200, 404)
        if after.status == 200:
            assert_counts(after.json())


def test_random_verbs_and_kills_leave_no_contradiction(own_daemon, origin, hosts):
    daemon = own_daemon({"fetch": {"host_concurrency": 20}})
    stop = threading.Event()
    meddlers = [Meddler(daemon, origin.url("", name), seed, stop) for seed, name in enumerate(hosts.take(4))]
    for meddler in meddlers:
        meddler.start()
    chance = random.Random(11)
    for _ in range(4):
        time.sleep(chance.uniform(0.5, 1.5))
        daemon.kill()
        check_database(daemon)
        daemon.start()
    time.sleep(1)
    stop.set()
    for meddler in meddlers:
        meddler.join(30)
        assert meddler.failure is None, repr(meddler.failure)
    for batch in daemon.api.get_json("/v1/batches?limit=1000")["batches"]:
        daemon.api.post(f"/v1/batches/{batch['id']}/cancel")  # there may be thousands of slow fetches left
        assert_recounted(daemon.api, batch["id"], daemon.api.wait(batch["id"], 60)["counts"]["total"])
    daemon.stop()
    check_database(daemon)
