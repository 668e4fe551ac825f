# SPDX-License-Identifier: MIT
"""How tasks are fetched: what is sent, which time counts, bodies of every size, proxies, shortages of the machine."""
import hashlib
import json
import os
import resource
import time
from urllib.parse import quote

import pytest

from plays import pattern

ONCE = {"max_attempts": 1}


def echo(api, origin, host, path="/echo", **task):
    """What the origin server saw of one task."""
    batch = api.submit({"tasks": [{"url": origin.url(path, host), **task}]})
    assert api.wait(batch["id"])["counts"]["succeeded"] == 1, api.results(batch["id"])
    return json.loads(api.body(batch["id"], 0).body)


# -- what is sent -------------------------------------------------------------------------------
def test_a_plain_get_says_who_asks_and_no_more(api, origin, host):
    seen = echo(api, origin, host)
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert seen["method"] == "GET" and seen["body"] == ""
    assert headers["host"] == f"{host}:{origin.ports['http']}"
    assert headers["user-agent"].startswith("gatherd/")
    assert {"gzip", "deflate", "br", "zstd"} <= set(headers["accept-encoding"].replace(" ", "").split(","))
    assert set(headers) <= {"host", "user-agent", "accept", "accept-encoding", "connection"}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods(api, origin, host, method):
    body = {} if method in ("GET", "OPTIONS") else {"body": "data"}
    seen = echo(api, origin, host, method=method, **body)
    assert (seen["method"], seen["body"]) == (method, body.get("body", ""))


def test_headers_of_a_task_win_over_the_daemons(api, origin, host):
    seen = echo(api, origin, host, headers={"User-Agent": "mine/1", "Accept": "text/html", "X-Empty": "",
                                            "Cookie": "a=1", "Authorization": "Bearer x"})
    headers = [tuple(h) for h in seen["headers"]]
    for field in (("User-Agent", "mine/1"), ("Accept", "text/html"), ("X-Empty", ""), ("Cookie", "a=1"),
                  ("Authorization", "Bearer x")):
        assert headers.count(field) == 1, headers


def test_a_body_of_a_megabyte_arrives_whole(api, origin, host):
    body = pattern(1_000_000).decode()
    assert echo(api, origin, host, method="POST", body=body)["body"] == body


@pytest.mark.parametrize("path,target", [("/echo?q=a%2Fb%20c&x=%zz", None), ("/echo?q=a+b", "/echo?q=a+b"),
                                         ("/echo#fragment", "/echo"), ("/echo/a%2Fb/../c", None),
                                         ("/echo?q=\u00e9\u4e2d", "/echo?q=%C3%A9%E4%B8%AD")])
def test_targets_are_sent_as_they_are_written(api, origin, host, path, target):
    response = api.post("/v1/batches?wait=10", [origin.url(path, host)])
    if path.endswith("%zz"):  # a stray percent sign may be refused, but not rewritten
        if response.status == 422:
            return
    assert response.status in (200, 202), response
    seen = json.loads(api.body(response.json()["id"], 0).body)
    assert seen["target"] == (target or path)


def test_cookies_are_not_shared_between_tasks(api, origin, host):
    api.run([origin.url("/cookie", host)] * 3)
    assert not any(name.lower() == "cookie" for name, _ in echo(api, origin, host)["headers"])


def test_ipv6(api, origin):
    result = api.run([origin.url("/ok", "[::1]")])[0]
    assert (result["state"], result["remote_ip"]) == ("succeeded", "::1"), result


# -- which time counts --------------------------------------------------------------------------
def test_time_in_the_queue_does_not_count(api, origin, host):
    api.set_host(host, max_concurrency=1)
    document = {"urls": [origin.url(f"/delay/300?{i}", host) for i in range(8)],
                "defaults": {"timeout_ms": 1000, "retry": ONCE}}
    assert {r["state"] for r in api.run(document)} == {"succeeded"}


def test_the_time_limit_spans_all_hops(api, origin, host):
    url = "/ok"
    for _ in range(4):
        url = f"/redirect-to?ms=400&url={quote(url)}"
    tasks = [{"url": origin.url(url, host), "timeout_ms": 1000}, {"url": origin.url(url, host), "timeout_ms": 5000}]
    results = api.run({"tasks": tasks, "defaults": {"retry": ONCE}})
    assert results[0]["error"]["code"] in ("timeout_total", "timeout_first_byte"), results[0]
    assert 900 <= results[0]["timing_ms"]["total"] < 1600
    assert results[1]["state"] == "succeeded" and results[1]["timing_ms"]["total"] >= 1600


