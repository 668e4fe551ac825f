# SPDX-License-Identifier: MIT
"""Waiting: for all, for the first, for the first failure; what happens to those who wait."""
import socket
import threading
import time

import pytest

import wire
from api import assert_problem, connect
from harness import eventually


def timed(function):
    began = time.monotonic()
    value = function()
    return value, time.monotonic() - began


@pytest.fixture
def slow(api, origin, host):
    """A running batch: one task of 0.3 s, one failure at 0.6 s, one of 2 s."""
    tasks = [{"url": origin.url("/delay/300", host)},
             {"url": origin.url("/delay/600", host), "accept_status": "201"},
             {"url": origin.url("/delay/2000", host)}]
    return api.submit({"tasks": tasks})["id"]


def test_waiting_for_all_answers_when_the_last_is_done(api, slow):
    batch, seconds = timed(lambda: api.batch(slow, "?wait=30"))
    assert batch["state"] == "finished"
    assert 1.5 < seconds < 3


def test_waiting_for_the_first(api, slow):
    batch, seconds = timed(lambda: api.batch(slow, "?wait=30&return_when=first_completed"))
    assert batch["counts"]["succeeded"] == 1 and batch["state"] == "running"
    assert seconds < 0.55
    batch = api.batch(slow, "?wait=30&return_when=first_completed&after_seq=1")
    assert (batch["counts"]["succeeded"], batch["counts"]["failed"]) == (1, 1)
    batch = api.batch(slow, "?wait=30&return_when=first_completed&after_seq=2")
    assert batch["state"] == "finished"


def test_waiting_for_the_first_failure(api, slow):
    batch, seconds = timed(lambda: api.batch(slow, "?wait=30&return_when=first_failed"))
    assert batch["counts"]["failed"] == 1 and batch["state"] == "running"
    assert 0.4 < seconds < 1.5


def test_waiting_for_a_failure_that_does_not_come_ends_with_the_batch(api, origin, host):
    batch = api.submit([origin.url("/delay/300", host)])
    answer, seconds = timed(lambda: api.batch(batch["id"], "?wait=30&return_when=first_failed"))
    assert answer["state"] == "finished" and seconds < 2


def test_a_time_out_is_no_error_and_cancels_nothing(api, slow):
    batch, seconds = timed(lambda: api.batch(slow, "?wait=1"))
    assert 0.9 < seconds < 1.5
    assert batch["state"] == "running"
    assert api.wait(slow)["counts"]["succeeded"] == 2


def test_waiting_for_what_is_finished_answers_at_once(api, slow):
    api.wait(slow)
    for query in ("?wait=30", "?wait=30&return_when=first_completed", "?wait=30&return_when=first_failed"):
        _, seconds = timed(lambda: api.batch(slow, query))
        assert seconds < 0.3, query


def test_the_longest_wait_is_said(api, slow):
    response = api.get(f"/v1/batches/{slow}?wait=100000")
    assert response.status == 200 and response.json()["state"] == "finished"
    assert response.header("preference-applied") == "wait=60"


@pytest.mark.parametrize("query", ["wait=x", "wait=-1", "wait=1.5", "return_when=never&wait=1", "after_seq=x&wait=1"])
def test_bad_waits_are_400(api, slow, query):
    assert_problem(api.get(f"/v1/batches/{slow}?{query}"), 400, "bad_request")


def test_results_can_be_waited_for(api, slow):
    page, seconds = timed(lambda: api.get_json(f"/v1/batches/{slow}/results?wait=30"))
    assert len(page["results"]) == 1 and seconds < 0.55
    page = api.get_json(f"/v1/batches/{slow}/results?wait=30&after={page['next']}")
    assert [r["seq"] for r in page["results"]] == [2]


def test_fifty_waiters_are_all_released(api, origin, host):
    batch = api.submit([origin.url("/delay/800", host)])
    ends = []

    def wait():
        answer = api.batch(batch["id"], "?wait=30")
        ends.append((answer["state"], time.monotonic()))

    threads = [threading.Thread(target=wait) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [state for state, _ in ends] == ["finished"] * 50
    times = [t for _, t in ends]
    assert max(times) - min(times) < 1


def test_waiters_of_a_cancelled_batch_are_released(api, origin, host):
    batch = api.submit([origin.url("/never", host)])
    ended = []
    thread = threading.Thread(target=lambda: ended.append(api.batch(batch["id"], "?wait=30")))
    thread.start()
    eventually(lambda: api.batch(batch["id"])["counts"]["running"] == 1)
    api.post(f"/v1/batches/{batch['id']}/cancel")
    thread.join(5)
    assert ended and ended[0]["state"] == "finished" and ended[0]["counts"]["cancelled"] == 1


def test_waiters_of_a_deleted_batch_are_released(api, origin, host):
    batch = api.submit([origin.url("/never", host)])
    answers = []
    thread = threading.Thread(target=lambda: answers.append(api.get(f"/v1/batches/{batch['id']}?wait=30")))
    thread.start()
    eventually(lambda: api.batch(batch["id"])["counts"]["running"] == 1)
    assert api.request("DELETE", f"/v1/batches/{batch['id']}?force=1").status == 204
    thread.join(5)
    assert answers and answers[0].status in (200, 404)


def test_a_waiter_that_leaves_disturbs_nobody(daemon, api, origin, host):
    batch = api.submit([origin.url("/delay/1000", host)])
    for _ in range(20):
        sock = connect(("unix", daemon.socket_path))
        sock.sendall(wire.head("GET", f"/v1/batches/{batch['id']}?wait=30"))
        sock.close()
    assert api.batch(batch["id"], "?wait=30")["state"] == "finished"


def test_a_waiter_that_half_closes_is_answered(daemon, api, origin, host):
    batch = api.submit([origin.url("/delay/500", host)])
    sock = connect(("unix", daemon.socket_path))
    sock.sendall(wire.head("GET", f"/v1/batches/{batch['id']}?wait=30"))
    sock.shutdown(socket.SHUT_WR)
    answers = wire.parse_responses(wire.receive(sock))
    sock.close()
    assert answers[0].status == 200 and answers[0].json()["state"] == "finished"


def test_a_request_behind_a_waiting_one_gets_its_turn(daemon, api, origin, host):
    batch = api.submit([origin.url("/delay/500", host)])
    first = wire.head("GET", f"/v1/batches/{batch['id']}?wait=30", close=False)
    answers = wire.exchange(("unix", daemon.socket_path), first + wire.head("GET", "/livez"))
    assert [a.status for a in answers] == [200, 200]
    assert answers[0].json()["state"] == "finished"
