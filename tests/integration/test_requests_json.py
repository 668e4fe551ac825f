# SPDX-License-Identifier: MIT
"""Bodies of POST /v1/batches that must be refused, and how. Nothing of them may be stored, and the answer
does not depend on how the bytes were cut."""
import json

import pytest

import wire
from api import NDJSON, assert_problem

URL = "http://127.0.0.1:9999/"
NAME = '["http://a.example/%s"]'

# body (bytes or text) -> status
SYNTAX = {
    "empty": (b"", 400),
    "white space": (b" \n\t", 400),
    "truncated": (b'["http://a.example/"', 400),
    "truncated in a string": (b'["http://a.exa', 400),
    "trailing garbage": (b"{} x", 400),
    "two documents": (b"[] []", 400),
    "UTF-16": ('["http://a.example/"]'.encode("utf-16"), 400),
    "byte order mark": (b'\xef\xbb\xbf["http://a.example/"]', 400),
    "invalid UTF-8": (b'["http://a.example/\xff"]', 400),
    "overlong UTF-8": (b'["http://a.example/\xc0\xaf"]', 400),
    "UTF-8 surrogate": (b'["http://a.example/\xed\xa0\x80"]', 400),
    "lone surrogate escape": (NAME.encode() % b"\\ud800", 400),
    "NUL escape": (NAME.encode() % b"\\u0000", 400),
    "raw NUL": (NAME.encode() % b"\x00", 400),
    "raw control character": (NAME.encode() % b"\x01", 400),
    "NaN": (b'{"urls": ["http://a.example/"], "priority": NaN}', 400),
    "Infinity": (b'{"urls": ["http://a.example/"], "priority": Infinity}', 400),
    "comment": (b'["http://a.example/"] // hello', 400),
    "single quotes": (b"['http://a.example/']", 400),
    "trailing comma": (b'["http://a.example/",]', 400),
    "duplicate keys": (b'{"urls": ["http://a.example/"], "urls": ["http://b.example/"]}', 400),
    "duplicate keys deep down": (b'{"urls": ["http://a.example/"], "metadata": {"a": {"b": 1, "b": 2}}}', 400),
    "17 deep": (b'{"urls": ["http://a.example/"], "metadata": ' + b'{"a":' * 16 + b"1" + b"}" * 16 + b"}", 400),
    "2,049 deep": (b"[" * 2049 + b"]" * 2049, 400),
    "100,000 deep": (b"[" * 100_000, 400),
    "top-level number": (b"1", 422),
    "top-level string": (b'"http://a.example/"', 422),
    "top-level null": (b"null", 422),
    "array of numbers": (b"[1, 2]", 422),
    "array of arrays": (b'[["http://a.example/"]]', 422),
    "empty array": (b"[]", 422),
    "empty object": (b"{}", 422),
}

# document -> pointer of its first error (None: any)
REJECTED = {
    "unknown field": ({"urls": [URL], "colour": 1}, "/colour"),
    "urls null": ({"urls": None}, "/urls"),
    "urls object": ({"urls": {}}, "/urls"),
    "urls empty": ({"urls": []}, "/urls"),
    "tasks empty": ({"tasks": []}, "/tasks"),
    "urls and tasks": ({"urls": [URL], "tasks": [{"url": URL}]}, None),
    "number among urls": ({"urls": [URL, URL, URL, 5]}, "/urls/3"),
    "null among urls": ({"urls": [None]}, "/urls/0"),
    "array among urls": ({"urls": [[URL]]}, "/urls/0"),
    "string among tasks": ({"tasks": [5]}, "/tasks/0"),
    "task without url": ({"tasks": [{"id": "a"}]}, None),
    "task with unknown field": ({"tasks": [{"url": URL, "colour": 1}]}, "/tasks/0/colour"),
    "defaults with unknown field": ({"urls": [URL], "defaults": {"colour": 1}}, "/defaults/colour"),
    "defaults with url": ({"urls": [URL], "defaults": {"url": URL}}, "/defaults/url"),
    "priority 10": ({"urls": [URL], "priority": 10}, "/priority"),
    "priority text": ({"urls": [URL], "priority": "5"}, "/priority"),
    "concurrency 0": ({"urls": [URL], "concurrency": 0}, "/concurrency"),
    "deadline 0": ({"urls": [URL], "deadline_ms": 0}, "/deadline_ms"),
    "deadline negative": ({"urls": [URL], "deadline_ms": -1}, "/deadline_ms"),
    "not_before no time": ({"urls": [URL], "not_before": "soon"}, "/not_before"),
    "fail_fast number": ({"urls": [URL], "fail_fast": 1}, "/fail_fast"),
    "name number": ({"urls": [URL], "name": 5}, "/name"),
    "metadata array": ({"urls": [URL], "metadata": []}, "/metadata"),
}

