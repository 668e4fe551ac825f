# SPDX-License-Identifier: MIT
"""openapi.json: served as it is, with every call of it used once; and the judge of contract.py does judge."""
import copy
import json

import pytest

import contract
from api import JSON, NDJSON, Response


def test_openapi_is_served_as_it_is(api):
    assert api.get_json("/openapi.json") == contract.document()


def test_every_call_answers_as_described(api, origin, host):
    """Api judges each answer; here are the forms that other tests do not ask for."""
    urls = [origin.url(path, host) for path in ("/ok", "/status/404", "/redirect/1", "/gzip", "/flaky/1/contract")]
    tasks = [{"url": url, "id": f"row-{i}", "metadata": {"k": [i]}} for i, url in enumerate(urls)]
    batch = api.submit({"tasks": tasks, "name": "schema", "metadata": {"k": 1}, "defaults": {"retry": {"min_backoff_ms": 1}}})
    one = f"/v1/batches/{batch['id']}"
    api.wait(batch["id"])
    for target in ("/v1/batches?limit=1", one, one + "/results?include=headers,body,attempts", one + "/tasks/4",
                   "/v1/hosts?limit=2", f"/v1/hosts/{host}", "/v1/stats", "/livez?verbose", "/readyz?verbose", "/metrics"):
        assert api.get(target).status == 200
    assert len(api.get(one + "/results?include=attempts", Accept=NDJSON).lines()) == len(urls)
    assert api.post(one + "/retry").status == 202


def answer(status, document, media_type=JSON, **fields):
    headers = [("Content-Type", media_type), *fields.items()]
    return Response(status, headers, json.dumps(document).encode())


PROBLEM = {"type": "/problems/not_found", "title": "Not found", "status": 404, "detail": "no such batch", "code": "not_found"}
ID = "01a21d0b-50b5-7a7b-961b-be8eb2d4738a"


@pytest.fixture
def page(api, origin, host):
    batch = api.submit([origin.url("/ok", host)])
    api.wait(batch["id"])
    return api.page(batch["id"])


def spoil(document, *path, value):
    document = copy.deepcopy(document)
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return document


def test_the_judge_lets_a_described_answer_pass(page):
    contract.check("GET", f"/v1/batches/{ID}/results", answer(200, page))
    contract.check("GET", f"/v1/batches/{ID}", answer(404, PROBLEM, "application/problem+json"))


@pytest.mark.parametrize("path, value", [
    (("surprise",), 1), (("results", 0, "surprise"), None), (("results", 0, "timing_ms", "surprise"), 1),
    (("batch", "links", "surprise"), "x"), (("results", 0, "state"), "lost"), (("results", 0, "seq"), 0),
    (("results", 0, "finished_at"), "yesterday"), (("batch", "counts"), {}), (("more",), "no"),
])
def test_the_judge_refuses_a_document(page, path, value):
    with pytest.raises(AssertionError, match="unlike openapi.json"):
        contract.check("GET", f"/v1/batches/{ID}/results", answer(200, spoil(page, *path, value=value)))


@pytest.mark.parametrize("method, target, given", [
    ("GET", f"/v1/batches/{ID}", answer(418, PROBLEM, "application/problem+json")),
    ("GET", f"/v1/batches/{ID}", answer(404, PROBLEM)),
    ("GET", f"/v1/batches/{ID}", answer(404, {**PROBLEM, "code": "gone"}, "application/problem+json")),
    ("GET", f"/v1/batches/{ID}", answer(404, {**PROBLEM, "status": 405}, "application/problem+json")),
    ("GET", f"/v1/batches/{ID}", answer(404, PROBLEM, "application/problem+json", **{"X-Surprise": "1"})),
    ("DELETE", f"/v1/batches/{ID}", answer(204, {})),
    ("GET", "/livez", answer(200, {"status": "ok"}, "text/plain")),
    ("GET", "/livez", answer(507, {**PROBLEM, "status": 507}, "application/problem+json")),
    ("OPTIONS", "/livez", Response(204, [("X-Surprise", "1")], b"")),
])
def test_the_judge_refuses_a_status_a_type_or_a_field(method, target, given):
    with pytest.raises(AssertionError):
        contract.check(method, target, given)
