# SPDX-License-Identifier: MIT
"""Who may ask: tokens, scopes, Host names, and listeners that are refused at start."""
import hashlib
import os
import signal
import stat

import pytest

import harness
import wire
from api import Api, assert_problem
from harness import eventually

TOKENS = {"reader": "read", "submitter": "submit", "boss": "admin"}


def secret(name):
    return f"test-token-of-{name}"


def token_line(name, scope):
    return f"{name} {scope} sha256:{hashlib.sha256(secret(name).encode()).hexdigest()}\n"


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    path.write_text("# name scope hash\n\n" + "".join(token_line(*t) for t in TOKENS.items()))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def sections(tokens_file):
    return {"auth": {"allow_anonymous": False, "tokens_file": str(tokens_file)},
            "listen": {"allowed_hosts": ["gatherd.example"]}}


@pytest.fixture
def tcp(daemon, api):
    """The API over TCP as the bearer of a token: tcp("reader"), or of none: tcp(None)."""
    address = ("tcp", "127.0.0.1", daemon.tcp_port)
    return lambda name: Api(address, secret(name) if name else None)


@pytest.fixture(scope="module")
def batch_id(daemon, origin, hosts):
    boss = Api(("tcp", "127.0.0.1", daemon.tcp_port), secret("boss"))
    return boss.submit([origin.url("/ok", hosts.take())])["id"]


def test_without_a_token_nothing_but_health_is_told(tcp):
    for target in ("/v1/batches", "/v1/hosts", "/v1/stats"):
        response = tcp(None).get(target)
        assert_problem(response, 401, "unauthorized")
        assert response.header("www-authenticate").startswith("Bearer")
    for target in ("/livez", "/readyz", "/metrics"):
        assert tcp(None).get(target).status == 200


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", "Bearer", "Basic dXNlcjpwYXNz", "wrong", "",
                                   "Bearer " + "x" * 5000, "Bearer test-token-of-boss x"])
def test_wrong_credentials_are_401(tcp, value):
    response = tcp(None).get("/v1/batches", Authorization=value)
    assert response.status in (401, 400) if value in ("", "Bearer test-token-of-boss x") else response.status == 401
    assert_problem(response, response.status)


def test_the_scheme_is_compared_without_case(tcp):
    assert tcp(None).get("/v1/batches", Authorization=f"bearer {secret('reader')}").status == 200


def test_two_authorization_headers_are_400(daemon, api):
    line = f"Authorization: Bearer {secret('boss')}"
    answers = wire.exchange(("tcp", "127.0.0.1", daemon.tcp_port), wire.head("GET", "/v1/batches", line, line))
    assert_problem(answers[0], 400, "bad_request")


def requests_by_scope(batch_id):
    """(method, target, body) needing read, submit, admin."""
    one = f"/v1/batches/{batch_id}"
    return {
        "read": [("GET", "/v1/batches", None), ("GET", one, None), ("GET", one + "/results", None),
                 ("GET", one + "/tasks/0", None), ("GET", "/v1/hosts", None), ("GET", "/v1/stats", None)],
        "submit": [("POST", "/v1/batches", b"[]"), ("POST", one + "/cancel", None), ("POST", one + "/pause", None),
                   ("POST", one + "/resume", None), ("POST", one + "/retry", None)],
        "admin": [("PATCH", "/v1/hosts/127.0.0.99", b"{}"),
                  ("DELETE", "/v1/batches/00000000-0000-7000-8000-000000000000", None)],
    }


LEVELS = ("read", "submit", "admin")


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("needed", LEVELS)
def test_scopes(tcp, batch_id, name, needed):
    allowed = LEVELS.index(TOKENS[name]) >= LEVELS.index(needed)
    for method, target, body in requests_by_scope(batch_id)[needed]:
        headers = {"Content-Type": "application/json"} if body else {}
        response = tcp(name).request(method, target, body if method != "POST" else body or b"", headers)
        if allowed:
            assert response.status not in (401, 403), (method, target, response)
        else:
            assert_problem(response, 403, "forbidden")


def test_the_unix_socket_is_guarded_by_its_mode(daemon):
    assert stat.S_IMODE(os.stat(daemon.socket_path).st_mode) == 0o660


HOST_FIELDS = {"localhost": 401, "127.0.0.1:99": 401, "[::1]": 401, "gatherd.example": 401, "GATHERD.example:80": 401,
               "evil.example": 421, "": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421}


@pytest.mark.parametrize("host,status", HOST_FIELDS.items())
def test_the_host_header_must_be_known(daemon, api, host, status):
    answers = wire.exchange(("tcp", "127.0.0.1", daemon.tcp_port), wire.head("GET", "/v1/batches", host=host))
    assert_problem(answers[0], status, {401: "unauthorized", 421: "misdirected"}[status])


def test_no_cors_unless_configured(tcp):
    response = tcp("reader").get("/v1/batches", Origin="http://evil.example")
    assert response.status == 200
    assert not any(name.lower().startswith("access-control") for name, _ in response.headers)


def test_no_token_is_logged(daemon, tcp):
    tcp("boss").get("/v1/batches")
    tcp(None).get("/v1/batches", Authorization="Bearer looks-like-a-secret")
    log = daemon.log()
    assert secret("boss") not in log and "looks-like-a-secret" not in log


def test_new_tokens_are_known_after_a_reload(daemon, api, tokens_file):
    address = ("tcp", "127.0.0.1", daemon.tcp_port)
    late = Api(address, secret("late"))
    assert late.get("/v1/batches").status == 401
    tokens_file.write_text(tokens_file.read_text() + token_line("late", "read"))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: late.get("/v1/batches").status == 200, 5, what="the new token to be known")


def test_a_spoilt_tokens_file_keeps_the_old_tokens(daemon, api, tokens_file):
    good = tokens_file.read_text()
    tokens_file.write_text("nonsense\n")
    daemon.signal(signal.SIGHUP)
    eventually(lambda: "tokens" in daemon.log().split("SIGHUP")[-1].lower(), 5, what="a complaint in the log")
    assert Api(("tcp", "127.0.0.1", daemon.tcp_port), secret("reader")).get("/v1/batches").status == 200
    tokens_file.write_text(good)


# -- refusals at start --------------------------------------------------------------------------
REFUSED = {
    "TCP without tokens": {"auth": {"allow_anonymous": False}},
    "anonymous beyond loopback": {"listen": {"tcp": ["0.0.0.0:0"]}, "auth": {"allow_anonymous": True}},
    "tokens file that is missing": {"auth": {"allow_anonymous": False, "tokens_file": "/nonexistent/tokens"}},
}


@pytest.mark.parametrize("what", REFUSED)
def test_open_doors_are_refused_at_start(tmp_path, what):
    daemon = harness.Daemon(tmp_path, REFUSED[what]).spawn()
    code = daemon.process.wait(10)
    daemon.process = None
    assert code != 0
    assert "token" in daemon.log().lower()


@pytest.mark.parametrize("line", ["name", "name read", "name king sha256:" + "0" * 64, "name read sha256:12",
                                  "name read md5:00", "name read sha256:" + "g" * 64])
def test_a_bad_tokens_file_is_refused_with_its_line(tmp_path, line):
    tokens = tmp_path / "tokens"
    tokens.write_text("# comment\n" + line + "\n")
    tokens.chmod(0o600)
    daemon = harness.Daemon(tmp_path / "d", {"auth": {"allow_anonymous": False, "tokens_file": str(tokens)}}).spawn()
    code = daemon.process.wait(10)
    daemon.process = None
    assert code != 0
    assert f"{tokens}:2" in daemon.log()
