# SPDX-License-Identifier: MIT
"""Steering batches: cancel, pause, resume, retry, delete, deadlines, fail_fast, concurrency, priority."""
import time

import pytest

from api import TEXT, assert_complete, assert_problem
from harness import eventually, wall_clock


def running(api, batch_id, n=1):
    return eventually(lambda: api.batch(batch_id)["counts"]["running"] >= n, what=f"{n} running tasks")


def act(api, batch_id, verb):
    response = api.post(f"/v1/batches/{batch_id}/{verb}")
    assert response.status in (200, 202), response
    return response.json()


# -- cancel -------------------------------------------------------------------------------------
def test_cancel_ends_what_waits_and_aborts_what_runs(api, origin, host):
    urls = [origin.url("/ok", host)] + [origin.url(f"/never?{i}", host) for i in range(30)]
    batch = api.submit(urls)
    eventually(lambda: api.batch(batch["id"])["counts"]["succeeded"] == 1)
    running(api, batch["id"])
    assert act(api, batch["id"], "cancel")["cancel_requested_at"]
    done = api.wait(batch["id"], 5)
    assert (done["counts"]["succeeded"], done["counts"]["cancelled"]) == (1, 30)
    results = assert_complete(api, batch["id"], 31)
    assert {r["error"]["code"] for r in results if r["state"] == "cancelled"} == {"cancelled"}


def test_cancel_is_idempotent_and_harmless_when_finished(api, origin, host):
    batch = api.submit([origin.url("/ok", host)])
    api.wait(batch["id"])
    for _ in range(2):
        assert act(api, batch["id"], "cancel")["counts"]["succeeded"] == 1


def test_connections_of_cancelled_tasks_are_closed(api, origin, host):
    batch = api.submit([origin.url(f"/never?cancel{i}", host) for i in range(5)])
    eventually(lambda: len(origin.requests("/never?cancel")) == 5)
    act(api, batch["id"], "cancel")
    eventually(lambda: all("end" in r for r in origin.requests("/never?cancel")),
               what="the end of the aborted requests at the server")


def test_cancel_of_a_large_queue_is_quick(api, origin, host):
    text = "".join(origin.url(f"/never?{i}\n", host) for i in range(20_000))
    batch = api.submit(text, media_type=TEXT)
    began = time.monotonic()
    act(api, batch["id"], "cancel")
    assert api.wait(batch["id"], 20)["counts"]["cancelled"] == 20_000
    assert time.monotonic() - began < 10


# -- pause and resume ---------------------------------------------------------------------------
def test_a_paused_batch_starts_nothing_new_and_goes_on_when_resumed(api, origin, host):
    batch = api.submit({"urls": [origin.url(f"/delay/300?pause{i}", host) for i in range(20)], "concurrency": 2})
    running(api, batch["id"])
    assert act(api, batch["id"], "pause")["state"] == "paused"
    eventually(lambda: api.batch(batch["id"])["counts"]["running"] == 0, what="the end of what was in flight")
    asked = len(origin.requests("/delay/300?pause"))
    task = api.task(batch["id"], 19)
    assert task["waiting_for"]["reason"] == "paused", task
    time.sleep(0.5)  # the time in which nothing may happen
    assert len(origin.requests("/delay/300?pause")) == asked < 20
    assert act(api, batch["id"], "resume")["state"] == "running"
    assert api.wait(batch["id"])["counts"]["succeeded"] == 20


def test_a_paused_batch_can_be_cancelled(api, origin, host):
    batch = api.submit({"urls": [origin.url("/never", host)] * 3})
    act(api, batch["id"], "pause")
    act(api, batch["id"], "cancel")
    assert api.wait(batch["id"], 5)["counts"]["cancelled"] == 3