def test_timings_add_up(api, origin, host):
    result = api.run([origin.url("/delay/300", host)])[0]
    timing = result["timing_ms"]
    assert 290 <= timing["first_byte"] <= timing["total"] < 1000
    assert timing["tls"] is None and timing["queued"] < 300


def test_a_slow_body_ends_at_the_time_limit(api, origin, host):
    result = api.run({"tasks": [{"url": origin.url("/drip-body", host), "timeout_ms": 1500, "retry": ONCE}]})[0]
    assert result["state"] == "failed" and result["error"]["code"] in ("timeout_total", "timeout_stall")
    assert result["timing_ms"]["total"] < 2500


# -- bodies -------------------------------------------------------------------------------------
@pytest.mark.parametrize("size,limit,state", [(1000, 1000, "succeeded"), (1001, 1000, "failed")])
@pytest.mark.parametrize("play", ["size", "chunked", "gzip-large"])
def test_the_body_limit_is_exact_and_counts_decoded_bytes(api, origin, host, play, size, limit, state):
    task = {"url": origin.url(f"/{play}/{size}", host), "max_body_bytes": limit}
    result = api.run({"tasks": [task]})[0]
    assert result["state"] == state, result
    if state == "failed":
        assert result["error"]["code"] == "body_too_large"
    else:
        assert result["size"] == size


@pytest.mark.parametrize("play", ["size", "chunked", "gzip-large"])
@pytest.mark.parametrize("size", [1, 262_143, 262_144, 262_145, 5_000_000])
def test_bodies_of_many_sizes_are_kept_as_they_are(api, origin, host, play, size):
    batch = api.submit([origin.url(f"/{play}/{size}", host)])
    api.wait(batch["id"])
    result = api.results(batch["id"])[0]
    assert (result["size"], result["sha256"]) == (size, hashlib.sha256(pattern(size)).hexdigest())
    assert api.body(batch["id"], 0).body == pattern(size)
    middle = api.body(batch["id"], 0, Range=f"bytes={size // 2}-")
    assert (middle.status, middle.body) == (206, pattern(size)[size // 2:])


def test_bodies_in_flight_keep_to_the_byte_budget(own_daemon, origin, hosts):
    """Sixty bodies of 8 MB at once, with room for 32 MB."""
    daemon = own_daemon({"fetch": {"byte_budget": "32M", "host_concurrency": 10}})
    names = hosts.take(6)
    urls = [origin.url(f"/size/8000000?{i}", names[i % 6]) for i in range(60)]
    results = daemon.api.run(urls, 60)
    assert {(r["state"], r["size"]) for r in results} == {("succeeded", 8_000_000)}
    assert daemon.rss_kib("VmHWM") < 160 * 1024


# -- proxies ------------------------------------------------------------------------------------
def test_a_proxy_is_asked_instead(api, origin, host):
    proxy = origin.url("", host)
    seen = echo(api, origin, "elsewhere.example", proxy=proxy)
    assert seen["target"] == origin.url("/echo", "elsewhere.example")


def test_a_proxy_that_cannot_be_reached(api, origin, host):
    task = {"url": "http://elsewhere.example/", "proxy": f"http://127.0.0.1:{origin.ports['closed']}", "retry": ONCE}
    assert api.run({"tasks": [task]})[0]["error"]["code"] == "proxy"


# -- shortages ----------------------------------------------------------------------------------
def test_a_shortage_of_descriptors_is_not_the_origins_fault(own_daemon, origin, hosts):
    """For two seconds there are a dozen descriptors for two hundred fetches: those that get none wait."""
    daemon = own_daemon({"fetch": {"host_concurrency": 50}})
    names, pid = hosts.take(4), daemon.process.pid
    with daemon.api.kept() as api:  # a connection from before the shortage: there may be none to accept later
        used = max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 12, before[1]))
        batch = api.submit([origin.url(f"/delay/50?{i}", names[i % 4]) for i in range(200)])
        time.sleep(2)  # the length of the shortage
        assert api.batch(batch["id"])["counts"]["failed"] == 0
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        done = api.wait(batch["id"], 30)
        results = api.results(batch["id"])
    assert done["counts"]["succeeded"] == 200, [r["error"] for r in results if r["error"]][:3]
    assert {r["attempts"] for r in results} == {1}