BAD_OPTIONS = {
    "timeout_ms": [0, -1, 1.5, "1", 10 ** 12, None, True],
    "connect_timeout_ms": [0, -1, 1.5, "1", 10 ** 12],
    "max_body_bytes": [0, -1, "1", 10 ** 15],
    "max_redirects": [-1, 1000, "1"],
    "method": ["get", "CONNECT", "TRACE", "", "G" * 65536, 5],
    "accept_status": ["", "abc", "600-500", "200-", "99", "200-1000", 200, "200,,201"],
    "retry": [5, {"max_attempts": 0}, {"max_attempts": 1000}, {"on": ["nonsense"]}, {"on": "5xx"},
              {"min_backoff_ms": -1}, {"colour": 1}, {"unsafe": "yes"}],
    "verify_tls": ["yes", 1],
    "proxy": [5, "nonsense", "ftp://h/"],
    "headers": [5, ["a"], {"A B": "x"}, {"A:": "x"}, {"A\r\nB": "x"}, {"": "x"}, {"A": "a\rb"}, {"A": "a\nb"},
                {"A": 5}, {f"X-{i}": "v" for i in range(1000)}, {"X": "v" * 100_000}],
    "body": [5, {}],
}

FORBIDDEN_HEADERS = ["Host", "Connection", "Content-Length", "Transfer-Encoding", "TE", "Upgrade", "Expect",
                     "Proxy-Authorization", "Proxy-Connection", "Metadata-Flavor", "X-aws-ec2-metadata-token",
                     "hOST"]

OPTION_CASES = [(name, i) for name, values in BAD_OPTIONS.items() for i in range(len(values))]


@pytest.fixture(autouse=True)
def nothing_stored(api):
    """Whatever a test here sends, no batch comes of it."""
    before = api.get_json("/v1/stats")["batches"]["accepted"]
    yield
    assert api.get_json("/v1/stats")["batches"]["accepted"] == before


def post_raw(daemon, body, pieces=None, media_type="application/json"):
    """POSTs `body` cut into `pieces` (head and body as one text) and returns the one answer."""
    whole = wire.head("POST", "/v1/batches", f"Content-Type: {media_type}", f"Content-Length: {len(body)}") + body
    cut = pieces(whole) if pieces else [whole]
    answers = wire.exchange(("unix", daemon.socket_path), cut)
    assert len(answers) == 1, answers
    return answers[0]


@pytest.mark.parametrize("what", SYNTAX)
def test_json_that_is_refused(api, what):
    body, status = SYNTAX[what]
    code = {400: "bad_request", 422: "invalid_batch"}[status]
    problem = assert_problem(api.post("/v1/batches", body), status, code)
    assert problem["detail"]


def test_a_syntax_error_names_its_place(api):
    problem = assert_problem(api.post("/v1/batches", '["http://a.example/",\n "http://b.example/'), 400)
    assert "line 2" in problem["detail"], problem


@pytest.mark.parametrize("what", ["truncated", "duplicate keys", "empty array", "UTF-16", "NUL escape"])
def test_refused_json_cut_in_two_at_every_byte(daemon, api, what):
    body, status = SYNTAX[what]
    whole = post_raw(daemon, body)
    assert whole.status == status
    n = len(wire.head("POST", "/v1/batches", "Content-Type: application/json", f"Content-Length: {len(body)}"))
    for at in range(1, n + len(body)):
        answer = post_raw(daemon, body, lambda data: [data[:at], data[at:]])
        assert (answer.status, answer.body) == (whole.status, whole.body), f"cut at {at}"


@pytest.mark.parametrize("what", SYNTAX)
def test_refused_json_byte_by_byte(daemon, api, what):
    body, status = SYNTAX[what]
    if len(body) > 3000:
        body = body[:3000]
        status = 400
    answer = post_raw(daemon, body, lambda data: [data[i:i + 1] for i in range(len(data))])
    assert_problem(answer, status)


@pytest.mark.parametrize("what", REJECTED)
def test_documents_that_are_rejected(api, what):
    document, pointer = REJECTED[what]
    problem = assert_problem(api.post("/v1/batches", document), 422, "invalid_batch")
    assert problem["errors_total"] >= 1 and problem["errors"]
    assert all(e["code"] and e["detail"] for e in problem["errors"])
    if pointer is not None:
        assert problem["errors"][0]["pointer"] == pointer, problem


@pytest.mark.parametrize("name,i", OPTION_CASES)
@pytest.mark.parametrize("place", ["task", "defaults", "line"])
def test_bad_task_options(api, name, i, place):
    option = {name: BAD_OPTIONS[name][i]}
    if name == "body":
        option["method"] = "POST"
    if place == "line":
        response = api.post("/v1/batches", json.dumps({"url": URL, **option}), {"Content-Type": NDJSON})
    elif place == "task":
        response = api.post("/v1/batches", {"tasks": [{"url": URL, **option}]})
    else:
        response = api.post("/v1/batches", {"urls": [URL], "defaults": option})
    problem = assert_problem(response, 422, "invalid_batch")
    error = problem["errors"][0]
    if place == "line":
        assert error["line"] == 1
    else:
        prefix = {"task": "/tasks/0/", "defaults": "/defaults/"}[place]
        assert error["pointer"].startswith(prefix + name), error


