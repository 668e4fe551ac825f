# SPDX-License-Identifier: MIT
"""Every behaviour of an origin server and what it ends as: the table of tests/origin/behaviours.py.

Each row is played over plain TCP and over TLS, in one piece, cut at random places and dribbled, for a host name of its
own, and a second task for the same host follows at once. So each play shows its outcome, whether it is repeated, the
bytes counted, and whether its connection is used again; and the second task shows that no answer is another's.
$SERVERS_TABLE names a file for the table of docs/server-behaviours.md. $SERVERS_PACES plays fewer of "whole cut dribbled".
"""
from collections import namedtuple
import hashlib
import itertools
import os
import pathlib

import pytest

from behaviours import BEHAVIOURS, SECTIONS, STALL_MS, table_of_behaviours
from plays import TEXT
import harness

ADDRESSES = 40
PACES = tuple(os.environ.get("SERVERS_PACES", "whole cut dribbled").split())
ROWS_AT_ONCE = 12  # few enough for the origin server to keep up, on a busy machine too
MEMORY_KIB = 512  # for each transfer: a body in memory, and the buffers of libcurl and TLS
SHARED_KIB = 8 * 1024
TOTAL_KIB = 96 * 1024
PATIENT = {"connect_timeout_ms": 60000, "timeout_ms": 120000}  # a machine that stood still is no server's doing

Play = namedtuple("Play", "name port pace")
PLAYS = [Play(name, port, pace) for name, row in BEHAVIOURS.items()
         for port in (("http", "tls") if row.port == "http" else (row.port,)) for pace in PACES]


@pytest.fixture(scope="module")
def origin():
    server = harness.Origin(ADDRESSES, tls=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sections(origin):
    # The sanitizers need room for themselves; what is measured is that nothing grows with what servers send.
    return {"fetch": {"concurrency": 512, "host_concurrency": 1, "stall_timeout": f"{STALL_MS}ms",
                      "ca_file": origin.ca_file, "resolver": [f"127.0.0.1:{origin.ports['dns']}"]}}


def host_of(play):
    """A name of its own for each play; an HTTP/2 play is chosen by it."""
    row = BEHAVIOURS[play.name]
    label = f"ok-{list(BEHAVIOURS).index(play.name)}-{play.pace}-"
    label += f"h2-{row.path}" if play.port == "tls_h2" else play.port.replace("_", "")
    return row.host or f"{label}.play.test"


def tasks_of(origin, play):
    """The task that meets the behaviour, and the one that follows."""
    row, host = BEHAVIOURS[play.name], host_of(play)
    path = "/" if play.port == "tls_h2" else f"{row.path}{'&' if '?' in row.path else '?'}pace={play.pace}"
    retry = {"max_attempts": 2, "min_backoff_ms": 10}
    return [{"url": origin.url(path, host, play.port), "retry": retry, **row.options},
            {"url": origin.url("/ok?next", host, play.port if play.port in ("http", "tls") else "http"), **PATIENT}]


class Outcome:
    """What came of a play: its result, that of the task behind it, and the connections they used."""

    def __init__(self, row, first, following, requests):
        self.row, self.result, self.following = row, first, following
        self.error = first["error"] or {}
        of = [{r["connection"] for r in requests if r["target"].startswith("/ok?next") is is_next}
              for is_next in (False, True)]
        self.reused = bool(of[0] & of[1])


def is_waiting(name):
    """Most of such a row's time nothing happens, so all of them are played at once."""
    return any("timeout" in option for option in BEHAVIOURS[name].options)


class Run:
    """A batch of plays under way, and the most memory that the daemon took meanwhile."""

    def __init__(self, daemon, origin, names):
        self.daemon, self.names = daemon, names
        self.plays = [play for play in PLAYS if play.name in set(names)]
        self.before_kib = daemon.rss_kib()
        pathlib.Path(f"/proc/{daemon.process.pid}/clear_refs").write_text("5")  # VmHWM starts anew
        tasks = [task for play in self.plays for task in tasks_of(origin, play)]
        self.batch = daemon.api.submit({"tasks": tasks})["id"]

    def finish(self):
        self.daemon.api.wait(self.batch, 180)
        self.grown_kib = self.daemon.rss_kib("VmHWM") - self.before_kib
        return self

    def outcomes(self, by_host):
        results = self.daemon.api.results(self.batch, order="input", include="headers,body,attempts", limit=200)
        for result in results:
            result["tries"], result["attempts"] = result["attempts"], len(result["attempts"])
        return {play: Outcome(BEHAVIOURS[play.name], results[2 * i], results[2 * i + 1], by_host.get(host_of(play), []))
                for i, play in enumerate(self.plays)}


@pytest.fixture(scope="module")
def runs(daemon, origin):
    """All plays, those that wait in the background of the others."""
    waiting, busy = ([name for name in BEHAVIOURS if is_waiting(name) is which] for which in (True, False))
    background = Run(daemon, origin, waiting)
    done = [Run(daemon, origin, busy[i:i + ROWS_AT_ONCE]).finish() for i in range(0, len(busy), ROWS_AT_ONCE)]
    return [*done, background.finish()]


@pytest.fixture(scope="module")
def outcomes(origin, runs):
    """Play -> Outcome, of all of them."""
    by_host = {}
    for request in origin.record("/", reset=True)["requests"]:
        by_host.setdefault(request["host"], []).append(request)
    return {play: outcome for run in runs for play, outcome in run.outcomes(by_host).items()}


@pytest.fixture(scope="module")
def whole(outcomes):
    """name -> result of the play in one piece over plain TCP."""
    return {play.name: outcome.result for play, outcome in outcomes.items() if play.pace == "whole"
            and play.port != "tls"}


UNUSED = (f"127.0.0.{i}" for i in itertools.count(3))


def fresh_host():
    """A host of the origin server that no other test has used."""
    return next(UNUSED)


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: "-".join(play).replace(" ", "_"))
def test_behaviour(outcomes, play):
    row, outcome = BEHAVIOURS[play.name], outcomes[play]
    result, error = outcome.result, outcome.error
    assert result["state"] == row.state and error.get("code") in row.allowed_codes, result
    assert result["status"] in row.allowed_statuses, result
    tries = [attempt["error"] for attempt in result["tries"]]
    assert (error.get("retryable", False), result["attempts"]) == (row.retryable, row.attempts), tries
    assert result["size"] in row.sizes, result
    assert row.state == "succeeded" or error["message"], error
    if row.state == "succeeded":
        assert result["complete"] is True, result


