# SPDX-License-Identifier: MIT
"""POST /v1/batches: the three bodies, atomic rejection, partial acceptance, idempotency, limits."""
import json
import uuid

import pytest

from api import NDJSON, TEXT, assert_complete, assert_problem


@pytest.fixture(scope="module")
def sections():
    return {"limits": {"tasks_per_batch": 2000, "request_body": "2M", "json_document": "256K"}}


@pytest.fixture
def url(origin, host):
    return origin.url("/ok", host)


def n_batches(api):
    return len(api.get_json("/v1/batches?limit=1000")["batches"])


# -- accepted -----------------------------------------------------------------------------------
def test_a_json_array_of_urls_is_a_batch(api, url):
    results = api.run([url, url + "?2"])
    assert [r["state"] for r in results] == ["succeeded"] * 2
    assert [r["url"] for r in results] == [url, url + "?2"]


def test_an_object_with_urls_and_defaults(api, origin, host):
    document = {"urls": [origin.url("/echo", host)], "name": "nightly", "priority": 7, "metadata": {"a": [1]},
                "defaults": {"headers": {"X-Default": "yes"}}}
    batch = api.submit(document)
    assert (batch["name"], batch["priority"], batch["metadata"]) == ("nightly", 7, {"a": [1]})
    api.wait(batch["id"])
    echo = json.loads(api.body(batch["id"], 0).body)
    assert ["X-Default", "yes"] in echo["headers"]


def test_tasks_carry_their_own_options_over_the_defaults(api, origin, host):
    document = {"defaults": {"headers": {"X-A": "default"}, "method": "PUT", "body": "d"},
                "tasks": [{"url": origin.url("/echo", host), "id": "row-1", "metadata": {"k": "v"}},
                          {"url": origin.url("/echo", host), "method": "POST", "body": "own",
                           "headers": {"X-A": "own"}}]}
    batch = api.submit(document)
    api.wait(batch["id"])
    results = api.results(batch["id"], order="input")
    assert results[0]["id"] == "row-1" and results[0]["metadata"] == {"k": "v"}
    echoes = [json.loads(api.body(batch["id"], i).body) for i in (0, 1)]
    assert [(e["method"], e["body"]) for e in echoes] == [("PUT", "d"), ("POST", "own")]
    assert [dict(e["headers"])["X-A"] for e in echoes] == ["default", "own"]


def test_a_body_in_base64_reaches_the_server_as_bytes(api, origin, host):
    task = {"url": origin.url("/echo", host), "method": "POST", "body_base64": "AP+A"}
    batch = api.submit({"tasks": [task]})
    api.wait(batch["id"])
    assert json.loads(api.body(batch["id"], 0).body)["body"] == "\x00\xff\x80"


