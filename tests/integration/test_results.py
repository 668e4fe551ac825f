# SPDX-License-Identifier: MIT
"""Reading results back: pages, cursors, streams, what may be included, bodies as bytes."""
import base64
from contextlib import closing
import hashlib
from http.client import IncompleteRead
import json
import os
import sqlite3
import threading
import time

import pytest

from api import NDJSON, TEXT, assert_counts, assert_problem
from harness import eventually, program
from plays import pattern

N = 250


@pytest.fixture(scope="module")
def done(daemon, origin, hosts):
    """A finished batch of N tasks: every fifth fails."""
    host = hosts.take()
    urls = [origin.url(f"/status/404?{i}" if i % 5 == 0 else f"/size/{i}", host) for i in range(N)]
    batch = daemon.api.submit({"urls": urls, "name": "pages"})
    return daemon.api.wait(batch["id"])


@pytest.fixture(scope="module")
def mixed(daemon, origin, hosts):
    """A finished batch with one task of each kind that matters to bodies and headers."""
    host = hosts.take()
    paths = ["/size/100000", "/gzip", "/status/404", "/size/0", "/header-latin1", "/redirect/2", "/never", "/flaky/2/x"]
    tasks = [{"url": origin.url(path, host), "id": path, "timeout_ms": 1000 if path == "/never" else 10_000,
              "retry": {"max_attempts": 3 if "flaky" in path else 1, "min_backoff_ms": 10}} for path in paths]
    batch = daemon.api.submit({"tasks": tasks})
    daemon.api.wait(batch["id"])
    return batch["id"]


# -- pages --------------------------------------------------------------------------------------
@pytest.mark.parametrize("order", ["completed", "input"])
@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
def test_pages_join_to_all_results(api, done, order, limit):
    results = api.results(done["id"], order=order, limit=limit)
    key = "seq" if order == "completed" else "index"
    first = 1 if order == "completed" else 0
    assert [r[key] for r in results] == list(range(first, first + N))


def test_the_default_page_is_of_100_by_seq(api, done):
    page = api.page(done["id"])
    assert [r["seq"] for r in page["results"]] == list(range(1, 101))
    assert page["more"] is True and page["next"]
    assert assert_counts(page["batch"])["id"] == done["id"]


@pytest.mark.parametrize("state,n", [("succeeded", 200), ("failed", 50), ("cancelled", 0), ("expired", 0)])
@pytest.mark.parametrize("order", ["completed", "input"])
def test_pages_of_one_state(api, done, state, n, order):
    results = api.results(done["id"], state=state, order=order, limit=30)
    assert len(results) == n and {r["state"] for r in results} <= {state}


def test_the_last_page_has_a_cursor_to_go_on_with(api, origin, host):
    batch = api.submit([origin.url("/ok", host), origin.url("/delay/1000", host)])
    first = api.get_json(f"/v1/batches/{batch['id']}/results?wait=10")
    assert len(first["results"]) == 1 and first["more"] is False
    second = api.get_json(f"/v1/batches/{batch['id']}/results?wait=10&after={first['next']}")
    assert [r["seq"] for r in second["results"]] == [2]
    last = api.page(batch["id"], after=second["next"])
    assert last["results"] == [] and last["next"] and last["more"] is False


def test_tampered_and_foreign_cursors_are_400(api, done, mixed):
    cursor = api.page(done["id"], limit=5)["next"]
    bad = ["nonsense", cursor + "A", cursor[:-1], cursor.swapcase(), "", "0", "-1"]
    bad += [cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1:] for i in range(len(cursor))]
    for value in bad:
        if value == cursor:
            continue
        response = api.get(f"/v1/batches/{done['id']}/results?after={value}")
        assert_problem(response, 400, "bad_request")
    assert_problem(api.get(f"/v1/batches/{mixed}/results?after={cursor}"), 400, "bad_request")
    assert_problem(api.get(f"/v1/batches?after={cursor}"), 400, "bad_request")


def test_a_cursor_of_one_order_is_not_of_the_other(api, done):
    cursor = api.page(done["id"], limit=5, order="input")["next"]
    assert_problem(api.get(f"/v1/batches/{done['id']}/results?after={cursor}"), 400, "bad_request")


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=1001", "limit=abc", "limit=1&limit=1", "state=running",
                                   "order=random", "include=everything", "colour=1", "wait=x", "wait=-1", "follow=2"])
