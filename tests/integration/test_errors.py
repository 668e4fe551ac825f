# SPDX-License-Identifier: MIT
"""`gather errors` over a batch with thirty kinds of failure, from the daemon as it is: every cause stands alone, with the
right count, the hosts, a task to look at and a hint; and a person can read it at any width."""
import json
import re

import pytest

from behaviours import BEHAVIOURS
from fake_client import Client
import harness

# cause -> the behaviours of the origin server that end so
KINDS = {
    "http_protocol": ["SSH banner", "HTTP/0.9", "two lengths", "chunk size 0x3", "status abc"],
    "header_too_large": ["400 KB of headers", "1,001 header lines"],
    "body_too_large": ["announces more than allowed", "zstd bomb"],
    "truncated_body": ["ends before its length", "no last chunk", "ends inside headers"],
    "content_encoding": ["gzip cut short", "says gzip, sends plain"],
    "timeout_stall": ["stalls inside the body"],
    "timeout_first_byte": ["never replies"],
    "empty_reply": ["accepts and closes"],
    "connection_reset": ["resets before the reply"],
    "connect_refused": ["refuses connections"],
    "connect_timeout": ["drops connection attempts", "TLS handshake stalls"],
    "tls_verify": ["TLS, expired", "TLS, self-signed", "TLS, wrong host"],
    "tls_handshake": ["TLS 1.1 only", "TLS asked of a plain server"],
    "too_many_redirects": ["redirects to itself"],
    "redirect_invalid": ["Location with port 70000", "two Locations"],
    "redirect_scheme": ["redirects to file:"],
    "blocked_address": ["redirects to the metadata service"],
    "blocked_port": ["redirects to a mail server"],
    "http_status 404": ["not found"],
    "http_status 425": ["too early"],
}
URLS = {
    "http_status 400": "/status/400", "http_status 401": "/basic-auth", "http_status 403": "/status/403",
    "http_status 410": "/status/410", "http_status 429": "/status/429", "http_status 500": "/status/500",
    "http_status 502": "/status/502", "http_status 503": "/status/503", "blocked_robots": "/private/page",
}
ONCE = {"max_attempts": 1}


@pytest.fixture(scope="module")
def origin():
    server = harness.Origin(4, tls=True)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sections(origin):
    return {"fetch": {"stall_timeout": "1s", "first_byte_timeout": "1s", "host_concurrency": 4, "ca_file": origin.ca_file,
                      "resolver": [f"127.0.0.1:{origin.ports['dns']}"]},
            "host ok-obedient.play.test": {"robots": "obey"}}


def tasks_of(origin):
    tasks, expected = [], {}

    def add(cause, url, **options):
        expected[cause] = expected.get(cause, 0) + 1
        tasks.append({"url": url, "retry": ONCE, **options})

    for cause, names in KINDS.items():
        for name in names:
            row = BEHAVIOURS[name]
            options = {k: v for k, v in row.options.items() if k != "timeout_ms"}
            add(cause, origin.url(row.path, f"ok-{len(tasks)}.play.test", row.port), **options)
    for cause, path in URLS.items():
        host = "ok-obedient" if cause == "blocked_robots" else f"ok-{len(tasks)}"
        add(cause, origin.url(path, f"{host}.play.test"))
    add("dns_not_found", origin.url("/", "nxdomain.test"))
    add("dns_temporary", origin.url("/", "servfail.test"))
    add("blocked_address", origin.url("/", "private.test"))
    add("proxy", origin.url("/ok", "ok-behind.play.test"), proxy=f"http://127.0.0.1:{origin.ports['closed']}")
    add("timeout_total", origin.url("/steady-body", "ok-slow.play.test"), timeout_ms=800)
    return tasks, expected


@pytest.fixture(scope="module")
def failed(daemon, origin):
    """A batch of all these; with cause -> how many."""
    tasks, expected = tasks_of(origin)
    batch = daemon.api.submit({"tasks": [*tasks, {"url": origin.url("/ok")}]})
    daemon.api.wait(batch["id"], 60)
    return batch["id"], expected


@pytest.fixture
def gather(daemon, tmp_path):
    return Client(None, f"unix:{daemon.socket_path}", tmp_path)


def test_every_cause_stands_alone_with_its_count_and_a_hint(gather, failed):
    batch, expected = failed
    assert len(expected) >= 30
    rows = [line.split("\t") for line in gather.run("errors", batch).stdout.splitlines()]
    assert {cause: int(count) for count, cause, *_ in rows} == expected
    assert [int(row[0]) for row in rows] == sorted((int(row[0]) for row in rows), reverse=True)
    for count, cause, hosts, message, hint in rows:
        assert hosts and message and len(hint) > 20, cause


def test_an_example_shows_the_cause(gather, failed):
    causes = [json.loads(line) for line in gather.run("errors", failed[0], "--json").stdout.splitlines()]
    for cause in causes:
        shown = json.loads(gather.run("show", failed[0], cause["example_index"], "--json").stdout)
        shown = shown.get("result", shown)
        assert (shown["error"]["code"], shown["status"] if cause["status"] else None) == (cause["code"], cause["status"])


@pytest.mark.parametrize("columns", [66, 80, 120])
def test_a_person_can_read_it(gather, failed, columns):
    batch, expected = failed
    status, text = gather.terminal("errors", batch, "--no-color", columns=columns)
    lines = text.replace("\r", "").splitlines()
    assert status == 0 and max(map(len, lines)) <= columns
    headings = [re.fullmatch(r" *([\d,]+)  (\S.*)", line) for line in lines]
    assert {m.group(2): int(m.group(1)) for m in headings if m} == expected
    flowing = " ".join(line.strip() for line in lines)
    assert flowing.count("Hint: ") == len(expected)
    assert [line.strip() for line in lines[-3:]] == [f"gather show {batch} 0", f"gather results --failed {batch}",
                                                     f"gather retry {batch}"]
    for words in ("The certificate is for another host name", "What the server sent is not TLS",
                  "The server does not speak TLS 1.2 or later", "The proxy could not be connected to"):
        assert words in flowing
    # Neither ports nor milliseconds, nor hosts in what happened: each failure would be a cause of its own.
    assert not re.search(r"after \d+ ms|port \d{4,5} |'ok-", flowing), flowing


def test_the_document_shows_it(gather, failed):
    shown = gather.terminal("errors", failed[0], "--no-color", columns=120)[1].replace("\r", "").strip("\n")
    document = (harness.TESTS.parent / "docs" / "fetching.md").read_text()
    told = document.partition("## Reading failures")[2].split("```")[1].strip("\n")
    assert re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", told) == shown.replace(failed[0], "ID")
