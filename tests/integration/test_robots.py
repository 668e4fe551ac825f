# SPDX-License-Identifier: MIT
"""robots.txt (RFC 9309): when it is fetched, what it forbids, and that fetching it keeps to every limit. What its rules
mean is compared with another implementation in tests/differential/test_robots_verdicts.py."""
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import threading
import time

import pytest

from harness import eventually

PRIVATE = "User-agent: *\nDisallow: /private\n"
IGNORED = "127.0.1.250"
ONCE = {"retry": {"max_attempts": 1}, "timeout_ms": 4000}


class Site:
    """A server on many addresses; what each answers for /robots.txt is set by the test."""

    def __init__(self):
        self.robots, self.seen, self.active, self.peak = {}, defaultdict(list), defaultdict(int), defaultdict(int)
        self._lock, self._next = threading.Lock(), 1
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.serve(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, handler):
        host = handler.headers["Host"].partition(":")[0]
        with self._lock:
            self.seen[host].append(handler.path)
            self.active[host] += 1
            self.peak[host] = max(self.peak[host], self.active[host])
        answer = self.robots.get(host, (404, b"", {}, 0)) if handler.path == "/robots.txt" else (200, b"page", {}, 0)
        status, body, headers, seconds = answer
        time.sleep(seconds)
        with self._lock:
            self.active[host] -= 1
        if status is None:  # no answer at all
            handler.close_connection = True
            handler.connection.close()
            return
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", len(body))
        handler.end_headers()
        handler.wfile.write(body)

    def host(self, status=200, body=PRIVATE, headers=None, seconds=0):
        """A fresh host with that robots.txt."""
        host = f"127.0.1.{self._next}"
        self._next += 1
        self.robots[host] = (status, body.encode() if isinstance(body, str) else body, headers or {}, seconds)
        return host

    def url(self, host, path):
        return f"http://{host}:{self.port}{path}"


@pytest.fixture(scope="module")
def site():
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


@pytest.fixture(scope="module")
def sections():
    return {"fetch": {"robots": "obey", "user_agent": "examplebot/1.0 (+https://example.com/bot)", "workers": 2,
                      "host_concurrency": 3},
            f'host "{IGNORED}"': {"robots": "ignore"}}


def outcomes(api, urls, **options):
    """The error code, or None, of each URL."""
    results = api.run({"urls": urls, "defaults": {**ONCE, **options}})
    return [r["error"] and r["error"]["code"] for r in results]


def test_what_is_forbidden_is_not_asked_for(api, site):
    host = site.host()
    codes = outcomes(api, [site.url(host, p) for p in ("/page", "/private/x", "/privately", "/robots.txt")])
    assert codes == [None, "blocked_robots", "blocked_robots", None]
    assert sorted(site.seen[host]) == ["/page", "/robots.txt", "/robots.txt"]  # one for us, one was asked for


def test_a_rule_that_is_cut_off_by_the_largest_size_forbids_nothing(api, site):
    begin, rule = "User-agent: *\nDisallow: /private\n", "Disallow: /page"
    filler = "#" * (512 * 1024 - len(begin) - len(rule) - 1) + "\n"
    host = site.host(body=begin + filler + rule + "/of/another/name\n")
    assert outcomes(api, [site.url(host, "/page"), site.url(host, "/private")]) == [None, "blocked_robots"]


def test_a_refusal_says_why_and_is_final(api, site):
    result = api.run({"urls": [site.url(site.host(), "/private")]})[0]
    assert (result["state"], result["attempts"]) == ("failed", 1)
    assert result["error"]["retryable"] is False and "robots.txt" in result["error"]["message"]


def test_the_file_is_fetched_once_for_many_tasks_and_batches(api, site):
    host = site.host(seconds=0.3)
    batches = [api.submit([site.url(host, f"/{b}/{i}") for i in range(30)]) for b in range(4)]
    for batch in batches:
        assert api.wait(batch["id"])["counts"]["succeeded"] == 30
    assert site.seen[host].count("/robots.txt") == 1 and site.seen[host][0] == "/robots.txt"
    assert site.peak[host] <= 3


def test_the_group_of_the_product_counts(api, site):
    host = site.host(body="User-agent: *\nDisallow: /\n\nUser-agent: ExampleBot\nDisallow: /b\n")
    assert outcomes(api, [site.url(host, "/a"), site.url(host, "/b")]) == [None, "blocked_robots"]


@pytest.mark.parametrize("status,code", [(404, None), (403, None), (204, None), (500, "blocked_robots"),
                                         (999, "blocked_robots"), (None, "blocked_robots")])
def test_answers_without_a_file(api, site, status, code):
    host = site.host(status, "" if status == 204 else PRIVATE)
    assert outcomes(api, [site.url(host, "/private")] * 3) == [code] * 3
    assert site.seen[host].count("/robots.txt") in (1, 2)  # libcurl may repeat what a kept connection lost
    assert (site.seen[host][-1] == "/private") == (code is None)