def test_bad_parameters_are_400(api, done, query):
    assert_problem(api.get(f"/v1/batches/{done['id']}/results?{query}"), 400, "bad_request")


BATCH_IDS = ["nonsense", "0" * 36, "00000000-0000-7000-8000-000000000000", "..%2f", "a" * 1000]


@pytest.mark.parametrize("batch_id", BATCH_IDS)
@pytest.mark.parametrize("suffix", ["", "/results", "/tasks/0", "/tasks/0/body"])
def test_unknown_batches_are_404(api, batch_id, suffix):
    assert_problem(api.get(f"/v1/batches/{batch_id}{suffix}"), 404, "not_found")


def test_an_upper_case_id_is_404(api, done):
    if done["id"].upper() != done["id"]:
        assert_problem(api.get(f"/v1/batches/{done['id'].upper()}"), 404, "not_found")


@pytest.mark.parametrize("index", [N, "-1", "x", "00", "1e1", 2 ** 32, 2 ** 64])
def test_unknown_tasks_are_404(api, done, index):
    for suffix in ("", "/body"):
        assert_problem(api.get(f"/v1/batches/{done['id']}/tasks/{index}{suffix}"), 404, "not_found")


def test_batches_are_listed_newest_first_in_pages(api, origin, host):
    ids = [api.submit({"urls": [origin.url("/ok", host)], "name": "listed"})["id"] for _ in range(5)]
    seen, after = [], ""
    while True:
        page = api.get_json(f"/v1/batches?name=listed&limit=2{after}")
        seen += [assert_counts(b)["id"] for b in page["batches"]]
        if not page["more"]:
            break
        after = "&after=" + page["next"]
    assert seen == ids[::-1]
    for batch_id in ids:
        api.wait(batch_id)
    assert len(api.get_json("/v1/batches?name=listed&state=finished")["batches"]) == 5
    assert api.get_json("/v1/batches?name=listed&state=paused")["batches"] == []


# -- streams ------------------------------------------------------------------------------------
@pytest.mark.parametrize("query", ["", "?order=input", "?state=failed", "?include=headers,body,attempts"])
def test_a_stream_is_all_results_a_line_each(api, done, query):
    response = api.get(f"/v1/batches/{done['id']}/results{query}", Accept=NDJSON)
    assert response.status == 200 and response.media_type == NDJSON
    assert response.header("vary") == api.get(f"/v1/batches/{done['id']}/results{query}").header("vary") == "Accept"
    lines = response.lines()
    if "failed" in query:
        assert len(lines) == 50
    else:
        key, first = ("index", 0) if "input" in query else ("seq", 1)
        assert [line[key] for line in lines] == list(range(first, first + N))


def test_a_followed_stream_brings_results_as_they_complete(api, origin, host):
    delays = [1500, 100, 800]
    batch = api.submit([origin.url(f"/delay/{ms}", host) for ms in delays])
    began = time.monotonic()
    connection, answer = api.stream(f"/v1/batches/{batch['id']}/results?follow=1", {"Accept": NDJSON})
    arrived = []
    for line in answer:
        arrived.append((json.loads(line)["index"], time.monotonic() - began))
    connection.close()
    assert [index for index, _ in arrived] == [1, 2, 0]
    assert arrived[0][1] < 0.7, "the first result must not wait for the others"
    assert api.batch(batch["id"])["state"] == "finished"


