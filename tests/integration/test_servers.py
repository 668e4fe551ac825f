# SPDX-License-Identifier: MIT
"""Every behaviour of an origin server and what it ends as: the table of tests/origin/behaviours.py.

All rows run in one batch, each in one piece and again cut into random small pieces; then each is a test of its own.
"""
import hashlib

import pytest

from behaviours import BEHAVIOURS, STALL_MS
from plays import TEXT
import harness

CUTS = ("", "cut")


@pytest.fixture(scope="module")
def origin():
    """An origin server with TLS and an address for each row (and some more), so that back-off of one host delays
    no other."""
    server = harness.Origin(addresses=len(BEHAVIOURS) + 10, tls=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sections(origin):
    return {"fetch": {"concurrency": 512, "host_concurrency": 100, "stall_timeout": f"{STALL_MS}ms",
                      "ca_file": origin.ca_file}}


def task_of(origin, number, name, cut):
    row = BEHAVIOURS[name]
    # Only the plain port listens on every address.
    host = f"127.0.0.{number + 1}" if row.port == "http" else "127.0.0.1"
    query = ("&" if "?" in row.path else "?") + "cut=1" if cut else ""
    return {"url": origin.url(row.path + query, host, row.port), "id": f"{name} {cut}".strip(),
            "retry": {"max_attempts": 1}, **row.options}


@pytest.fixture(scope="module")
def outcomes(daemon, origin):
    """id -> result, of all rows; prints the table."""
    tasks = [task_of(origin, i, name, cut) for cut in CUTS for i, name in enumerate(BEHAVIOURS)]
    batch = daemon.api.submit({"tasks": tasks})
    daemon.api.wait(batch["id"], 120)
    results = daemon.api.results(batch["id"], order="input", include="headers,body", limit=20)
    for r in results:
        print(f"{r['id']:<45} {r['state']:<10} {(r['error'] or {}).get('code', ''):<20} {r['status'] or '-'}")
    return {r["id"]: r for r in results}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_behaviour(outcomes, name, cut):
    row, result = BEHAVIOURS[name], outcomes[f"{name} {cut}".strip()]
    error = result["error"] or {}
    assert result["state"] == row.state, result
    assert error.get("code") in row.allowed_codes, error
    if row.status is not None:
        assert result["status"] == row.status, result
    if row.state == "failed":
        assert error["message"], error
        if row.retryable is not None:
            assert error["retryable"] == row.retryable, error
    else:
        assert result["complete"] is True


@pytest.mark.parametrize("name", ["SSH banner", "SSH server", "SMTP banner", "SMTP server", "HTTP/0.9",
                                  "gzip cut short",
                                  "ends before its length", "endless body", "stalls inside the body"])
def test_nothing_is_kept_of_an_answer_that_is_none(outcomes, name):
    result = outcomes[name]
    assert result.get("body") is None and result.get("body_base64") is None
    assert "SSH" not in str(result["error"]) and "ESMTP" not in str(result["error"])


@pytest.mark.parametrize("name", ["stalls inside headers", "ends inside headers", "endless headers"])
def test_no_status_is_published_before_the_headers_are_complete(outcomes, name):
    assert outcomes[name]["status"] is None


@pytest.mark.parametrize("name", ["gzip", "deflate", "brotli", "zstd"])
def test_codings_decode_to_the_same_text(outcomes, name):
    result = outcomes[name]
    assert result["body"].encode() == TEXT
    assert result["sha256"] == hashlib.sha256(TEXT).hexdigest()


def test_an_unknown_coding_is_stored_as_received(outcomes):
    assert outcomes["unknown content coding"]["body"] == "uryyb\n"


def test_the_bytes_of_a_discarded_body_are_counted(outcomes):
    assert outcomes["stalls inside the body"]["size"] == 3
    assert outcomes["stalls inside the body"]["complete"] is False


def test_announced_bodies_over_the_limit_are_not_read(outcomes):
    assert outcomes["announces more than allowed"]["size"] == 0


def test_surplus_bytes_are_not_taken_for_an_answer(api, origin, outcomes):
    """The connection of an answer with surplus bytes is not used again."""
    assert outcomes["more bytes than its length"]["body"] == "hi\n"
    host = f"127.0.0.{len(BEHAVIOURS)}"
    api.set_host(host, max_concurrency=1)
    results = api.run([origin.url("/cl-surplus?reuse", host)] * 3 + [origin.url("/ok?reuse", host)])
    assert [r["state"] for r in results] == ["succeeded"] * 4
    connections = [r["connection"] for r in origin.requests("/cl-surplus?reuse") + origin.requests("/ok?reuse")]
    assert len(set(connections)) == 4


def test_well_behaved_connections_are_used_again(api, origin):
    host = f"127.0.0.{len(BEHAVIOURS)}"
    api.set_host(host, max_concurrency=1)
    api.run([origin.url(f"/ok?again{i}", host) for i in range(20)])
    assert len({r["connection"] for r in origin.requests("/ok?again")}) <= 2


def test_no_credentials_are_sent_to_who_asks(origin, outcomes):
    asked = origin.requests("/basic-auth")
    assert len(asked) == len(CUTS)
    assert not any(name.lower() == "authorization" for r in asked for name, _ in r["headers"])


@pytest.mark.parametrize("name", ["Authorization", "Cookie"])
def test_credentials_do_not_follow_to_another_origin(api, origin, name):
    here, there = (f"127.0.0.{len(BEHAVIOURS) - i}" for i in (0, 1))
    same = origin.url(f"/redirect-to?url=/echo?same-{name}", here)
    other = origin.url(f"/redirect-to?url={origin.url(f'/echo?other-{name}', there)}", here)
    tasks = [{"url": url, "headers": {name: "secret=1", "X-Kept": "yes"}} for url in (same, other)]
    results = api.run({"tasks": tasks})
    assert [r["state"] for r in results] == ["succeeded"] * 2, results
    assert [name, "secret=1"] in origin.requests(f"/echo?same-{name}")[0]["headers"]
    sent = origin.requests(f"/echo?other-{name}")[0]["headers"]
    assert ["X-Kept", "yes"] in sent and not any(k.lower() == name.lower() for k, _ in sent)


@pytest.mark.parametrize("status,method", [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirected_post_changes_its_method_as_rfc_9110_says(api, origin, status, method):
    host = f"127.0.0.{len(BEHAVIOURS)}"
    url = origin.url(f"/redirect-to?status={status}&url=/echo?was{status}", host)
    results = api.run({"tasks": [{"url": url, "method": "POST", "body": "data"}]})
    assert results[0]["state"] == "succeeded", results
    assert [r["method"] for r in origin.requests(f"/echo?was{status}")] == [method]


def test_redirects_are_not_followed_if_none_are_allowed(api, origin):
    url = origin.url("/redirect/3", f"127.0.0.{len(BEHAVIOURS)}")
    result = api.run({"tasks": [{"url": url, "max_redirects": 0}]})[0]
    assert (result["state"], result["status"], result["redirects"]) == ("succeeded", 302, [])


def test_more_redirects_than_allowed_fail(api, origin):
    url = origin.url("/redirect/3", f"127.0.0.{len(BEHAVIOURS)}")
    result = api.run({"tasks": [{"url": url, "max_redirects": 2}]})[0]
    assert result["error"]["code"] == "too_many_redirects"


def test_a_redirect_to_a_blocked_port(api, origin):
    url = origin.url("/redirect-to?url=http://127.0.0.1:25/", f"127.0.0.{len(BEHAVIOURS)}")
    assert api.run([url])[0]["error"]["code"] == "blocked_port"


def test_head_has_no_body(api, origin):
    result = api.run({"tasks": [{"url": origin.url("/size/1000", f"127.0.0.{len(BEHAVIOURS)}"), "method": "HEAD"}]})[0]
    assert (result["state"], result["status"], result["size"]) == ("succeeded", 200, 0)


@pytest.mark.parametrize("how", ["500", "reset", "empty"])
def test_attempts_are_repeated_until_one_succeeds(api, origin, how):
    host = f"127.0.0.{len(BEHAVIOURS) + 1 + ['500', 'reset', 'empty'].index(how)}"
    document = {"urls": [origin.url(f"/flaky/2/{how}?how={how}", host)],
                "defaults": {"retry": {"max_attempts": 3, "min_backoff_ms": 10}}}
    result = api.run(document)[0]
    assert (result["state"], result["attempts"]) == ("succeeded", 3), result
    assert len(origin.requests(f"/flaky/2/{how}")) == 3


def test_a_post_is_not_repeated_unless_told_so(api, origin):
    host = f"127.0.0.{len(BEHAVIOURS) - 2}"
    retry = {"max_attempts": 3, "min_backoff_ms": 10}
    tasks = [{"url": origin.url("/flaky/1/post-once?how=reset", host), "method": "POST", "retry": retry},
             {"url": origin.url("/flaky/1/post-twice?how=reset", host), "method": "POST",
              "retry": {**retry, "unsafe": True}}]
    results = api.run({"tasks": tasks})
    assert [(r["state"], r["attempts"]) for r in results] == [("failed", 1), ("succeeded", 2)], results
    assert len(origin.requests("/flaky/1/post-once")) == 1


def test_a_post_over_a_kept_connection_is_not_repeated_either(api, origin):
    """libcurl repeats by itself what fails on a connection it had used before; a POST may have been obeyed."""
    host = f"127.0.0.{len(BEHAVIOURS) + 4}"
    api.set_host(host, max_concurrency=1)
    for i in range(3):
        assert api.run([origin.url(f"/ok?keep{i}", host)])[0]["state"] == "succeeded"
        task = {"url": origin.url(f"/flaky/1/kept-{i}?how=reset", host), "method": "POST", "body": "pay"}
        result = api.run({"tasks": [task]})[0]
        assert len(origin.requests(f"/flaky/1/kept-{i}")) == 1, result
        assert (result["state"], result["error"]["code"]) == ("failed", "connection_reset")
