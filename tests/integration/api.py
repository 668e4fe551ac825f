# SPDX-License-Identifier: MIT
"""A small client of the HTTP API, over the unix socket or TCP, that checks invariants on whatever it reads, and that
openapi.json describes it."""
from contextlib import contextmanager
import http.client
import json
import re
import pathlib
import os
import socket
import time
from urllib.parse import quote, urlencode

import contract

STATES = ("queued", "running", "succeeded", "failed", "cancelled", "expired")
JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain"
PROBLEM = "application/problem+json"


class _Connection(http.client.HTTPConnection):
    """An HTTP connection to ("unix", path) or ("tcp", host, port)."""

    def __init__(self, address, timeout):
        super().__init__("localhost", timeout=timeout)
        self._address = address

    def connect(self):
        self.sock = connect(self._address, self.timeout)


def connect(address, timeout=30):
    """A connected socket to the daemon."""
    if address[0] == "unix":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        target = address[1]
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        target = address[1:]
    sock.settimeout(timeout)
    sock.connect(target)
    return sock


def record_codes(body, seen=set()):  # noqa: B006, what this process has recorded
    """Leaves a file for each error code in `body`, so that tests/integration/codes.py can tell which no test meets."""
    folder = os.environ.get("GATHERD_CODES")
    if folder:
        for code in set(re.findall(rb'"code": ?"([a-z0-9_]+)"', body)) - seen:
            seen.add(code)
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            (pathlib.Path(folder) / code.decode()).touch()


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        record_codes(body)

    def header(self, name):
        values = [v for k, v in self.headers if k.lower() == name.lower()]
        return values[0] if values else None

    @property
    def media_type(self):
        return (self.header("content-type") or "").split(";")[0].strip()

    def json(self):
        return json.loads(self.body)

    def lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line]

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"


def assert_problem(response, status, code=None):
    """`response` is a problem document (RFC 9457) of that status and code; returns it."""
    assert response.status == status, response
    assert response.media_type == PROBLEM, response.headers
    document = response.json()
    assert document["status"] == status, document
    assert document["type"].startswith("/problems/"), document
    assert document["title"] and document["code"], document
    if code:
        assert document["code"] == code, document
    return document


def assert_counts(batch):
    """A batch's counts add up, at every moment (promise 3)."""
    counts = batch["counts"]
    assert all(counts[state] >= 0 for state in STATES), counts
    assert sum(counts[state] for state in STATES) == counts["total"], counts
    if batch["state"] == "finished":
        assert counts["queued"] == counts["running"] == 0, counts
        assert batch["finished_at"], batch
    else:
        assert batch["finished_at"] is None, batch
    return batch


class Api:
    def __init__(self, address, token=None):
        self.address, self.token = address, token
        self._kept = None

    @contextmanager
    def kept(self):
        """This API with all requests on one connection, opened now."""
        api = Api(self.address, self.token)
        api._kept = _Connection(self.address, 60)
        api._kept.connect()
        try:
            yield api
        finally:
            api._kept.close()

    # -- requests -------------------------------------------------------------------------------
    def request(self, method, target, body=None, headers=None, timeout=60):
        connection = self._kept or _Connection(self.address, timeout)
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            response = Response(answer.status, answer.getheaders(), answer.read())
        finally:
            if connection is not self._kept:
                connection.close()
        contract.check(method, target, response)
        return response

    def get(self, target, **headers):
        return self.request("GET", target, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def get_json(self, target):
        response = self.get(target)
        assert response.status == 200, response
        return response.json()

    def post(self, target, document=None, headers=None, timeout=60):
        """POSTs `document`: bytes and str as they are, anything else as JSON."""
        headers = dict(headers or {})
        if document is not None and not isinstance(document, (bytes, str)):
            document = json.dumps(document)
        if document is not None:
            headers.setdefault("Content-Type", JSON)
        if isinstance(document, str):
            document = document.encode()
        return self.request("POST", target, document, headers, timeout)

    def stream(self, target, headers=None, timeout=60):
        """Opens a streamed GET; returns (connection, answer): close the connection when done."""
        connection = _Connection(self.address, timeout)
        connection.request("GET", target, headers=headers or {})
        answer = connection.getresponse()
        contract.check("GET", target, Response(answer.status, answer.getheaders(), b""), body=False)
        return connection, answer

    # -- batches --------------------------------------------------------------------------------
    def submit(self, document, query="", media_type=JSON, headers=None, timeout=120):
        """Submits and returns the batch of the 202."""
        response = self.post("/v1/batches" + query, document,
                             {"Content-Type": media_type, **(headers or {})}, timeout)
        assert response.status == 202, response
        batch = assert_counts(response.json())
        assert response.header("location") == f"/v1/batches/{batch['id']}"
        return batch

    def batch(self, batch_id, query=""):
        return assert_counts(self.get_json(f"/v1/batches/{batch_id}{query}"))

    def wait(self, batch_id, timeout=60):
        """The finished batch; its counts are checked at every look."""
        deadline = time.monotonic() + timeout
        while True:
            batch = self.batch(batch_id, "?wait=1")
            if batch["state"] == "finished":
                return batch
            assert time.monotonic() < deadline, f"not finished in {timeout} s: {batch}"

    def page(self, batch_id, **query):
        return self.get_json(f"/v1/batches/{batch_id}/results?{urlencode(query)}")

    def results(self, batch_id, **query):
        """All results, page by page."""
        query.setdefault("limit", 1000)
        results = []
        while True:
            page = self.page(batch_id, **query)
            assert_counts(page["batch"])
            results += page["results"]
            if not page["more"]:
                return results
            assert page["results"], "more is true but the page is empty"
            query["after"] = page["next"]

    def run(self, document, timeout=60, **options):
        """Submits, waits, and returns the results in input order."""
        batch = self.submit(document, **options)
        self.wait(batch["id"], timeout)
        return self.results(batch["id"], order="input")

    def task(self, batch_id, index):
        return self.get_json(f"/v1/batches/{batch_id}/tasks/{index}")

    def body(self, batch_id, index, **headers):
        return self.get(f"/v1/batches/{batch_id}/tasks/{index}/body", **headers)

    def host(self, name):
        return self.get_json(f"/v1/hosts/{quote(name, safe='')}")

    def set_host(self, name, **limits):
        response = self.request("PATCH", f"/v1/hosts/{quote(name, safe='')}", json.dumps(limits),
                                {"Content-Type": JSON})
        assert response.status == 200, response
        return response.json()


def assert_complete(api, batch_id, total):
    """Every task has exactly one result, and seq is 1, 2, … without a gap (promise 2)."""
    results = api.results(batch_id)
    assert [r["seq"] for r in results] == list(range(1, total + 1))
    assert sorted(r["index"] for r in results) == list(range(total))
    counts = api.batch(batch_id)["counts"]
    for state in ("succeeded", "failed", "cancelled", "expired"):
        assert counts[state] == sum(r["state"] == state for r in results), (state, counts)
    return results