# -- retry --------------------------------------------------------------------------------------
def test_retry_makes_a_new_batch_of_what_failed(api, origin, host):
    key = f"retry-{time.monotonic_ns()}"
    tasks = [{"url": origin.url("/ok", host), "id": "good"},
             {"url": origin.url(f"/flaky/1/{key}", host), "id": "flaky", "metadata": {"k": 1},
              "headers": {"X-Kept": "yes"}}]
    batch = api.submit({"tasks": tasks, "defaults": {"retry": {"max_attempts": 1}}, "name": "first"})
    assert api.wait(batch["id"])["counts"]["failed"] == 1
    response = api.post(f"/v1/batches/{batch['id']}/retry?state=failed")
    assert response.status == 202, response
    again = response.json()
    assert again["retry_of"] == batch["id"] and again["counts"]["total"] == 1
    api.wait(again["id"])
    results = api.results(again["id"])
    assert [(r["state"], r["id"], r["metadata"]) for r in results] == [("succeeded", "flaky", {"k": 1})]
    asked = origin.requests(f"/flaky/1/{key}")
    assert len(asked) == 2 and ["X-Kept", "yes"] in asked[1]["headers"]


def test_retry_of_a_running_batch_is_409(api, origin, host):
    batch = api.submit([origin.url("/delay/1000", host)])
    assert_problem(api.post(f"/v1/batches/{batch['id']}/retry"), 409, "conflict")


def test_retry_of_what_was_cancelled(api, origin, host):
    batch = api.submit({"urls": [origin.url("/ok", host)] * 3, "not_before": "2099-01-01T00:00:00Z"})
    act(api, batch["id"], "cancel")
    api.wait(batch["id"], 5)
    response = api.post(f"/v1/batches/{batch['id']}/retry?state=cancelled")
    assert response.status == 202 and response.json()["counts"]["total"] == 3, response
    act(api, response.json()["id"], "cancel")


def test_retry_of_nothing_is_refused(api, origin, host):
    batch = api.submit([origin.url("/ok", host)])
    api.wait(batch["id"])
    response = api.post(f"/v1/batches/{batch['id']}/retry?state=failed")
    assert response.status in (409, 422), response


# -- delete -------------------------------------------------------------------------------------
def test_delete_forgets_a_finished_batch(api, origin, host):
    batch = api.submit([origin.url("/ok", host)])
    api.wait(batch["id"])
    assert api.request("DELETE", f"/v1/batches/{batch['id']}").status == 204
    assert_problem(api.get(f"/v1/batches/{batch['id']}"), 404, "not_found")
    assert_problem(api.body(batch["id"], 0), 404, "not_found")
    assert_problem(api.request("DELETE", f"/v1/batches/{batch['id']}"), 404, "not_found")


def test_delete_of_an_unfinished_batch_needs_force(api, origin, host):
    batch = api.submit([origin.url("/never", host)] * 10)
    running(api, batch["id"])
    assert_problem(api.request("DELETE", f"/v1/batches/{batch['id']}"), 409, "conflict")
    assert api.request("DELETE", f"/v1/batches/{batch['id']}?force=1").status == 204
    assert_problem(api.get(f"/v1/batches/{batch['id']}"), 404, "not_found")
    eventually(lambda: api.host(host)["in_flight"] == 0, what="the end of the deleted fetches")


# -- time ---------------------------------------------------------------------------------------
def test_what_is_unfinished_at_the_deadline_expires(api, origin, host):
    urls = [origin.url("/ok", host)] + [origin.url(f"/never?{i}", host) for i in range(20)]
    began = time.monotonic()
    batch = api.submit({"urls": urls, "deadline_ms": 1000})
    assert batch["deadline_at"]
    done = api.wait(batch["id"], 10)
    assert 0.9 < time.monotonic() - began < 3
    assert (done["counts"]["succeeded"], done["counts"]["expired"]) == (1, 20)
    results = assert_complete(api, batch["id"], 21)
    assert {r["error"]["code"] for r in results if r["state"] == "expired"} == {"expired"}


def test_a_paused_batch_expires_too(api, origin, host):
    batch = api.submit({"urls": [origin.url("/never", host)] * 3, "deadline_ms": 1000})
    act(api, batch["id"], "pause")
    assert api.wait(batch["id"], 5)["counts"]["expired"] == 3


def test_a_waiting_retry_expires_at_the_deadline(api, origin, host):
    document = {"urls": [origin.url(f"/flaky/9/deadline-{host}", host)], "deadline_ms": 800,
                "defaults": {"retry": {"max_attempts": 9, "min_backoff_ms": 60_000}}}
    batch = api.submit(document)
    assert api.wait(batch["id"], 5)["counts"]["expired"] == 1


