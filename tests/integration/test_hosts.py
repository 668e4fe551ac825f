# SPDX-License-Identifier: MIT
"""A host is never pushed past its limits: concurrency, delay, rate and Retry-After, measured at the server across
all batches (promise 5)."""
from datetime import datetime
import json
import time
from urllib.parse import quote

import pytest

from api import assert_problem
from harness import eventually


@pytest.fixture(scope="module")
def sections():
    return {"fetch": {"host_concurrency": 4}, 'host "127.0.0.100"': {"concurrency": 2, "delay": "100ms"}}


def starts(origin, prefix):
    return sorted(r["t"] for r in origin.requests(prefix))


def gaps(times):
    return [b - a for a, b in zip(times, times[1:])]


def wait_all(api, batches):
    for batch in batches:
        done = api.wait(batch["id"], 60)
        assert done["counts"]["succeeded"] == done["counts"]["total"], done


def test_concurrency_holds_across_batches(api, origin, host):
    batches = [api.submit([origin.url(f"/delay/50?c{b}-{i}", host) for i in range(25)]) for b in range(4)]
    wait_all(api, batches)
    assert origin.record()["peak"][host] == 4


def test_concurrency_set_by_an_admin_holds_from_then_on(api, origin, host):
    assert api.set_host(host, max_concurrency=2)["max_concurrency"] == 2
    wait_all(api, [api.submit([origin.url(f"/delay/40?{b}{i}", host) for i in range(20)]) for b in range(3)])
    assert origin.record()["peak"][host] == 2


def test_hosts_are_limited_each_by_itself(api, origin, hosts):
    names = hosts.take(5)
    batch = api.submit([origin.url(f"/delay/200?{i}", name) for name in names for i in range(8)])
    began = time.monotonic()
    api.wait(batch["id"])
    assert time.monotonic() - began < 1.5
    peaks = origin.record()["peak"]
    assert [peaks[name] for name in names] == [4] * 5


def test_a_delay_spaces_requests(api, origin, host):
    api.set_host(host, delay_ms=100)
    wait_all(api, [api.submit([origin.url(f"/ok?delay{b}-{i}", host) for i in range(5)]) for b in range(3)])
    assert min(gaps(starts(origin, "/ok?delay"))) >= 0.095


def test_a_rate_bounds_requests_of_any_second(api, origin, host):
    api.set_host(host, rate_per_s=20)
    began = time.monotonic()
    wait_all(api, [api.submit([origin.url(f"/ok?rate{b}-{i}", host) for i in range(20)]) for b in range(3)])
    assert time.monotonic() - began < 6
    times = starts(origin, "/ok?rate")
    for i, first in enumerate(times):
        within = [t for t in times[i:] if t < first + 1.0]
        assert len(within) <= 20 + 20, "more than the rate and one bucket in a second"
    assert times[-1] - times[0] >= (60 - 20) / 20 * 0.9


def test_limits_of_the_configuration_hold(api, origin):
    host = "127.0.0.100"
    wait_all(api, [api.submit([origin.url(f"/delay/300?conf{i}", host) for i in range(8)])])
    assert origin.record()["peak"][host] <= 2
    assert min(gaps(starts(origin, "/delay/300?conf"))) >= 0.095


@pytest.mark.parametrize("kind", ["seconds", "date", "503"])
def test_retry_after_stops_the_whole_host(api, origin, host, kind):
    query = {"seconds": "", "date": "&date=1", "503": "&status=503"}[kind]
    key = f"{kind}-{host}"
    retry = {"retry": {"max_attempts": 3, "min_backoff_ms": 10}}
    first = api.submit({"urls": [origin.url(f"/retry-after/2/{key}?x{query}", host)], "defaults": retry})
    asked = eventually(lambda: origin.requests(f"/retry-after/2/{key}"))[0]["t"]
    eventually(lambda: api.host(host)["blocked_until"], 2, what="blocked_until of the host")
    second = api.submit([origin.url(f"/ok?after-{key}-{i}", host) for i in range(5)])
    task = api.task(second["id"], 0)
    assert task["waiting_for"]["reason"] == "host_blocked" and task["waiting_for"]["until"], task
    wait_all(api, [first, second])
    others = starts(origin, f"/ok?after-{key}") + starts(origin, f"/retry-after/2/{key}")[1:]
    assert min(others) - asked >= 1.9
    assert api.results(first["id"])[0]["attempts"] == 2


DAY = 86400
MINUTE = (60, 66)  # without a hint, with jitter


@pytest.mark.parametrize("value, between", [
    ("30", (30, 30)), ("0", (0, 0)), ("86400", (DAY, DAY)), ("86401", (DAY, DAY)), ("9" * 30, (DAY, DAY)),
    ("Fri, 31 Dec 9999 23:59:59 GMT", (DAY, DAY)), ("Thu, 01 Jan 1970 00:00:00 GMT", MINUTE), ("-30", MINUTE), ("1.5", MINUTE),
    ("soon", MINUTE), ("", MINUTE), ("30, 40", MINUTE), ("0x1e", MINUTE), ("30 s", MINUTE), ("30|40", (30, 30)),
])
def test_a_retry_after_that_says_nothing_sensible_counts_as_none(api, origin, host, value, between):
    url = origin.url(f"/asks-to-wait?value={quote(value)}", host)
    before = time.time()
    assert api.run({"tasks": [{"url": url, "retry": {"max_attempts": 1}}]})[0]["status"] == 429
    until = None if between[1] == 0 else eventually(lambda: api.host(host)["blocked_until"], 2)
    seconds = datetime.fromisoformat(until).timestamp() - before if until else 0
    assert between[0] <= seconds + 0.1 and seconds <= between[1] + 5, until


