# SPDX-License-Identifier: MIT
"""The client `gather` against servers that are no gatherd, or a broken one; its descriptors, its signals."""
import contextlib
import errno
import json
import os
import re
import signal
import socket
import subprocess
import threading

import pytest

from fake_client import GATHER, Client, api, client  # noqa: F401 (two are fixtures)
from harness import catches, eventually

OK, FAILURE, USAGE, UNREACHABLE, UNAUTHORISED, NOT_FOUND, REJECTED, UNFINISHED, FAILED_TASKS = range(9)
BATCH = "01920000-0001-7000-8000-000000000001"
MOST = 2**63 - 1
STEER = "\x1b[31m\x07\u202e\u009b"


@contextlib.contextmanager
def playing(play, folder):
    """A client of a server that reads each request's head and then does `play(connection)`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    head = b""
                    while b"\r\n\r\n" not in head:
                        piece = connection.recv(65536)
                        if not piece:
                            break
                        head += piece
                    play(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield Client(None, "http://127.0.0.1:%d" % listener.getsockname()[1], folder)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.mark.parametrize("answer", [
    {}, None, {"id": 5, "state": [], "results": 5, "batches": {"a": 1}, "hosts": "x", "batch": 7, "version": None},
], ids=["object", "null", "types"])
def test_an_answer_without_what_it_must_have_is_a_failure(client, api, answer):
    api.call = lambda *args: (200, json.dumps(answer).encode())
    for args in (["ls"], ["status"], ["status", BATCH], ["status", "@last"], ["wait", BATCH], ["watch", BATCH], ["results", BATCH],
                 ["results", "-f", BATCH], ["errors", BATCH], ["show", BATCH, "0"], ["retry", BATCH], ["cancel", BATCH],
                 ["hosts"], ["hosts", "show", "a.example"], ["hosts", "pause", "a.example"],
                 ["submit", "http://a.example/"], ["fetch", "http://a.example/"]):
        done = client.run(*args)
        assert (done.returncode, done.stdout) == (FAILURE, "") and "none of gatherd" in done.stderr, (args, done)
    assert "none of gatherd" in client.run("rm", BATCH).stderr


def test_an_id_is_no_path(client, api):
    for name in ("../../etc", "x\ny", BATCH + "/cancel", ""):
        api.call = lambda *args, name=name: (202, json.dumps({"id": name, "state": "running"}).encode())
        done = client.run("submit", "--wait", "http://a.example/")
        assert (done.returncode, done.stdout) == (FAILURE, "") and "an id that is none of gatherd" in done.stderr
    assert {target for _, target, _, _ in api.requests} == {"/v1/batches"}


@pytest.mark.parametrize("args", [["ls"], ["results", BATCH], ["errors", BATCH], ["hosts"], ["status", "0192"]])
def test_pages_that_do_not_go_on_are_not_turned_for_ever(client, api, args):
    page = {"next": "c1", "more": True, "batch": {"state": "running"}, "results": [], "hosts": [], "batches": []}
    api.call = lambda *args: (200, json.dumps(page).encode())
    done = client.run(*args)
    assert done.returncode == FAILURE and "same page again" in done.stderr and len(api.requests) == 2


def test_numbers_beyond_all_bounds_and_texts_that_steer_are_shown(client, api):
    counts = dict.fromkeys(("total", "queued", "running", "succeeded", "failed", "cancelled", "expired"), MOST)
    result = {"seq": MOST, "index": -5, "url": "http://a/" + STEER, "state": "failed", "status": MOST, "size": -1,
              "error": {"code": STEER * 50, "message": STEER}, "redirects": [5, {"status": "x"}, None],
              "timing_ms": dict.fromkeys(("queued", "dns", "connect", "tls", "first_byte", "total"), 1e308),
              "headers": [[1, 2], 5, ["a"]]}
    document = {"id": BATCH, "name": STEER, "state": "finished", "priority": 1e300, "bytes_received": -1, "counts": counts,
                "created_at": STEER, "not_before": 5, "deadline_at": [], "links": 5, "results": [result, 5, None, [], "x"],
                "result": result, "attempts": [{}, 5, {"number": MOST, "error": []}], "request": {"headers": [5]},
                "version": STEER, "uptime_ms": 1e300, "rates": {"last_10s": {"results_per_s": 1e300}}, "host": STEER,
                "hosts": [{"host": STEER, "queued": MOST, "delay_ms": 1e300, "blocked_until": STEER * 9}, 5],
                "next": None, "more": False, "waiting_for": {"reason": 5}}
    document.update(batches=[dict(document)], batch=dict(document))
    api.call = lambda *args: (200, json.dumps(document).encode())
    for args in (["ls"], ["status"], ["status", BATCH], ["wait", BATCH], ["watch", BATCH], ["results", BATCH],
                 ["errors", BATCH], ["show", BATCH, "0"], ["hosts"], ["hosts", "show", "a.example"], ["ping"], ["doctor"],
                 ["results", "--json", BATCH], ["fetch", "-i", "http://a.example/"]):
        status, text = client.terminal(*args, "--no-color", columns=200)
        assert status in (OK, FAILURE, FAILED_TASKS) and "runtime error" not in text, (args, text)
        shown = re.sub(r"\r?\x1b\[K|\x1b\[\d+A\x1b\[J", "", text)  # of the progress line and watch
        assert not set(STEER) - set("[31m") & set(shown), (args, text)


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_without_an_end_is_not_read_to_its_end(tmp_path, status):
    def play(connection):
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Type: text/html\r\n\r\n" % status)
        while True:
            connection.sendall(b"<p>" * 20000)

    with playing(play, tmp_path) as client:
        done = client.run("ls")
    assert done.returncode in (FAILURE, NOT_FOUND) and "no answer of gatherd" in done.stderr


@pytest.mark.parametrize("sent", [
    b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"SSH-2.0-OpenSSH\r\n", b"\0\xff\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
], ids=["nothing", "head", "field", "body", "ssh", "noise", "chunk"])
def test_a_connection_cut_in_any_phase_exits_3(tmp_path, sent):
    with playing(lambda connection: connection.sendall(sent), tmp_path) as client:
        for args in (["ls"], ["cat", BATCH, "0"], ["submit", "http://a.example/"]):
            done = client.run(*args)
            assert done.returncode == UNREACHABLE and "gatherd at http://127.0.0.1" in done.stderr, (args, done)


def test_a_redirect_is_told_in_a_clean_sentence(client, api):
    api.call = lambda *args: (302, b"")
    assert "the server answered 302, which is no answer" in client.run("ls").stderr


# ---- what is not printed is not asked for ----

@pytest.mark.parametrize("args, more", [
    (["ls", "--all"], r"GET /v1/batches"), (["hosts"], "GET /v1/hosts"), (["fetch", "--json", "http://a.example/"], r"GET .*/results"),
])
def test_without_a_reader_no_further_page_is_asked_for(client, api, args, more):
    def call(method, target, *rest):
        page = {"batches": [{"id": BATCH}] * 50, "hosts": [{"host": "a.example"}] * 50, "more": True,
                "results": [{"state": "succeeded", "url": "http://a.example/"}] * 50, "next": "c%d" % len(api.requests)}
        return (202 if method == "POST" else 200), json.dumps(
            page if re.search(more, method + " " + target) else {"id": BATCH, "state": "finished"}).encode()

    api.call = call
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([GATHER, *args], env=client.env, stdout=write, stderr=subprocess.PIPE, timeout=30)
    os.close(write)
    assert (done.returncode, done.stderr) == (OK, b"")
    assert sum(bool(re.search(more, m + " " + t)) for m, t, _, _ in api.requests) == 1


def test_watch_ends_with_its_reader(client, api):
    api.duration = 60
    process = client.start("watch", api.add(["http://a.example/%d" % i for i in range(600)]).id)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=20) == OK and process.stderr.read() == ""


# ---- descriptors ----

def closed(client, fd, *args):
    return subprocess.run(["sh", "-c", f'exec "$@" {fd}', "sh", GATHER, *map(str, args)], env=client.env, text=True,
                          capture_output=True, timeout=30)


def test_a_closed_descriptor_becomes_no_file(client, api, tmp_path):
    batch = api.add(["http://a.example/x"])
    for args in (["results", batch.id], ["cat", batch.id, "0"], ["status", "--json"]):
        done = closed(client, ">&-", *args)
        assert done.returncode == FAILURE and os.strerror(errno.EBADF) in done.stderr, (args, done)
    kept = tmp_path / "kept"
    done = closed(client, ">&- 2>&-", "fetch", "http://a.example/x", "http://a.example/fail", "-o", kept)
    assert done.returncode == FAILED_TASKS and kept.read_text() == "body of /x\n"
    done = closed(client, "<&-", "submit", "-")
    assert done.returncode == FAILURE and "standard input: " + os.strerror(errno.EBADF) in done.stderr


# ---- signals ----

@pytest.mark.parametrize("number, verb, again", [
    (signal.SIGINT, "watch", "gather watch"), (signal.SIGTERM, "wait", "gather wait"), (signal.SIGHUP, "results -f", "gather results -f"),
])
def test_a_signal_leaves_the_batch_and_names_the_verb_to_come_back_with(client, api, number, verb, again):
    api.duration = 60
    batch = api.add(["http://a.example/"])
    process = client.start(*verb.split(), batch.id)
    eventually(lambda: api.seen("GET", r"wait=[1-9]"))
    process.send_signal(number)
    _, messages = process.communicate(timeout=20)
    assert process.returncode == 128 + number and f"  {again} {batch.id}\n" in messages, messages
    assert not api.seen("POST", "cancel")


def test_a_signal_that_was_ignored_stays_ignored(client, api):
    api.duration = 60
    ignored = {"preexec_fn": lambda: [signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGHUP)]}
    process = client.start("wait", api.add(["http://a.example/"]).id, **ignored)
    eventually(lambda: catches(process, signal.SIGTERM))
    assert not catches(process, signal.SIGINT) and not catches(process, signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_signal_takes_back_a_file_made_for_nothing(client, api, tmp_path):
    api.duration = 60
    process = client.start("fetch", "http://a.example/", "-o", tmp_path / "file")
    eventually(lambda: api.seen("GET", r"wait=[1-9]"))
    assert (tmp_path / "file").exists()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert not (tmp_path / "file").exists()


def test_what_a_full_disk_ended_can_be_read_again(client, api):
    done = client.run("fetch", "http://a.example/1", "-o", "/dev/full")
    assert done.returncode == FAILURE and "gather results " + next(iter(api.batches)) in done.stderr


def test_the_progress_of_a_paused_batch_fits_the_terminal(client, api):
    api.duration = 60
    batch = api.add(["http://a.example/%d" % i for i in range(1000)])
    batch.paused = True
    for columns in (20, 80):
        text = client.terminal("wait", "-t", "300ms", batch.id, columns=columns)[1]
        lines = [part for part in re.split(r"\r\x1b\[K|\r\n", text) if "(paused)" in part]
        assert lines and max(map(len, lines)) < columns, text