def test_a_waiting_retry_is_cancelled_at_once(api, origin, host):
    document = {"urls": [origin.url(f"/flaky/9/cancel-{host}", host)],
                "defaults": {"retry": {"max_attempts": 9, "min_backoff_ms": 60_000}}}
    batch = api.submit(document)
    task = eventually(lambda: (lambda t: t if t["attempts"] else None)(api.task(batch["id"], 0)))
    assert task["waiting_for"]["reason"] == "retry" and task["waiting_for"]["at"], task
    act(api, batch["id"], "cancel")
    assert api.wait(batch["id"], 2)["counts"]["cancelled"] == 1


def test_not_before_holds_a_batch_back(api, origin, host):
    began = time.monotonic()
    batch = api.submit({"urls": [origin.url("/ok?held", host)], "not_before": wall_clock(1.5)})
    task = api.task(batch["id"], 0)
    assert task["waiting_for"]["reason"] == "not_before" and task["waiting_for"]["until"], task
    assert api.wait(batch["id"], 10)["counts"]["succeeded"] == 1
    assert 1.3 < time.monotonic() - began < 4
    assert len(origin.requests("/ok?held")) == 1


# -- how a batch runs ---------------------------------------------------------------------------
def test_fail_fast_cancels_the_rest_at_the_first_failure(api, origin, host):
    urls = [origin.url("/status/404", host)] + [origin.url(f"/never?{i}", host) for i in range(20)]
    batch = api.submit({"urls": urls, "fail_fast": True})
    done = api.wait(batch["id"], 10)
    assert (done["counts"]["failed"], done["counts"]["cancelled"]) == (1, 20)


def test_a_success_does_not_trip_fail_fast(api, origin, host):
    batch = api.submit({"urls": [origin.url("/ok", host)] * 20, "fail_fast": True})
    assert api.wait(batch["id"])["counts"]["succeeded"] == 20


def test_batch_concurrency_is_kept_across_hosts(api, origin, hosts):
    names = hosts.take(6)
    tag = f"batch{time.monotonic_ns()}"
    urls = [origin.url(f"/delay/100?tag={tag}&{i}", names[i % 6]) for i in range(60)]
    batch = api.submit({"urls": urls, "concurrency": 5})
    while api.batch(batch["id"], "?wait=1")["state"] != "finished":
        assert api.batch(batch["id"])["counts"]["running"] <= 5
    assert origin.record()["peak_by_tag"][tag] <= 5
    assert origin.record()["peak_by_tag"][tag] >= 3, "the batch should use what it may"


def test_a_higher_priority_goes_first(api, origin, host):
    api.set_host(host, max_concurrency=1)
    low = api.submit({"urls": [origin.url(f"/delay/50?low{i}", host) for i in range(20)], "priority": 1})
    running(api, low["id"])
    high = api.submit({"urls": [origin.url(f"/delay/50?high{i}", host) for i in range(5)], "priority": 9})
    api.wait(high["id"])
    assert api.batch(low["id"])["counts"]["queued"] >= 5
    api.wait(low["id"])


def test_two_batches_on_one_host_share_it(api, origin, host):
    api.set_host(host, max_concurrency=2)
    big = api.submit({"urls": [origin.url(f"/delay/40?big{i}", host) for i in range(200)]})
    running(api, big["id"])
    small = api.submit({"urls": [origin.url(f"/delay/40?small{i}", host) for i in range(10)]})
    done = api.wait(small["id"], 10)
    assert done["counts"]["succeeded"] == 10
    assert api.batch(big["id"])["counts"]["queued"] > 100, "the small batch waited behind the big one"
    act(api, big["id"], "cancel")


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry"])
def test_verbs_on_unknown_batches_are_404(api, verb):
    assert_problem(api.post(f"/v1/batches/00000000-0000-7000-8000-000000000000/{verb}"), 404, "not_found")


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_pause_and_resume_are_idempotent(api, origin, host, verb):
    batch = api.submit([origin.url("/delay/500", host)])
    for _ in range(2):
        act(api, batch["id"], verb)
    act(api, batch["id"], "resume")
    assert api.wait(batch["id"])["counts"]["succeeded"] == 1