def test_ndjson_takes_strings_and_objects(api, url):
    lines = json.dumps(url) + "\n" + json.dumps({"url": url, "id": "two"}) + "\n"
    batch = api.submit(lines, "?name=lines&priority=3&fail_fast=1&concurrency=2&deadline_ms=60000", NDJSON)
    assert (batch["name"], batch["priority"]) == ("lines", 3) and batch["deadline_at"]
    api.wait(batch["id"])
    assert [r["id"] for r in api.results(batch["id"], order="input")] == [None, "two"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_ndjson_may_lack_its_last_newline(api, url, end):
    assert api.submit(json.dumps(url) + end, media_type="application/jsonl")["counts"]["total"] == 1


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_text_takes_one_url_a_line_without_blanks_and_comments(api, url, newline):
    text = newline.join(["# a comment", "", url, "   ", url + "?2", ""])
    batch = api.submit(text, media_type=TEXT)
    assert batch["counts"]["total"] == 2
    api.wait(batch["id"])
    assert_complete(api, batch["id"], 2)


def test_text_with_a_charset_of_utf_8(api, url):
    assert api.submit(url, media_type="text/plain; charset=utf-8")["counts"]["total"] == 1


def test_equal_urls_are_distinct_tasks(api, url):
    results = api.run([url] * 5)
    assert [r["index"] for r in results] == [0, 1, 2, 3, 4]


def test_a_chunked_body_is_accepted(api, url):
    chunks = (piece for piece in [b'["', url.encode(), b'"]'])
    response = api.request("POST", "/v1/batches", chunks, {"Content-Type": "application/json"})
    assert response.status == 202, response


# -- rejected whole -----------------------------------------------------------------------------
def test_one_bad_url_rejects_all_and_points_at_it(api, url):
    before = n_batches(api)
    document = {"tasks": [{"url": url}] * 16 + [{"url": "ftp://example.com/"}]}
    problem = assert_problem(api.post("/v1/batches", document), 422, "invalid_batch")
    assert problem["errors_total"] == 1
    assert problem["errors"][0]["pointer"] == "/tasks/16/url"
    assert problem["errors"][0]["code"] == "unsupported_scheme"
    assert n_batches(api) == before


@pytest.mark.parametrize("media_type", [NDJSON, TEXT])
def test_errors_in_lines_name_the_line(api, url, media_type):
    bad = "http://"
    lines = [url, "", bad, url, bad] if media_type == TEXT else [json.dumps(u) for u in (url, url, bad, url, bad)]
    before = n_batches(api)
    problem = assert_problem(api.post("/v1/batches", "\n".join(lines), {"Content-Type": media_type}), 422,
                             "invalid_batch")
    assert [e["line"] for e in problem["errors"]] == [3, 5]
    assert {e["code"] for e in problem["errors"]} == {"invalid_url"}
    assert n_batches(api) == before


def test_the_first_twenty_errors_are_listed_and_all_counted(api, url):
    problem = assert_problem(api.post("/v1/batches", [url] + ["nonsense"] * 57), 422, "invalid_batch")
    assert len(problem["errors"]) == 20 and problem["errors_total"] == 57
    assert problem["errors"][0]["pointer"] in ("/1", "/urls/1")


def test_partial_stores_the_valid_rest_and_lists_the_others(api, url):
    response = api.post("/v1/batches?partial=1", {"urls": [url, "nonsense", url, "http://h:0/"]})
    assert response.status == 202, response
    batch = response.json()
    assert batch["counts"]["total"] == 2
    assert [e["pointer"] for e in batch["rejected"]] == ["/urls/1", "/urls/3"]
    api.wait(batch["id"])
    # The index stays the position in what was submitted, so that the submitter can find its rows again.
    assert [(r["index"], r["state"]) for r in api.results(batch["id"], order="input")] == \
        [(0, "succeeded"), (2, "succeeded")]
    assert_problem(api.get(f"/v1/batches/{batch['id']}/tasks/1"), 404, "not_found")


@pytest.mark.parametrize("media_type", [NDJSON, TEXT])
def test_partial_lines(api, url, media_type):
    bad, good = ("nonsense", url) if media_type == TEXT else ('{"url": 1}', json.dumps(url))
    response = api.post("/v1/batches?partial=1", f"{bad}\n{good}\n{bad}\n", {"Content-Type": media_type})
    assert response.status == 202, response
    assert response.json()["counts"]["total"] == 1
    assert [e["line"] for e in response.json()["rejected"]] == [1, 3]


def test_partial_with_nothing_valid_is_rejected(api):
    assert_problem(api.post("/v1/batches?partial=1", ["nonsense"]), 422, "invalid_batch")


# -- media types --------------------------------------------------------------------------------
@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "application/json; charset=utf-16",
                                        "image/png", "", "application/jsonx"])
def test_other_media_types_are_415_and_told_how(api, url, media_type):
    response = api.post("/v1/batches", url, {"Content-Type": media_type})
    problem = assert_problem(response, 415, "unsupported_media_type")
    assert "--data-binary" in problem["detail"] and "text/plain" in problem["detail"]


def test_no_media_type_is_415(api):
    response = api.request("POST", "/v1/batches", b"[]")
    assert_problem(response, 415, "unsupported_media_type")


def test_a_compressed_request_is_415(api, url):
    response = api.post("/v1/batches", [url], {"Content-Encoding": "gzip"})
    assert_problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["Application/JSON", "application/json;charset=UTF-8",
                                        'application/json; charset="utf-8"'])
def test_media_types_are_compared_as_rfc_9110_says(api, url, media_type):
    assert api.post("/v1/batches", [url], {"Content-Type": media_type}).status == 202


# -- idempotency --------------------------------------------------------------------------------
@pytest.mark.parametrize("quote", ["", '"'])
def test_the_same_key_and_body_is_one_batch(api, url, quote):
    key = {"Idempotency-Key": f"{quote}{uuid.uuid4()}{quote}"}
    first = api.post("/v1/batches", [url], key)
    before = n_batches(api)
    again = api.post("/v1/batches", [url], key)
    assert first.status == again.status == 202
    assert again.json()["id"] == first.json()["id"]
    assert first.header("idempotency-replayed") is None
    assert again.header("idempotency-replayed") == "true"
    assert n_batches(api) == before


def test_the_same_key_with_another_body_is_rejected(api, url):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert api.post("/v1/batches", [url], key).status == 202
    assert_problem(api.post("/v1/batches", [url, url], key), 422, "idempotency_key_reused")