@pytest.mark.parametrize("play", [play for play in PLAYS if play.port in ("http", "tls")],
                         ids=lambda play: "-".join(play).replace(" ", "_"))
def test_the_next_task_gets_its_own_answer_and_no_doubtful_connection(outcomes, play):
    row, outcome = BEHAVIOURS[play.name], outcomes[play]
    following = outcome.following
    if play.pace != "whole" and row.reused is None:
        return  # what comes behind an answer in its own good time nobody can tell from the next one
    assert (following["state"], following["attempts"]) == ("succeeded", 1), following
    assert following["body"] == f"hello from {host_of(play)}/ok?next\n"
    if row.reused is not None and row.attempts == 1:
        assert outcome.reused is row.reused, outcome


def test_memory_does_not_grow_with_what_servers_send(runs):
    if "asan" in str(harness.program("GATHERD_BIN")):
        pytest.skip("the sanitizers keep what was freed")
    *busy, background = runs
    for run in busy:
        assert run.grown_kib < SHARED_KIB + MEMORY_KIB * len(run.plays), run.names
    assert background.grown_kib < TOTAL_KIB  # over all of them


def test_the_document_shows_what_each_row_ends_as():
    """What the rows demand; that the plays end so is shown above."""
    text = "\n".join(table_of_behaviours())
    if "SERVERS_TABLE" in os.environ:
        pathlib.Path(os.environ["SERVERS_TABLE"]).write_text(text + "\n")
    document = (harness.TESTS.parent / "docs" / "server-behaviours.md").read_text()
    assert document.split("```")[1].strip("\n") == text


@pytest.mark.parametrize("name", ["SSH banner", "SSH server", "SMTP banner", "SMTP server", "HTTP/0.9",
                                  "gzip cut short",
                                  "ends before its length", "endless body", "stalls inside the body"])
def test_nothing_is_kept_of_an_answer_that_is_none(whole, name):
    result = whole[name]
    assert result.get("body") is None and result.get("body_base64") is None
    assert "SSH" not in str(result["error"]) and "ESMTP" not in str(result["error"])


@pytest.mark.parametrize("name", ["stalls inside headers", "ends inside headers", "endless headers"])
def test_no_status_is_published_before_the_headers_are_complete(whole, name):
    assert whole[name]["status"] is None


@pytest.mark.parametrize("name", [name for name, row in SECTIONS["Content coding"].items()
                                  if row.state == "succeeded" and row.size == len(TEXT)])
def test_codings_decode_to_the_same_text(whole, name):
    result = whole[name]
    assert result["body"].encode() == TEXT
    assert result["sha256"] == hashlib.sha256(TEXT).hexdigest()


def test_an_unknown_coding_is_stored_as_received(whole):
    assert whole["unknown content coding"]["body"] == "uryyb\n"


