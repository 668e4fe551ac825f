# SPDX-License-Identifier: MIT
"""Answers of the daemon read by the Python classes that quicktype made of the schemas: each is taken in whole, which
checks every member's type, and gives back the same document."""
import json
import sys
import urllib.error
import urllib.request

import generated

base, ok, missing = sys.argv[1:4]


def call(method, path, document=None, **headers):
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(base + path, body, {"Content-Type": "application/json", **headers}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        return json.load(refusal)


def read(kind, document):
    made = kind.from_dict(document)
    assert {k: v for k, v in document.items() if v is not None} == {
        k: v for k, v in made.to_dict().items() if v is not None}, kind
    return made


batch = read(generated.AcceptedBatch, call("POST", "/v1/batches", {"urls": [ok, missing]}, Prefer="wait=30"))
assert batch.state is generated.BatchState.FINISHED and (batch.counts.succeeded, batch.counts.failed) == (1, 1)
page = read(generated.ResultPage, call("GET", f"{batch.links.results}?order=input&include=headers,body"))
assert [r.error and r.error.code for r in page.results] == [None, generated.TaskErrorCode.HTTP_STATUS]
assert page.results[0].body.startswith("hello")
task = read(generated.Task, call("GET", f"{batch.links.links_self}/tasks/1"))
assert task.result.status == 404
read(generated.HostPage, call("GET", "/v1/hosts"))
read(generated.Stats, call("GET", "/v1/stats"))
read(generated.Health, call("GET", "/readyz?verbose"))
problem = read(generated.Problem, call("POST", "/v1/batches", ["nonsense"]))
assert problem.code.value == "invalid_batch" and problem.errors[0].pointer == "/0"
print("the generated classes work")
