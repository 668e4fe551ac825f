# SPDX-License-Identifier: MIT
"""What may be reached, under attack: addresses spelled in every way in redirects, names that change their address, kept
connections under a new policy; and both address families of a name."""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import signal
import threading
import time
from urllib.parse import quote

import pytest

from harness import eventually

ONCE = {"retry": {"max_attempts": 1}, "timeout_ms": 10_000}

# Spellings of 10.0.0.1 and 169.254.169.254, and of addresses that carry them.
SPELLINGS = ["10.0.0.1", "10.0.0.1.", "10.1", "10.0.1", "167772161", "0xa000001", "0x0A.0x00.0x00.0x01", "012.0.0.1",
             "012.00.00.01", "0xa.1", "%31%30.0.0.1", "10%2e0.0.1", "\uff11\uff10.0.0.1", "10\u30020.0.1",
             "\u2460\u24ea.0.0.1", "2852039166", "0xa9fea9fe", "169.254.43518", "[::ffff:10.0.0.1]", "[::ffff:a00:1]",
             "[::10.0.0.1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::]", "[::ffff:0:10.0.0.1]", "[::]", "0", "0.0.0.0",
             "[fe80::1]", "[fd00:ec2::254]", "[2a00:1450::5efe:10.0.0.1]"]


@pytest.fixture(scope="module")
def sections(origin):
    return {"fetch": {"resolver": [f"127.0.0.1:{origin.ports['dns']}"]}}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_gets_a_redirect_past_the_policy(api, origin, host, spelling):
    sent = spelling.encode().decode("latin-1")  # the origin server turns characters to bytes
    location = quote(f"http://{sent}:{origin.ports['http']}/", safe="")
    result = api.run({"urls": [origin.url(f"/redirect-to?url={location}", host)], "defaults": ONCE})[0]
    assert result["state"] == "failed", result
    assert result["error"]["code"] in ("blocked_address", "redirect_invalid"), result["error"]
    assert "10.0.0.1" not in result["error"]["message"]


def test_names_of_loopback_are_refused_where_loopback_is(own_daemon, origin):
    daemon = own_daemon({"fetch": {"allow_addresses": ["127.0.0.7"],
                                   "resolver": [f"127.0.0.1:{origin.ports['dns']}"]}})
    for name in ("localhost", "LOCALHOST.", "a.localhost"):
        url = origin.url(f"/redirect-to?url=http://{name}:{origin.ports['http']}/ok", "127.0.0.7")
        result = daemon.api.run({"urls": [url], "defaults": ONCE})[0]
        assert result["error"]["code"] == "blocked_address", (name, result)


def test_names_that_change_their_address_are_refused_from_then_on(api, origin):
    """Forty names that are fine at first; once their TTL of a second is over they are private. The connections to the
    good address are still open then, and are not used."""
    urls = [origin.url("/ok?many-rebind", f"rebind-{i}.test") for i in range(40)]
    assert {r["state"] for r in api.run({"urls": urls, "defaults": ONCE})} == {"succeeded"}
    time.sleep(1.2)
    results = api.run({"urls": urls, "defaults": ONCE})
    assert {(r["error"] or {}).get("code") for r in results} == {"blocked_address"}
    assert len(origin.requests("/ok?many-rebind")) == 40


def test_a_name_changes_its_address_between_two_hops(api, origin):
    """The redirect comes back to its own name when that has turned private."""
    url = origin.url(f"/redirect-to?ms=1300&url={origin.url('/ok?second-hop', 'rebind-hop.test')}", "rebind-hop.test")
    result = api.run({"urls": [url], "defaults": ONCE})[0]
    assert result["error"]["code"] == "blocked_address", result
    assert origin.requests("/ok?second-hop") == []


def test_an_answer_is_kept_for_its_ttl(api, origin):
    """Within the TTL a name is not asked for again: a name that would change is still what it was."""
    for i in range(3):
        result = api.run({"urls": [origin.url(f"/ok?ttl{i}", "rebind-ttl.test")], "defaults": ONCE})[0]
        assert result["state"] == "succeeded", result


def test_a_new_policy_holds_for_kept_connections(own_daemon, origin, hosts):
    host = hosts.take()
    daemon = own_daemon()
    url = origin.url("/ok?reloaded", host)
    assert daemon.api.run({"urls": [url], "defaults": ONCE})[0]["state"] == "succeeded"
    daemon.api.set_host(host, paused=True)
    queued = daemon.api.submit({"urls": [url] * 3, "defaults": ONCE})
    daemon.sections["fetch"]["deny_addresses"] = [host]
    daemon.write_config()
    daemon.signal(signal.SIGHUP)
    eventually(lambda: daemon.api.post("/v1/batches", [url]).status == 422, what="the new policy")
    daemon.api.set_host(host, paused=False)
    daemon.api.wait(queued["id"])
    assert {r["error"]["code"] for r in daemon.api.results(queued["id"])} == {"blocked_address"}
    assert len(origin.requests("/ok?reloaded")) == 1


def test_the_family_that_answers_is_used(api):
    """dual.test has ::1 and 127.0.0.1; the server listens on the second alone."""
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    result = api.run({"urls": [f"http://dual.test:{server.server_address[1]}/"], "defaults": ONCE})[0]
    server.shutdown()
    server.server_close()
    assert (result["state"], result["remote_ip"]) == ("succeeded", "127.0.0.1"), result


def test_a_thousand_tasks_behind_a_slow_host_do_not_time_out(api, origin, host):
    """They wait five times as long as their timeout_ms."""
    api.set_host(host, max_concurrency=4)
    document = {"urls": [origin.url(f"/delay/20?queue{i}", host) for i in range(1000)],
                "defaults": {"timeout_ms": 1000, "retry": {"max_attempts": 1}}}
    results = api.run(document, 60)
    assert {r["state"] for r in results} == {"succeeded"}
    assert max(r["timing_ms"]["queued"] for r in results) > 4000
