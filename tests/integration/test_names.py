# SPDX-License-Identifier: MIT
"""Names: what resolution can go wrong with, and that no name leads to an address that is refused. The name server is
scripted (tests/origin/names.py); ok.test and its like resolve to the origin server."""
import time

import pytest

ONCE = {"retry": {"max_attempts": 1}, "timeout_ms": 20_000}

OUTCOMES = {  # play: (code or None for success, retryable)
    "ok": (None, None),
    "cname": (None, None),
    "both": (None, None),
    "many": (None, None),
    "nxdomain": ("dns_not_found", False),
    "nodata": ("dns_not_found", False),
    "servfail": ("dns_temporary", True),
    "refused": ("dns_temporary", True),
    "silent": ("dns_temporary", True),
    "garbage": ("dns_temporary", True),
    "loop": ("dns_not_found dns_temporary", None),
    "private": ("blocked_address", False),
    "mapped": ("blocked_address", False),
}


@pytest.fixture(scope="module")
def sections(origin):
    return {"fetch": {"resolver": [f"127.0.0.1:{origin.ports['dns']}"]}}


@pytest.fixture(scope="module")
def outcomes(daemon, origin):
    urls = [origin.url("/ok?names", f"{play}.test") for play in OUTCOMES]
    batch = daemon.api.submit({"urls": urls, "defaults": ONCE})
    daemon.api.wait(batch["id"], 60)
    return dict(zip(OUTCOMES, daemon.api.results(batch["id"], order="input")))


@pytest.mark.parametrize("play", OUTCOMES)
def test_names(outcomes, play):
    code, retryable = OUTCOMES[play]
    result = outcomes[play]
    if code is None:
        assert (result["state"], result["status"], result["remote_ip"]) == ("succeeded", 200, "127.0.0.1"), result
        return
    assert result["state"] == "failed" and result["error"]["code"] in code.split(), result
    if retryable is not None:
        assert result["error"]["retryable"] is retryable


def test_a_name_that_turns_private_is_refused(api, origin):
    """DNS rebinding: allowed at the first look, private at the second."""
    url = origin.url("/ok?rebind", "rebind.test")
    assert api.run({"urls": [url], "defaults": ONCE})[0]["state"] == "succeeded"
    time.sleep(2.2)  # the answer's TTL of a second must pass, and the kept connection must not outlive it unvetted
    result = api.run({"urls": [url], "defaults": ONCE})[0]
    assert result["state"] == "failed" and result["error"]["code"] == "blocked_address", result


def test_a_redirect_to_a_name_with_a_private_address(api, origin):
    url = origin.url(f"/redirect-to?url=http://private.test:{origin.ports['http']}/", "ok.test")
    result = api.run({"urls": [url], "defaults": ONCE})[0]
    assert result["error"]["code"] == "blocked_address", result


def test_equal_lookups_are_asked_once(api, origin):
    """A hundred tasks for a new name, and they are done in about the time of one lookup."""
    urls = [origin.url(f"/ok?once{i}", "ok-once.test") for i in range(100)]
    results = api.run({"urls": urls, "defaults": ONCE})
    assert {r["state"] for r in results} == {"succeeded"}


def test_three_thousand_hosts_at_once(daemon, api, origin):
    urls = [origin.url("/delay/20", f"ok-{i}.test") for i in range(3000)]
    began = time.monotonic()
    # Names and pages come from one thread of one program, which on a busy machine may be silent for seconds.
    again = {"retry": {"max_attempts": 4, "min_backoff_ms": 100}, "timeout_ms": 40_000}
    results = api.run({"urls": urls, "defaults": again}, 60)
    print(f"3,000 hosts in {time.monotonic() - began:.1f} s")
    assert [r for r in results if r["state"] != "succeeded"] == []
    assert daemon.rss_kib("VmHWM") < 200 * 1024


def test_slow_names_hold_up_nobody_else(api, origin):
    silent = api.submit({"urls": [origin.url("/ok", f"silent-{i}.test") for i in range(50)], "defaults": ONCE})
    began = time.monotonic()
    results = api.run({"urls": [origin.url("/ok", "ok-beside.test")], "defaults": ONCE})
    assert results[0]["state"] == "succeeded" and time.monotonic() - began < 1
    api.post(f"/v1/batches/{silent['id']}/cancel")
    api.wait(silent["id"], 10)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.1", "0x7f000001", "2130706433"])
def test_spellings_of_loopback_are_one_host(api, origin, host):
    """They are allowed here because 127.0.0.0/8 is; they must be recognised as what they are."""
    result = api.run({"urls": [origin.url("/ok", host)], "defaults": ONCE})[0]
    assert (result["state"], result["remote_ip"]) == ("succeeded", "127.0.0.1"), result


@pytest.mark.parametrize("limit", [{"delay_ms": 200}, {"rate_per_s": 5}])
def test_the_pace_is_kept_though_all_requests_wait_for_one_name(api, origin, limit):
    """It counts from when a request leaves: those that began meanwhile must not leave together."""
    kind = next(iter(limit))
    name, path = f"late-{kind[0]}.test", f"/ok?late-{kind}-"
    api.set_host(name, **limit)
    api.run({"urls": [origin.url(f"{path}{i}", name) for i in range(4)], "defaults": ONCE})
    times = sorted(r["t"] for r in origin.requests(path))
    assert len(times) == 4 and min(b - a for a, b in zip(times, times[1:])) > 0.19, times