def test_the_same_key_with_the_query_in_another_order(api, url):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first, again, other = (api.post(f"/v1/batches?{query}", [url], key) for query in (
        "name=a&priority=3", "wait=0&priority=3&name=a", "name=a&priority=4"))
    assert first.status == again.status == 202 and first.json()["id"] == again.json()["id"]
    assert again.header("idempotency-replayed") == "true"
    assert_problem(other, 422, "idempotency_key_reused")


def test_the_same_key_for_lines(api, url):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    text = f"{url}\n" * 1000
    first = api.submit(text, media_type=TEXT, headers=key)
    again = api.submit(text, media_type=TEXT, headers=key)
    assert first["id"] == again["id"]
    response = api.post("/v1/batches", text + url, {**key, "Content-Type": TEXT})
    assert_problem(response, 422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a b", '"open'])
def test_keys_that_are_none(api, url, key):
    assert_problem(api.post("/v1/batches", [url], {"Idempotency-Key": key}), 400, "bad_request")


# -- limits -------------------------------------------------------------------------------------
@pytest.mark.parametrize("media_type", ["application/json", NDJSON, TEXT])
def test_more_tasks_than_a_batch_may_have(api, media_type):
    url = "http://127.0.0.1:9999/"
    bodies = {"application/json": json.dumps([url] * 2001), TEXT: f"{url}\n" * 2001,
              NDJSON: f'"{url}"\n' * 2001}
    before = n_batches(api)
    response = api.post("/v1/batches", bodies[media_type], {"Content-Type": media_type})
    assert_problem(response, 422, "invalid_batch")
    assert n_batches(api) == before


def test_exactly_as_many_tasks_as_a_batch_may_have(api):
    batch = api.submit("http://127.0.0.1:9999/\n" * 2000, media_type=TEXT)
    assert batch["counts"]["total"] == 2000
    assert api.request("DELETE", f"/v1/batches/{batch['id']}?force=1").status == 204


def test_a_json_document_over_its_own_limit_is_413_and_told_of_lines(api):
    problem = assert_problem(api.post("/v1/batches", json.dumps(["x" * 300_000])), 413, "payload_too_large")
    assert "ndjson" in problem["detail"].lower() or "text/plain" in problem["detail"]


def test_a_body_over_the_limit_is_413(api):
    response = api.post("/v1/batches", b"#" * (2 * 1024 * 1024 + 1), {"Content-Type": TEXT})
    assert_problem(response, 413, "payload_too_large")


def test_a_body_exactly_at_the_limit_is_read(api, url):
    line = url.encode() + b"\n"
    body = line + b"#" * (2 * 1024 * 1024 - len(line))
    limit = api.post("/v1/batches", body, {"Content-Type": TEXT})
    # One comment line of 2 MiB is as long as a line may be; whatever is said of it, it is not 413 for its size.
    assert limit.status in (202, 422), limit


def test_options_given_twice_or_unknown_are_refused(api, url):
    for query in ("?colour=red", "?name=a&name=b"):
        assert_problem(api.post("/v1/batches" + query, url, {"Content-Type": TEXT}), 400, "bad_request")


@pytest.mark.parametrize("query", ["priority=10", "priority=-1", "priority=x", "concurrency=0", "deadline_ms=0",
                                   "deadline_ms=1.5", "fail_fast=perhaps", "not_before=tomorrow"])
def test_bad_batch_options_in_the_query(api, url, query):
    response = api.post("/v1/batches?" + query, url, {"Content-Type": TEXT})
    assert response.status in (400, 422), response
    assert_problem(response, response.status)


# -- waiting for it -----------------------------------------------------------------------------
@pytest.mark.parametrize("query,headers", [("?wait=20", {}), ("", {"Prefer": "wait=20"}),
                                           ("", {"Prefer": "respond-async, wait=20"})])
def test_the_answer_may_wait_for_the_end(api, origin, host, query, headers):
    response = api.post("/v1/batches" + query, [origin.url("/delay/300", host)], headers)
    assert response.status in (200, 202), response
    assert response.json()["state"] == "finished"
    if headers:
        assert response.header("preference-applied") == "wait=20"


def test_a_wait_that_runs_out_answers_the_present_state(api, origin, host):
    response = api.post("/v1/batches?wait=1", [origin.url("/delay/4000", host)])
    assert response.status == 202, response
    assert response.json()["state"] == "running"
    assert api.wait(response.json()["id"])["counts"]["succeeded"] == 1


def test_stage_two_webhooks_say_so(api, url):
    response = api.post("/v1/batches", {"urls": [url], "webhook": {"url": "https://example.com/"}})
    assert response.status in (422, 501), response
