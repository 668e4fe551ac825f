# SPDX-License-Identifier: MIT
"""A whole client that openapi-generator made, at work: it submits, waits, reads pages, a task and a body, sets the
limits of a host, cancels, retries and deletes, and gets the daemon's problem for what is refused."""
import json
import sys

import gatherd_client as made

base, ok, missing, slow = sys.argv[1:5]
configuration = made.Configuration(host=base)
configuration.access_token = None  # read, but not made by this version where none is given
api = made.ApiClient(configuration)
batches, results = made.BatchesApi(api), made.ResultsApi(api)
hosts, operation = made.HostsApi(api), made.OperationApi(api)


def refusal(function, *arguments, **more):
    try:
        function(*arguments, **more)
    except made.ApiException as refused:
        problem = json.loads(refused.body)
        assert problem["status"] == refused.status
        return problem["code"]
    raise AssertionError("not refused")


tasks = [made.NewTaskOneOf(url=ok, id="first", metadata={"row": 1}), made.NewTaskOneOf(url=missing, accept_status="404"), missing]
batch = batches.submit_batch({"tasks": tasks, "name": "python"}, prefer="wait=30", idempotency_key="once")
assert isinstance(batch, made.AcceptedBatch) and batch.state == made.BatchState.FINISHED
assert (batch.counts.total, batch.counts.succeeded, batch.counts.failed) == (3, 2, 1)
assert batch.finished_at >= batch.created_at and batch.retry_of is None
assert batches.submit_batch({"tasks": tasks, "name": "python"}, idempotency_key="once").id == batch.id
assert [b.id for b in batches.list_batches(name="python").batches] == [batch.id]

page = results.list_results(batch.id, order="input", limit=2, include="headers,body")
assert [r.status for r in page.results] == [200, 404] and page.more
assert (page.results[0].id, page.results[0].metadata, page.results[0].error) == ("first", {"row": 1}, None)
assert page.results[0].body.startswith("hello")
last = results.list_results(batch.id, order="input", after=page.next).results[0]
assert (last.state, last.error.code, last.error.retryable) == (made.ResultState.FAILED, made.TaskErrorCode.HTTP_STATUS, False)

task = results.get_task(batch.id, 2)
assert (task.request.method, task.result.status, len(task.attempts)) == ("GET", 404, 1) and task.waiting_for is None
with open(results.get_body(batch.id, 0), "rb") as body:
    assert body.read().startswith(b"hello")

again = batches.get_batch(batches.retry_batch(batch.id, state="failed").id, wait=30)
assert (again.retry_of, again.counts.total) == (batch.id, 1)
waiting = batches.submit_batch([slow])
assert refusal(batches.delete_batch, waiting.id) == "conflict"
assert batches.cancel_batch(waiting.id).cancel_requested_at is not None
assert batches.get_batch(waiting.id, wait=30).counts.cancelled == 1
batches.delete_batch(waiting.id)
assert refusal(batches.get_batch, waiting.id) == "not_found"
assert refusal(batches.submit_batch, ["nonsense"]) == "invalid_batch"

host = hosts.set_host("127.0.0.1", made.HostPatch(max_concurrency=3))
assert (host.max_concurrency, host.paused) == (3, False)
assert "127.0.0.1" in [h.host for h in hosts.list_hosts().hosts]
assert operation.get_stats().tasks.unfinished == 0 and operation.readyz(verbose="1").status == "ok"
print("the generated Python client works")