def test_a_server_that_is_down_forbids_all_and_the_message_says_so(api, origin):
    result = api.run({"urls": [origin.url("/x", port="closed")], "defaults": ONCE})[0]
    assert result["error"]["code"] == "blocked_robots"
    assert "refused" in result["error"]["message"], result["error"]


def test_a_name_that_does_not_exist_is_called_so(own_daemon, origin):
    daemon = own_daemon({"fetch": {"robots": "obey", "resolver": [f"127.0.0.1:{origin.ports['dns']}"]}})
    urls = [origin.url("/x", name) for name in ("nxdomain.test", "private.test")]
    assert outcomes(daemon.api, urls) == ["dns_not_found", "blocked_address"]


def test_redirects_lead_to_the_file(api, site):
    there = site.host(body="User-agent: *\nDisallow: /a\n")
    here = site.host(301, "", {"Location": site.url(there, "/robots.txt")})
    assert outcomes(api, [site.url(here, "/a"), site.url(here, "/b")]) == ["blocked_robots", None]
    assert site.seen[here].count("/robots.txt") == 1 and site.seen[there] == ["/robots.txt"]


def test_more_than_five_redirects_are_no_file(api, site):
    host = site.host(302, "", {"Location": "/robots.txt"})
    assert outcomes(api, [site.url(host, "/private")]) == [None]
    assert site.seen[host].count("/robots.txt") == 6


def test_files_that_redirect_to_one_another_do_not_lock_up(api, site):
    first, second = site.host(), site.host()
    for here, there in ((first, second), (second, first)):
        site.robots[here] = (302, b"", {"Location": site.url(there, "/robots.txt")}, 0.05)
        api.set_host(here, max_concurrency=1)
    began = time.monotonic()
    assert outcomes(api, [site.url(h, f"/{i}") for i in range(5) for h in (first, second)]) == [None] * 10
    assert time.monotonic() - began < 5
    assert site.peak[first] == site.peak[second] == 1


def test_each_hop_of_a_redirect_is_checked(api, site, origin):
    host = site.host()
    urls = [origin.url(f"/redirect-to?url={site.url(host, path)}") for path in ("/private", "/page")]
    assert outcomes(api, urls) == ["blocked_robots", None]
    assert sorted(site.seen[host]) == ["/page", "/robots.txt"]


def test_a_redirect_of_the_file_to_a_private_address_is_not_followed(api, site):
    host = site.host(302, "", {"Location": "http://10.1.2.3/robots.txt"})
    result = api.run({"urls": [site.url(host, "/x")], "defaults": ONCE})[0]
    assert result["error"]["code"] == "blocked_robots" and "10.1.2.3" not in result["error"]["message"]


def test_a_file_of_megabytes_counts_as_far_as_it_is_read(api, site):
    host = site.host(body=PRIVATE + ("# " + "x" * 97 + "\n") * 30_000 + "Disallow: /late\n")
    assert outcomes(api, [site.url(host, "/private"), site.url(host, "/late")]) == ["blocked_robots", None]


def test_a_slow_file_costs_tasks_no_time_of_theirs(api, site):
    host = site.host(seconds=1.5)
    result = api.run({"urls": [site.url(host, "/page")], "defaults": {**ONCE, "timeout_ms": 1000}})[0]
    assert result["state"] == "succeeded" and result["timing_ms"]["total"] < 1000, result


def test_tasks_that_wait_for_a_file_can_be_cancelled(api, site):
    host = site.host(seconds=2)
    batch = api.submit([site.url(host, f"/{i}") for i in range(20)])
    eventually(lambda: site.seen[host])
    api.post(f"/v1/batches/{batch['id']}/cancel")
    assert api.wait(batch["id"], 1)["counts"]["cancelled"] == 20
    assert outcomes(api, [site.url(host, "/after")]) == [None]
    assert site.seen[host] == ["/robots.txt", "/after"]


def test_the_file_keeps_to_the_delay_of_its_host(api, site):
    host = site.host()
    api.set_host(host, delay_ms=300)
    began = time.monotonic()
    assert outcomes(api, [site.url(host, "/1"), site.url(host, "/2")]) == [None, None]
    assert time.monotonic() - began >= 0.6


def test_a_host_may_be_exempt(api, site):
    site.robots[IGNORED] = (200, PRIVATE.encode(), {}, 0)
    assert outcomes(api, [site.url(IGNORED, "/private")]) == [None]
    assert site.seen[IGNORED] == ["/private"]


def test_by_default_it_is_not_asked_for(own_daemon, site):
    host = site.host()
    assert own_daemon().api.run([site.url(host, "/private")])[0]["state"] == "succeeded"
    assert site.seen[host] == ["/private"]


def test_a_stop_while_the_file_is_fetched_loses_nothing(own_daemon, site):
    host = site.host(seconds=3)
    daemon = own_daemon({"fetch": {"robots": "obey"}})
    batch = daemon.api.submit([site.url(host, f"/{i}") for i in range(20)])
    eventually(lambda: site.seen[host])
    daemon.restart()
    assert daemon.api.wait(batch["id"], 20)["counts"]["succeeded"] == 20
