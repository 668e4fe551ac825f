# SPDX-License-Identifier: MIT
"""Politeness on a large scale, measured at the server: many batches at once, many hosts, each with limits of its own.
GATHERD_POLITENESS_REQUESTS sets how many requests (default 10,000; scripts/campaign politeness: 100,000)."""
from collections import Counter
import os
import random
import time

import pytest

import harness
from api import TEXT

REQUESTS = int(os.environ.get("GATHERD_POLITENESS_REQUESTS", "10000"))
HOSTS, BATCHES = 24, 40
LIMITS = [1, 2, 3, 5, 8, 13]
WITHIN = 0.02


@pytest.fixture(scope="module")
def origin():
    """Of its own: the log of so many requests is not for others to carry."""
    server = harness.Origin(HOSTS + 10)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sections():
    return {"fetch": {"concurrency": 512, "host_concurrency": 4}}


def most_at_once(requests, since=0.0):
    """The most requests under way at one moment from `since` on."""
    steps = sorted([(max(r["t"], since), 1) for r in requests if r["end"] > since] +
                   [(r["end"], -1) for r in requests if r["end"] > since])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def test_no_host_is_ever_asked_more_at_once_than_allowed(api, origin):
    rng = random.Random(5)
    names = [f"127.0.0.{i + 2}" for i in range(HOSTS)]
    limits = {name: LIMITS[i % len(LIMITS)] for i, name in enumerate(names)}
    for name, limit in limits.items():
        api.set_host(name, max_concurrency=limit)
    plays = ["/ok?c", "/ok?c", "/delay/20?c", "/delay/10?c", "/delay/5?c", "/size/3000?c", "/redirect/1?c", "/close?c", "/flaky/1/c"]
    batches, total = [], 0
    for b in range(BATCHES):
        lines = [origin.url(f"{rng.choice(plays)}{b}-{i}", rng.choice(names)) for i in range(REQUESTS // BATCHES)]
        total += len(lines)
        batches.append(api.submit("\n".join(lines), "?name=load", TEXT))
    for batch in batches:
        counts = api.wait(batch["id"], 120 + REQUESTS / 200)["counts"]
        assert counts["succeeded"] == counts["total"], counts
    peak = origin.record("/none")["peak"]
    print(f"{total} tasks of {BATCHES} batches for {HOSTS} hosts; the most at once, by limit: ",
          dict(Counter((limits[name], peak[name]) for name in names)))
    assert {name: peak[name] for name in names if peak[name] > limits[name]} == {}
    assert sum(peak[name] == limits[name] for name in names) > HOSTS / 2, "the limits were not put to the test"


def test_a_lower_limit_holds_at_once(api, origin):
    """Lowered in the middle of a load: once the requests of before have ended, never more than the new limit."""
    host = f"127.0.0.{HOSTS + 3}"
    api.set_host(host, max_concurrency=10)
    batches = [api.submit([origin.url(f"/delay/30?low{b}-{i}", host) for i in range(100)]) for b in range(4)]
    harness.eventually(lambda: len(origin.requests("/delay/30?low")) > 50)
    api.set_host(host, max_concurrency=2)
    changed = time.monotonic()
    for batch in batches:
        assert api.wait(batch["id"])["counts"]["succeeded"] == 100
    requests = origin.requests("/delay/30?low")
    assert most_at_once(requests) == 10
    assert most_at_once([r for r in requests if r["t"] > changed + 0.02]) == 2


def submit_some(api, origin, host, name, batches, each, **limits):
    """So many batches at once of so many tasks each for `host` under `limits`; their ids."""
    api.set_host(host, max_concurrency=10, **limits)
    return [api.submit([origin.url(f"/ok?{name}{b}-{i}", host) for i in range(each)])["id"] for b in range(batches)]


def test_delay_and_rate_are_kept_within_two_per_cent(api, origin):
    """Of several batches at once, over ten seconds. A rate may make up for what it missed in a tenth of a second."""
    delay, rate = 0.3, 80
    slow, quick = f"127.0.0.{HOSTS + 4}", f"127.0.0.{HOSTS + 5}"
    ids = submit_some(api, origin, slow, "gap", 5, 6, delay_ms=int(delay * 1000))
    ids += submit_some(api, origin, quick, "pace", 5, 160, rate_per_s=rate)
    for batch in ids:
        api.wait(batch, 60)
    gaps = [r["t"] for r in origin.requests("/ok?gap")]
    gaps = [b - a for a, b in zip(gaps, gaps[1:])]
    pace = [r["t"] for r in origin.requests("/ok?pace")]
    mean_gap, mean_rate = sum(gaps) / len(gaps), (len(pace) - 1 - rate / 10) / (pace[-1] - pace[0])
    most = max(sum(t <= u < t + 1 for u in pace) for t in pace)
    print(f"delay {delay * 1000:.0f} ms: mean {mean_gap * 1000:.1f} ms, shortest {min(gaps) * 1000:.1f} ms; "
          f"rate {rate}/s: mean {mean_rate:.2f}/s, most in a second {most}")
    # The server may notice a request late, which shortens the next gap, but not many of them.
    assert sorted(gaps)[len(gaps) // 10] >= delay * (1 - WITHIN)
    assert mean_gap >= delay * (1 - WITHIN)
    assert mean_gap <= delay * (1 + WITHIN)
    assert rate * (1 - WITHIN) <= mean_rate <= rate * (1 + WITHIN)
    assert most <= rate * (1 + 0.1 + WITHIN)


@pytest.mark.parametrize("number,query", enumerate(["", "&date=1"]))
def test_retry_after_holds_for_all_batches(api, origin, number, query):
    """Twelve batches for one host, one of which is told to come back in two seconds: nobody asks before that."""
    host = f"127.0.0.{HOSTS + 6 + number}"
    api.set_host(host, max_concurrency=2, delay_ms=10)
    key = f"all{number}"
    others = [api.submit([origin.url(f"/ok?{key}-{b}-{i}", host) for i in range(40)])["id"] for b in range(12)]
    retry = {"retry": {"max_attempts": 3, "min_backoff_ms": 10}}
    told = api.submit({"urls": [origin.url(f"/retry-after/2/{key}?x{query}", host)], "defaults": retry,
                       "priority": 9})["id"]
    for batch in [told, *others]:
        counts = api.wait(batch, 60)["counts"]
        assert counts["succeeded"] == counts["total"]
    first, second = origin.requests(f"/retry-after/2/{key}")
    between = [r["t"] for r in origin.requests(f"/ok?{key}-") if r["t"] > first["end"] + 0.05]
    assert between and min(between) - first["t"] >= 1.9 - (1 if query else 0)  # a date has no fractions
    assert second["t"] - first["t"] >= 1.9 - (1 if query else 0)