def test_well_behaved_connections_are_used_again(api, origin):
    host = fresh_host()
    api.set_host(host, max_concurrency=1)
    api.run([origin.url(f"/ok?again{i}", host) for i in range(20)])
    assert len({r["connection"] for r in origin.requests("/ok?again")}) <= 2


def test_the_fault_of_a_kept_connection_is_not_said_of_another_server(api, origin):
    """Once a second libcurl looks at all kept connections, in the name of whatever transfer begins then."""
    def urls(play):
        return [origin.url("/", f"ok-{i}-whole-h2-{play}.play.test", "tls_h2") for i in range(4)]

    assert [r["state"] for r in api.run(urls("answers-and-goes-mad"))] == ["succeeded"] * 4
    results = api.run({"urls": urls("transfer-encoding"), "not_before": harness.wall_clock(1.2),
                       "defaults": {"retry": {"max_attempts": 1}}})
    assert [r["error"]["code"] for r in results] == ["http_protocol"] * 4, results


def test_no_credentials_are_sent_to_who_asks(api, origin):
    api.run({"tasks": [{"url": origin.url("/basic-auth?who", fresh_host())}]})
    asked = origin.requests("/basic-auth?who")
    assert len(asked) == 1
    assert not any(name.lower() == "authorization" for r in asked for name, _ in r["headers"])


@pytest.mark.parametrize("name", ["Authorization", "Cookie"])
def test_credentials_do_not_follow_to_another_origin(api, origin, name):
    here, there = fresh_host(), fresh_host()
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
    host = fresh_host()
    url = origin.url(f"/redirect-to?status={status}&url=/echo?was{status}", host)
    results = api.run({"tasks": [{"url": url, "method": "POST", "body": "data"}]})
    assert results[0]["state"] == "succeeded", results
    assert [r["method"] for r in origin.requests(f"/echo?was{status}")] == [method]


def test_redirects_are_not_followed_if_none_are_allowed(api, origin):
    url = origin.url("/redirect/3", fresh_host())
    result = api.run({"tasks": [{"url": url, "max_redirects": 0}]})[0]
    assert (result["state"], result["status"], result["redirects"]) == ("succeeded", 302, [])


def test_more_redirects_than_allowed_fail(api, origin):
    url = origin.url("/redirect/3", fresh_host())
    result = api.run({"tasks": [{"url": url, "max_redirects": 2}]})[0]
    assert result["error"]["code"] == "too_many_redirects"


def test_a_redirect_to_a_blocked_port(api, origin):
    url = origin.url("/redirect-to?url=http://127.0.0.1:25/", fresh_host())
    assert api.run([url])[0]["error"]["code"] == "blocked_port"


def test_head_has_no_body(api, origin):
    result = api.run({"tasks": [{"url": origin.url("/size/1000", fresh_host()), "method": "HEAD"}]})[0]
    assert (result["state"], result["status"], result["size"]) == ("succeeded", 200, 0)


@pytest.mark.parametrize("how", ["500", "reset", "empty"])
def test_attempts_are_repeated_until_one_succeeds(api, origin, how):
    host = fresh_host()
    document = {"urls": [origin.url(f"/flaky/2/{how}?how={how}", host)],
                "defaults": {"retry": {"max_attempts": 3, "min_backoff_ms": 10}}}
    result = api.run(document)[0]
    assert (result["state"], result["attempts"]) == ("succeeded", 3), result
    assert len(origin.requests(f"/flaky/2/{how}")) == 3


def test_a_post_is_not_repeated_unless_told_so(api, origin):
    host = fresh_host()
    retry = {"max_attempts": 3, "min_backoff_ms": 10}
    tasks = [{"url": origin.url("/flaky/1/post-once?how=reset", host), "method": "POST", "retry": retry},
             {"url": origin.url("/flaky/1/post-twice?how=reset", host), "method": "POST",
              "retry": {**retry, "unsafe": True}}]
    results = api.run({"tasks": tasks})
    assert [(r["state"], r["attempts"]) for r in results] == [("failed", 1), ("succeeded", 2)], results
    assert len(origin.requests("/flaky/1/post-once")) == 1


def test_a_post_over_a_kept_connection_is_not_repeated_either(api, origin):
    """libcurl repeats by itself what fails on a connection it had used before; a POST may have been obeyed."""
    host = fresh_host()
    api.set_host(host, max_concurrency=1)
    for i in range(3):
        assert api.run([origin.url(f"/ok?keep{i}", host)])[0]["state"] == "succeeded"
        task = {"url": origin.url(f"/flaky/1/kept-{i}?how=reset", host), "method": "POST", "body": "pay"}
        result = api.run({"tasks": [task]})[0]
        assert len(origin.requests(f"/flaky/1/kept-{i}")) == 1, result
        assert (result["state"], result["error"]["code"]) == ("failed", "connection_reset")