@pytest.mark.parametrize("name", FORBIDDEN_HEADERS)
def test_headers_that_a_task_may_not_set(api, name):
    problem = assert_problem(api.post("/v1/batches", {"tasks": [{"url": URL, "headers": {name: "x"}}]}), 422)
    assert problem["errors"][0]["pointer"].startswith("/tasks/0/headers")


@pytest.mark.parametrize("method", [None, "GET", "HEAD"])
def test_a_body_on_get_or_head(api, method):
    task = {"url": URL, "body": "x", **({"method": method} if method else {})}
    assert_problem(api.post("/v1/batches", {"tasks": [task]}), 422, "invalid_batch")


def test_both_kinds_of_body(api):
    task = {"url": URL, "method": "POST", "body": "x", "body_base64": "eA=="}
    assert_problem(api.post("/v1/batches", {"tasks": [task]}), 422, "invalid_batch")


def test_a_body_that_is_not_base64(api):
    task = {"url": URL, "method": "POST", "body_base64": "not base64!"}
    problem = assert_problem(api.post("/v1/batches", {"tasks": [task]}), 422, "invalid_batch")
    assert problem["errors"][0]["pointer"] == "/tasks/0/body_base64"


def test_a_mebibyte_of_empty_objects_costs_bounded_memory(daemon, api):
    before = daemon.rss_kib()
    response = api.post("/v1/batches", b"[" + b"{}," * 350_000 + b"{}]")
    assert response.status in (413, 422), response
    assert daemon.rss_kib("VmHWM") - before < 150 * 1024


@pytest.mark.parametrize("line", ["{", '{"url": "http://a.example/"} x', "5", "null", "[]",
                                  '["http://a.example/"]', "{}",
                                  '{"url": "http://a.example/", "url": "http://b.example/"}', "'x'", '"\\ud800"'])
def test_lines_that_are_rejected(api, line):
    response = api.post("/v1/batches", f'"{URL}"\n{line}\n', {"Content-Type": NDJSON})
    assert response.status in (400, 422), response
    problem = assert_problem(response, response.status)
    assert 2 in [e.get("line") for e in problem.get("errors", [])] or "line 2" in problem["detail"], problem


@pytest.mark.parametrize("media_type", [NDJSON, "text/plain"])
@pytest.mark.parametrize("body", [b"", b"\n\n\n"])
def test_lines_without_any_task(api, media_type, body):
    response = api.post("/v1/batches", body, {"Content-Type": media_type})
    assert response.status in (400, 422), response
    assert_problem(response, response.status)


# -- URLs ---------------------------------------------------------------------------------------
BAD_URLS = {
    "invalid_url": ["", " ", "http:", "http://", "//h/", "h", "http:/h/", "http:///h/", "http://a:b@h.example/",
                    "http://@h.example/", "http://h.example\\@evil.example/", "http://h.example/a b",
                    "http://h.example/a\tb", " http://h.example/", "http://h.example:0/", "http://h.example:65536/",
                    "http://h.example:abc/", "http://h.example:+80/", "http://h.example:80:90/",
                    "http://h.example/" + "p" * 8192],
    "unsupported_scheme": ["ftp://h.example/", "file:///etc/passwd", "gopher://h.example/", "dict://h.example/",
                           "data:text/plain,x", "javascript:alert(1)", "ws://h.example/"],
    "invalid_host": ["http://-a.example/", "http://a..b/", "http://.a.example/", f"http://{'a' * 64}.example/",
                     f"http://{'.'.join(['a' * 50] * 6)}/", "http://*/", "http://a;b/"],
    "blocked_port": ["http://h.example:25/", "http://h.example:22/", "http://h.example:6379/"],
    "blocked_address": ["http://10.0.0.1/", "http://192.168.1.1/", "http://169.254.169.254/", "http://0/",
                        "http://[::]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[::ffff:a00:1]/", "http://0xa000001/",
                        "http://012.0.0.1/", "http://167772161/", "http://%31%30.0.0.1/", "http://10.0.0.1./",
                        "http://10.1/", "http://100.64.0.1/", "http://224.0.0.1/", "http://[fd00::1]/",
                        "http://[2002:a00:1::]/"],
}


@pytest.mark.parametrize("code,url", [(code, url) for code, urls in BAD_URLS.items() for url in urls])
def test_urls_that_are_rejected(api, code, url):
    problem = assert_problem(api.post("/v1/batches", {"urls": [url]}), 422, "invalid_batch")
    assert problem["errors"][0]["pointer"] == "/urls/0"
    assert problem["errors"][0]["code"] == code, problem


@pytest.mark.parametrize("url", ["http://[fe80::1%25eth0]/", "http://h.example%00/", "http://xn--/",
                                 "http://１０.0.0.1/", "http://①⓪.0.0.1/"])
def test_urls_rejected_for_one_reason_or_another(api, url):
    problem = assert_problem(api.post("/v1/batches", {"urls": [url]}), 422, "invalid_batch")
    assert problem["errors"][0]["code"] in ("invalid_url", "invalid_host", "blocked_address")