def test_redirects_keep_the_limits_of_the_host_they_lead_to(api, origin, hosts):
    here, there = hosts.take(2)
    api.set_host(there, max_concurrency=1, delay_ms=30)
    target = origin.url("/delay/20?hop", there)
    api.run([origin.url(f"/redirect-to?url={target}{i}", here) for i in range(12)])
    assert origin.record()["peak"][there] == 1
    assert min(gaps(starts(origin, "/delay/20?hop"))) >= 0.025


def test_hosts_that_redirect_to_one_another_do_not_lock_up(api, origin, hosts):
    """Each hop waits for a slot of the other host while every slot is wanted by hops from there."""
    names = hosts.take(4)
    for name in names:
        api.set_host(name, max_concurrency=1)
    urls = []
    for i in range(60):
        here, there = names[i % 4], names[(i + 1 + i // 4 % 3) % 4]
        urls.append(origin.url(f"/redirect-to?ms=5&url={origin.url('/delay/5', there)}", here))
    results = api.run(urls, 30)
    assert {r["state"] for r in results} == {"succeeded"}
    assert [origin.record()["peak"][name] for name in names] == [1] * 4


def test_a_redirect_to_a_blocked_host_waits_and_can_be_cancelled(api, origin, hosts):
    here, there = hosts.take(2)
    api.set_host(there, paused=True)
    batch = api.submit([origin.url(f"/redirect-to?url={origin.url('/ok?blocked-hop', there)}", here)] * 3)
    eventually(lambda: len(origin.requests("/redirect-to")) >= 3)
    assert api.batch(batch["id"], "?wait=1")["state"] == "running"
    api.post(f"/v1/batches/{batch['id']}/cancel")
    assert api.wait(batch["id"], 5)["counts"]["cancelled"] == 3
    assert origin.requests("/ok?blocked-hop") == []


def test_a_paused_host_gets_nothing_until_resumed(api, origin, host):
    api.set_host(host, paused=True)
    batch = api.submit([origin.url("/ok?paused-host", host)] * 3)
    other = api.submit([origin.url("/ok", "127.0.0.2")])
    api.wait(other["id"])
    time.sleep(0.3)  # the time in which nothing may happen
    assert origin.requests("/ok?paused-host") == []
    api.set_host(host, paused=False)
    wait_all(api, [batch])


def test_a_host_shows_its_queue_and_limits(api, origin, host):
    api.set_host(host, max_concurrency=1)
    batch = api.submit([origin.url(f"/delay/700?{i}", host) for i in range(3)])
    shown = eventually(lambda: (lambda h: h if h["in_flight"] == 1 else None)(api.host(host)))
    assert shown["max_concurrency"] == 1 and shown["queued"] >= 1
    task = api.task(batch["id"], 2)
    assert task["waiting_for"]["reason"] == "host_concurrency", task
    wait_all(api, [batch])


def test_hosts_are_listed(api, origin, host):
    wait_all(api, [api.submit([origin.url("/ok", host)])])
    names, after = [], ""
    while True:
        page = api.get_json(f"/v1/hosts?limit=2{after}")
        names += [h["host"] for h in page["hosts"]]
        if not page["more"]:
            break
        after = f"&after={page['next']}"
    assert host in names and len(names) == len(set(names))


def test_an_unknown_host_is_404(api):
    assert_problem(api.get("/v1/hosts/never-seen.example"), 404, "not_found")


@pytest.mark.parametrize("document", [{"max_concurrency": 0}, {"max_concurrency": "x"}, {"delay_ms": -1},
                                      {"rate_per_s": -1}, {"paused": 1}, {"colour": 1}, [], 5])
def test_bad_limits_are_refused(api, document):
    response = api.request("PATCH", "/v1/hosts/127.0.0.99", json.dumps(document), {"Content-Type": "application/json"})
    assert_problem(response, 422, "invalid_request")


def test_a_host_that_is_forgotten_and_met_again_keeps_its_pace(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon({"store": {"retention": "1ms"}, f'host "{host}"': {"delay": "400ms"}})
    for i in range(2):
        daemon.api.submit([origin.url(f"/ok?forgotten{i}", host)])
        eventually(lambda: daemon.api.get(f"/v1/hosts/{host}").status == 404, what="the end of the host's row")
    assert min(gaps(starts(origin, "/ok?forgotten"))) >= 0.395


def test_limits_set_by_an_admin_survive_a_restart(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon()
    daemon.api.set_host(host, max_concurrency=1, delay_ms=50, paused=False)
    daemon.restart()
    shown = daemon.api.host(host)
    assert (shown["max_concurrency"], shown["delay_ms"]) == (1, 50)
    done = daemon.api.run([origin.url(f"/delay/30?kept{i}", host) for i in range(5)])
    assert len(done) == 5
    assert origin.record()["peak"][host] == 1
    assert min(gaps(starts(origin, "/delay/30?kept"))) >= 0.045


def test_a_block_survives_a_restart(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon()
    batch = daemon.api.submit({"urls": [origin.url("/retry-after/4/kept", host)],
                               "defaults": {"retry": {"max_attempts": 3, "min_backoff_ms": 10}}})
    asked = eventually(lambda: origin.requests("/retry-after/4/kept"))[0]["t"]
    eventually(lambda: daemon.api.host(host)["blocked_until"], 2)
    daemon.kill()
    daemon.start()
    assert daemon.api.wait(batch["id"], 20)["counts"]["succeeded"] == 1
    assert origin.requests("/retry-after/4/kept")[1]["t"] - asked >= 3.8