def test_many_followers_of_one_batch_see_the_same(api, origin, host):
    batch = api.submit([origin.url(f"/delay/{50 * (i % 7)}", host) for i in range(60)])
    seen = []

    def follow():
        seen.append([r["seq"] for r in api.get(f"/v1/batches/{batch['id']}/results?follow=1", Accept=NDJSON).lines()])

    threads = [threading.Thread(target=follow) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [list(range(1, 61))] * 10


def test_a_slow_reader_of_a_large_stream_costs_little_memory(daemon, api, origin, host):
    """48 MB of bodies to a client that does not read: the daemon must not buffer them."""
    batch = api.submit([origin.url("/size/1000000", host)] * 48)
    api.wait(batch["id"])
    before = daemon.rss_kib()
    connection, answer = api.stream(f"/v1/batches/{batch['id']}/results?include=body", {"Accept": NDJSON})
    answer.readline()
    for _ in range(20):
        assert daemon.rss_kib() - before < 32 * 1024
        time.sleep(0.05)
    assert len(list(answer)) == 47
    connection.close()


def test_a_stream_of_a_batch_that_is_deleted_is_cut(daemon, api, origin, host):
    """An end would say that these were all results."""
    batch = api.submit([origin.url("/size/100000", host)] * 40)
    api.wait(batch["id"])
    connection, answer = api.stream(f"/v1/batches/{batch['id']}/results?include=body", {"Accept": NDJSON})
    answer.readline()
    assert api.request("DELETE", f"/v1/batches/{batch['id']}").status == 204
    with closing(sqlite3.connect(daemon.db_path)) as db:
        eventually(lambda: not db.execute("SELECT 1 FROM task WHERE url LIKE ?", [f"%{host}:%/size/100000"]).fetchone())
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        answer.read()
    connection.close()


def test_a_reader_that_stands_still_does_not_hold_the_database(daemon, api, origin, host):
    """An open read transaction would keep the write-ahead log from being reset: it would grow with all that follows."""
    batch = api.submit([origin.url("/size/9000000", host)])
    api.wait(batch["id"])
    readers = []
    for _ in range(3):
        connection, answer = api.stream(f"/v1/batches/{batch['id']}/tasks/0/body")
        answer.read(1000)
        readers.append(connection)
    wal = daemon.db_path + "-wal"
    before = os.path.getsize(wal)
    for round_ in range(6):
        api.run([origin.url(f"/size/100000?{round_}-{i}", host) for i in range(100)])
    assert os.path.getsize(wal) < before + 30_000_000, "60 MB were written while the readers stood still"
    for connection in readers:
        connection.close()


# -- what may be included -----------------------------------------------------------------------
def test_headers_bodies_and_attempts_only_if_asked_for(api, mixed):
    plain = api.results(mixed, order="input")
    assert not any({"headers", "body", "body_base64"} & set(r) for r in plain)
    assert all(isinstance(r["attempts"], int) for r in plain)
    full = api.results(mixed, order="input", include="headers,body,attempts", limit=100)
    assert ["Content-Type", "application/octet-stream"] in full[0]["headers"]
    assert full[0]["body"] == pattern(100000).decode()


def test_bodies_are_decoded(api, mixed):
    result = api.results(mixed, order="input", include="body")[1]
    assert result["body"] == "A compressed body, the same in every coding.\n"
    assert result["size"] == len(result["body"])
    assert result["sha256"] == hashlib.sha256(result["body"].encode()).hexdigest()


def test_binary_bodies_come_in_base64(api, origin, host):
    batch = api.submit([origin.url("/bytes", host)])
    api.wait(batch["id"])
    result = api.results(batch["id"], order="input", include="body")[0]
    assert "body" not in result
    assert base64.b64decode(result["body_base64"]) == bytes(range(256))


def test_a_rejected_status_keeps_headers_and_body(api, mixed):
    result = api.results(mixed, order="input", include="headers,body")[2]
    assert (result["state"], result["status"], result["error"]["code"]) == ("failed", 404, "http_status")
    assert result["body"] == "status 404\n" and result["headers"]


def test_headers_that_are_not_utf_8_stay_valid_json(api, mixed):
    headers = dict(api.results(mixed, order="input", include="headers")[4]["headers"])
    assert headers["X-Plain"] == "yes" and headers["X-Latin"].startswith("caf")


def test_redirects_are_recorded(api, mixed, origin):
    result = api.results(mixed, order="input")[5]
    assert [r["status"] for r in result["redirects"]] == [302, 302]
    assert result["redirects"][0]["url"].endswith(("/redirect/2", "/redirect/1"))
    assert result["final_url"].endswith("/ok") and result["status"] == 200


def test_attempts_are_told_one_by_one(api, mixed):
    result = api.results(mixed, order="input", include="attempts")[7]
    assert result["state"] == "succeeded"
    attempts = result["attempts"]
    assert [a["status"] for a in attempts] == [500, 500, 200]
    task = api.task(mixed, 7)
    assert task["result"]["attempts"] == 3 or len(task["attempts"]) == 3


def test_a_result_has_all_its_fields(api, mixed, origin):
    result = api.results(mixed, order="input")[0]
    assert result["url"].endswith("/size/100000") and result["id"] == "/size/100000"
    assert result["state"] == "succeeded" and result["status"] == 200 and result["error"] is None
    assert result["attempts"] == 1 and result["redirects"] == [] and result["http_version"] == "1.1"
    assert result["remote_ip"].startswith("127.0.0.") and result["content_type"] == "application/octet-stream"
    assert result["size"] == 100000 and result["complete"] is True
    assert result["sha256"] == hashlib.sha256(pattern(100000)).hexdigest()
    assert set(result["timing_ms"]) == {"queued", "dns", "connect", "tls", "first_byte", "total"}
    assert result["started_at"] <= result["finished_at"] and result["finished_at"].endswith("Z")


def test_a_timed_out_result_tells_why(api, mixed):
    result = api.results(mixed, order="input")[6]
    assert result["state"] == "failed" and result["status"] is None
    assert result["error"]["code"] == "timeout_first_byte" and result["error"]["retryable"] is True
    assert result["error"]["message"]


# -- bodies as bytes ----------------------------------------------------------------------------
def test_a_body_is_served_as_an_attachment(api, mixed):
    response = api.body(mixed, 0)
    assert response.status == 200 and response.body == pattern(100000)
    assert response.header("content-type") == "application/octet-stream"
    assert response.header("x-origin-content-type") == "application/octet-stream"
    assert response.header("content-disposition") == 'attachment; filename="task-0.bin"'
    assert response.header("x-content-type-options") == "nosniff"
    assert response.header("content-length") == "100000"
    assert hashlib.sha256(pattern(100000)).hexdigest() in response.header("etag")


def test_head_of_a_body(api, mixed):
    response = api.request("HEAD", f"/v1/batches/{mixed}/tasks/0/body")
    assert (response.status, response.body, response.header("content-length")) == (200, b"", "100000")


def test_an_empty_body_is_a_body(api, mixed):
    response = api.body(mixed, 3)
    assert (response.status, response.body) == (200, b"")


def test_a_task_without_body_is_404(api, mixed):
    assert_problem(api.body(mixed, 6), 404, "not_found")


def test_the_body_of_an_unfinished_task_is_404(api, origin, host):
    batch = api.submit([origin.url("/delay/2000", host)])
    assert_problem(api.body(batch["id"], 0), 404, "not_found")
    api.wait(batch["id"])


RANGES = {"bytes=0-9": (0, 10), "bytes=99990-": (99990, 100000), "bytes=-5": (99995, 100000),
          "bytes=10-10": (10, 11), "bytes=99999-200000": (99999, 100000)}


@pytest.mark.parametrize("value", RANGES)
def test_ranges(api, mixed, value):
    start, end = RANGES[value]
    response = api.body(mixed, 0, Range=value)
    assert response.status == 206
    assert response.body == pattern(100000)[start:end]
    assert response.header("content-range") == f"bytes {start}-{end - 1}/100000"


def test_a_range_beyond_the_body_is_416(api, mixed):
    response = api.body(mixed, 0, Range="bytes=100000-")
    assert response.status == 416
    assert response.header("content-range") == "bytes */100000"


@pytest.mark.parametrize("value", ["bytes=5-1", "lines=1-2", "bytes=a-b", "bytes=0-1,3-4"])
def test_ranges_that_are_none_are_ignored(api, mixed, value):
    response = api.body(mixed, 0, Range=value)
    assert response.status == 200 and len(response.body) == 100000


def test_etags_of_bodies(api, mixed):
    etag = api.body(mixed, 0).header("etag")
    assert api.body(mixed, 0, If_None_Match=etag).status == 304
    assert api.body(mixed, 0, If_None_Match=f'"other", {etag}').status == 304
    assert api.body(mixed, 0, If_None_Match='"other"').status == 200


def test_etags_of_batches(api, done):
    first = api.get(f"/v1/batches/{done['id']}")
    assert first.header("etag")
    again = api.get(f"/v1/batches/{done['id']}", If_None_Match=first.header("etag"))
    assert (again.status, again.body) == (304, b"")


def test_the_etag_of_a_batch_changes_with_it(api, origin, host):
    batch = api.submit([origin.url("/delay/300", host)])
    etag = api.get(f"/v1/batches/{batch['id']}").header("etag")
    api.wait(batch["id"])
    assert api.get(f"/v1/batches/{batch['id']}", If_None_Match=etag).status == 200


def test_a_large_text_batch_reads_back_whole(api, origin, host):
    n = 3000
    text = "".join(origin.url(f"/size/{i % 50}?{i}\n", host) for i in range(n))
    batch = api.submit(text, media_type=TEXT)
    api.wait(batch["id"], 60)
    results = api.results(batch["id"], order="input")
    assert [r["size"] for r in results] == [i % 50 for i in range(n)]


# -- large bodies -------------------------------------------------------------------------------
PART = 256 * 1024  # of a stored body


def put_bodies(db_path, bodies):
    """Gives the results of the only batch other bodies, as if they had been fetched."""
    with closing(sqlite3.connect(db_path)) as db:
        (row,) = db.execute("SELECT coalesce(max(id), 0) + 1 FROM body").fetchone()
        for index, body in enumerate(bodies):
            db.execute("UPDATE result SET body = ?, size = ?, has_body = 1 WHERE task & 0xffffff = ?",
                       (row if body else 0, len(body), index))
            for at in range(0, len(body), PART):
                db.execute("INSERT INTO body (id, data) VALUES (?, ?)", (row, body[at:at + PART]))
                row += 1
        db.commit()


def stored(result):
    return result["body"].encode() if "body" in result else base64.b64decode(result["body_base64"], validate=True)


def test_large_bodies_are_whole_in_pages_and_in_streams(own_daemon, origin, host):
    characters = "aé€😀\n\"\\".encode()
    bodies = [characters * 40_000, b"x" + characters * 40_000, b"xy" + characters * 40_000,  # cut at each byte of a character
              characters * 40_000 + b"\xf0\x9f\x98", b"\xe2\x82" * 200_000, b"\0" * 200_000, bytes(range(256)) * 2_000,
              b"\x01" * 400_000, b"", b"z" * (128 * 1024), b"z" * (128 * 1024 + 1), b"z" * PART, b"small"]
    daemon = own_daemon()
    batch = daemon.api.submit([origin.url("/ok", host)] * len(bodies))["id"]
    daemon.api.wait(batch)
    daemon.stop()
    put_bodies(daemon.db_path, bodies)
    daemon.start()
    target = f"/v1/batches/{batch}/results?include=body,headers,attempts&order=input"
    lines = daemon.api.get(target, Accept=NDJSON).lines()
    pages = daemon.api.results(batch, include="body,headers,attempts", order="input")
    assert lines == pages
    assert [stored(line) for line in lines] == bodies
    assert [i for i, line in enumerate(lines) if "body_base64" in line] == [3, 4, 5, 6]
    assert [stored(line) for line in daemon.api.get(f"{target}&limit=2", Accept=NDJSON).lines()] == bodies[:2]


@pytest.mark.skipif("asan" in str(program("GATHERD_BIN")), reason="the sanitizer keeps what was freed")
def test_large_bodies_take_no_memory_where_nobody_reads_them(own_daemon, origin, host):
    """Streams hold a piece each, and a body too large for JSON is not read at all."""
    daemon = own_daemon()
    batch = daemon.api.submit([origin.url("/ok", host)] * 2)["id"]
    daemon.api.wait(batch)
    daemon.stop()
    put_bodies(daemon.db_path, [b"x" * (30 << 20), b"y" * (100 << 20)])
    daemon.start()
    before = daemon.rss_kib("VmHWM")
    target = f"/v1/batches/{batch}/results?include=body&order=input"
    streams = [daemon.api.stream(target, {"Accept": NDJSON}) for _ in range(10)]
    assert all(answer.read(1) == b"{" for _, answer in streams)
    assert daemon.rss_kib("VmHWM") - before < 50 << 10
    for connection, _ in streams:
        connection.close()
    omitted = daemon.api.get(f"{target}&after={daemon.api.page(batch, order='input', limit=1)['next']}").json()["results"]
    assert omitted[0]["body"] is None and omitted[0]["body_omitted"] is True
    assert daemon.rss_kib("VmHWM") - before < 50 << 10
