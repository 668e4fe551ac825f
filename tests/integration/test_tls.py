# SPDX-License-Identifier: MIT
"""TLS and HTTP/2 with servers that others wrote, nginx and nghttpd, and certificates made here; and the way through a
proxy."""
from collections import Counter
import hashlib
import os
import re
import shutil
import signal
import subprocess

import pytest

import certificates
from api import assert_problem, connect
from harness import eventually
from plays import pattern
from proxy import Proxy

ONCE = {"retry": {"max_attempts": 1}}
FILES = {"text.txt": b"the same words over and over\n" * 5000, "small.bin": bytes(range(256)), "empty": b"",
         "large.bin": pattern(5_000_000)}

NGINX_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 512; }}
http {{
    log_format times '$connection $msec $request_time $server_protocol $request_method $uri';
    access_log {folder}/access.log times;
    types {{ text/plain txt; }}
    default_type application/octet-stream;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    gzip on; gzip_types text/plain; gzip_min_length 100;
    ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;
    root {folder}/root;
    server {{
        listen 127.0.0.1:{h2} ssl http2;
        listen 127.0.0.1:{h1} ssl;
        location /who {{ return 200 "$server_protocol $request_method $content_length"; }}
        location /post {{ proxy_pass http://127.0.0.1:{plain}; }}
        location /slow/ {{ alias {folder}/root/; limit_rate 200k; gzip off; }}
    }}
    server {{ listen 127.0.0.1:{brief} ssl http2; keepalive_time 50ms; }}
    server {{ listen 127.0.0.1:{plain}; location / {{ return 200 "read"; }} }}
}}
"""


def free_ports(n):
    import socket
    sockets = [socket.socket() for _ in range(n)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def accepts(port):
    try:
        connect(("tcp", "127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def tool(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    assert found, f"{name} is missing (scripts/install-deps --test)"
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Certificates, and the files that the servers serve."""
    folder = tmp_path_factory.mktemp("tls")
    certificates.make_authority(folder)
    certificates.make_certificate(folder, "tls")
    (folder / "root").mkdir()
    for name, content in FILES.items():
        (folder / "root" / name).write_bytes(content)
    os.chmod(folder, 0o755)
    return folder


@pytest.fixture(scope="module")
def nginx(folder):
    """{"h2": port, "h1": port, "brief": port}; "brief" winds connections down that are 50 ms old."""
    h2, h1, brief, plain = free_ports(4)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX_CONF.format(folder=folder, h2=h2, h1=h1, brief=brief, plain=plain,
                                                           user=user))
    process = subprocess.Popen([tool("nginx"), "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"],
                               stderr=subprocess.DEVNULL)
    eventually(lambda: accepts(h2) and accepts(h1), what="nginx")
    yield {"h2": h2, "h1": h1, "brief": brief}
    process.terminate()
    process.wait(10)


def start_nghttpd(folder, *args):
    port, = free_ports(1)
    process = subprocess.Popen([tool("nghttpd"), "-d", folder / "root", "-a", "127.0.0.1", *args, str(port),
                                folder / "tls.key", folder / "tls.crt"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: accepts(port), what="nghttpd")
    return process, port


@pytest.fixture
def nghttpd(folder):
    """Port of a server that speaks HTTP/2 alone, ten streams at once at most, with a trailer behind every answer."""
    process, port = start_nghttpd(folder, "-m", "10", "--trailer", "x-last: yes")
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def sections(folder):
    return {"fetch": {"ca_file": str(folder / certificates.AUTHORITY), "host_concurrency": 40}}


def one(api, url, **options):
    batch = api.submit({"tasks": [{"url": url, **ONCE, **options}]})
    api.wait(batch["id"])
    return api.results(batch["id"], include="headers,body")[0]


def served(folder, prefix):
    """(connection, begun, ended, protocol, method) of nginx's log, of requests below `prefix`."""
    rows = [line.split() for line in (folder / "access.log").read_text().splitlines()]
    return [(c, float(end) - float(took), float(end), protocol, method)
            for c, end, took, protocol, method, uri in rows if uri.startswith(prefix)]


# -- protocols ----------------------------------------------------------------------------------
@pytest.mark.parametrize("port,version", [("h2", "2"), ("h1", "1.1")])
def test_the_version_is_negotiated(api, nginx, port, version):
    result = one(api, f"https://localhost:{nginx[port]}/who")
    assert (result["state"], result["http_version"]) == ("succeeded", version), result
    assert result["body"].startswith("HTTP/2.0" if version == "2" else "HTTP/1.1")
    assert result["timing_ms"]["tls"] is not None and result["timing_ms"]["connect"] is not None


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("port", ["h2", "h1"])
def test_files_arrive_as_they_are(api, nginx, name, port):
    result = one(api, f"https://localhost:{nginx[port]}/{name}")
    assert (result["state"], result["size"]) == ("succeeded", len(FILES[name])), result
    assert result["sha256"] == hashlib.sha256(FILES[name]).hexdigest()
    if name == "text.txt":
        assert ["content-encoding", "gzip"] in [[k.lower(), v] for k, v in result["headers"]]


def test_requests_share_connections(api, folder, nginx):
    assert {r["state"] for r in api.run([f"https://localhost:{nginx['h2']}/slow/text.txt?{i}" for i in range(120)])} \
        == {"succeeded"}
    log = served(folder, "/slow/")
    assert len(log) == 120 and {row[3] for row in log} == {"HTTP/2.0"}
    most = 0
    for connection in {row[0] for row in log}:
        spans = [row[1:3] for row in log if row[0] == connection]
        most = max(most, max(sum(b <= at < e for b, e in spans) for at, _ in spans))
    assert most > 1, "no connection carried two requests at once"
    assert len({row[0] for row in log}) <= 40


def test_connections_that_wind_down_cost_no_attempt(api, nginx):
    """What a server leaves out is asked once more, on a connection that is not as old as the others."""
    urls = [f"https://localhost:{nginx['brief']}/text.txt?{i}" for i in range(500)]
    results = api.run({"urls": urls, "defaults": ONCE})
    assert Counter((r["state"], r["http_version"]) for r in results) == {("succeeded", "2"): 500}


def test_bodies_are_sent_with_http_1_1(api, nginx):
    for method in ("POST", "PUT", "PATCH"):
        result = one(api, f"https://localhost:{nginx['h2']}/who", method=method, body="x" * 5000)
        assert (result["http_version"], result["body"]) == ("1.1", f"HTTP/1.1 {method} 5000"), result


def test_a_large_body_is_sent_whole(api, folder, nginx):
    result = one(api, f"https://localhost:{nginx['h2']}/post", method="POST", body=pattern(800_000).decode())
    assert (result["status"], result["body"]) == (200, "read")


# -- HTTP/2 alone -------------------------------------------------------------------------------
def test_more_requests_than_streams(api, nghttpd):
    names = list(FILES) * 25
    results = api.run([f"https://localhost:{nghttpd}/{name}?{i}" for i, name in enumerate(names)])
    assert Counter((r["state"], r["http_version"]) for r in results) == {("succeeded", "2"): 100}
    assert [r["sha256"] for r in results] == [hashlib.sha256(FILES[name]).hexdigest() for name in names]


def test_a_missing_page_and_a_head_over_http_2(api, nghttpd):
    assert one(api, f"https://localhost:{nghttpd}/none")["status"] == 404
    result = one(api, f"https://localhost:{nghttpd}/small.bin", method="HEAD")
    assert (result["status"], result["size"], result["http_version"]) == (200, 0, "2")


def test_a_body_for_a_server_without_http_1_1_fails_and_is_not_sent(api, nghttpd):
    result = one(api, f"https://localhost:{nghttpd}/small.bin", method="POST", body="x")
    assert (result["state"], result["status"]) == ("failed", None), result
    assert result["error"]["code"] in ("tls_handshake", "empty_reply", "connection_reset", "http_protocol"), result


def test_a_server_that_dies_in_the_middle(api, folder):
    """All that was under way on the shared connection fails as a network failure, and nothing else is harmed."""
    process, port = start_nghttpd(folder)
    batch = api.submit({"urls": [f"https://localhost:{port}/large.bin?{i}" for i in range(100)], "defaults": ONCE})
    eventually(lambda: api.batch(batch["id"])["counts"]["running"], every=0)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    api.wait(batch["id"], 20)
    codes = Counter((r["error"] or {}).get("code") for r in api.results(batch["id"]))
    assert set(codes) <= {None, "connection_reset", "empty_reply", "truncated_body", "connect_refused",
                          "tls_handshake"}, codes
    assert codes[None] < 100


# -- trust --------------------------------------------------------------------------------------
def test_an_authority_of_ones_own_must_be_named(own_daemon, nginx):
    daemon = own_daemon()
    result = one(daemon.api, f"https://localhost:{nginx['h2']}/who")
    assert (result["state"], result["error"]["code"]) == ("failed", "tls_verify"), result
    assert one(daemon.api, f"https://localhost:{nginx['h2']}/who", verify_tls=False)["state"] == "succeeded"


def test_a_connection_made_unverified_serves_no_verified_task(own_daemon, nginx):
    daemon = own_daemon()
    url = f"https://localhost:{nginx['h2']}/who"
    for verify in (False, True, False, True):
        result = one(daemon.api, url, verify_tls=verify)
        assert (result["state"] == "succeeded") is not verify, result


def test_verify_tls_may_be_forbidden(own_daemon, nginx):
    daemon = own_daemon({"fetch": {"allow_insecure_tls": False}})
    task = {"url": f"https://localhost:{nginx['h2']}/who", "verify_tls": False}
    problem = assert_problem(daemon.api.post("/v1/batches", {"tasks": [task]}), 422)
    assert problem["errors"][0]["code"] == "forbidden" and problem["errors"][0]["pointer"] == "/tasks/0/verify_tls"


# -- proxies ------------------------------------------------------------------------------------
@pytest.fixture
def proxy():
    proxy = Proxy()
    yield proxy
    proxy.stop()


def test_a_proxy_is_asked_in_absolute_form_and_resolves_the_name(api, origin, proxy):
    result = one(api, origin.url("/ok?proxied", "known-to-the-proxy.example"), proxy=proxy.url)
    assert result["state"] == "succeeded", result
    assert proxy.asked == [f"GET {origin.url('/ok?proxied', 'known-to-the-proxy.example')} HTTP/1.1"]


@pytest.mark.parametrize("port,version", [("h2", "2"), ("h1", "1.1")])
def test_tls_goes_through_a_proxy_unopened(api, nginx, proxy, port, version):
    result = one(api, f"https://localhost:{nginx[port]}/who", proxy=proxy.url)
    assert (result["state"], result["http_version"]) == ("succeeded", version), result
    assert re.fullmatch(rf"CONNECT localhost:{nginx[port]} HTTP/1\.\d", proxy.asked[0])


def test_a_proxy_that_leads_elsewhere_is_found_out_by_the_certificate(api, nginx, proxy):
    result = one(api, f"https://elsewhere.example:{nginx['h1']}/who", proxy=proxy.url)
    assert (result["state"], result["error"]["code"]) == ("failed", "tls_verify"), result


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_a_tunnel(api, nginx, status):
    proxy = Proxy(refuse=status)
    result = one(api, f"https://localhost:{nginx['h1']}/who", proxy=proxy.url)
    proxy.stop()
    assert (result["state"], result["error"]["code"]) == ("failed", "proxy"), result
    assert result["status"] is None and str(status) in result["error"]["message"], result


@pytest.mark.parametrize("target", ["https", "http"])
def test_a_proxy_is_reached_over_tls(api, folder, nginx, origin, target):
    proxy = Proxy(tls=certificates.server_context(folder, "tls"))
    url = f"https://localhost:{nginx['h1']}/who" if target == "https" else origin.url("/ok", "some.example")
    result = one(api, url, proxy=proxy.url)
    proxy.stop()
    assert result["state"] == "succeeded", result
    assert len(proxy.asked) == 1


@pytest.mark.parametrize("verify_tls", [True, False])
def test_a_proxy_that_cannot_prove_who_it_is_is_told_nothing(api, tmp_path, nginx, verify_tls):
    certificates.make_certificate(tmp_path, "tls_self_signed")
    proxy = Proxy(tls=certificates.server_context(tmp_path, "tls_self_signed"))
    result = one(api, f"https://localhost:{nginx['h1']}/who", proxy=proxy.url, verify_tls=verify_tls)
    proxy.stop()
    assert (result["state"], result["error"]["code"]) == ("failed", "tls_verify"), result
    assert proxy.asked == []


def test_a_proxy_inside_must_be_allowed(own_daemon, origin, proxy):
    daemon = own_daemon({"fetch": {"allow_addresses": [], "resolver": [f"127.0.0.1:{origin.ports['dns']}"]}})
    task = {"url": "http://example.com/", "proxy": proxy.url, **ONCE}
    response = daemon.api.post("/v1/batches?wait=5", {"tasks": [task]})
    if response.status == 202 or response.status == 200:
        result = daemon.api.results(response.json()["id"])[0]
        assert result["error"]["code"] == "blocked_address", result
    else:
        problem = assert_problem(response, 422)
        assert problem["errors"][0]["code"] == "blocked_address", problem
    # By name: the name server says 10.0.0.1.
    result = one(daemon.api, "http://example.com/", proxy=f"http://private.test:{proxy.port}")
    assert result["error"]["code"] == "blocked_address", result
    assert proxy.asked == []


def test_a_proxy_is_no_way_to_addresses_that_are_refused(api, origin, proxy):
    problem = assert_problem(api.post("/v1/batches", {"tasks": [{"url": "http://10.0.0.1/", "proxy": proxy.url}]}),
                             422)
    assert problem["errors"][0]["code"] == "blocked_address"
    result = one(api, origin.url("/redirect-to?url=http://169.254.169.254/", "some.example"), proxy=proxy.url)
    assert result["error"]["code"] == "blocked_address", result
    assert len(proxy.asked) == 1
